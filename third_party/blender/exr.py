"""Reads the one kind of OpenEXR that our scripts make Blender write: scan lines, uncompressed, 32-bit float channels.

File layout: Kainz, Bogart, Stanczyk, "Technical Introduction to OpenEXR"; offsets and lengths are little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from pipeline.errors import ArtifactError

_MAGIC = 20000630
_FLOAT = 2


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """Channel name -> (H, W) float32, row 0 the top. Raises ArtifactError for anything that is not such a file."""
    try:
        return _parse(path.read_bytes())
    except (OSError, ValueError, KeyError, struct.error, IndexError) as error:
        raise ArtifactError(path, f"is not an uncompressed 32-bit OpenEXR ({error})", "It was expected from Blender.") from error


def _parse(data: bytes) -> dict[str, np.ndarray]:
    magic, version = struct.unpack_from("<II", data)
    if magic != _MAGIC or version & ~0x4FF:  # tiles, deep data, several parts
        raise ValueError(f"magic {magic}, version {version:#x}")
    header, at = _attributes(data, 8)
    if header["compression"] != b"\0":
        raise ValueError(f"compression {header['compression'][0]}")
    x0, y0, x1, y1 = struct.unpack("<iiii", header["dataWindow"])
    width, height = x1 - x0 + 1, y1 - y0 + 1
    names = _channels(header["channels"])
    row = 8 + 4 * width * len(names)
    start = at + 8 * height  # after the table of offsets
    lines = np.frombuffer(data, np.uint8, row * height, start).reshape(height, row)
    order = lines[:, :4].copy().view("<i4")[:, 0] - y0
    values = np.empty((height, len(names), width), np.float32)
    values[order] = lines[:, 8:].copy().view("<f4").reshape(height, len(names), width)
    return {name: values[:, i] for i, name in enumerate(names)}


def _attributes(data: bytes, at: int) -> tuple[dict[str, bytes], int]:
    found = {}
    while data[at]:
        end = data.index(b"\0", at)
        name, at = data[at:end].decode(), data.index(b"\0", end + 1) + 1
        (size,) = struct.unpack_from("<i", data, at)
        found[name], at = data[at + 4 : at + 4 + size], at + 4 + size
    return found, at + 1


def _channels(data: bytes) -> list[str]:
    names, at = [], 0
    while data[at]:
        end = data.index(b"\0", at)
        (kind,) = struct.unpack_from("<i", data, end + 1)
        if kind != _FLOAT:
            raise ValueError(f"channel {data[at:end].decode()} has type {kind}")
        names.append(data[at:end].decode())
        at = end + 1 + 16
    return names
