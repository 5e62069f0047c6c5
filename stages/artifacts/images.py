"""Pictures on disk: our own PNG writer, whose bytes depend on the pixels alone, and a reader of what users bring.

In memory a picture is (H, W, C) or (H, W); ``_u8`` arrays and 8-bit files hold sRGB, ``_linear`` ones linear light. Alpha is straight.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ArtifactError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}
_CHANNELS = {kind: channels for channels, kind in _COLOUR_TYPE.items()}


def srgb_to_linear(image_srgb: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 decoding of values in [0, 1]; keeps the shape, floats out."""
    x = np.asarray(image_srgb)
    return np.where(x <= 0.04045, x / 12.92, ((np.maximum(x, 0.04045) + 0.055) / 1.055) ** 2.4).astype(x.dtype)


def linear_to_srgb(image: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 encoding of linear values, clipped to [0, 1]; keeps the shape."""
    x = np.clip(np.asarray(image), 0.0, 1.0)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * np.maximum(x, 0.0031308) ** (1 / 2.4) - 0.055).astype(x.dtype)


def to_u8(image: np.ndarray) -> np.ndarray:
    """Floats in [0, 1] rounded to 8 bits (clipped); uint8 is passed through."""
    if image.dtype == np.uint8:
        return image
    return np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)


def encode_png(image: np.ndarray) -> bytes:
    """A PNG file of a uint8 or uint16 array (H, W) or (H, W, 1|2|3|4) (grey, grey+alpha, RGB, RGBA).

    No dates, no text, no colour profile: equal pixels give equal bytes. Raises ValueError for other dtypes and shapes.
    """
    pixels = image[..., None] if image.ndim == 2 else image
    if pixels.ndim != 3 or pixels.shape[2] not in _COLOUR_TYPE or 0 in pixels.shape:
        raise ValueError(f"a picture is (H, W) or (H, W, 1..4), got {image.shape}")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a PNG holds uint8 or uint16, got {pixels.dtype}; see to_u8")
    height, width, channels = pixels.shape
    depth = pixels.dtype.itemsize
    rows = np.ascontiguousarray(pixels.astype(f">u{depth}")).view(np.uint8).reshape(height, width * channels * depth)
    header = struct.pack(">IIBBBBB", width, height, depth * 8, _COLOUR_TYPE[channels], 0, 0, 0)
    data = zlib.compress(_filtered(rows, channels * depth).tobytes(), 6)
    return _SIGNATURE + b"".join(_chunk(*c) for c in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")))


def write_png(path: Path, image: np.ndarray) -> None:
    """``encode_png`` into ``path``; floats in [0, 1] are rounded to 8 bits. The folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(to_u8(image) if np.issubdtype(image.dtype, np.floating) else image))


def read_png(path: Path) -> np.ndarray:
    """The stored samples of a non-interlaced 8- or 16-bit PNG, (H, W, C) uint8 or uint16. Raises ArtifactError."""
    try:
        return _decode(path.read_bytes())
    except OSError as error:
        raise ArtifactError(path, f"cannot be read ({error.strerror})", "A PNG was expected here.") from error
    except (ValueError, struct.error, zlib.error, KeyError) as error:
        raise ArtifactError(path, f"is not a PNG that we can read ({error})", "Save it as a plain 8- or 16-bit PNG.") from error


def read_srgb(path: Path) -> np.ndarray:
    """Any picture that Pillow opens as float32 sRGB (H, W, 3), or (H, W, 4) if it has alpha. Raises ArtifactError."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            if picture.mode.startswith("I"):  # 16-bit grey
                grey = np.asarray(picture, np.float32) / 65535.0
                return np.repeat(grey[..., None], 3, -1)
            alpha = _brings_alpha(picture)
            return np.asarray(picture.convert("RGBA" if alpha else "RGB"), np.float32) / 255.0
    except UnidentifiedImageError as error:
        raise ArtifactError(path, "is not a picture", "PNG, JPEG, WebP or TIFF was expected.") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise ArtifactError(path, f"cannot be read as a picture ({error})", "PNG, JPEG, WebP or TIFF was expected.") from error


def has_alpha(path: Path) -> bool:
    """Whether ``read_srgb`` will give alpha, from the file's header alone. Raises ArtifactError."""
    with _header(path) as picture:
        return not picture.mode.startswith("I") and _brings_alpha(picture)


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) from the file's header alone. Raises ArtifactError."""
    with _header(path) as picture:
        return picture.size


@contextmanager
def _header(path: Path) -> Iterator[Any]:
    """Pillow's picture, opened and not yet decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            yield picture
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise ArtifactError(path, f"cannot be read as a picture ({error})", "PNG, JPEG, WebP or TIFF was expected.") from error


def _brings_alpha(picture: Any) -> bool:
    return "A" in picture.getbands() or "transparency" in picture.info


def contact_sheet(
    images: Sequence[np.ndarray], columns: int, labels: Sequence[str] | None = None, gap_px: int = 6, background: int = 255
) -> np.ndarray:
    """Pictures of one or several sizes in a grid, row by row, (H, W, 3) uint8.

    Floats are sRGB in [0, 1]; grey is repeated; alpha is laid over ``background``. A label stands under its picture.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one picture")
    tiles = [_flat_rgb(image, background) for image in images]
    strip = 14 if labels else 0
    height = max(t.shape[0] for t in tiles) + strip + gap_px
    width = max(t.shape[1] for t in tiles) + gap_px
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * height + gap_px, columns * width + gap_px, 3), background, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = gap_px + (i // columns) * height, gap_px + (i % columns) * width
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
        if labels and i < len(labels):
            _write_text(sheet, labels[i], x, y + tile.shape[0] + 1, 0 if background > 127 else 255)
    return sheet


def _flat_rgb(image: np.ndarray, background: int) -> np.ndarray:
    pixels = to_u8(image)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] in (2, 4):
        alpha = pixels[..., -1:] / 255.0
        pixels = np.round(pixels[..., :-1] * alpha + background * (1 - alpha)).astype(np.uint8)
    return np.repeat(pixels, 3, -1) if pixels.shape[2] == 1 else pixels


def _write_text(sheet: np.ndarray, text: str, x: int, y: int, level: int) -> None:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default_imagefont()
    left, top, right, bottom = font.getbbox(text)
    room = sheet[y : y + 13, x : x + int(right) + 1]
    stamp = Image.new("L", (room.shape[1], room.shape[0]), 0)
    ImageDraw.Draw(stamp).text((0, 0), text, fill=255, font=font)
    room[np.asarray(stamp) > 127] = level


def _chunk(tag: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))


def _filtered(rows: np.ndarray, pixel_bytes: int) -> np.ndarray:
    """Rows with PNG's filter byte in front: None, Sub or Up, whichever has the least sum of absolute differences."""
    left = np.zeros_like(rows)
    left[:, pixel_bytes:] = rows[:, :-pixel_bytes]
    above = np.zeros_like(rows)
    above[1:] = rows[:-1]
    candidates = np.stack([rows, rows - left, rows - above])
    cost = np.abs(candidates.view(np.int8).astype(np.int32)).sum(-1)
    choice = cost.argmin(0)
    return np.concatenate([choice[:, None].astype(np.uint8), candidates[choice, np.arange(len(rows))]], 1)


def _decode(data: bytes) -> np.ndarray:
    if data[:8] != _SIGNATURE:
        raise ValueError("no PNG signature")
    at, body, header = 8, [], None
    while at + 8 <= len(data):
        (length,), tag = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        payload = data[at + 8 : at + 8 + length]
        if tag == b"IHDR":
            header = struct.unpack(">IIBBBBB", payload)
        elif tag == b"IDAT":
            body.append(payload)
        at += 12 + length
    if header is None:
        raise ValueError("no header")
    width, height, bits, colour, _, _, interlaced = header
    if bits not in (8, 16) or interlaced or colour not in _CHANNELS:
        raise ValueError(f"bit depth {bits}, colour type {colour}, interlace {interlaced}")
    channels, depth = _CHANNELS[colour], bits // 8
    rows = np.frombuffer(zlib.decompress(b"".join(body)), np.uint8).reshape(height, 1 + width * channels * depth)
    raw = _unfiltered(rows, channels * depth)
    return raw.view(f">u{depth}").reshape(height, width, channels).astype(f"u{depth}")


def _unfiltered(rows: np.ndarray, pixel_bytes: int) -> np.ndarray:
    out = np.zeros((len(rows), rows.shape[1] - 1), np.uint8)
    above = np.zeros(out.shape[1], np.uint8)
    for y, row in enumerate(rows):
        kind, line = int(row[0]), row[1:]
        if kind == 0:
            out[y] = line
        elif kind == 1:
            out[y] = np.cumsum(line.reshape(-1, pixel_bytes), 0, dtype=np.uint8).reshape(-1)
        elif kind == 2:
            out[y] = line + above
        elif kind in (3, 4):
            out[y] = _predicted(line, above, pixel_bytes, kind)
        else:
            raise ValueError(f"filter {kind} in row {y}")
        above = out[y]
    return out


def _predicted(line: np.ndarray, above: np.ndarray, pixel_bytes: int, kind: int) -> np.ndarray:
    """PNG's Average (3) and Paeth (4) filters undone, byte by byte; our own files never use them."""
    up, out = above.tolist(), [0] * len(line)
    for i, value in enumerate(line.tolist()):
        a = out[i - pixel_bytes] if i >= pixel_bytes else 0
        b = up[i]
        if kind == 3:
            guess = (a + b) // 2
        else:
            c = up[i - pixel_bytes] if i >= pixel_bytes else 0
            p = a + b - c
            guess = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
        out[i] = (value + guess) & 255
    return np.array(out, np.uint8)
