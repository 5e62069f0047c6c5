"""The bench of faces: its measure of stretch."""

from __future__ import annotations

import numpy as np

from scripts.bench.face import _largest_stretch


def test_stretch_is_the_largest_factor_in_any_direction_wherever_the_triangle_lies() -> None:
    """Turning and moving is 1; drawn out threefold along one axis 3; a shear by t the largest singular value of its matrix."""
    rng = np.random.default_rng(0)
    flat = np.concatenate([rng.normal(size=(20, 3, 2)), np.zeros((20, 3, 1))], -1)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    np.testing.assert_allclose(_largest_stretch(flat, flat @ turn.T + [1, 2, 3]), 1, atol=1e-9)
    for matrix in (np.diag([3.0, 0.5, 1]), np.array([[1, 0.7, 0], [0, 1, 0], [0, 0, 1.0]])):
        expected = np.linalg.svd(matrix[:2, :2], compute_uv=False)[0]
        np.testing.assert_allclose(_largest_stretch(flat @ turn.T, flat @ matrix.T), expected, rtol=1e-9)
