"""Remeshing keeps the surface, its creases and its topology, and makes triangles of good shape; edges are operated on as told."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import StageError
from stages.artifacts.closest import closest_points
from stages.mesh.edge_lengths import edge_lengths, triangles_for
from stages.mesh.edge_operations import collapse, faces_round, flip, split, twins
from stages.mesh.remesh import remeshed, slid
from stages.mesh.repair import face_areas, is_edge_manifold
from tests.mesh.solids import ball, box


def shapes(v: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Twice the area over the square of the longest edge: 0.87 at best, 0.25 where the longest edge is four times the height on it."""
    longest = ((v[f] - v[np.roll(f, 1, 1)]) ** 2).sum(-1).max(1)
    return 2 * face_areas(v, f) / longest


def euler(v: np.ndarray, f: np.ndarray) -> int:
    return len(v) - 3 * len(f) // 2 + len(f)


@pytest.mark.parametrize("solid", [ball(0.5, 60), box((1.0, 0.4, 0.7), 30)], ids=["ball", "box"])
def test_the_same_surface_in_better_triangles(solid: tuple[np.ndarray, np.ndarray]) -> None:
    v, f = solid
    rng = np.random.default_rng(0)
    noisy = v + rng.normal(0, 1e-4, v.shape)
    a, b = remeshed(noisy, f, 2000)
    assert 1600 < len(b) <= 2000
    assert is_edge_manifold(b) and euler(a, b) == 2
    assert (shapes(a, b) < 0.25).mean() < 0.01
    assert closest_points(v, a, b).distance.max() < 0.012
    assert abs(face_areas(a, b).sum() / face_areas(v, f).sum() - 1) < 0.01


def test_an_open_surface_is_refused() -> None:
    v, f = box((1.0, 1.0, 1.0), 4)
    with pytest.raises(StageError, match="could not be made closed; look at the masks"):
        remeshed(v, f[1:], 100)


def test_the_corners_of_a_box_stay() -> None:
    v, f = box((1.0, 0.4, 0.7), 30)
    a, _ = remeshed(v, f, 1500)
    corners = np.array(np.meshgrid(*([-s / 2, s / 2] for s in (1.0, 0.4, 0.7)))).reshape(3, -1).T
    assert np.linalg.norm(a[None] - corners[:, None], axis=-1).min(1).max() < 0.01


def test_where_it_is_to_be_denser_triangles_are_smaller() -> None:
    v, f = ball(0.5, 60)
    a, b = remeshed(v, f, 3000, np.where(v[:, 2] > 0, 4.0, 1.0))
    upper = a[b].mean(1)[:, 2]
    area = face_areas(a, b)
    assert 3 < area[upper < -0.25].mean() / area[upper > 0.25].mean() < 5


def test_lengths_are_those_of_the_number_of_triangles_that_is_asked_for() -> None:
    v, f = box((1.0, 0.4, 0.7), 30)
    length = edge_lengths(v, f, 5000)
    assert triangles_for(v, f, length) == pytest.approx(5000, rel=1e-6)
    flat = np.abs(v) < np.array([0.3, 0.0, 0.2])
    assert length[flat[:, 0] & flat[:, 2]].mean() > 1.5 * length.min()


def test_a_split_halves_long_edges_and_a_collapse_takes_them_away() -> None:
    v, f = ball(0.5, 16)
    length = np.full(len(v), 0.03)
    a, b, asked, done = split(v, f, length, 4 / 3)
    assert done == len(a) - len(v) > 0 and len(b) == len(f) + 2 * done and len(asked) == len(a)
    assert is_edge_manifold(b) and euler(a, b) == 2
    c, d, _, gone = collapse(a, b, np.full(len(a), 0.3), 4 / 5, 4 / 3)
    assert gone == len(a) - len(c) > 0 and len(d) == len(b) - 2 * gone
    assert is_edge_manifold(d) and euler(c, d) == 2


def test_a_flip_mends_the_worse_of_two_triangles_and_leaves_creases() -> None:
    v, f = box((1.0, 1.0, 1.0), 4)
    stretched = v * [1.0, 0.2, 1.0]
    before = shapes(stretched, f)
    faces = f.copy()
    while flip(stretched, faces):
        pass
    assert is_edge_manifold(faces) and shapes(stretched, faces).min() >= before.min() - 1e-12
    normals = np.cross(stretched[faces][:, 1] - stretched[faces][:, 0], stretched[faces][:, 2] - stretched[faces][:, 0])
    assert (np.abs(normals).max(1) > 0.999 * np.linalg.norm(normals, axis=1)).all()  # every triangle still lies in a side of the box


def test_vertices_slide_along_creases_only() -> None:
    v, f = box((1.0, 1.0, 1.0), 6)
    moved = slid(v, f, np.full(len(v), 0.2))
    on = np.isclose(np.abs(v), 0.5)
    corner, edge, side = on.sum(1) == 3, on.sum(1) == 2, on.sum(1) == 1
    assert np.allclose(moved[corner], v[corner])
    assert np.allclose(moved[edge][on[edge]], v[edge][on[edge]]) and np.allclose(moved[side][on[side]], v[side][on[side]])


def test_twins_run_the_other_way() -> None:
    _, f = box((1.0, 1.0, 1.0), 3)
    twin = twins(f)
    start, end = f.reshape(-1), np.roll(f, -1, 1).reshape(-1)
    assert (twin[twin] == np.arange(len(twin))).all() and (start[twin] == end).all() and (end[twin] == start).all()


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_neighbours_are_those_that_a_sort_finds(kind: type) -> None:
    """Mates by a dictionary of edges, triangles by a look at all of them, in their order; triangles in any order."""
    v, f = ball(0.5, 12)
    f = np.random.default_rng(3).permutation(f).astype(kind)
    mates: dict[frozenset[int], list[int]] = {}
    for h, edge in enumerate(zip(f.reshape(-1).tolist(), np.roll(f, -1, 1).reshape(-1).tolist(), strict=True)):
        mates.setdefault(frozenset(edge), []).append(h)
    twin = twins(f)
    assert all(twin[a] == b and twin[b] == a for a, b in mates.values()) and twin.dtype == np.int64
    start, held = faces_round(f, len(v))
    for i in range(len(v)):
        assert held[start[i] : start[i + 1]].tolist() == np.flatnonzero((f == i).any(1)).tolist()
