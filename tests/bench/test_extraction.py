"""The comparison of tetrahedra and cubes: what it measures on shapes whose figures are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts.bench.extraction import as_extracted, skewness
from stages.mesh.build import GRIDS
from stages.mesh.repair import is_edge_manifold
from stages.mesh.warm import RADIUS_M, SETTINGS, ball_field, ball_views


def test_even_triangles_are_not_skew_and_halves_of_squares_are_by_fifteen_degrees() -> None:
    even = np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.75**0.5, 0]])
    half = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    assert skewness(even, np.array([[0, 1, 2]])) == pytest.approx(0, abs=1e-6)
    assert skewness(np.concatenate([even, half]), np.array([[0, 1, 2], [3, 4, 5]])) == pytest.approx(7.5)


@pytest.mark.parametrize("extraction", GRIDS)
def test_either_way_the_first_pass_is_the_ball(tmp_path: Path, extraction: str) -> None:
    field = ball_field(tmp_path / "field")
    ball_views(tmp_path / "views")
    v_pos, faces, seconds = as_extracted(field, tmp_path / "views", SETTINGS.model_copy(update={"extraction": extraction}), 1)
    assert is_edge_manifold(faces) and seconds > 0
    assert np.abs(np.linalg.norm(v_pos, axis=1) - RADIUS_M).max() < 0.02  # a cell is 0.05
