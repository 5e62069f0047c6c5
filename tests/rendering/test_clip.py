"""Cameras and clip space agree."""

from __future__ import annotations

import numpy as np
import torch

from stages.artifacts.cameras import ring
from stages.rendering.clip import to_clip, view_clip_matrices
from stages.rendering.viewpoint import looking_at, turntable


def test_clip_space_lands_on_the_cameras_pixels() -> None:
    cameras = ring("t", 3, np.array([0.1, 0.2, 0.3]), 4.0, 15.0, 300.0, 90, 120)
    points = np.random.default_rng(0).uniform(-0.4, 0.6, (20, 3))
    clip = to_clip(torch.tensor(points, dtype=torch.float32), view_clip_matrices(cameras)).numpy()
    for k, camera in enumerate(cameras):
        pixel, depth = camera.project(points)
        ndc = clip[k, :, :2] / clip[k, :, 3:]
        np.testing.assert_allclose((ndc * 0.5 + 0.5) * [90, 120], pixel, atol=2e-3)
        np.testing.assert_allclose(clip[k, :, 3], depth, rtol=1e-5)


def test_figures_of_any_size_are_looked_at_alike() -> None:
    points = np.random.default_rng(0).uniform([-0.4, -0.2, 0], [0.4, 0.2, 1.6], (50, 3))
    for view in (lambda v: looking_at(v, 30.0, 60, 90), lambda v: turntable(v, 3, 60, 90)[1]):
        near, far = view(points), view(128 * points)
        np.testing.assert_allclose(far.project(128 * points)[0], near.project(points)[0], atol=1e-9)
        assert (view(points / 128).project(points / 128)[1] > 1).all()  # small ones stay before the near plane
