"""Chains of hair and skirt as spring bones of a VRM, and as plain joints in a GLB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from stages.artifacts.chains import Collider, chains_of
from stages.artifacts.exports import ExportSet
from stages.artifacts.glb import z_up_to_y_up
from stages.artifacts.glb_document import GlbDocument
from stages.artifacts.glb_reader import read_glb
from stages.artifacts.rig import Rig
from stages.export import STAGE, ExportInputs
from stages.export.settings import ExportSettings
from stages.export.spring_bones import moved, shape, spring_bones
from stages.export.spring_settings import HairSprings, SkirtSprings
from stages.export.t_pose import in_t_pose
from stages.rig.bind import chained
from stages.rig.colliders import fit_colliders
from stages.rig.settings import RigSettings
from tests.export.gltf_rules import Raw, check_rules
from tests.rig.figures import body, skeleton
from tests.rig.stage_folders import context_in, mesh_asset
from tests.rig.swinging import bound

SMALL = {"name": "mika", "turntable_frames": 8, "turntable_px": 96, "formats": ("glb", "vrm")}
SETTINGS = {"hair": HairSprings(), "skirt": SkirtSprings()}


def inputs_of(folder: Path, *worn: str) -> ExportInputs:
    skinning, transfer, triangles, _ = bound(*worn)
    made = chained(skinning, triangles, transfer, RigSettings())
    return ExportInputs(mesh_asset(folder / "mesh", made.v_pos_rest, triangles), Rig.write(folder / "rig", made, {}, colliders=fit_colliders(body())))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ExportInputs:
    return inputs_of(tmp_path_factory.mktemp("rigged"), "cap", "tails", "skirt")


@pytest.fixture(scope="module")
def made(inputs: ExportInputs, tmp_path_factory: pytest.TempPathFactory) -> ExportSet:
    return STAGE.run(ExportSettings(**SMALL), inputs, context_in(tmp_path_factory.mktemp("made")))


@pytest.fixture(scope="module")
def raw(made: ExportSet) -> Raw:
    return check_rules(made.folder / "mika.vrm")


def springs_of(raw: Raw) -> dict[str, Any]:
    return raw.json["extensions"]["VRMC_springBone"]


def test_every_chain_is_a_spring_from_its_root_to_a_node_at_its_tip(raw: Raw, inputs: ExportInputs) -> None:
    assert "VRMC_springBone" in raw.json["extensionsUsed"] and springs_of(raw)["specVersion"] == "1.0"
    bones, nodes, skin = in_t_pose(inputs.rig.skinning).skeleton, raw.json["nodes"], raw.json["skins"][0]["joints"]
    springs, chains = springs_of(raw)["springs"], chains_of(bones)
    assert [s["name"] for s in springs] == [c.name for c in chains] and len(chains) == 10
    for spring, chain in zip(springs, chains, strict=True):
        along = [j["node"] for j in spring["joints"]]
        assert [nodes[n]["name"] for n in along] == [*(bones.names[j] for j in chain.joints), f"{chain.name}_tip"]
        assert all(b in nodes[a]["children"] for a, b in zip(along, along[1:], strict=False))
        assert along[-1] not in skin and set(along[:-1]) <= set(skin) and set(spring["joints"][-1]) == {"node"}
        np.testing.assert_allclose(raw.world()[along[-1]][:3, 3], z_up_to_y_up(bones.tails[chain.joints[-1]]), atol=1e-6)


def test_springs_are_as_the_settings_say(raw: Raw, inputs: ExportInputs, tmp_path: Path) -> None:
    for spring in springs_of(raw)["springs"]:
        settings = HairSprings() if spring["name"].startswith("hair") else SkirtSprings()
        for joint in spring["joints"][:-1]:
            assert (joint["stiffness"], joint["gravityPower"], joint["dragForce"]) == (settings.stiffness, settings.gravity_power, settings.drag_force)
            assert joint["gravityDir"] == [0, -1, 0] and 0 <= joint["hitRadius"] <= settings.hit_radius_m
    own = STAGE.run(ExportSettings(**SMALL, hair_springs={"stiffness": 2.5}), inputs, context_in(tmp_path))
    first = springs_of(Raw(own.folder / "mika.vrm"))["springs"][0]["joints"][0]
    assert (first["stiffness"], first["dragForce"]) == (2.5, HairSprings().drag_force)
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        ExportSettings(skirt_springs={"drag_force": 1.5})


def test_hair_meets_head_and_chest_and_skirts_meet_hips_and_legs(raw: Raw) -> None:
    said = springs_of(raw)
    groups = [g["name"] for g in said["colliderGroups"]]
    nodes = raw.json["nodes"]
    assert [nodes[c["node"]]["name"] for c in said["colliders"]] == groups and [g["colliders"] for g in said["colliderGroups"]] == [[i] for i in range(len(groups))]
    met = {kind: {groups[g] for s in said["springs"] if s["name"].startswith(kind) for g in s["colliderGroups"]} for kind in ("hair", "skirt")}
    assert met == {"hair": {"head", "chest", "upperChest"}, "skirt": {"hips", "leftUpperLeg", "rightUpperLeg"}}


def test_at_rest_no_joint_lies_in_what_it_may_not_enter(raw: Raw) -> None:
    said, world = springs_of(raw), raw.world()
    for spring in said["springs"]:
        along = spring["joints"]
        for joint, below in zip(along, along[1:], strict=False):
            tail = world[below["node"]][:3, 3]
            for group in spring["colliderGroups"]:
                collider = said["colliders"][group]
                (round_,) = collider["shape"].values()
                at = world[collider["node"]][:3, 3]
                start, end = (at + np.array(round_[key]) for key in ("offset", "tail" if "tail" in round_ else "offset"))
                assert Collider("", start, end, round_["radius"]).gap_m(tail[None])[0] >= joint["hitRadius"] - 1e-5


def test_a_collider_that_a_chain_lies_in_is_none_for_it() -> None:
    skinning, transfer, triangles, _ = bound("cap", "tails")
    bones = chained(skinning, triangles, transfer, RigSettings()).skeleton
    document = GlbDocument({"asset": {"version": "2.0"}})
    joints = [document.add("nodes", {"name": name}) for name in bones.names]
    first = chains_of(bones)[0].joints[0]
    around = Collider("head", bones.tails[first], bones.tails[first], 0.02)
    near = Collider("neck", bones.tails[first] + [0.05, 0, 0], bones.tails[first] + [0.05, 0, 0], 0.045)
    said = spring_bones(document, bones, joints, [around, near], SETTINGS)
    assert said["springs"][0]["colliderGroups"] == [1] and said["springs"][1]["colliderGroups"] == [0, 1]
    assert said["springs"][0]["joints"][0]["hitRadius"] == pytest.approx(0.005) and said["springs"][1]["joints"][0]["hitRadius"] == 0.02
    alone = spring_bones(document, bones, joints, [], SETTINGS)
    assert set(alone) == {"specVersion", "springs"} and "colliderGroups" not in alone["springs"][0]


def test_colliders_follow_their_joints_into_the_t_pose() -> None:
    bones = skeleton()
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    transforms = np.tile(np.eye(4), (len(bones.names), 1, 1))
    transforms[bones.index("head"), :3, :3], transforms[bones.index("head"), :3, 3] = turn, [0, 0, 0.5]
    (after,) = moved([Collider("head", np.array([1.0, 0, 0]), np.array([0, 0, 1.0]), 0.2)], bones, transforms)
    np.testing.assert_allclose([after.start, after.end], [[0, 1, 0.5], [0, 0, 1.5]])
    head = bones.heads[bones.index("head")]
    assert shape(Collider("head", head + [0, -0.1, 0.2], head + [0, -0.1, 0.2], 0.1), bones) == {
        "sphere": {"offset": pytest.approx([0, 0.2, 0.1]), "radius": 0.1}}
    assert shape(Collider("head", head, head + [0, 0, 0.2], 0.1), bones) == {
        "capsule": {"offset": [0, 0, 0], "radius": 0.1, "tail": pytest.approx([0, 0.2, 0])}}


def test_a_figure_without_chains_has_no_springs(tmp_path: Path) -> None:
    plain = STAGE.run(ExportSettings(**SMALL), inputs_of(tmp_path, "cap"), context_in(tmp_path))
    said = Raw(plain.folder / "mika.vrm").json
    assert not (plain.folder / "preview" / "swing.mp4").exists()
    assert "VRMC_springBone" not in said["extensions"] and "VRMC_springBone" not in said["extensionsUsed"]


def test_a_glb_has_the_chains_as_joints(made: ExportSet, inputs: ExportInputs) -> None:
    bones = inputs.rig.skeleton
    read = read_glb(made.folder / "mika.glb").skeleton
    assert set(read.names) == set(bones.names)
    for chain in chains_of(bones):
        for j in chain.joints:
            k = read.index(bones.names[j])
            assert read.names[read.parents[k]] == bones.names[bones.parents[j]]
            np.testing.assert_allclose(read.heads[k], bones.heads[j], atol=1e-6)
    assert (made.folder / "preview" / "swing.mp4").stat().st_size > 1000
    assert made.listing["joints"] == made.listing["vrchat"]["bones"] == len(bones.names)


def test_writing_again_gives_the_same_bytes(made: ExportSet, inputs: ExportInputs, tmp_path: Path) -> None:
    again = STAGE.run(ExportSettings(**SMALL), inputs, context_in(tmp_path))
    assert (made.folder / "mika.vrm").read_bytes() == (again.folder / "mika.vrm").read_bytes()
