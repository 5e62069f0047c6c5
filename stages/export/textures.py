"""Textures on their way out: as the mesh stage left them, or reduced."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.artifacts.images import encode_png, read_png, to_u8
from stages.artifacts.mesh import KD, KS, NORMAL, MeshAsset


@dataclass(frozen=True)
class Textures:
    """PNG files as bytes, ``normal`` None where it would change nothing, and the side of the base colour in pixels."""

    kd: bytes
    ks: bytes
    normal: bytes | None
    side_px: int


def textures_of(mesh: MeshAsset, limit_px: int) -> Textures:
    """The mesh's three textures with no side above ``limit_px`` (0: any)."""
    kd, ks, normal = (_limited(mesh.folder / name, limit_px, normal=name == NORMAL) for name in (KD, KS, NORMAL))
    side = max(read_png(mesh.folder / KD).shape[:2])
    flat = bool((np.ptp(read_png(mesh.folder / NORMAL).reshape(-1, 3), axis=0) == 0).all())
    return Textures(kd, ks, None if flat else normal, min(side, limit_px) if limit_px else side)


def _limited(path: Path, limit_px: int, normal: bool) -> bytes:
    """The file itself if it is small enough, else its box-filtered reduction; normals are made unit again."""
    pixels = read_png(path)
    if not limit_px or max(pixels.shape[:2]) <= limit_px:
        return path.read_bytes()
    reduced = reduce_picture(pixels[..., :3].astype(np.float64) / np.iinfo(pixels.dtype).max, limit_px)
    if normal:
        n = reduced * 2 - 1
        reduced = n / np.maximum(np.linalg.norm(n, axis=-1, keepdims=True), 1e-9) / 2 + 0.5
    return encode_png(to_u8(reduced))


def reduce_picture(image: np.ndarray, limit_px: int) -> np.ndarray:
    """(H, W, C) averaged down so that its longer side is ``limit_px``; each new pixel is the mean of the area that it covers."""
    scale = limit_px / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return _reduce_rows(_reduce_rows(image, height).swapaxes(0, 1), width).swapaxes(0, 1)


def _reduce_rows(image: np.ndarray, rows: int) -> np.ndarray:
    """Area average along axis 0, exact for any ratio: differences of the running integral at the new borders."""
    integral = np.concatenate([np.zeros((1, *image.shape[1:])), np.cumsum(image, 0)])
    borders = np.linspace(0, len(image), rows + 1)
    low = np.minimum(borders.astype(int), len(image) - 1)
    at = integral[low] + (borders - low)[:, None, None] * (integral[low + 1] - integral[low])
    return np.diff(at, axis=0) * (rows / len(image))
