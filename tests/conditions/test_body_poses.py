"""Pose presets and pose files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from stages.artifacts.body import axis_angle_wxyz, rotation_matrix
from stages.conditions.body import POSES, load_base_body, load_pose
from stages.conditions.body.poses import JOINT_NAMES, mirror, multiply, turn


def test_joint_names_are_the_skeletons() -> None:
    assert set(JOINT_NAMES) == set(load_base_body().skeleton.names)


def test_presets_are_unit_quaternions_of_known_joints() -> None:
    assert len(POSES) >= 12 and {"a_pose", "t_pose", "relaxed", "arms_up", "walk", "squat"} <= set(POSES)
    for pose in POSES.values():
        assert set(pose) <= set(JOINT_NAMES)
        for q in pose.values():
            assert np.linalg.norm(q) == pytest.approx(1.0)


def test_t_pose_arms_are_level_and_arms_up_are_up() -> None:
    s = load_base_body().skeleton
    for name, low, high in (("t_pose", -0.02, 0.02), ("arms_up", 0.2, 0.6)):
        posed = s.posed(s.joint_transforms(POSES[name]))
        for side in ("left", "right"):
            rise = posed.heads[s.index(side + "Hand")] - posed.heads[s.index(side + "UpperArm")]
            assert low < rise[2] < high


def test_multiply_and_mirror_agree_with_matrices() -> None:
    a, b = axis_angle_wxyz(np.array([1.0, 2, 3]), 40), axis_angle_wxyz(np.array([-1.0, 0.5, 2]), 70)
    np.testing.assert_allclose(rotation_matrix(multiply(a, b)), rotation_matrix(a) @ rotation_matrix(b), atol=1e-12)
    flip = np.diag([-1.0, 1, 1])
    np.testing.assert_allclose(rotation_matrix(mirror(a)), flip @ rotation_matrix(a) @ flip, atol=1e-12)


@pytest.mark.parametrize("value", [
    {"quaternion_wxyz": [np.sqrt(0.5), 0, 0, np.sqrt(0.5)]}, {"axis": [0, 0, 2], "angle_deg": 90}, {"axis_angle_deg": [0, 0, 90]},
    {"euler_xyz_deg": [0, 0, 90]}, [0, 0, 90], [1, 0, 0, 1],
])
@pytest.mark.parametrize("suffix", [".json", ".yaml"])
@pytest.mark.parametrize("nested", [False, True])
def test_every_way_to_write_a_rotation(tmp_path: Path, value: object, suffix: str, nested: bool) -> None:
    table = {"leftUpperArm": value}
    path = tmp_path / f"pose{suffix}"
    path.write_text(json.dumps({"joints": table} if nested else table), encoding="utf-8")  # JSON is YAML
    np.testing.assert_allclose(load_pose(path)["leftUpperArm"], turn(((0, 0, 1), 90)), atol=1e-9)


@pytest.mark.parametrize(("text", "said"), [
    ("leftUperArm: [0, 0, 1]", "did you mean 'leftUpperArm'"),
    ("tail: [0, 0, 1]", "unknown joint 'tail'"),
    ("head: [0, 1]", "expected [w, x, y, z]"),
    ("head: [0, 0, .nan]", "expected 3 finite numbers"),
    ("head: {axis: [0, 0, 0], angle_deg: 5}", "axis is zero"),
    ("head: [0, 0, 0, 0]", "quaternion is zero"),
    ("head: {angle: 5}", "{euler_xyz_deg: ...}"),
    ("- head", "expected joint names"),
    ("head: [", "not a legal YAML file"),
])
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "pose.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_pose(path)
    assert said in str(error.value) and str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_pose(tmp_path / "none.yaml")
