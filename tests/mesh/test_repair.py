"""Specks, shells, holes, crowded edges; decimation keeps what is sound."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from scripts.bench.evaluate_mesh import holes_seen
from stages.artifacts.decimate import decimated
from stages.mesh.repair import drop_crowded, edge_use, face_areas, face_components, fill_holes, is_edge_manifold, repaired, seen_from_outside
from stages.mesh.untangle import folded_faces, untangled


def ball(subdivisions: int = 3, radius: float = 1.0, at: tuple[float, float, float] = (0, 0, 0)) -> tuple[np.ndarray, np.ndarray]:
    m = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return np.asarray(m.vertices) + at, np.asarray(m.faces, np.int32)


def joined(*meshes: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    v, f, n = [], [], 0
    for vertices, faces in meshes:
        v.append(vertices)
        f.append(faces + n)
        n += len(vertices)
    return np.concatenate(v), np.concatenate(f).astype(np.int32)


def volume(v: np.ndarray, f: np.ndarray) -> float:
    p = v[f].astype(np.float64)
    return float(np.einsum("fi,fi->", p[:, 0], np.cross(p[:, 1], p[:, 2])) / 6)


def test_sound_surface_passes_unchanged() -> None:
    v, f = ball()
    out_v, out_f = repaired(v, f)
    np.testing.assert_array_equal(out_v, v)
    np.testing.assert_array_equal(out_f, f)


def test_specks_and_inner_shells_go_and_second_pieces_stay() -> None:
    outer, other = ball(), ball(3, 0.4, (2.0, 0, 0))
    inner, speck = ball(2, 0.5), ball(1, 0.005, (0, 0, 1.3))
    cavity = ball(2, 0.7)[0], ball(2, 0.7)[1][:, ::-1]
    v, f = repaired(*joined(outer, other, inner, cavity, speck))
    assert len(np.unique(face_components(f))) == 2
    assert volume(v, f) == pytest.approx(volume(*outer) + volume(*other), rel=1e-6)


def test_only_what_is_outside_is_seen() -> None:
    v, f = joined(ball(2), ball(2, 0.5))
    seen = seen_from_outside(v, f, 128)
    half = len(f) // 2
    assert (seen[:half] > 0).mean() > 0.95 and not seen[half:].any()


def test_holes_are_closed() -> None:
    v, f = ball()
    open_f = f[np.r_[1:40, 44:300, 301 : len(f)]]
    assert not is_edge_manifold(open_f)
    out_v, out_f = repaired(v, open_f)
    assert is_edge_manifold(out_f)
    assert volume(out_v, out_f) == pytest.approx(volume(v, f), rel=0.02)


def test_single_missing_triangle_is_put_back_without_a_new_vertex() -> None:
    v, f = ball(1)
    out_v, out_f = fill_holes(v, f[1:])
    assert len(out_v) == len(v) and is_edge_manifold(out_f)


def test_crowded_edges_keep_their_largest_faces() -> None:
    v, f = ball(1)
    fin = np.array([[f[0, 0], f[0, 1], len(v)]], np.int32)
    v = np.concatenate([v, v[f[0, :2]].mean(0, keepdims=True) * 1.01])
    crowded = np.concatenate([f, fin, f[:1], [[3, 3, 4]]]).astype(np.int32)
    assert edge_use(crowded)[1].max() > 2
    kept = drop_crowded(v, crowded)
    assert edge_use(kept)[1].max() == 2
    assert is_edge_manifold(repaired(v, crowded)[1])


def test_decimation_reaches_its_target_and_keeps_shape_and_topology() -> None:
    v, f = ball(5)
    out_v, out_f = decimated(v, f, 1000)
    assert len(out_f) == 1000 and is_edge_manifold(out_f)
    assert len(out_v) - len(edge_use(out_f)[0]) + len(out_f) == 2  # still a sphere
    assert np.abs(np.linalg.norm(out_v, axis=1) - 1).max() < 0.01
    angles = trimesh.Trimesh(out_v, out_f, process=False).face_angles
    assert np.degrees(angles.min()) > 8


def test_decimation_spends_triangles_where_they_matter() -> None:
    v, f = ball(5)
    weight = np.where(v[:, 2] > 0, 4.0**3, 1.0)
    out_v, out_f = decimated(v, f, 1000, weight)
    top = out_v[out_f].mean(1)[:, 2] > 0
    assert 2.5 < top.sum() / (~top).sum() < 6


def test_decimation_of_a_torus_stays_a_torus_however_far_it_goes() -> None:
    m = trimesh.creation.torus(1.0, 0.3, major_sections=60, minor_sections=30)
    out_v, out_f = decimated(np.asarray(m.vertices), np.asarray(m.faces), 4)
    assert is_edge_manifold(out_f)
    assert len(out_v) - len(edge_use(out_f)[0]) + len(out_f) == 0


def test_decimation_is_repeatable_and_flat_ground_costs_nothing() -> None:
    m = trimesh.creation.box(extents=(1, 1, 1)).subdivide().subdivide().subdivide()
    a, b = decimated(m.vertices, m.faces, 12), decimated(m.vertices, m.faces, 12)
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])
    assert volume(*a) == pytest.approx(1.0, abs=0.02)
    assert face_areas(*a).sum() == pytest.approx(6.0, abs=0.1)


def sharpest(v: np.ndarray, f: np.ndarray) -> float:
    """Least cosine between the normals of two triangles that share an edge."""
    m = trimesh.Trimesh(v, f, process=False)
    return float(np.cos(m.face_adjacency_angles).min())


def test_the_rim_of_a_thin_sheet_is_no_fold() -> None:
    v, f = ball()
    lens = v * [1.0, 1.0, 0.01]
    assert sharpest(lens, f) < -0.3
    assert not folded_faces(lens, f).any()
    np.testing.assert_array_equal(untangled(lens, f), lens)


def test_folds_are_smoothed_away_and_the_rest_stays() -> None:
    v, f = ball()
    np.testing.assert_array_equal(untangled(v, f), v)
    dragged, top = v.copy(), int(np.argmax(v[:, 2]))
    dragged[top] += [0.4, 0.1, 0.0]
    assert folded_faces(dragged, f).any()
    assert sharpest(dragged, f) < -0.9
    out = untangled(dragged, f)
    assert not folded_faces(out, f).any()
    assert sharpest(out, f) > 0.3
    moved = np.flatnonzero((out != dragged).any(1))
    assert top in moved and len(moved) < 20


def test_a_hole_shows_the_back_of_the_other_side() -> None:
    v, f = ball()
    assert holes_seen(v, f) == 0
    assert holes_seen(v, f[v[f].mean(1)[:, 1] < 0.9]) > 0.001
