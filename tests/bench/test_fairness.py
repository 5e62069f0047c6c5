"""What the bench of fair surfaces measures."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from scripts.bench.evaluate_mesh import coverage
from scripts.bench.fairness import clay, outline_overlap, roughness_deg
from stages.artifacts.cameras import orbit

CORNERS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
OCTAHEDRON = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])


def test_roughness_is_the_angle_between_neighbours() -> None:
    assert roughness_deg(CORNERS, OCTAHEDRON) == pytest.approx(np.degrees(np.arccos(1 / 3)))
    flat = CORNERS * [1, 1, 1e-6]  # eight edges folded flat, four that lie flat
    assert roughness_deg(flat, OCTAHEDRON) == pytest.approx(180 * 4 * 2**0.5 / (4 * 2**0.5 + 8), abs=0.1)


def test_outlines_overlap_as_their_areas_do() -> None:
    camera = orbit("front", np.zeros(3), 6.0, 0.0, 0.0, 200.0, 128, 128)
    alpha = coverage(CORNERS, OCTAHEDRON, camera).astype(np.float32)
    views = SimpleNamespace(names=["front"], cameras=[camera], image=lambda name: np.dstack([np.ones((128, 128, 3)), alpha]))
    assert outline_overlap(CORNERS, OCTAHEDRON, views) == 1
    assert outline_overlap(0.7 * CORNERS, OCTAHEDRON, views) == pytest.approx(0.49, abs=0.03)


def test_clay_shows_both_sides_under_the_lamp() -> None:
    front, back = clay(CORNERS, OCTAHEDRON, 64)
    assert front.shape == back.shape == (64, 64, 3)
    shades = front[(front < 255).any(-1)]
    assert len(shades) and shades.min() < 110 and shades.max() > 150
