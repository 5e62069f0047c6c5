"""At which density a field becomes surface: the true one where cells are fine enough to hold it."""

from __future__ import annotations

import numpy as np
import pytest

from stages.artifacts.cameras import Camera, ring
from stages.artifacts.field import FieldGrid
from stages.artifacts.views import MaskedViews, write_view_set
from stages.mesh.level import best_level, outline_overlap
from stages.mesh.observed import Observed, observe
from stages.rendering import CpuBackend
from stages.rendering.zbuffer import rasterize
from tests.mesh.solids import ball, box

RADIUS_M = 0.3
SHEET_M = (0.05, 1.0, 1.0)  # thin in x
DENSEST, BLUR_M = 200.0, 0.02


def solid() -> tuple[np.ndarray, np.ndarray]:
    """A ball stuck through by a sheet."""
    (v, f), (w, g) = ball(RADIUS_M, 16), box(SHEET_M, 2)
    return np.concatenate([v, w - w.mean(0)]), np.concatenate([f, g + len(v)])


def picture(camera: Camera) -> np.ndarray:
    """White RGBA of ``solid``."""
    v, f = solid()
    clip = np.concatenate([v, np.ones((len(v), 1))], 1) @ camera.w2clip().T
    shown = rasterize(clip, f.astype(np.int64), camera.height, camera.width)[0] >= 0
    return np.repeat(shown[..., None], 4, 2).astype(np.float32)


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    folder = tmp_path_factory.mktemp("views")
    write_view_set(folder, ((c, picture(c)) for c in ring("body", 6, np.zeros(3), 3.0, 10.0, 160.0, 128, 128)))
    return observe(MaskedViews.open(folder))[0]


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> FieldGrid:
    """Density that falls off round ``solid``: half of the densest at its surface."""
    axis = np.linspace(-0.66, 0.66, 89)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    beyond = np.abs(points) - np.array(SHEET_M) / 2
    sheet = np.linalg.norm(beyond.clip(0), axis=-1) + beyond.max(-1).clip(max=0)
    distance = np.minimum(np.linalg.norm(points, axis=-1) - RADIUS_M, sheet)
    grid2world = np.diag([axis[1] - axis[0]] * 3 + [1.0])
    grid2world[:3, 3] = axis[0]
    return FieldGrid.write(tmp_path_factory.mktemp("field"), DENSEST / (1 + np.exp(distance / BLUR_M)), np.full_like(points, 0.5), grid2world)


def test_fine_cells_find_the_level_of_the_true_surface_and_coarse_ones_fatten_its_sheet(field: FieldGrid, observed: Observed) -> None:
    rasterizer = CpuBackend().create()
    assert best_level(field, observed, rasterizer, 64) == DENSEST / 2
    assert best_level(field, observed, rasterizer, 16) < DENSEST / 2


def test_the_true_outline_overlaps_wholly(observed: Observed) -> None:
    v, f = solid()
    rasterizer = CpuBackend().create()
    assert outline_overlap(v, f, observed, rasterizer) > 0.999
    assert outline_overlap(*ball(RADIUS_M, 16), observed, rasterizer) < 0.8
