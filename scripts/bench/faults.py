"""Known faults, put into true views: what painted pictures do wrong, one kind at a time. Everything comes from a seed.

Sizes are those that painted rings show: a few pixels at 384 rows, a tenth in colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from scripts.bench.truths import Truth
from stages.artifacts.cameras import Camera

SHIFT_PX, TURN_DEG, GROWN = 2.0, 0.7, 0.01  # standard deviations; pixels at 384 rows
JITTER_M, JITTER_DEG = 0.004, 0.06
GAIN, OFFSET, GAMMA = 0.08, 0.03, 0.12
WARP_PX, WARP_REACH_PX = 1.6, 24.0
PATCH_PX, PATCHES = 14.0, 0.3  # radius of a repainted patch; share of the views that have one
RIM_PX = 1.5
ROWS = 384.0

Fault = Callable[[Truth, Camera, np.ndarray, np.random.Generator], np.ndarray]


def premultiplied(rgba: np.ndarray) -> np.ndarray:
    """Colours times alpha."""
    return np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], -1)


def moved(rgba: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The picture that shows at every pixel what ``rgba`` shows at (``row``, ``column``)."""
    solid = premultiplied(rgba)
    out = np.stack([ndimage.map_coordinates(solid[..., k], [row, column], order=1) for k in range(4)], -1).clip(0, 1)
    return np.concatenate([(out[..., :3] / np.maximum(out[..., 3:], 1e-4)).clip(0, 1), out[..., 3:]], -1).astype(np.float32)


def shifted(truth: Truth, camera: Camera, rgba: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moved, turned, enlarged."""
    scale = camera.height / ROWS
    shift, turn, grown = rng.normal(0, SHIFT_PX * scale, 2), np.radians(rng.normal(0, TURN_DEG)), np.exp(rng.normal(0, GROWN))
    y, x = np.mgrid[: camera.height, : camera.width] + 0.5
    x, y = x - camera.cx - shift[0], y - camera.cy - shift[1]
    c, s = np.cos(turn) / grown, np.sin(turn) / grown
    return moved(rgba, -s * x + c * y + camera.cy - 0.5, c * x + s * y + camera.cx - 0.5)


def jittered(truth: Truth, camera: Camera, rgba: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Taken by a camera that stands elsewhere and looks elsewhere than it says."""
    w = np.radians(rng.normal(0, JITTER_DEG, 3))
    turn = np.eye(3) + np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])
    u, _, v = np.linalg.svd(turn)
    c2w = camera.c2w.copy()
    c2w[:3, :3], c2w[:3, 3] = c2w[:3, :3] @ (u @ v), c2w[:3, 3] + rng.normal(0, JITTER_M, 3)
    return truth.picture(replace(camera, c2w=c2w))


def drifted(truth: Truth, camera: Camera, rgba: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other gain, offset and gamma in every channel."""
    out = rgba.copy()
    gain, offset, gamma = np.exp(rng.normal(0, GAIN, 3)), rng.normal(0, OFFSET, 3), np.exp(rng.normal(0, GAMMA, 3))
    out[..., :3] = (gain * rgba[..., :3] ** gamma + offset).clip(0, 1)
    return out.astype(np.float32)


def warped(truth: Truth, camera: Camera, rgba: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bent smoothly, each view its own way."""
    y, x = np.mgrid[: camera.height, : camera.width].astype(float)
    scale = camera.height / ROWS
    bend = ndimage.gaussian_filter(rng.normal(size=(2, camera.height, camera.width)), (0, *(WARP_REACH_PX * scale,) * 2))
    bend *= WARP_PX * scale / bend.std()
    return moved(rgba, y + bend[0], x + bend[1])


def repainted(truth: Truth, camera: Camera, rgba: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In some views a round patch of the figure has another colour."""
    figure = np.argwhere(rgba[..., 3] > 0.9)
    if rng.random() > PATCHES or not len(figure):
        return rgba
    middle, colour = figure[rng.integers(len(figure))], rng.random(3)
    y, x = np.mgrid[: camera.height, : camera.width]
    inside = np.clip(PATCH_PX * camera.height / ROWS - np.hypot(y - middle[0], x - middle[1]), 0, 1)[..., None]
    return np.concatenate([rgba[..., :3] * (1 - inside) + colour * inside, rgba[..., 3:]], -1).astype(np.float32)


def frayed(truth: Truth, camera: Camera, rgba: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mask eats into the figure here and takes in background there."""
    noise = ndimage.gaussian_filter(rng.normal(size=rgba.shape[:2]), 6.0 * camera.height / ROWS)
    solid = rgba[..., 3] > 0.5
    distance = ndimage.distance_transform_edt(solid) - ndimage.distance_transform_edt(~solid)
    alpha = np.clip(distance + 0.5 + RIM_PX * camera.height / ROWS * noise / noise.std(), 0, 1)
    colour = np.where(rgba[..., 3:] > 0.02, rgba[..., :3], 1.0)
    return np.concatenate([colour, alpha[..., None]], -1).astype(np.float32)


FAULTS: dict[str, Sequence[Fault]] = {
    "none": (), "shift": (shifted,), "jitter": (jittered,), "colour": (drifted,), "warp": (warped,), "repaint": (repainted,), "mask": (frayed,),
    "all": (jittered, shifted, warped, repainted, drifted, frayed),
}  # fmt: skip


def spoilt(truth: Truth, camera: Camera, fault: str, index: int, seed: int = 0) -> np.ndarray:
    """The picture (H, W, 4) of view number ``index`` with one of ``FAULTS``."""
    rgba = truth.picture(camera)
    for k, fault_of in enumerate(FAULTS[fault]):
        rgba = fault_of(truth, camera, rgba, np.random.default_rng([seed, index, k]))
    return rgba
