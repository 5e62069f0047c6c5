"""Bodies that people bring: names of bones, frames, rest poses, parts; errors that say which joints are missing."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from stages.artifacts.body import BodyModel, axis_angle_wxyz
from stages.artifacts.bone_roles import REQUIRED, joint_names, named_joint
from stages.artifacts.glb import GlbMaterial, GlbMesh, write_glb
from stages.artifacts.images import encode_png, to_u8
from stages.conditions.importing import BlenderImporter, GltfImporter, importers, said_by_vrm
from stages.conditions.keypoints import body_points
from tests.conditions.mannequin import mannequin

BLENDER_REFUSAL = BlenderImporter().probe()

MIXAMO = {
    "hips": "Hips", "spine": "Spine", "chest": "Spine1", "upperChest": "Spine2", "neck": "Neck", "head": "Head", "Shoulder": "Shoulder", "UpperArm": "Arm",
    "LowerArm": "ForeArm", "Hand": "Hand", "UpperLeg": "UpLeg", "LowerLeg": "Leg", "Foot": "Foot", "Eye": "Eye",
}


def mixamo(name: str) -> str:
    side = "Left" if name.startswith("left") else "Right" if name.startswith("right") else ""
    part = name[len(side):]
    for finger, theirs in (("Thumb", "Thumb"), ("Index", "Index"), ("Middle", "Middle"), ("Ring", "Ring"), ("Little", "Pinky")):
        if part.startswith(finger):
            order = ("Metacarpal", "Proximal", "Distal") if finger == "Thumb" else ("Proximal", "Intermediate", "Distal")
            return f"mixamorig:{side}Hand{theirs}{order.index(part.removeprefix(finger)) + 1}"
    return f"mixamorig:{side}{MIXAMO[part]}"


@pytest.mark.parametrize(("bone", "joint"), [
    ("mixamorig:LeftHandThumb1", "leftThumbMetacarpal"), ("mixamorig:RightUpLeg", "rightUpperLeg"), ("mixamorig:LeftArm", "leftUpperArm"),
    ("J_Bip_L_UpperArm", "leftUpperArm"), ("J_Bip_C_Hips", "hips"), ("J_Adj_R_FaceEye", "rightEye"), ("J_Sec_L_Bust1", None),
    ("upperarm_l", "leftUpperArm"), ("lowerarm_twist_01_l", None), ("thigh_r", "rightUpperLeg"), ("calf_l", "leftLowerLeg"), ("ball_r", "rightToes"),
    ("index_03_r", "rightIndexDistal"), ("pinky_01_l", "leftLittleProximal"), ("clavicle_l", "leftShoulder"), ("pelvis", "hips"),
    ("DEF-upper_arm.L", "leftUpperArm"), ("DEF-upper_arm.L.001", None), ("f_pinky.02.R", "rightLittleIntermediate"), ("shin.L", "leftLowerLeg"),
    ("LeftIndexProximal", "leftIndexProximal"), ("leftThumbMetacarpal", "leftThumbMetacarpal"), ("Bip01 L Calf", "leftLowerLeg"), ("Bip01 Pelvis", "hips"),
    ("upperleg.r", "rightUpperLeg"), ("wrist.l", "leftHand"), ("handslot.l", None), ("kneeIK.l", None), ("IK-foot.l", None),
    ("head", "head"), ("tail", None), ("Spine", "spine"), ("spine_02", None),
])
def test_names_that_rigs_use(bone: str, joint: str | None) -> None:
    assert named_joint(bone) == joint


def test_chains_settle_the_torso() -> None:
    legs = ["thigh.L", "shin.L", "foot.L", "thigh.R", "shin.R", "foot.R", "upper_arm.L", "forearm.L", "hand.L", "upper_arm.R", "forearm.R", "hand.R"]
    bones = ["spine", "spine.001", "spine.002", "spine.003", "spine.004", "spine.005", "head", *legs]
    parents = [-1, 0, 1, 2, 3, 4, 5, 0, 7, 8, 0, 10, 11, 3, 13, 14, 3, 16, 17]
    found = {joint: bones[i] for i, joint in joint_names(bones, parents).items()}
    assert {k: found[k] for k in ("hips", "spine", "chest", "upperChest", "neck", "head")} == {
        "hips": "spine", "spine": "spine.001", "chest": "spine.002", "upperChest": "spine.003", "neck": "spine.004", "head": "head"}
    short = ["hips", "spine", "head", *legs]
    found = joint_names(short, [-1, 0, 1, 0, 3, 4, 0, 6, 7, 1, 9, 10, 1, 12, 13])
    assert found[1] == "spine" and "chest" not in found.values()


def test_units_thumb_is_vrms_one_segment_earlier() -> None:
    body = mannequin()
    bones = [n.replace("ThumbProximal", "ThumbIntermediate").replace("ThumbMetacarpal", "ThumbProximal") for n in body.skeleton.names]
    assert [joint_names(bones, body.skeleton.parents)[i] for i in range(len(bones))] == list(body.skeleton.names)


def test_missing_joints_are_named() -> None:
    body = mannequin()
    bones = [f"Bone.{i:03d}" if "LowerArm" in n or n == "head" else n for i, n in enumerate(body.skeleton.names)]
    with pytest.raises(ConfigError, match=r"knight.glb: .*no bone stands for head, leftLowerArm, rightLowerArm.*VRM, Mixamo.*found hips") as caught:
        joint_names(bones, body.skeleton.parents, source=Path("knight.glb"))
    assert caught.value.exit_code == 2 and set(REQUIRED) <= set(body.skeleton.names)


def written(path: Path, body: BodyModel, rename=lambda n: n, turn_deg: float = 0.0, scale: float = 1.0) -> Path:
    turn = np.eye(3)
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    turn[:2, :2] = [[c, -s], [s, c]]
    place = lambda x: x @ turn.T * scale  # noqa: E731
    names = tuple(rename(n) for n in body.skeleton.names)
    skeleton = replace(body.skeleton, names=names, heads=place(body.skeleton.heads), tails=place(body.skeleton.tails))
    joints = np.zeros((len(body.v_pos), 4), np.uint16)
    joints[:, 0] = body.weights.argmax(1)
    mesh = GlbMesh(place(body.v_pos), body.t_pos_idx, v_tex=body.v_tex, t_tex_idx=body.t_tex_idx)
    write_glb(path, mesh, GlbMaterial(kd_png=encode_png(to_u8(body.kd))), skeleton, joints, np.tile([1.0, 0, 0, 0], (len(joints), 1)))
    return path


@pytest.fixture(scope="module")
def t_posed() -> BodyModel:
    turn = {side + "UpperArm": axis_angle_wxyz(np.array([0, s, 0]), -40.0) for side, s in (("left", 1.0), ("right", -1.0))}
    return mannequin().posed(turn)


@pytest.mark.parametrize("importer", [
    GltfImporter(Path()), pytest.param(BlenderImporter(), marks=pytest.mark.skipif(BLENDER_REFUSAL is not None, reason=str(BLENDER_REFUSAL))),
], ids=["gltf", "blender"])
def test_a_t_posed_mixamo_body_turned_and_in_centimetres_comes_home(t_posed: BodyModel, tmp_path: Path, importer: object) -> None:
    path = written(tmp_path / "body.glb", t_posed, mixamo, turn_deg=180.0, scale=100.0)
    ours, found = mannequin(), importer.load(path, tmp_path / "work")
    assert set(found.skeleton.names) == set(ours.skeleton.names)
    order = [found.skeleton.index(n) for n in ours.skeleton.names]
    assert np.abs(found.skeleton.heads[order] - ours.skeleton.heads).max() < 0.012
    assert np.allclose(found.v_pos.min(0), ours.v_pos.min(0), atol=0.012) and np.allclose(found.v_pos.max(0), ours.v_pos.max(0), atol=0.012)
    assert np.allclose(found.weights.sum(1), 1) and len(found.t_pos_idx) == len(found.t_part) == len(found.t_tex_idx)
    points = body_points(found)
    assert points[0][1] < -0.07 and points[15][0] > 0 > points[14][0] and points[17][0] > 0.08
    names = np.array(found.part_names)[found.t_part]
    centre = found.v_pos[found.t_pos_idx].mean(1)
    assert centre[names == "upper_arm_l"][:, 0].min() > 0.1 and centre[names == "hand_r"][:, 0].max() < -0.3
    assert np.median(centre[names == "chest"][:, 1]) < 0 < np.median(centre[names == "upper_back"][:, 1])
    assert np.abs(found.kd[32, 10, 0] - ours.kd[32, 10, 0]) < 0.01


def with_vrm(path: Path, extension: dict) -> Path:
    data = path.read_bytes()
    size = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + size])
    nodes = {n.get("name"): i for i, n in enumerate(document["nodes"])}
    document["extensions"] = extension(nodes)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + size :]
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 20 + len(text) + len(rest)) + struct.pack("<I4s", len(text), b"JSON") + text + rest)
    return path


def test_a_vrm_is_believed_whatever_its_bones_are_called(tmp_path: Path) -> None:
    body = mannequin()
    numbered = {n: f"bone_{i}" for i, n in enumerate(body.skeleton.names)}
    path = written(tmp_path / "a.vrm", body, numbered.__getitem__)
    with_vrm(path, lambda nodes: {"VRMC_vrm": {"specVersion": "1.0", "humanoid": {"humanBones": {n: {"node": nodes[b]} for n, b in numbered.items()}}}})
    found = GltfImporter(path).load(path, tmp_path)
    assert set(found.skeleton.names) == set(body.skeleton.names)


def test_vrm_0_thumbs_are_renamed() -> None:
    document = {"nodes": [{"name": "a"}, {"name": "b"}], "extensions": {"VRM": {"humanoid": {"humanBones": [
        {"bone": "leftThumbProximal", "node": 0}, {"bone": "leftThumbIntermediate", "node": 1}]}}}}
    assert said_by_vrm(document) == {"a": "leftThumbMetacarpal", "b": "leftThumbProximal"} and said_by_vrm({}) == {}


def test_files_that_are_no_bodies(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.glb, \.vrm, \.fbx, \.blend, not \.obj"):
        importers(Path("body.obj"))
    assert [i.name for i in importers(Path("a.VRM"))] == ["gltf", "blender"] and [i.name for i in importers(Path("a.fbx"))] == ["blender"]
    (tmp_path / "a.glb").write_bytes(b"no")
    assert GltfImporter(tmp_path / "a.glb").probe() is None  # for ``load`` to say what is wrong with it
    with pytest.raises(ConfigError, match="not a GLB file"):
        GltfImporter(tmp_path / "a.glb").load(tmp_path / "a.glb", tmp_path)
    body = mannequin()
    write_glb(tmp_path / "b.glb", GlbMesh(body.v_pos, body.t_pos_idx))
    with pytest.raises(ConfigError, match="no armature"):
        GltfImporter(tmp_path / "b.glb").load(tmp_path / "b.glb", tmp_path)


def test_a_compressed_body_is_left_to_blender(tmp_path: Path) -> None:
    text = json.dumps({"asset": {"version": "2.0"}, "extensionsRequired": ["KHR_draco_mesh_compression"]}).encode()
    text += b" " * (-len(text) % 4)
    path = tmp_path / "a.glb"
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 20 + len(text)) + struct.pack("<I4s", len(text), b"JSON") + text)
    assert GltfImporter(path).probe() == "it requires KHR_draco_mesh_compression"
