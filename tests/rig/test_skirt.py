"""A skirt is told from trousers, and shared between hips and thighs."""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import axis_angle_wxyz, skin
from stages.artifacts.closest import closest_points
from stages.artifacts.normals import vertex_normals
from stages.rig.settings import RigSettings
from stages.rig.skirt import sees_surface, skirt_share, skirt_weights, spanned_level
from stages.rig.transfer import transfer_weights
from tests.rig.figures import body, inflated, skeleton, skirted


def test_a_look_meets_what_is_in_front() -> None:
    wall = np.array([[-1, -0.2, -1], [1, -0.2, -1], [0, -0.2, 1.0]])
    eyes = np.array([[0, 0, 0], [0, 0, 0.9], [0.9, 0, 0.9], [0, -0.9, 0]])
    one, near = np.array([[0, 1, 2]]), np.zeros(4)
    assert sees_surface(eyes, np.array([0, -1.0, 0]), wall, one, near).tolist() == [True, True, False, False]
    assert sees_surface(eyes, np.array([0, 1.0, 0]), wall, one, near).tolist() == [False, False, False, False]  # the last is 0.7 m away
    assert sees_surface(eyes[:1], np.array([1.0, 0, 0]), wall, one, near[:1]).tolist() == [False]  # along the wall
    assert sees_surface(eyes[:1], np.array([0, -1.0, 0]), wall, one, near[:1] + 0.3).tolist() == [False]  # too near


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
    names = skeleton().names
    legs = {side: [names.index(side + bone) for bone in ("UpperLeg", "LowerLeg")] for side in ("left", "right")}
    on_body = np.zeros((31, len(names)))
    on_body[:, legs["left"]] = np.where(x[:, None] > 0, [0.6, 0.3], 0.0)
    on_body[:, legs["right"]] = np.where(x[:, None] > 0, 0.0, [0.6, 0.3])
    on_body[:, names.index("hips")] = 0.1
    w = skirt_weights(np.stack([x, 0 * x - 0.15, 0 * x + 0.5], -1), on_body, skeleton())
    np.testing.assert_allclose(w.sum(-1), 1)
    np.testing.assert_allclose(w[:, names.index("hips")], 0.1)  # what the legs hold stays theirs
    left, right = w[:, legs["left"]], w[:, legs["right"]]
    np.testing.assert_allclose(left, right[::-1], atol=1e-12)
    np.testing.assert_allclose(left[:, 0], 2 * left[:, 1], atol=1e-12)
    assert (np.diff(left[:, 0]) >= 0).all() and (np.diff(left[:, 0]) > 0)[11:19].all() and right[-1].max() == 0 and np.abs(np.diff(left[:, 0])).max() < 0.1


def test_cloth_is_given_over_to_the_legs_more_slowly_than_skin() -> None:
    height = np.linspace(0.9, 0.5, 41)
    on_body = np.zeros((41, len(skeleton().names)))
    on_body[:, skeleton().index("leftUpperLeg")] = 1.0
    w = skirt_weights(np.stack([np.full(41, 0.2), np.full(41, -0.1), height], -1), on_body, skeleton())
    hips = w[:, skeleton().index("hips")]
    assert hips[height > 0.83].min() == 1 and hips[height < 0.65].max() < 0.01
    assert (np.diff(hips) <= 0).all() and np.abs(np.diff(hips)).max() < 0.1


def test_arms_and_trunk_beside_a_skirt_have_no_part_in_it() -> None:
    on_body = np.eye(len(skeleton().names))[[skeleton().index("leftHand"), skeleton().index("spine")]]
    w = skirt_weights(np.array([[0.3, 0.0, 0.6], [0.0, -0.2, 0.9]]), on_body, skeleton())
    np.testing.assert_allclose(w[:, skeleton().index("hips")], 1)


def test_raised_thighs_do_not_come_through_the_skirt() -> None:
    v_pos, triangles = skirted()
    weights = transfer_weights(v_pos, triangles, body(), RigSettings()).weights
    turns = {"leftUpperLeg": axis_angle_wxyz(np.array([1.0, 0, 0]), -85), "rightUpperLeg": axis_angle_wxyz(np.array([1.0, 0, 0]), -60)}
    transforms = skeleton().joint_transforms(turns)
    legs = body().posed(turns)
    cloth = (np.linalg.norm(v_pos[:, :2], axis=-1) > 0.2) & (v_pos[:, 2] > 0.5) & (v_pos[:, 2] < 0.75) & (np.abs(v_pos[:, 0]) < 0.3)
    posed = skin(v_pos, weights, transforms)[cloth]
    near = closest_points(posed, legs.v_pos, legs.t_pos_idx)
    outwards = near.interpolate(vertex_normals(legs.v_pos, legs.t_pos_idx), legs.t_pos_idx)
    off = ((posed - near.point) * outwards).sum(-1)
    assert cloth.sum() > 200 and (off > -0.005).mean() > 0.98  # 0.87 where half of the thighs is followed
