"""Bone names of other programs: complete, each once, understood again when the file comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import StageError
from stages.artifacts.bone_roles import joint_names
from stages.artifacts.glb_reader import read_glb
from stages.artifacts.humanoid import HANGS_ON
from stages.conditions.body.asset import load_base_body
from stages.export import STAGE
from stages.export.bone_names import NAMES, renamed
from stages.export.settings import ExportSettings
from tests.export.gltf_rules import check_rules
from tests.export.test_vrm import SMALL, inputs_of
from tests.rig.figures import body
from tests.rig.stage_folders import context_in


@pytest.mark.parametrize("preset", NAMES)
def test_every_humanoid_bone_has_one_name_of_its_own(preset: str) -> None:
    names = NAMES[preset]
    assert set(load_base_body().skeleton.names) <= set(names) == set(HANGS_ON)
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize(("preset", "expected"), [
    ("vrm", {"hips": "hips", "leftThumbMetacarpal": "leftThumbMetacarpal"}),
    ("mixamo", {"hips": "mixamorig:Hips", "chest": "mixamorig:Spine1", "leftUpperArm": "mixamorig:LeftArm", "rightLowerLeg": "mixamorig:RightLeg",
                "leftToes": "mixamorig:LeftToeBase", "leftThumbMetacarpal": "mixamorig:LeftHandThumb1", "rightLittleDistal": "mixamorig:RightHandPinky3"}),
    ("unity", {"hips": "Hips", "upperChest": "UpperChest", "leftLowerArm": "LeftLowerArm", "leftThumbMetacarpal": "LeftThumbProximal",
               "leftThumbProximal": "LeftThumbIntermediate", "leftIndexProximal": "LeftIndexProximal", "rightEye": "RightEye"}),
    ("unreal", {"hips": "pelvis", "spine": "spine_01", "upperChest": "spine_03", "leftShoulder": "clavicle_l", "leftUpperArm": "upperarm_l",
                "rightUpperLeg": "thigh_r", "leftToes": "ball_l", "leftThumbDistal": "thumb_03_l", "rightLittleProximal": "pinky_01_r"}),
])
def test_names_are_those_of_the_program(preset: str, expected: dict[str, str]) -> None:
    assert {bone: NAMES[preset][bone] for bone in expected} == expected


@pytest.mark.parametrize("preset", NAMES)
def test_a_body_that_comes_back_is_understood(preset: str) -> None:
    """The table of names is the inverse of what reads the bodies that users bring."""
    bones = load_base_body().skeleton
    again = renamed(bones, preset)
    assert joint_names(again.names, again.parents) == dict(enumerate(bones.names))
    np.testing.assert_array_equal(again.heads, bones.heads)


def test_joints_without_a_role_keep_their_names_and_clashes_are_told() -> None:
    bones = load_base_body().skeleton
    names = list(bones.names)
    names[bones.index("jaw")] = "ribbon_01"
    assert renamed(replace(bones, names=tuple(names)), "unreal").names[bones.index("jaw")] == "ribbon_01"
    assert renamed(bones, "own") is bones
    names[bones.index("jaw")] = "pelvis"
    with pytest.raises(StageError, match="export.bones unreal: two joints would be named pelvis; rename one in the body's armature"):
        renamed(replace(bones, names=tuple(names)), "unreal")


def test_files_bear_the_names_and_the_vrm_still_knows_its_bones(tmp_path: Path) -> None:
    figure = body(0.04)
    settings = ExportSettings(**(SMALL | {"formats": ("glb", "vrm")}), bones="unreal")
    made = STAGE.run(settings, inputs_of(figure, tmp_path), context_in(tmp_path))
    assert set(read_glb(made.folder / "mika.glb").skeleton.names) == set(renamed(figure.skeleton, "unreal").names)
    raw = check_rules(made.folder / "mika.vrm")
    human = raw.json["extensions"]["VRMC_vrm"]["humanoid"]["humanBones"]
    assert {bone: raw.json["nodes"][said["node"]]["name"] for bone, said in human.items()} == {b: NAMES["unreal"][b] for b in figure.skeleton.names}
