"""The pictures that are one formula of the geometry: depth, normal, parts, albedo, mask.

All have an opaque black background and are (H, W, 3) float32 in [0, 1], written as 8-bit sRGB without further encoding.

- depth: inverse depth as MiDaS gives it, nearest brightest. With z the distance along the view axis, ``value = 0.2 + 0.8 (1/z - 1/far) /
  (1/near - 1/far)``, grey; near and far are the view's own, as MiDaS scales each picture to its own range, and stand with the frame in
  ``transforms.json`` (``depth_near_m``, ``depth_far_m``). The surface never falls below 0.2; the background is 0.
- normal: camera space, the protocol of NormalBae, for which control_v11p_sd15_normalbae was trained: blue is towards the camera, red is
  left in the picture, green is up; ``value = (n + 1) / 2``.
- parts: one flat colour for each body part, see ``palette``; never blended at edges.
- albedo: the body's base colour, unlit, antialiased.
- mask: coverage of the pixel by the body.
"""

from __future__ import annotations

import numpy as np

from stages.conditions.buffers import ViewBuffers, box_down
from stages.conditions.palette import colours_of

SURFACE_FLOOR = 0.2


def depth_range(view: ViewBuffers) -> tuple[float, float]:
    """Least and greatest distance along the view axis of the surface in the picture, metres; (1, 2) where it is empty."""
    seen = view.depth[view.covered]
    return (float(seen.min()), float(seen.max())) if len(seen) else (1.0, 2.0)


def depth_picture(view: ViewBuffers, near_m: float, far_m: float) -> np.ndarray:
    """See the module's head; distances beyond [near, far] are clipped."""
    z = np.where(view.covered, view.depth, far_m)
    share = (1 / z - 1 / far_m) / max(1 / near_m - 1 / far_m, 1e-9)
    value = (SURFACE_FLOOR + (1 - SURFACE_FLOOR) * np.clip(share, 0, 1)) * view.covered
    return _grey(value)


def depth_from_picture(value: np.ndarray, near_m: float, far_m: float) -> np.ndarray:
    """Inverse of ``depth_picture``: grey (H, W) in [0, 1] to metres, +inf for the background."""
    share = (np.asarray(value, np.float64) - SURFACE_FLOOR) / (1 - SURFACE_FLOOR)
    return np.where(np.asarray(value) > 0, 1 / (1 / far_m + share * (1 / near_m - 1 / far_m)), np.inf)


def normal_picture(view: ViewBuffers) -> np.ndarray:
    """See the module's head."""
    n = view.normal @ view.camera.w2c[:3, :3].T.astype(np.float32)
    return np.where(view.covered[..., None], n * np.array([-0.5, 0.5, 0.5], np.float32) + 0.5, 0).astype(np.float32)


def parts_picture(view: ViewBuffers, part_names: tuple[str, ...]) -> np.ndarray:
    """See the module's head."""
    return np.where(view.covered[..., None], colours_of(part_names)[np.maximum(view.part, 0)], 0).astype(np.float32)


def albedo_picture(fine: ViewBuffers, samples: int) -> np.ndarray:
    """See the module's head; ``fine`` has ``samples`` x ``samples`` pixels for each of the result's."""
    return box_down(fine.albedo, samples)


def mask_picture(fine: ViewBuffers, samples: int) -> np.ndarray:
    """See the module's head."""
    return _grey(box_down(fine.covered, samples))


def shaded(view: ViewBuffers) -> np.ndarray:
    """(h, w) luma of the body under a soft light beside the camera, 0 behind it: what edge detectors are shown.

    The base colour is lifted towards white, so that dark cloth keeps its outline against the black background.
    """
    n = view.normal @ view.camera.w2c[:3, :3].T.astype(np.float32)
    light = np.array([-0.35, 0.45, 0.82], np.float32)
    lambert = 0.35 + 0.65 * np.clip(n @ (light / np.linalg.norm(light)), 0, 1)
    luma = view.albedo @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    return (0.5 + 0.5 * luma) * lambert * view.covered


def _grey(value: np.ndarray) -> np.ndarray:
    return np.repeat(value[..., None], 3, -1).astype(np.float32)
