"""Showcase poses point bones where they say, from any rest pose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stages.artifacts.body import axis_angle_wxyz, rotation_matrix
from stages.artifacts.showcase_poses import POSES, aim, shortest_turn_wxyz, showcase_pose
from tests.rig.figures import skeleton


def directions(bones) -> np.ndarray:
    along = bones.tails - bones.heads
    return along / np.linalg.norm(along, axis=-1, keepdims=True)


@pytest.mark.parametrize("pose", POSES)
def test_poses_keep_bone_lengths_and_do_not_depend_on_the_rest_pose(pose: str) -> None:
    rest = skeleton()
    turns = {"leftUpperArm": axis_angle_wxyz(np.array([0, 1.0, 0]), 40), "rightUpperLeg": axis_angle_wxyz(np.array([1.0, 0, 0]), 30)}
    other = rest.posed(rest.joint_transforms(turns))
    posed = [bones.posed(bones.joint_transforms(showcase_pose(bones, pose))) for bones in (rest, other)]
    np.testing.assert_allclose(np.linalg.norm(posed[0].tails - posed[0].heads, axis=-1), np.linalg.norm(rest.tails - rest.heads, axis=-1))
    limbs = [j for j, n in enumerate(rest.names) if n.endswith(("UpperArm", "LowerArm", "Hand"))]
    np.testing.assert_allclose(directions(posed[0])[limbs], directions(posed[1])[limbs], atol=1e-9)


def test_t_pose_arms_are_level_and_mirrored() -> None:
    rest = skeleton()
    posed = directions(rest.posed(rest.joint_transforms(showcase_pose(rest, "T-pose"))))
    for bone in ("UpperArm", "LowerArm", "Hand"):
        np.testing.assert_allclose(posed[rest.index("left" + bone)], [1, 0, 0], atol=1e-9)
        np.testing.assert_allclose(posed[rest.index("right" + bone)], [-1, 0, 0], atol=1e-9)


def test_missing_joints_are_left_out() -> None:
    rest = skeleton()
    short = replace(rest, names=tuple(n.replace("Hand", "Paw") for n in rest.names))
    assert set(aim(short, {"leftHand": (1, 0, 0), "leftUpperArm": (1, 0, 0)})) == {"leftUpperArm"}


def test_shortest_turn() -> None:
    rng = np.random.default_rng(0)
    for a, b in rng.normal(size=(20, 2, 3)):
        turned = rotation_matrix(shortest_turn_wxyz(a, b)) @ a
        np.testing.assert_allclose(turned / np.linalg.norm(a), b / np.linalg.norm(b), atol=1e-9)
    np.testing.assert_allclose(rotation_matrix(shortest_turn_wxyz(np.eye(3)[0], -np.eye(3)[0])) @ np.eye(3)[0], -np.eye(3)[0], atol=1e-12)
