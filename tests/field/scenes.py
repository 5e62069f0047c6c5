"""A ball in colours, seen by a ring: what these tests learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.artifacts.cameras import Camera, ring
from stages.artifacts.views import write_view_set
from stages.field.pixels import View
from stages.field.scene import Scene, scene_of
from stages.field.settings import FieldSettings
from stages.field.warm import ball_view

RADIUS_M = 0.5
SMALL = FieldSettings(
    steps=300, learning_rate=0.02, samples_per_batch=16384, rays_per_batch=1024, march_steps=48, occupancy_resolution=32,
    grid_resolution=40, log2_hashmap_size=12, base_resolution=8, finest_resolution=64, levels=4, held_out=4, video_frames=3,
)


def ball_cameras(count: int = 8, size: int = 48) -> list[Camera]:
    """A ring three metres round the origin."""
    return ring("ball", count, np.zeros(3), 3.0, 0.0, 1.6 * size, size, size)


def ball_views(count: int = 8, size: int = 48) -> list[View]:
    """What they see; edges averaged over 3 x 3 samples."""
    out = []
    for camera in ball_cameras(count, size):
        fine = ball_view(camera.resized(3 * size, 3 * size), RADIUS_M).rgba.reshape(size, 3, size, 3, 4)
        alpha = fine[..., 3:].mean((1, 3))
        rgb = (fine[..., :3] * fine[..., 3:]).mean((1, 3)) / np.maximum(alpha, 1e-6)
        out.append(View(camera, np.concatenate([rgb, alpha], -1).astype(np.float32)))
    return out


def ball_scene(settings: FieldSettings = SMALL) -> Scene:
    """All views to learn from but one."""
    views = ball_views()
    return scene_of([v for i, v in enumerate(views) if i != 2], [views[2]], settings)


def write_ball(folder: Path) -> Path:
    """The views on disk, as the masks stage leaves them."""
    write_view_set(folder, ((v.camera, v.rgba) for v in ball_views()))
    return folder
