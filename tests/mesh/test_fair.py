"""Ripples go, shape stays."""

from __future__ import annotations

import numpy as np
import pytest

from stages.mesh.fair import faired

EDGE_M, ROWS, COLUMNS = 0.01, 60, 96


def _sheet() -> tuple[np.ndarray, np.ndarray]:
    """A flat sheet of equal triangles, (V, 3) and (F, 3)."""
    row, column = np.mgrid[:ROWS, :COLUMNS]
    v = np.stack([(column + 0.5 * (row % 2)) * EDGE_M, row * EDGE_M * 3**0.5 / 2, np.zeros_like(row)], -1).reshape(-1, 3).astype(np.float32)
    faces = []
    for r in range(ROWS - 1):
        for c in range(COLUMNS - 1):
            a, b, d, e = (r * COLUMNS + c, r * COLUMNS + c + 1, (r + 1) * COLUMNS + c, (r + 1) * COLUMNS + c + 1)
            faces += [(a, b, d), (b, e, d)] if r % 2 == 0 else [(a, e, d), (a, b, e)]
    return v, np.array(faces)


@pytest.mark.parametrize(("wave_m", "kept"), [(0.08, 1 / 2), (0.04, 1 / 17), (0.16, 16 / 17)])
def test_ripples_of_the_wavelength_are_halved(wave_m: float, kept: float) -> None:
    v, faces = _sheet()
    wave = np.sin(2 * np.pi * v[:, 0] / wave_m)
    v[:, 2] = 0.002 * wave
    inner = (np.abs(v[:, 0] - v[:, 0].mean()) < 0.16) & (np.abs(v[:, 1] - v[:, 1].mean()) < 0.1)
    left = (faired(v, faces, 0.08)[:, 2] * wave)[inner].sum() / (v[:, 2] * wave)[inner].sum()
    assert left == pytest.approx(kept, abs=0.04)


def test_nought_changes_nothing_and_the_middle_stays() -> None:
    v, faces = _sheet()
    v[:, 2] = np.random.default_rng(0).normal(0, 0.001, len(v))
    np.testing.assert_array_equal(faired(v, faces, 0.0), v)
    out = faired(v, faces, 0.08)
    assert out.dtype == v.dtype
    np.testing.assert_allclose(out.mean(0), v.mean(0), atol=1e-6)
    assert out[:, 2].std() < 0.25 * v[:, 2].std()
