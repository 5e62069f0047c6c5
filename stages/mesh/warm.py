"""Compile the kernels once, on a ball of a few pixels, so that the first run does not wait for the compiler."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np

from pipeline.checkpoint import Checkpoint
from pipeline.stage import StageContext
from stages.artifacts.cameras import Camera, ring
from stages.artifacts.field import FieldGrid
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.views import MaskedViews, write_view_set
from stages.mesh import MeshInputs
from stages.mesh.build import GRIDS, run
from stages.mesh.settings import MeshSettings
from stages.rendering import CpuBackend
from stages.rendering.shadow import Shadow

RADIUS_M = 0.5
SETTINGS = MeshSettings(grid_cells=20, sdf_rate=0.04, sdf_smoothness=3e-4, implicit_steps=2, surface_steps=2, triangles=400, texture_size=128)


class Silent:
    """A progress that nobody watches."""

    def start(self, label: str, total: int) -> None:
        """Nothing to show."""

    def advance(self, steps: int = 1, **figures: float) -> None:
        """Nothing to show."""


def ball_picture(camera: Camera) -> np.ndarray:
    """RGBA (H, W, 4) of a ball of ``RADIUS_M`` round the origin, coloured by its normal; edges are not smoothed."""
    origins, directions = camera.rays()
    along = -(origins * directions).sum(-1)
    gap = (origins**2).sum(-1) - along**2
    hit = gap < RADIUS_M**2
    normal = (origins + (along - np.sqrt(np.maximum(RADIUS_M**2 - gap, 0)))[..., None] * directions) / RADIUS_M
    return np.concatenate([np.where(hit[..., None], 0.5 + 0.4 * normal, 0), hit[..., None]], -1).astype(np.float32)


def ball_field(folder: Path, resolution: int = 24) -> FieldGrid:
    """The same ball as a field."""
    axis = np.linspace(-0.7, 0.7, resolution)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    r = np.linalg.norm(points, axis=-1)
    grid2world = np.diag([axis[1] - axis[0]] * 3 + [1.0])
    grid2world[:3, 3] = axis[0]
    rgb = 0.5 + 0.4 * points / np.maximum(r, 1e-6)[..., None]
    return FieldGrid.write(folder, 300 / (1 + np.exp(np.clip((r - RADIUS_M) / 0.02, -40, 40))), rgb, grid2world)


def ball_views(folder: Path, count: int = 8, size: int = 48) -> MaskedViews:
    """Pictures of the ball from a ring of cameras."""
    cameras = ring("ball", count, np.zeros(3), 3.0, 0.0, 1.3 * size, size, size)
    write_view_set(folder, ((c, ball_picture(c)) for c in cameras))
    return MaskedViews.open(folder)


def make(folder: Path, settings: MeshSettings = SETTINGS, threads: int = 2) -> MeshAsset:
    """The whole stage on the ball, in ``folder``: ``mesh/`` is the result, ``work/`` its checkpoints."""
    out = folder / "mesh"
    out.mkdir(parents=True, exist_ok=True)
    context = StageContext(out, folder / "work", logging.getLogger("warm"), Silent(), {"rasterizer": CpuBackend()},
                           threads=threads, checkpoint=Checkpoint(folder / "work"))
    return run(settings, MeshInputs(ball_field(folder / "field"), ball_views(folder / "views")), context)


def warm() -> None:
    """Touch every kernel with the types of a real run; the compiled code stays in numba's cache."""
    with tempfile.TemporaryDirectory() as folder:
        for extraction in GRIDS:
            mesh = make(Path(folder) / extraction, SETTINGS.model_copy(update={"extraction": extraction})).mesh
    Shadow.of(mesh.v_pos, mesh.t_pos_idx, np.array([0.0, 0.0, 1.0]), 32).reaching(mesh.v_pos, mesh.v_nrm)
