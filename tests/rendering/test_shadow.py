"""What reaches a surface from a distant light: the cosine, and nothing in the shadow."""

from __future__ import annotations

import numpy as np
import trimesh

from stages.rendering.shadow import Shadow, spread


def test_a_ball_is_lit_by_the_cosine_on_one_side() -> None:
    ball = trimesh.creation.icosphere(subdivisions=4)
    towards = np.array([0.3, -0.5, 0.8])
    shadow = Shadow.of(ball.vertices, ball.faces, 7 * towards)
    cosine = ball.vertices @ towards / np.linalg.norm(towards)
    np.testing.assert_allclose(np.linalg.norm(shadow.direction), 1)
    reach = shadow.reaching(ball.vertices, ball.vertices)
    np.testing.assert_allclose(reach[cosine > 0.1], cosine[cosine > 0.1], atol=1e-6)
    np.testing.assert_array_equal(reach[cosine <= 0], 0)


def test_a_balls_shadow_lies_where_the_rays_through_it_end() -> None:
    """A ball over a floor, light from aslant: against the distance of each floor point's ray from the ball's middle."""
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    v = np.concatenate([ball.vertices + [0, 0, 1.0], [[-3, -3, 0], [3, -3, 0], [3, 3, 0], [-3, 3, 0]]])
    f = np.concatenate([ball.faces, np.array([[0, 1, 2], [0, 2, 3]]) + len(ball.vertices)])
    towards = np.array([0.6, 0.0, 0.8])
    points = np.concatenate([np.random.default_rng(0).uniform(-2.5, 2.5, (4000, 2)), np.zeros((4000, 1))], 1)
    reach = Shadow.of(v, f, towards).reaching(points, np.tile([0.0, 0, 1], (4000, 1)))
    to_ball = np.array([0, 0, 1.0]) - points
    away = np.linalg.norm(to_ball - (to_ball @ towards)[:, None] * towards, axis=1)
    np.testing.assert_allclose(reach[away > 0.53], 0.8, atol=1e-6)
    np.testing.assert_array_equal(reach[away < 0.47], 0)
    assert (away < 0.47).sum() > 50


def test_directions_are_spread_evenly() -> None:
    d = spread(400)
    np.testing.assert_allclose(np.linalg.norm(d, axis=1), 1)
    np.testing.assert_allclose(d.T @ d / 400, np.eye(3) / 3, atol=5e-3)
    np.testing.assert_allclose(d.mean(0), 0, atol=5e-3)
