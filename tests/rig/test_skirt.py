"""A skirt is told from trousers, and shared between hips and thighs."""

from __future__ import annotations

import numpy as np

from stages.artifacts.closest import closest_points
from stages.rig.skirt import sees_surface, skirt_share, skirt_weights, spanned_level
from tests.rig.figures import body, inflated, skeleton, skirted


def test_a_look_meets_what_is_in_front() -> None:
    wall = np.array([[-1, -0.2, -1], [1, -0.2, -1], [0, -0.2, 1.0]])
    eyes = np.array([[0, 0, 0], [0, 0, 0.9], [0.9, 0, 0.9], [0, -0.9, 0]])
    one, near = np.array([[0, 1, 2]]), np.zeros(4)
    assert sees_surface(eyes, np.array([0, -1.0, 0]), wall, one, near).tolist() == [True, True, False, False]
    assert sees_surface(eyes, np.array([0, 1.0, 0]), wall, one, near).tolist() == [False, False, False, False]  # the last is 0.7 m away
    assert sees_surface(eyes[:1], np.array([1.0, 0, 0]), wall, one, near).tolist() == [False]  # along the wall
    assert sees_surface(eyes[:1], np.array([0, -1.0, 0]), wall, one, near + 0.3).tolist() == [False]  # too near


def test_skirt_reaches_to_its_hem_and_trousers_span_nothing() -> None:
    v_pos, triangles = skirted()
    hip, knee = 0.83, 0.45
    assert abs(spanned_level(v_pos, triangles, body()) - (hip - 0.5) / (hip - knee)) < 0.1  # a level is 1/12
    assert spanned_level(*inflated(0.008), body()) < 0.35  # the crotch alone, though the thighs touch
    near = closest_points(v_pos, body().v_pos, body().t_pos_idx)
    share = skirt_share(v_pos, triangles, near, body())
    cone = (np.linalg.norm(v_pos[:, :2], axis=-1) > 0.2) & (v_pos[:, 2] < 0.75) & (v_pos[:, 2] > 0.52) & (np.abs(v_pos[:, 0]) < 0.3)
    assert share[cone].min() == 1.0
    hands = np.abs(v_pos[:, 0]) > 0.45
    assert hands.any() and share[hands].max() == 0.0
    assert share[(v_pos[:, 2] < 0.44) | (v_pos[:, 2] > 0.9)].max() == 0.0  # shins, and everything above the hips


def test_skirt_weights_are_even_in_the_middle_and_take_sides_smoothly() -> None:
    x = np.linspace(-0.3, 0.3, 31)
    w = skirt_weights(np.stack([x, 0 * x - 0.15, 0 * x + 0.5], -1), skeleton())
    np.testing.assert_allclose(w.sum(-1), 1)
    left, right = (w[:, skeleton().index(side + "UpperLeg")] for side in ("left", "right"))
    np.testing.assert_allclose(left, right[::-1], atol=1e-12)
    assert (np.diff(left) >= 0).all() and (np.diff(left) > 0)[11:19].all() and right[-1] == 0 and np.abs(np.diff(left)).max() < 0.08
    down = skirt_weights(np.stack([np.full(9, 0.1), np.full(9, -0.15), np.linspace(0.9, 0.3, 9)], -1), skeleton())
    assert (np.diff(down[:, skeleton().index("hips")]) <= 0).all() and down[0, skeleton().index("hips")] == 1
    assert down[-1, skeleton().index("hips")] > 0.4
