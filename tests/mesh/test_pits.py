"""Hollows in the field's surface: filled where no view sees through, left where one does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.field import FieldGrid
from stages.mesh.observed import Observed
from stages.mesh.pits import closed, covered_share, without_pits
from stages.rendering.clip import view_clip_matrices

CELL_M, CELLS, SIZE_PX = 0.01, 40, 128
BLOCK = slice(8, 32)
PIT = (slice(12, 16), slice(8, 20), slice(18, 22))  # open to -y
GAP = (slice(24, 28), slice(8, 32), slice(18, 22))  # open to -y and +y
WIDE = (slice(8, 32), slice(8, 12), slice(24, 32))  # a step of the block's edge
LEVEL = 10.0


@pytest.fixture
def field(tmp_path: Path) -> FieldGrid:
    density = np.zeros((CELLS,) * 3, np.float32)
    density[BLOCK, BLOCK, BLOCK] = 100.0
    for hollow in (PIT, GAP, WIDE):
        density[hollow] = 2.0  # fog below the level
    to_world = np.diag([CELL_M, CELL_M, CELL_M, 1.0])
    to_world[:3, 3] = -CELL_M * (CELLS - 1) / 2
    return FieldGrid.write(tmp_path, density, np.zeros((*density.shape, 3)), to_world)


def views(field: FieldGrid, see_through: bool) -> list[Observed]:
    """Eight views round the block; ``see_through`` leaves the gap white in the two that look along it."""
    cameras = [orbit(f"v{i}", np.zeros(3), 8.0, 45.0 * i, 0.0, 2400.0, SIZE_PX, SIZE_PX) for i in range(8)]
    alpha = np.stack([_outline(camera, cells_of(field, (BLOCK,) * 3)) for camera in cameras])
    if see_through:
        for i in (0, 4):
            alpha[i] &= ~_outline(cameras[i], cells_of(field, GAP))
    stack = torch.from_numpy(alpha[..., None].astype(np.float32))
    return [Observed(cameras, stack.expand(-1, -1, -1, 3), stack, view_clip_matrices(cameras))]


def cells_of(field: FieldGrid, where: tuple[slice, ...]) -> np.ndarray:
    """(N, 3) world points of cells."""
    index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in where), indexing="ij"), -1).reshape(-1, 3)
    return index @ field.grid2world[:3, :3].T + field.grid2world[:3, 3]


def _outline(camera: Camera, points: np.ndarray) -> np.ndarray:
    """(H, W) bool: the rectangle that the points fill."""
    pixel, _ = camera.project(points)
    (left, top), (right, bottom) = np.floor(pixel.min(0)).astype(int), np.ceil(pixel.max(0)).astype(int)
    out = np.zeros((camera.height, camera.width), bool)
    out[top:bottom, left:right] = True
    return out


def test_a_pit_is_filled_and_a_gap_that_a_view_sees_through_stays(field: FieldGrid) -> None:
    filled = without_pits(field, LEVEL, 0.06, views(field, see_through=True)) > LEVEL
    inner = (slice(12, 16), slice(11, 20), slice(18, 22))  # the mouth's rim may stay rounded
    assert filled[inner].all() and not filled[24:28, 11:29, 19:21].any()
    assert not filled[BLOCK, 8:10, 27:32].any()  # a ball can enter there
    blind = without_pits(field, LEVEL, 0.06, views(field, see_through=False)) > LEVEL
    assert blind[24:28, 11:29, 18:22].all()


def test_a_width_of_nothing_leaves_the_field_alone(field: FieldGrid) -> None:
    np.testing.assert_array_equal(without_pits(field, LEVEL, 0.0, views(field, False)), np.asarray(field.density, np.float32))


def test_closing_gives_back_what_has_no_hollows() -> None:
    at = np.stack(np.meshgrid(*(np.arange(24),) * 3, indexing="ij"), -1)
    ball = np.linalg.norm(at - 11.5, axis=-1) < 9
    np.testing.assert_array_equal(closed(ball, 3.0), ball)
    edge = np.ones((6, 6, 6), bool)  # a solid that reaches the lattice's border stays one
    np.testing.assert_array_equal(closed(edge, 2.5), edge)


def test_a_point_that_no_view_has_in_the_picture_is_covered_by_none(field: FieldGrid) -> None:
    assert covered_share(np.array([[0, 0, 5.0], [0, 0, 0]]), views(field, False)).tolist() == [0.0, 1.0]
