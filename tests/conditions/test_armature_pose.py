"""The pose of an armature that rests its own way comes out the same on the body that we make of it, and on ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from scripts import pose_of_armature as script
from stages.artifacts.body import Skeleton, axis_angle_wxyz
from stages.artifacts.rotations import quaternions_of
from stages.conditions.armature_pose import pose_of_armature
from stages.conditions.body import POSES, load_pose
from tests.conditions.mannequin import mannequin
from tests.conditions.test_importing import mixamo


def t_rest() -> Skeleton:
    """Our mannequin's joints with the arms level."""
    turn = {side + "UpperArm": axis_angle_wxyz(np.array([0, s, 0]), -40.0) for side, s in (("left", 1.0), ("right", -1.0))}
    return mannequin().posed(turn).skeleton


def posed_by_hand(seed: int) -> tuple[Skeleton, np.ndarray, np.ndarray]:
    """A T-resting armature under Mixamo's names, turned by 90 degrees about +Z, in some pose: bones, turns, and where the joints then are."""
    rng = np.random.default_rng(seed)
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    rest = t_rest()
    rest = replace(rest, names=tuple(map(mixamo, rest.names)), heads=rest.heads @ quarter.T, tails=rest.tails @ quarter.T)
    local = {name: axis_angle_wxyz(rng.normal(size=3), rng.uniform(0, 70)) for name in rest.names}
    transforms = rest.joint_transforms(local)
    return rest, quaternions_of(transforms[:, :3, :3]), rest.posed(transforms).heads @ quarter


@pytest.mark.parametrize("seed", range(4))
def test_the_pose_comes_home_whatever_the_armatures_rest(seed: int) -> None:
    bones, turns_wxyz, heads = posed_by_hand(seed)
    ours = mannequin().skeleton
    pose = pose_of_armature(bones, turns_wxyz)
    found = ours.posed(ours.joint_transforms(pose)).heads
    assert np.abs((found - found[0]) - (heads - heads[0])).max() < 1e-6


def test_a_t_rest_that_nobody_moved_is_our_t_pose() -> None:
    still = np.tile([1.0, 0, 0, 0], (len(t_rest().names), 1))
    pose = pose_of_armature(t_rest(), still)
    assert {n for n in pose if "Upper" in n} == {"leftUpperArm", "rightUpperArm"} == set(pose)
    assert np.allclose(pose["leftUpperArm"], axis_angle_wxyz(np.array([0, 1.0, 0]), -40.0), atol=1e-6)


def test_our_own_rest_is_no_pose_and_a_preset_is_itself() -> None:
    ours = mannequin().skeleton
    transforms = ours.joint_transforms(POSES["run"])
    pose = pose_of_armature(ours, quaternions_of(transforms[:, :3, :3]))
    found, wanted = (ours.posed(ours.joint_transforms(p)).heads for p in (pose, POSES["run"]))
    assert np.abs(found - wanted).max() < 1e-6
    assert pose_of_armature(ours, np.tile([1.0, 0, 0, 0], (len(ours.names), 1))) == {}


def armature_file(path: Path, names: list[str] | None = None) -> Path:
    bones, turns_wxyz, _ = posed_by_hand(0)
    rows = [{"name": n, "parent": int(p), "head": h.tolist(), "tail": t.tolist(), "turn_wxyz": q.tolist()}
            for n, p, h, t, q in zip(names or bones.names, bones.parents, bones.heads, bones.tails, turns_wxyz, strict=True)]
    path.write_text(json.dumps({"bones": rows}))
    return path


def test_the_script_writes_a_pose_file_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["pose", str(armature_file(tmp_path / "a.json")), str(tmp_path / "pose.json")])
    assert script.main() == 0
    bones, turns_wxyz, _ = posed_by_hand(0)
    read, wanted = load_pose(tmp_path / "pose.json"), pose_of_armature(bones, turns_wxyz)
    assert read.keys() == wanted.keys() and all(np.allclose(read[n], wanted[n], atol=2e-6) for n in read)


def test_an_armature_that_is_no_humanoid_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    path = armature_file(tmp_path / "a.json", [f"Bone.{i:03d}" for i in range(len(t_rest().names))])
    monkeypatch.setattr("sys.argv", ["pose", str(path), str(tmp_path / "pose.json")])
    assert script.main() == 2 and not (tmp_path / "pose.json").exists()
    assert "error: the armature does not map to a humanoid: no bone stands for hips" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "said"), [
    ("{}", "expected an armature"), ("nothing", "expected an armature"),
    ('{"bones": [{"name": "a", "parent": -1, "head": [0, 0], "tail": [0, 0, 1], "turn_wxyz": [1, 0, 0, 0]}]}', "head takes 3 finite numbers"),
    ('{"bones": [{"name": "a", "parent": 0, "head": [0, 0, 0], "tail": [0, 0, 1], "turn_wxyz": [1, 0, 0, 0]}]}', "parents come first"),
])
def test_files_that_are_no_armatures(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ConfigError, match=said):
        script.read_armature(tmp_path / "a.json")
