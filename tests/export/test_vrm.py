"""VRM 1.0 as we write it: the T-pose, the humanoid, what stands in the extensions, what happens without a rig."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import StageError
from stages.artifacts.body import BodyModel, Skeleton
from stages.artifacts.exports import ExportSet
from stages.artifacts.glb import z_up_to_y_up
from stages.artifacts.glb_reader import read_glb
from stages.artifacts.humanoid import HANGS_ON, REQUIRED, humanoid_map, humanoid_problems
from stages.artifacts.images import read_png
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Rig, Skinning
from stages.conditions.body.asset import load_base_body
from stages.conditions.importing import importers
from stages.export import STAGE, ExportInputs
from stages.export.even_normals import even_on_head, laid_on
from stages.export.settings import ExportSettings
from stages.export.t_pose import in_t_pose, sole_height_m
from stages.export.vrm import _SLIDE, look_at, moves_eyes
from stages.rig.inpaint import strongest
from tests.export.attached import attachments
from tests.export.gltf_rules import Raw, check_rules
from tests.rig.faces import head
from tests.rig.figures import body, skeleton
from tests.rig.stage_folders import context_in, mesh_asset

SMALL = {"name": "mika", "turntable_frames": 8, "turntable_px": 96, "formats": ("vrm",)}


def inputs_of(figure: BodyModel, folder: Path) -> ExportInputs:
    joints, weights = strongest(figure.weights)
    skinning = Skinning(figure.v_pos.astype(np.float32), joints, weights, figure.skeleton)
    return ExportInputs(mesh_asset(folder / "mesh", figure.v_pos, figure.t_pos_idx), Rig.write(folder / "rig", skinning, {}))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ExportInputs:
    """The base body, with fingers and eyes."""
    return inputs_of(load_base_body(), tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def made(inputs: ExportInputs, tmp_path_factory: pytest.TempPathFactory) -> ExportSet:
    return STAGE.run(ExportSettings(**SMALL), inputs, context_in(tmp_path_factory.mktemp("made")))


@pytest.fixture(scope="module")
def raw(made: ExportSet) -> Raw:
    return check_rules(made.folder / "mika.vrm")


def bones_of(raw: Raw) -> dict[str, np.ndarray]:
    """Humanoid bone -> its node's rest world matrix."""
    world = raw.world()
    return {bone: world[said["node"]] for bone, said in raw.json["extensions"]["VRMC_vrm"]["humanoid"]["humanBones"].items()}


def between(bones: dict[str, np.ndarray], a: str, b: str) -> np.ndarray:
    along = bones[b][:3, 3] - bones[a][:3, 3]
    return along / np.linalg.norm(along)


def test_it_is_a_legal_glb_with_its_extensions_named(made: ExportSet, raw: Raw) -> None:
    made.validate()
    assert [p.name for p in made.files] == ["mika.vrm", "turntable.mp4", "contact_sheet.png"]
    assert raw.json["extensionsUsed"] == ["KHR_materials_unlit", "VRMC_materials_mtoon", "VRMC_vrm"]
    assert "extensionsRequired" not in raw.json and "animations" not in raw.json
    assert "TANGENT" not in raw.attributes()  # the specification leaves them to the reader
    assert raw.json["extensions"]["VRMC_vrm"]["specVersion"] == "1.0"


def test_every_joint_of_the_base_body_is_in_the_humanoid_map(raw: Raw) -> None:
    bones = raw.json["extensions"]["VRMC_vrm"]["humanoid"]["humanBones"]
    assert set(bones) == set(load_base_body().skeleton.names) and set(REQUIRED) <= set(bones)
    assert all(raw.json["nodes"][said["node"]]["name"] == bone for bone, said in bones.items())
    assert len({said["node"] for said in bones.values()}) == len(bones)


def test_rest_is_a_t_pose_that_faces_plus_z(raw: Raw) -> None:
    bones = bones_of(raw)
    for world in bones.values():
        np.testing.assert_array_equal(world[:3, :3], np.eye(3))
    for side, out in (("left", 1.0), ("right", -1.0)):
        chain = ["UpperArm", "LowerArm", "Hand", "MiddleProximal", "MiddleIntermediate", "MiddleDistal"]
        for a, b in zip(chain, chain[1:], strict=False):
            along = between(bones, side + a, side + b)
            assert np.degrees(np.arccos(np.clip(out * along[0], -1, 1))) < 0.05, (side, a)
        for finger in ("Index", "Ring", "Little"):
            np.testing.assert_allclose(between(bones, f"{side}{finger}Proximal", f"{side}{finger}Distal"), [out, 0, 0], atol=1e-3)
        np.testing.assert_allclose(between(bones, side + "ThumbMetacarpal", side + "ThumbDistal"), np.array([out, 0, 1]) / np.sqrt(2), atol=1e-3)
        foot = between(bones, side + "Foot", side + "Toes")
        assert abs(foot[0]) < 1e-3 and foot[2] > 0.8
        palm = np.cross(between(bones, side + "Hand", side + "MiddleProximal"), between(bones, side + "LittleProximal", side + "IndexProximal"))
        assert -out * palm[1] / np.linalg.norm(palm) > 0.99  # thumb side in front: the palm looks down
    assert bones["leftHand"][0, 3] > 0 > bones["rightHand"][0, 3]


def test_soles_stand_on_the_ground_and_skinning_at_rest_moves_nothing(raw: Raw) -> None:
    attributes, world, skin = raw.attributes(), raw.world(), raw.json["skins"][0]
    matrices = np.stack([world[j] for j in skin["joints"]]) @ raw.inverse_binds()
    blended = np.einsum("vk,vkab->vab", attributes["WEIGHTS_0"].astype(float), matrices[attributes["JOINTS_0"]])
    v = attributes["POSITION"].astype(float)
    np.testing.assert_allclose(np.einsum("vab,vb->va", blended[:, :3, :3], v) + blended[:, :3, 3], v, atol=1e-6)
    assert abs(v[:, 1].min()) < 1e-6
    np.testing.assert_allclose(v[:, 0].max(), -v[:, 0].min(), atol=2e-3)
    toes = v[v[:, 1] < 0.02]
    assert toes[:, 2].max() > 0.1 > -toes[:, 2].min()


def distances(v_pos: np.ndarray) -> np.ndarray:
    return np.linalg.norm(v_pos[:, None].astype(float) - v_pos[None], axis=-1)


def test_limbs_keep_their_lengths_and_what_hangs_on_one_joint_its_shape() -> None:
    figure = body(0.04)
    joints, weights = strongest(figure.weights)
    skinning = Skinning(figure.v_pos.astype(np.float32), joints, weights, figure.skeleton)
    tee = in_t_pose(skinning)
    assert tee.skeleton.names == figure.skeleton.names and tee.weights is weights
    np.testing.assert_allclose(np.linalg.norm(tee.skeleton.tails - tee.skeleton.heads, axis=-1),
                               np.linalg.norm(figure.skeleton.tails - figure.skeleton.heads, axis=-1), atol=1e-12)
    rigid = weights[:, 0] > 0.999
    for j in (figure.skeleton.index("leftLowerArm"), figure.skeleton.index("rightUpperArm")):
        mine = rigid & (joints[:, 0] == j)
        assert mine.sum() > 5
        np.testing.assert_allclose(distances(tee.v_pos_rest[mine]), distances(figure.v_pos[mine]), atol=1e-6)


def test_hair_below_the_soles_does_not_lift_the_figure() -> None:
    figure = body(0.04)
    joints, weights = strongest(figure.weights)
    skinning = Skinning(figure.v_pos.astype(np.float32), joints, weights, figure.skeleton)
    hanging = figure.v_pos.copy()
    on_head = np.flatnonzero(joints[:, 0] == figure.skeleton.index("head"))[0]
    hanging[on_head, 2] = -0.3
    assert sole_height_m(hanging, skinning) == sole_height_m(figure.v_pos, skinning) > -0.3
    none = replace(skinning, joints=np.zeros_like(joints))
    assert sole_height_m(hanging, none) == -0.3


def test_the_toon_material_lies_over_a_plain_one(raw: Raw, inputs: ExportInputs, tmp_path: Path) -> None:
    (material,) = raw.json["materials"]
    assert set(material["extensions"]) == {"KHR_materials_unlit", "VRMC_materials_mtoon"} and "normalTexture" not in material
    toon, base = material["extensions"]["VRMC_materials_mtoon"], material["pbrMetallicRoughness"]["baseColorTexture"]
    assert toon["shadeMultiplyTexture"] == base and toon["outlineWidthMode"] == "worldCoordinates" and toon["outlineWidthFactor"] == 0.0008
    mtoon = {"shade_color": (1, 0.5, 0), "outline_width_m": 0, "normal_map": True, "shading_toony": 0.5}
    made = STAGE.run(ExportSettings(**SMALL, mtoon=mtoon), inputs, context_in(tmp_path))
    (material,) = Raw(made.folder / "mika.vrm").json["materials"]
    toon = material["extensions"]["VRMC_materials_mtoon"]
    np.testing.assert_allclose(toon["shadeColorFactor"], [1, 0.214041, 0], atol=1e-6)
    assert toon["outlineWidthMode"] == "none" and "outlineWidthFactor" not in toon and toon["shadingToonyFactor"] == 0.5
    assert "normalTexture" in material


def test_meta_is_careful_unless_told_otherwise(raw: Raw, inputs: ExportInputs, tmp_path: Path) -> None:
    meta = raw.json["extensions"]["VRMC_vrm"]["meta"]
    view = raw.json["bufferViews"][raw.json["images"][meta.pop("thumbnailImage")]["bufferView"]]
    (tmp_path / "face.png").write_bytes(raw.binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]])
    assert read_png(tmp_path / "face.png").shape == (1024, 1024, 3)
    flags = ["allowRedistribution", *(f"allow{use}Usage" for use in ("ExcessivelyViolent", "ExcessivelySexual", "PoliticalOrReligious", "AntisocialOrHate"))]
    assert meta == {
        "name": "mika", "authors": ["unknown"], "licenseUrl": "https://vrm.dev/licenses/1.0/", "avatarPermission": "onlyAuthor",
        "commercialUsage": "personalNonProfit", "creditNotation": "required", "modification": "prohibited", **dict.fromkeys(flags, False)}
    context = context_in(tmp_path)
    said = {"authors": ("Ann", "Bo"), "third_party_licenses": "CreativeML OpenRAIL-M", "version": "2", "avatar_permission": "everyone",
            "references": ("a book",), "allow_redistribution": True}
    made = STAGE.run(ExportSettings(**SMALL, vrm=said), inputs, context)
    meta = Raw(made.folder / "mika.vrm").json["extensions"]["VRMC_vrm"]["meta"]
    assert (meta["authors"], meta["thirdPartyLicenses"], meta["version"]) == (["Ann", "Bo"], "CreativeML OpenRAIL-M", "2")
    assert meta["avatarPermission"] == "everyone" and meta["references"] == ["a book"] and meta["allowRedistribution"] is True
    assert not context.warnings


def test_what_was_not_said_is_asked_for(inputs: ExportInputs, tmp_path: Path) -> None:
    context = context_in(tmp_path)
    STAGE.run(ExportSettings(**SMALL), inputs, context)
    assert context.warnings == [
        "The VRM names its author 'unknown'; say who it is in export.vrm.authors.",
        "The VRM holds no licences of others (export.vrm.third_party_licenses is empty); report.html lists those of the models that made the "
        "figure: copy there what they ask you to pass on."]


def test_gaze_starts_between_the_eyes_and_there_are_no_empty_expressions(raw: Raw, tmp_path: Path) -> None:
    vrm, bones = raw.json["extensions"]["VRMC_vrm"], bones_of(raw)
    eyes = (bones["leftEye"][:3, 3] + bones["rightEye"][:3, 3]) / 2 - bones["head"][:3, 3]
    np.testing.assert_allclose(vrm["lookAt"]["offsetFromHeadBone"], eyes, atol=1e-6)
    assert vrm["lookAt"]["type"] == "bone" and eyes[2] > 0 and vrm["expressions"] == {}
    assert vrm["firstPerson"] == {"meshAnnotations": [{"node": 0, "type": "auto"}]} and raw.json["nodes"][0]["mesh"] == 0
    made = STAGE.run(ExportSettings(**SMALL), inputs_of(body(0.04), tmp_path), context_in(tmp_path))
    assert "lookAt" not in Raw(made.folder / "mika.vrm").json["extensions"]["VRMC_vrm"]  # no eyes, no gaze


def test_eyes_that_are_painted_on_the_face_have_no_gaze(inputs: ExportInputs) -> None:
    skinning = inputs.rig.skinning
    bones = humanoid_map(skinning.skeleton)
    assert moves_eyes(skinning, bones)
    on_head = np.where(np.isin(skinning.joints, [bones["leftEye"], bones["rightEye"]]), bones["head"], skinning.joints)
    assert not moves_eyes(replace(skinning, joints=on_head.astype(skinning.joints.dtype)), bones)


def test_a_gaze_that_slides_on_the_surface_is_one_of_expressions(inputs: ExportInputs) -> None:
    skinning = inputs.rig.skinning
    bones = humanoid_map(skinning.skeleton)
    said = look_at(skinning, bones, "expression", _SLIDE)
    ranges = {name for name in said if name.startswith("rangeMap")}
    assert said["type"] == "expression" and len(ranges) == 4 and all(said[name] == {"inputMaxValue": 60.0, "outputScale": 1.0} for name in ranges)
    assert said["offsetFromHeadBone"][2] > 0
    without = {bone: j for bone, j in bones.items() if bone not in ("leftEye", "rightEye")}
    assert "offsetFromHeadBone" not in look_at(skinning, without, "expression", _SLIDE)


def test_a_bumpy_head_has_even_normals_and_the_rest_keeps_its_own() -> None:
    mesh, skinning, _ = head()
    even, rough = skinning.v_pos_rest.astype(float), skinning.v_pos_rest + np.random.default_rng(0).normal(0, 0.0006, skinning.v_pos_rest.shape)
    meant = vertex_normals(even, mesh.t_pos_idx)
    off = lambda normals: np.degrees(np.arccos(np.clip((normals * meant).sum(-1), -1, 1)))  # noqa: E731
    made = even_on_head(rough, mesh.t_pos_idx, skinning)
    on_head = (skinning.joints == skinning.skeleton.index("head")) & (skinning.weights == 1)
    inside = on_head.any(-1)
    assert np.percentile(off(vertex_normals(rough, mesh.t_pos_idx))[inside], 95) > 8 > 1.2 > np.percentile(off(made)[inside], 95)
    np.testing.assert_allclose(np.linalg.norm(made, axis=-1), 1, atol=1e-9)
    neck = (skinning.joints == skinning.skeleton.index("head")) & (skinning.weights <= 0.5)
    still = neck.any(-1)
    np.testing.assert_allclose(made[still], vertex_normals(rough, mesh.t_pos_idx)[still], atol=1e-9)


def test_lids_have_the_normals_of_where_they_are_shut() -> None:
    plate = attachments()[0]
    v_pos = np.stack(np.meshgrid(np.linspace(-0.2, 0.2, 40), [-0.2], np.linspace(1.2, 1.6, 40)), -1).reshape(-1, 3)
    v_nrm = np.where(v_pos[:, 2:] < 1.35, [1.0, 0.0, 0.0], [0.0, -1.0, 0.0])
    np.testing.assert_allclose(laid_on(plate, v_pos, v_nrm), np.repeat([[1, 0, 0], [0, -1, 0]], [2, 2], axis=0)[[0, 0, 2, 2]], atol=1e-6)
    np.testing.assert_allclose(laid_on(replace(plate, morphs={}), v_pos, v_nrm), [[0, -1, 0]] * 4, atol=1e-6)


def test_our_reader_sees_the_posed_body(made: ExportSet, inputs: ExportInputs) -> None:
    (part,) = read_glb(made.folder / "mika.vrm").parts
    expected = in_t_pose(inputs.rig.skinning)
    order = lambda v: v[np.lexsort(np.round(v, 4).T)]  # noqa: E731
    np.testing.assert_allclose([part.v_pos.min(0), part.v_pos.max(0)], [expected.v_pos_rest.min(0), expected.v_pos_rest.max(0)], atol=1e-6)
    np.testing.assert_allclose(order(np.unique(part.v_pos, axis=0))[:50], order(np.unique(expected.v_pos_rest.astype(float), axis=0))[:50], atol=2e-4)
    heads = z_up_to_y_up(expected.skeleton.heads)
    nodes = Raw(made.folder / "mika.vrm")
    np.testing.assert_allclose([w[:3, 3] for w in bones_of(nodes).values()], [heads[expected.skeleton.index(b)] for b in bones_of(nodes)], atol=1e-9)


def test_it_can_be_the_body_of_another_run(made: ExportSet, tmp_path: Path) -> None:
    """The map in the file is believed, and the body comes back into the rest pose of the program."""
    (importer,) = [i for i in importers(made.folder / "mika.vrm") if i.name != "blender"]
    again, first = importer.load(made.folder / "mika.vrm", tmp_path), load_base_body()
    assert set(again.skeleton.names) == set(first.skeleton.names)
    for side, out in (("left", 1.0), ("right", -1.0)):
        j = again.skeleton.index(side + "LowerArm")
        along = again.skeleton.tails[j] - again.skeleton.heads[j]
        np.testing.assert_allclose(along / np.linalg.norm(along), [out * np.cos(np.radians(40)), 0, -np.sin(np.radians(40))], atol=1e-3)
    assert np.ptp(again.v_pos[:, 2]) == pytest.approx(np.ptp(first.v_pos[:, 2]), abs=2e-3)


def test_writing_again_gives_the_same_bytes(made: ExportSet, inputs: ExportInputs, tmp_path: Path) -> None:
    again = STAGE.run(ExportSettings(**SMALL), inputs, context_in(tmp_path))
    assert (made.folder / "mika.vrm").read_bytes() == (again.folder / "mika.vrm").read_bytes()


def test_without_a_rig_there_is_no_avatar(inputs: ExportInputs, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"a VRM is a rigged humanoid, and there is no rig; take vrm out of export\.formats"):
        STAGE.run(ExportSettings(**SMALL), ExportInputs(inputs.mesh), context_in(tmp_path))


def without(bones: Skeleton, *names: str) -> Skeleton:
    """The skeleton without some joints; what hung on them hangs on the next joint above."""
    kept = [j for j, name in enumerate(bones.names) if name not in names]

    def above(j: int) -> int:
        p = int(bones.parents[j])
        return -1 if p < 0 else kept.index(p) if p in kept else above(p)

    return Skeleton(tuple(bones.names[j] for j in kept), np.array([above(j) for j in kept]), bones.heads[kept], bones.tails[kept])


def test_a_humanoid_is_checked_against_its_own_joints() -> None:
    whole = load_base_body().skeleton
    assert humanoid_problems(whole) == humanoid_problems(skeleton()) == [] and len(HANGS_ON) == 55
    assert humanoid_problems(without(whole, "leftFoot", "spine")) == ["no joint stands for spine, leftFoot"]
    assert humanoid_problems(without(whole, "chest", "upperChest", "neck", "leftShoulder", "leftToes")) == []
    assert "upperChest" not in humanoid_map(without(whole, "chest")) and "upperChest" in humanoid_map(whole)
    assert {b for b in humanoid_map(without(whole, "leftIndexProximal")) if b.startswith("leftIndex")} == set()
    moved = whole.parents.copy()
    moved[whole.index("leftHand")] = whole.index("head")
    assert humanoid_problems(replace(whole, parents=moved)) == ["leftHand hangs on head, expected leftLowerArm"]


def test_a_skeleton_that_is_no_humanoid_is_told_what_it_lacks(tmp_path: Path) -> None:
    figure = body(0.04)
    bones = without(figure.skeleton, "leftHand")
    joints, weights = strongest(np.delete(figure.weights, figure.skeleton.index("leftHand"), 1) + 1e-9)
    rig = Rig.write(tmp_path / "rig", Skinning(figure.v_pos.astype(np.float32), joints, weights, bones), {})
    with pytest.raises(StageError, match=r"of this skeleton no joint stands for leftHand\. Give conditions\.body a humanoid armature"):
        STAGE.run(ExportSettings(**SMALL), ExportInputs(mesh_asset(tmp_path / "mesh", figure.v_pos, figure.t_pos_idx), rig), context_in(tmp_path))
