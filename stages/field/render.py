"""Pictures of a trained field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.artifacts.cameras import Camera, orbit
from stages.field.pixels import rays_through
from stages.field.protocol import RadianceField
from stages.field.scene import Scene

CHUNK = 8192
RISE_DEG = 8.0


@dataclass(frozen=True)
class Rendering:
    """``rgba`` (H, W, 4) straight sRGB, ``depth_m`` (H, W) distance from the camera, inf where nothing is."""

    rgba: np.ndarray
    depth_m: np.ndarray


def render(field: RadianceField, scene: Scene, camera: Camera) -> Rendering:
    """What ``camera`` sees."""
    origins, directions, unit = rays_through(camera, scene.box)
    out = np.zeros((len(origins), 5), np.float32)
    met = np.flatnonzero(scene.occupancy.meets_hull(origins, directions))
    for first in range(0, len(met), CHUNK):
        rays = met[first : first + CHUNK]
        samples = scene.occupancy.sample(origins[rays], directions[rays], np.full(len(rays), 0.5, np.float32))
        out[rays] = field.render(unit[rays], samples, scene.occupancy.step_m)
    alpha = out[:, 3]
    rgb = out[:, :3] / np.maximum(alpha, 1e-6)[:, None]
    depth = np.where(alpha > 0.5, out[:, 4] / np.maximum(alpha, 1e-6), np.inf)
    shape = (camera.height, camera.width)
    return Rendering(np.concatenate([rgb, alpha[:, None]], -1).clip(0, 1).reshape(*shape, 4), depth.reshape(shape))


def novel_cameras(cameras: Sequence[Camera], box_centre: np.ndarray, frames: int) -> list[Camera]:
    """A turn at the distance of the widest training views, rising and sinking a little: between the views, never at one."""
    widest = max(cameras, key=lambda c: np.linalg.norm(c.position - box_centre) * c.height / c.fy)
    axis = -widest.c2w[:3, 2]
    target = widest.position + axis * float((box_centre - widest.position) @ axis)
    radius = float(np.linalg.norm(target - widest.position))
    width, height = widest.width // 2 * 2, widest.height // 2 * 2
    turns = (np.arange(frames) + 0.5) / frames
    return [
        orbit(f"novel_{i:03d}", target, radius, 360 * a, RISE_DEG * np.sin(4 * np.pi * a), widest.fx, width, height)
        for i, a in enumerate(turns)
    ]
