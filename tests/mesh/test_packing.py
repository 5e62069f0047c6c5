"""Charts in a square: none on another, all as they were, gaps and holes used."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from pipeline.errors import StageError
from stages.mesh import packing
from stages.mesh.packing import BORDER, GAP, packed, rotated, upright

Charts = tuple[np.ndarray, np.ndarray]


def joined(*charts: Charts) -> Charts:
    start = np.cumsum([0, *(len(v) for v, _ in charts)])
    return np.concatenate([v for v, _ in charts]), np.concatenate([t + k for (_, t), k in zip(charts, start, strict=False)])


def box(width: float, height: float, angle: float = 0.0) -> Charts:
    v = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    c, s = np.cos(angle), np.sin(angle)
    return v @ np.array([[c, s], [-s, c]]), np.array([[0, 1, 2], [0, 2, 3]])


def ring(inner: float, outer: float, count: int = 64) -> Charts:
    """A flat ring."""
    a = np.linspace(0, 2 * np.pi, count, endpoint=False)
    circle = np.stack([np.cos(a), np.sin(a)], 1)
    k = np.arange(count)
    n = (k + 1) % count
    faces = np.concatenate([np.stack([k + count, n + count, n], 1), np.stack([k + count, n, k], 1)])
    return np.concatenate([circle * inner, circle * outer]), faces


def owners(v_tex: np.ndarray, t: np.ndarray, size: int, chart: np.ndarray) -> np.ndarray:
    """(size, size) the chart on each cell, -1 for none, found by many points in every triangle; two on one cell are an error."""
    out = np.full((size, size), -1)
    weights = np.random.default_rng(0).dirichlet([0.5, 0.5, 0.5], 20_000)
    for face, corners in enumerate(v_tex[t].astype(np.float64) * size):
        column, row = np.clip(np.floor(weights @ corners).astype(int), 0, size - 1).T
        assert np.isin(out[row, column], (-1, chart[face])).all()
        out[row, column] = chart[face]
    return out


@pytest.fixture(scope="module")
def many() -> tuple[Charts, np.ndarray]:
    """A ring and thirty boxes of all sizes and angles, and the chart of each triangle."""
    rng = np.random.default_rng(3)
    boxes = [box(*rng.uniform(2, 14, 2), rng.uniform(0, np.pi)) for _ in range(30)]
    pieces = [ring(20.0, 26.0), *boxes]
    return joined(*pieces), np.repeat(np.arange(len(pieces)), [len(t) for _, t in pieces])


def test_charts_keep_their_distance_from_one_another_and_from_the_border(many: tuple[Charts, np.ndarray]) -> None:
    (v, t), chart = many
    size = 256
    v_tex = packed(v, t, size)
    assert v_tex.min() * size >= BORDER - 1e-3 and v_tex.max() * size <= size - BORDER + 1e-3
    owner = owners(v_tex, t, size, chart)
    for number in range(chart.max() + 1):
        near = ndimage.binary_dilation(owner == number, np.ones((2 * GAP + 1, 2 * GAP + 1), bool))
        assert np.isin(owner[near], (-1, number)).all()


def test_all_charts_keep_their_shape_and_one_scale(many: tuple[Charts, np.ndarray]) -> None:
    (v, t), _ = many
    v_tex = packed(v, t, 256).astype(np.float64)

    def edges(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return points[t[:, 1]] - points[t[:, 0]], points[t[:, 2]] - points[t[:, 0]]

    (a, b), (c, d) = edges(v), edges(v_tex)
    ratios = np.concatenate([np.linalg.norm(c, axis=1) / np.linalg.norm(a, axis=1), np.linalg.norm(d, axis=1) / np.linalg.norm(b, axis=1)])
    assert ratios.std() < 1e-4 * ratios.mean()
    area = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]), (c[:, 0] * d[:, 1] - c[:, 1] * d[:, 0])
    assert np.allclose(area[1], area[0] * ratios.mean() ** 2, rtol=1e-3) and (area[0] > 0).all()  # none is mirrored


def test_small_charts_go_into_the_hole_of_a_large_one() -> None:
    size, boxes = 128, [box(4, 4) for _ in range(20)]
    v, t = joined(ring(20.0, 26.0), *boxes)
    v_tex = packed(v, t, size)
    middle = (v_tex[:128].min(0) + v_tex[:128].max(0)) / 2
    assert (np.linalg.norm(v_tex[128:] - middle, axis=1) < 20 / 52).sum() > 4 * 8  # others in the corners
    assert np.ptp(v_tex[:128], axis=0).min() > 0.97  # the ring has the square to itself


def test_a_square_that_lies_askew_fills_the_texture() -> None:
    v_tex = packed(*box(1.0, 1.0, 0.3), 64)
    assert np.ptp(v_tex, axis=0) == pytest.approx([62 / 64, 62 / 64], abs=0.02)


def test_a_large_texture_is_packed_as_the_finest_grid(many: tuple[Charts, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    (v, t), _ = many
    monkeypatch.setattr(packing, "FINEST", 256)
    np.testing.assert_array_equal(packed(v, t, 1024), packed(v, t, 256))


def test_more_charts_than_room() -> None:
    v, t = joined(*(box(1, 1) for _ in range(60)))
    with pytest.raises(StageError, match="60 charts do not fit into 16 x 16 texels; raise mesh.texture_size"):
        packed(v, t, 16)


def test_a_triangle_without_width_is_placed() -> None:
    v, t = joined(box(3, 2), (np.array([[0.0, 0], [1, 1], [2, 2]]), np.array([[0, 1, 2]])))
    assert np.isfinite(packed(v, t, 64)).all()
    assert upright(np.zeros((3, 2))).tolist() == [[0.0, 0.0]] * 3


@pytest.mark.parametrize("turn", range(4))
def test_points_turn_as_the_array_does(turn: int) -> None:
    cells = np.zeros((5, 8), bool)
    cells[1, 6] = True
    (x, y), = rotated(np.array([[6.5, 1.5]]), turn, cells.shape)
    assert np.argwhere(np.rot90(cells, turn)).tolist() == [[int(y), int(x)]]
