"""Cutting and lifting: exact cuts, shells that stay outside, rims that close towards the body."""

import numpy as np

from scripts.generator.shell import Surface, boundary_edges, cut, hemmed, lifted
from stages.artifacts.normals import vertex_normals
from tests.bodies import ball


def area(v: np.ndarray, tri: np.ndarray) -> float:
    return 0.5 * np.linalg.norm(np.cross(v[tri[:, 1]] - v[tri[:, 0]], v[tri[:, 2]] - v[tri[:, 0]]), axis=1).sum()


def test_a_cut_follows_the_field_and_both_halves_make_the_whole() -> None:
    body = ball()
    field = body.v_pos[:, 2] - 0.3137
    total = 0.0
    for sign in (1.0, -1.0):
        tri, a, b, t = cut(body.t_pos_idx, sign * field)
        v = body.v_pos[a] * (1 - t)[:, None] + body.v_pos[b] * t[:, None]
        assert np.all(sign * (v[:, 2] - 0.3137) > -1e-12)
        ends = v[np.unique(boundary_edges(tri))]
        assert np.allclose(ends[:, 2], 0.3137)
        n = vertex_normals(v, tri)
        assert ((n * v).sum(1) > 0.5).all()
        total += area(v, tri)
    assert np.isclose(total, area(body.v_pos, body.t_pos_idx))


def test_shells_keep_their_distance() -> None:
    body = ball()
    surface = lifted(body, body.v_pos, body.v_pos[:, 2] + 0.2, 0.1, rounds=12)
    r = np.linalg.norm(surface.v_pos, axis=1)
    assert r.min() > 1.045 and r.max() < 1.11
    assert np.allclose(surface.weights.sum(1), 1)


def test_rims_close_the_shell_towards_the_body() -> None:
    body = ball()
    surface = lifted(body, body.v_pos, body.v_pos[:, 2], 0.1, rounds=0)
    closed, is_rim = hemmed(surface, 0.02)
    assert isinstance(closed, Surface) and is_rim.sum() == 2 * len(boundary_edges(surface.tri))
    inner = closed.v_pos[np.unique(boundary_edges(closed.tri))]
    assert np.all(np.linalg.norm(inner, axis=1) < 1.0)
    assert len(boundary_edges(closed.tri)) == len(boundary_edges(surface.tri))
