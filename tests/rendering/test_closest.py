"""Closest points against the obvious way of finding them."""

from __future__ import annotations

import numpy as np
import pytest

from stages.artifacts.closest import closest_points
from tests.rig.figures import body


def slow_closest(query: np.ndarray, triangle: np.ndarray) -> float:
    """Distance of a point to one triangle: by its plane if the foot lies inside, else by its edges."""
    normal = np.cross(triangle[1] - triangle[0], triangle[2] - triangle[0])
    normal /= np.linalg.norm(normal)
    foot = query - normal * ((query - triangle[0]) @ normal)
    inside = all(np.cross(triangle[(k + 1) % 3] - triangle[k], foot - triangle[k]) @ normal >= 0 for k in range(3))
    if inside:
        return float(np.linalg.norm(foot - query))
    best = np.inf
    for k in range(3):
        a, b = triangle[k], triangle[(k + 1) % 3]
        t = np.clip((query - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        best = min(best, float(np.linalg.norm(a + t * (b - a) - query)))
    return best


@pytest.fixture(scope="module")
def soup() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(90, 3)), np.arange(90).reshape(30, 3), rng.normal(size=(60, 3)) * 1.5


def test_distances_equal_the_slow_ones(soup) -> None:
    v_pos, triangles, queries = soup
    expected = [[slow_closest(q, v_pos[t]) for t in triangles] for q in queries]
    got = closest_points(queries, v_pos, triangles)
    np.testing.assert_allclose(got.distance, np.min(expected, -1), atol=1e-12)
    assert (got.triangle == np.argmin(expected, -1)).mean() > 0.9  # ties at shared corners do not occur in a soup
    np.testing.assert_allclose(np.linalg.norm(got.point - queries, axis=-1), got.distance, atol=1e-12)
    np.testing.assert_allclose(got.bary.sum(-1), 1, atol=1e-12)
    assert got.bary.min() >= 0


def test_only_triangles_that_face_the_same_way_count(soup) -> None:
    v_pos, triangles, queries = soup
    directions = np.random.default_rng(1).normal(size=queries.shape)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    p = v_pos[triangles]
    normals = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    got = closest_points(queries, v_pos, triangles, directions, 0.8)
    for i, q in enumerate(queries):
        allowed = [slow_closest(q, v_pos[t]) for t, n in zip(triangles, normals, strict=True) if n @ directions[i] >= 0.8]
        assert got.distance[i] == pytest.approx(min(allowed, default=np.inf), abs=1e-12)
        assert (got.triangle[i] == -1) == (not allowed)


def test_points_on_the_surface_find_themselves() -> None:
    b = body(0.04)
    got = closest_points(b.v_pos, b.v_pos, b.t_pos_idx)
    assert got.distance.max() < 1e-12
    np.testing.assert_allclose(got.interpolate(b.weights, b.t_pos_idx), b.weights, atol=1e-9)
    np.testing.assert_allclose(got.interpolate(b.v_pos, b.t_pos_idx), b.v_pos, atol=1e-12)
