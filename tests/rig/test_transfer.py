"""Weights carried to other surfaces: the body itself, a thicker one, one in a skirt, one with loose pieces; and back to rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stages.artifacts.body import axis_angle_wxyz, skin
from stages.artifacts.rig import skin_sparse
from stages.artifacts.showcase_poses import POSES, showcase_pose
from stages.rig.bind import bind
from stages.rig.settings import RigSettings
from stages.rig.transfer import continuity_breaks, transfer_weights
from stages.rig.unpose import unpose
from tests.rig.figures import body, bone_weights, inflated, skeleton, skirted

STILL = np.tile(np.eye(4), (len(skeleton().names), 1, 1))
HEIGHT_M = 1.66


def posed_errors(v_pos: np.ndarray, triangles: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(poses, V) distance between the surface posed by its carried and by its true weights, in heights of the figure."""
    skinning, _ = bind(v_pos, triangles, body(), body(), STILL, RigSettings())
    errors = []
    for pose in POSES:
        transforms = skeleton().joint_transforms(showcase_pose(skeleton(), pose))
        errors.append(np.linalg.norm(skinning.posed(transforms) - skin(v_pos, truth, transforms), axis=-1) / HEIGHT_M)
    return np.array(errors)


def test_the_body_itself_gets_its_own_weights() -> None:
    b = body()
    transfer = transfer_weights(b.v_pos, b.t_pos_idx, b, RigSettings())
    np.testing.assert_allclose(transfer.weights.sum(-1), 1, atol=1e-12)
    assert np.abs(transfer.weights - b.weights).mean() < 0.004
    assert transfer.confidence.min() == pytest.approx(1.0)
    errors = posed_errors(b.v_pos, b.t_pos_idx, b.weights)
    assert np.percentile(errors, 95) < 0.001 and errors.max() < 0.01


def test_a_thicker_body_on_another_grid() -> None:
    v_pos, triangles = inflated(0.008)
    errors = posed_errors(v_pos, triangles, bone_weights(v_pos))
    assert np.percentile(errors, 95) < 0.004 and errors.max() < 0.06


def test_legs_under_a_skirt_move_apart_and_the_skirt_is_shared_evenly() -> None:
    v_pos, triangles = skirted()
    skinning, _ = bind(v_pos, triangles, body(), body(), STILL, RigSettings())
    left = [skeleton().index(n) for n in ("leftUpperLeg", "leftLowerLeg", "leftFoot")]
    right = [skeleton().index(n) for n in ("rightUpperLeg", "rightLowerLeg", "rightFoot")]
    dense = np.zeros((len(v_pos), len(STILL)))
    np.add.at(dense, (np.arange(len(v_pos))[:, None], skinning.joints.astype(int)), skinning.weights)
    lw, rw = dense[:, left].sum(-1), dense[:, right].sum(-1)
    shins = v_pos[:, 2] < 0.34
    assert lw[shins & (v_pos[:, 0] > 0)].min() > 0.97 and rw[shins & (v_pos[:, 0] < 0)].min() > 0.97
    hem = (v_pos[:, 2] > 0.55) & (v_pos[:, 2] < 0.6) & (np.linalg.norm(v_pos[:, :2], axis=-1) > 0.2)
    front = hem & (np.abs(v_pos[:, 0]) < 0.02)
    assert front.sum() > 4
    np.testing.assert_allclose(lw[front], rw[front], atol=0.25)  # a centimetre beside the middle; a step would be 1
    side = hem & (v_pos[:, 0] > 0.2)
    assert (lw[side] > rw[side] + 0.15).all()
    assert (lw + rw)[hem].min() > 0.9  # cloth in front of the thighs goes where they go
    arms = [j for j, n in enumerate(skeleton().names) if "Arm" in n or "Hand" in n or "Shoulder" in n]
    assert dense[hem][:, arms].max() < 0.02


def test_matches_that_jump_across_a_gap_are_found() -> None:
    """A strip whose middle edge's closest points lie on two different walls."""
    v_pos = np.array([[x, y, 0] for x in (0.0, 0.01, 0.02, 0.03) for y in (0.0, 0.01)])
    triangles = np.array([[i, i + 2, i + 1] for i in range(0, 6, 2)] + [[i + 1, i + 2, i + 3] for i in range(0, 6, 2)])
    points = v_pos + np.where(v_pos[:, :1] > 0.015, [0.1, 0, 0], [-0.1, 0, 0])
    assert continuity_breaks(v_pos, triangles, points).tolist() == [2, 3, 4, 5]
    assert len(continuity_breaks(v_pos, triangles, v_pos + 0.3)) == 0


def test_a_loose_ribbon_moves_rigidly_with_what_is_near() -> None:
    b = body()
    ribbon = np.array([[0.0, 0.22, 1.5], [0.04, 0.22, 1.5], [0.0, 0.26, 1.55], [0.04, 0.26, 1.45]])
    triangles = np.concatenate([b.t_pos_idx, len(b.v_pos) + np.array([[0, 1, 2], [1, 3, 2]])])
    transfer = transfer_weights(np.concatenate([b.v_pos, ribbon]), triangles, b, RigSettings())
    mine = transfer.weights[-4:]
    np.testing.assert_allclose(mine, np.tile(mine[0], (4, 1)), atol=1e-12)
    assert mine[0, skeleton().index("head")] > 0.9


def test_painted_eyes_stay_with_the_head_and_eyeballs_turn() -> None:
    """The head's front follows an eye joint; a surface of one piece does not take that over, a separate eyeball does."""
    b = body()
    names = tuple("leftEye" if n == "leftFoot" else n for n in b.skeleton.names)
    eye, head = names.index("leftEye"), names.index("head")
    weights = b.weights.copy()
    weights[:, head] += weights[:, eye]
    weights[:, eye] = 0
    front = (b.v_pos[:, 2] > 1.4) & (b.v_pos[:, 1] < -0.05)
    weights[front] = np.eye(len(names))[eye]
    watching = replace(b, weights=weights, skeleton=replace(b.skeleton, names=names))
    ball = np.array([[0.0, -0.13, 1.45], [0.02, -0.13, 1.45], [0.0, -0.13, 1.47], [0.0, -0.12, 1.46]])
    tetrahedron = len(b.v_pos) + np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    transfer = transfer_weights(np.concatenate([b.v_pos, ball]), np.concatenate([b.t_pos_idx, tetrahedron]), watching, RigSettings())
    assert front.any() and transfer.weights[:-4, eye].max() == 0 and transfer.weights[:-4][front, head].min() > 0.9
    assert transfer.weights[-4:, eye].min() > 0.9
    np.testing.assert_allclose(transfer.weights.sum(-1), 1, atol=1e-12)


def test_carrying_is_deterministic() -> None:
    v_pos, triangles = inflated(0.008)
    first, second = (bind(v_pos, triangles, body(), body(), STILL, RigSettings())[0] for _ in range(2))
    for name in ("v_pos_rest", "joints", "weights"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_unposing_undoes_posing_exactly() -> None:
    b = body()
    pose = showcase_pose(skeleton(), "walk")
    rest2posed = skeleton().joint_transforms(pose, np.array([0.1, 0.0, 0.2]))
    skinning, _ = bind(skin(b.v_pos, b.weights, rest2posed), b.t_pos_idx, b, b.posed(pose, np.array([0.1, 0.0, 0.2])), rest2posed, RigSettings())
    np.testing.assert_allclose(skinning.posed(rest2posed), skin(b.v_pos, b.weights, rest2posed), atol=1e-6)
    apart = np.linalg.norm(skinning.v_pos_rest - b.v_pos, axis=-1) / HEIGHT_M
    assert np.percentile(apart, 95) < 0.002 and apart.max() < 0.03


def test_a_collapsed_blend_is_undone_by_its_strongest_joint() -> None:
    transforms = np.tile(np.eye(4), (2, 1, 1))
    transforms[1, :3, :3] = np.diag([1.0, -1, -1])
    joints, weights = np.array([[1, 0]]), np.array([[0.5, 0.5]])
    back = unpose(np.array([[0.3, 0.4, 0.5]]), joints, weights, transforms)
    np.testing.assert_allclose(back, [[0.3, -0.4, -0.5]])


def test_sparse_skinning_equals_dense() -> None:
    b = body()
    transforms = skeleton().joint_transforms({"spine": axis_angle_wxyz(np.array([1.0, 0, 0]), 40)})
    order = np.argsort(-b.weights, -1)
    sparse = skin_sparse(b.v_pos, order, np.take_along_axis(b.weights, order, -1), transforms)
    np.testing.assert_allclose(sparse, skin(b.v_pos, b.weights, transforms))


def test_distances_of_trust_must_be_in_order() -> None:
    with pytest.raises(ValueError, match=r"near_m 0.06 must be less than far_m 0.05"):
        RigSettings(near_m=0.06)
