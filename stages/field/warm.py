"""Compile the kernels once, on a scene of a few pixels, so that the first run does not wait for the compiler."""

from __future__ import annotations

import numpy as np

from stages.artifacts.cameras import Camera, ring
from stages.field.bake import bake
from stages.field.cpu_field import CpuField
from stages.field.encoding import GridLayout
from stages.field.pixels import View
from stages.field.render import render
from stages.field.scene import scene_of
from stages.field.settings import FieldSettings
from stages.field.training import Training


def ball_view(camera: Camera, radius_m: float = 0.5) -> View:
    """A ball round the origin, coloured by its normal, as ``camera`` sees it; edges are not smoothed."""
    origins, directions = camera.rays()
    along = -(origins * directions).sum(-1)
    gap = (origins**2).sum(-1) - along**2
    hit = gap < radius_m**2
    normal = (origins + (along - np.sqrt(np.maximum(radius_m**2 - gap, 0)))[..., None] * directions) / radius_m
    rgba = np.concatenate([np.where(hit[..., None], 0.5 + 0.4 * normal, 0), hit[..., None]], -1)
    return View(camera, rgba.astype(np.float32))


def warm(settings: FieldSettings | None = None) -> None:
    """Touch every kernel with the types of a real run; the compiled code stays in numba's cache."""
    settings = settings or FieldSettings(steps=33, samples_per_batch=2048, rays_per_batch=256)
    cameras = ring("warm", 6, np.zeros(3), 3.0, 0.0, 48.0, 32, 32)
    scene = scene_of([ball_view(c) for c in cameras], [], settings)
    rng = np.random.default_rng(0)
    layout = GridLayout.of(settings.levels, settings.features, 12, 8, 64, scene.box.extent)
    training = Training(scene, CpuField(layout, settings, rng), settings, rng)
    training.run(lambda quality: None, lambda state: None)
    render(training.field, scene, cameras[0])
    bake(training.field, scene, 24, "unseen")
