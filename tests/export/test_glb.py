"""The GLB writer and reader: legal files, the same numbers back, the same pose as our own skinning."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ArtifactError
from stages.artifacts.body import axis_angle_wxyz, rotation_matrix, skin
from stages.artifacts.glb import GlbAnimation, GlbMaterial, GlbMesh, animations_of, write_glb, y_up_to_z_up, z_up_to_y_up
from stages.artifacts.glb_reader import dense_weights, read_glb
from stages.artifacts.images import encode_png
from stages.artifacts.motion import Clip
from stages.artifacts.normals import vertex_normals
from stages.rig.inpaint import strongest
from stages.rig.motion.builtin import made_clip
from tests.export.gltf_rules import check_rules
from tests.rig.figures import body

PNG = encode_png(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))


def figure() -> tuple[GlbMesh, np.ndarray, np.ndarray]:
    """The test humanoid with one texture seam: faces on the left and right have texture corners of their own."""
    b = body(0.04)
    flat = ((b.v_pos - b.v_pos.min(0)) / np.ptp(b.v_pos, axis=0))[:, [0, 2]]
    left = (b.v_pos[b.t_pos_idx].mean(1)[:, 0] > 0).astype(int)
    v_tex = np.concatenate([flat * [0.5, 1], flat * [0.5, 1] + [0.25, 0]])
    joints, weights = strongest(b.weights)
    return GlbMesh(b.v_pos, b.t_pos_idx, None, v_tex, b.t_pos_idx + left[:, None] * len(b.v_pos)), joints, weights


def skinned_file(path: Path, **more) -> Path:
    """The humanoid, textured and skinned."""
    mesh, joints, weights = figure()
    write_glb(path, mesh, GlbMaterial("skin", PNG, PNG, PNG), body(0.04).skeleton, joints, weights, name="figure", **more)
    return path


@pytest.mark.parametrize("textured", [True, False])
@pytest.mark.parametrize("skinned", [True, False])
def test_what_is_written_keeps_every_rule(tmp_path: Path, textured: bool, skinned: bool) -> None:
    mesh, joints, weights = figure()
    if not textured:
        mesh = GlbMesh(mesh.v_pos, mesh.t_pos_idx)
    skeleton = body(0.04).skeleton
    write_glb(tmp_path / "a.glb", mesh, GlbMaterial(kd_png=PNG if textured else None), *((skeleton, joints, weights) if skinned else ()))
    raw = check_rules(tmp_path / "a.glb")
    assert ("TEXCOORD_0" in raw.attributes()) == ("TANGENT" in raw.attributes()) == textured
    assert ("skins" in raw.json) == skinned


def test_material_uses_orm_and_says_what_is_double_sided(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", figure()[0], GlbMaterial("m", PNG, PNG, PNG, double_sided=True))
    (material,) = check_rules(tmp_path / "a.glb").json["materials"]
    pbr = material["pbrMetallicRoughness"]
    assert material["doubleSided"] and pbr["metallicFactor"] == pbr["roughnessFactor"] == 1.0
    assert pbr["metallicRoughnessTexture"] == material["occlusionTexture"] != pbr["baseColorTexture"]
    assert "normalTexture" in material


def test_up_and_front(tmp_path: Path) -> None:
    """A point above the ground is above in y; the face, on -Y, looks along +Z; the character's left stays +X."""
    np.testing.assert_array_equal(z_up_to_y_up(np.array([1.0, -2.0, 3.0])), [1.0, 3.0, 2.0])
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_array_equal(y_up_to_z_up(z_up_to_y_up(points)), points)
    lifted = np.array([[0, -1, 2], [1, -1, 2], [0, -1, 3.0]])
    write_glb(tmp_path / "a.glb", GlbMesh(lifted, np.array([[0, 1, 2]])))
    attributes = check_rules(tmp_path / "a.glb").attributes()
    np.testing.assert_allclose(attributes["POSITION"], [[0, 2, 1], [1, 2, 1], [0, 3, 1]])
    np.testing.assert_allclose(attributes["NORMAL"], [[0, 0, 1]] * 3)


def test_tangents_follow_growing_u_and_green_is_up(tmp_path: Path) -> None:
    """A square facing -Y with u to its right: tangent +X, and cross(normal, tangent) * w is up, where v grows. Mirrored u turns both."""
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    for sign in (1.0, -1.0):
        v_tex = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]) * [sign, 1]
        write_glb(tmp_path / "a.glb", GlbMesh(square, faces, None, v_tex, faces))
        attributes = check_rules(tmp_path / "a.glb").attributes()
        np.testing.assert_allclose(attributes["TANGENT"], np.tile([sign, 0, 0, sign], (4, 1)), atol=1e-6)
        bitangent = np.cross(attributes["NORMAL"], attributes["TANGENT"][:, :3]) * attributes["TANGENT"][:, 3:]
        np.testing.assert_allclose(bitangent, np.tile([0, 1, 0], (4, 1)), atol=1e-6)


def test_given_tangents_are_kept(tmp_path: Path) -> None:
    mesh = figure()[0]
    made = np.concatenate([np.random.default_rng(1).normal(size=(len(mesh.v_tex), 3)), np.full((len(mesh.v_tex), 1), -1.0)], -1)
    write_glb(tmp_path / "a.glb", GlbMesh(mesh.v_pos, mesh.t_pos_idx, None, mesh.v_tex, mesh.t_tex_idx, made))
    assert (check_rules(tmp_path / "a.glb").attributes()["TANGENT"][:, 3] == -1).all()


def test_round_trip_through_our_reader(tmp_path: Path) -> None:
    mesh, joints, weights = figure()
    skeleton = body(0.04).skeleton
    scene = read_glb(skinned_file(tmp_path / "a.glb"))
    (part,) = scene.parts
    np.testing.assert_allclose(part.v_pos[part.t_pos_idx], mesh.v_pos[mesh.t_pos_idx], atol=1e-6)
    np.testing.assert_allclose(part.v_tex[part.t_pos_idx], mesh.v_tex[mesh.t_tex_idx], atol=1e-6)
    np.testing.assert_allclose(part.v_nrm[part.t_pos_idx], vertex_normals(mesh.v_pos, mesh.t_pos_idx)[mesh.t_pos_idx], atol=1e-5)
    dense = dense_weights(joints.astype(int), weights, len(skeleton.names))
    got = dense_weights(part.joints, part.weights, len(skeleton.names))
    order = [scene.skeleton.index(name) for name in skeleton.names]
    np.testing.assert_allclose(got[part.t_pos_idx][..., order], dense[mesh.t_pos_idx], atol=1e-6)
    np.testing.assert_allclose(scene.skeleton.heads[order], skeleton.heads, atol=1e-6)
    np.testing.assert_allclose(scene.skeleton.tails[order], skeleton.tails, atol=1e-6)
    for j, name in enumerate(skeleton.names):
        mine, theirs = skeleton.parents[j], scene.skeleton.parents[scene.skeleton.index(name)]
        assert (mine < 0 and theirs < 0) or skeleton.names[mine] == scene.skeleton.names[theirs]
    assert scene.materials[0] == GlbMaterial("skin", PNG, PNG, PNG, roughness=1.0, metallic=1.0)


def test_trimesh_reads_the_same_surface(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    mesh = figure()[0]
    write_glb(tmp_path / "a.glb", mesh, GlbMaterial(kd_png=PNG))
    (loaded,) = trimesh.load(tmp_path / "a.glb", process=False).geometry.values()
    np.testing.assert_allclose(loaded.triangles, z_up_to_y_up(mesh.v_pos[mesh.t_pos_idx]), atol=1e-6)
    np.testing.assert_allclose(loaded.visual.uv[loaded.faces], mesh.v_tex[mesh.t_tex_idx], atol=1e-6)
    assert loaded.is_watertight is False and loaded.volume > 0  # seams split vertices; faces look outward


def test_posing_the_file_equals_our_skinning(tmp_path: Path) -> None:
    """glTF's joint matrices, from the raw file with joint nodes turned, move vertices where linear blend skinning does."""
    rng = np.random.default_rng(3)
    skeleton = body(0.04).skeleton
    pose = {name: axis_angle_wxyz(rng.normal(size=3), float(rng.uniform(-70, 70))) for name in skeleton.names}
    raw = check_rules(skinned_file(tmp_path / "a.glb"))
    turn = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0.0]])
    nodes = raw.json["skins"][0]["joints"]
    rotations = {n: turn @ rotation_matrix(pose[raw.json["nodes"][n]["name"]]) @ turn.T for n in nodes}
    world = raw.world(rotations)
    matrices = np.stack([world[n] for n in nodes]) @ raw.inverse_binds()
    attributes = raw.attributes()
    blended = np.einsum("vk,vkab->vab", attributes["WEIGHTS_0"].astype(float), matrices[attributes["JOINTS_0"]])
    got = y_up_to_z_up(np.einsum("vab,vb->va", blended[:, :3, :3], attributes["POSITION"]) + blended[:, :3, 3])
    mesh, joints, weights = figure()
    expected = skin(mesh.v_pos, dense_weights(joints.astype(int), weights, len(skeleton.names)), skeleton.joint_transforms(pose))
    triangles = raw.values(raw.json["meshes"][0]["primitives"][0]["indices"]).reshape(-1, 3)
    np.testing.assert_allclose(got[triangles], expected[mesh.t_pos_idx], atol=2e-6)


def moving_file(path: Path) -> tuple[Path, list[Clip]]:
    """The humanoid with two clips."""
    skeleton = body(0.04).skeleton
    clips = [made_clip("turn", skeleton, 30.0), made_clip("wave", skeleton, 30.0)]
    return skinned_file(path, animations=animations_of(clips)), clips


def test_animations_keep_every_rule(tmp_path: Path) -> None:
    path, clips = moving_file(tmp_path / "a.glb")
    raw = check_rules(path)
    assert [a["name"] for a in raw.json["animations"]] == ["turn", "wave"] == list(read_glb(path).animations)
    moved = [[(c["target"]["node"], c["target"]["path"]) for c in a["channels"]] for a in raw.json["animations"]]
    assert moved[0] == moved[1] and len(set(moved[0])) == len(moved[0])  # no clip leaves a pose behind for the next
    for animation, clip in zip(raw.json["animations"], clips, strict=True):
        times = {s["input"] for s in animation["samplers"]}
        (accessor,) = (raw.json["accessors"][t] for t in times)
        assert accessor["min"] == [0.0] and accessor["max"][0] == pytest.approx(clip.duration_s) and accessor["type"] == "SCALAR"
        assert (np.diff(raw.values(times.pop())[:, 0]) > 0).all()
        for channel in animation["channels"]:
            sampler = animation["samplers"][channel["sampler"]]
            values = raw.values(sampler["output"])
            assert sampler["interpolation"] == "LINEAR" and len(values) == clip.frames
            if channel["target"]["path"] == "rotation":
                np.testing.assert_allclose(np.linalg.norm(values.astype(float), axis=-1), 1, atol=1e-6)
                assert ((values[1:] * values[:-1]).sum(-1) > 0).all()


def test_posed_vertices_of_the_file_are_our_skinning(tmp_path: Path) -> None:
    """Every tenth key of both clips, from the raw bytes by glTF's own rules: within a tenth of a millimetre of what we pose."""
    path, clips = moving_file(tmp_path / "a.glb")
    raw = check_rules(path)
    mesh, joints, weights = figure()
    dense = dense_weights(joints.astype(int), weights, len(clips[0].skeleton.names))
    attributes, nodes = raw.attributes(), raw.json["skins"][0]["joints"]
    triangles = raw.values(raw.json["meshes"][0]["primitives"][0]["indices"]).reshape(-1, 3)
    for animation, clip in zip(raw.json["animations"], clips, strict=True):
        for key in range(0, clip.frames, 10):
            world = raw.world(*_channels_at(raw, animation, key))
            matrices = np.stack([world[n] for n in nodes]) @ raw.inverse_binds()
            blended = np.einsum("vk,vkab->vab", attributes["WEIGHTS_0"].astype(float), matrices[attributes["JOINTS_0"]])
            got = y_up_to_z_up(np.einsum("vab,vb->va", blended[:, :3, :3], attributes["POSITION"]) + blended[:, :3, 3])
            np.testing.assert_allclose(got[triangles], skin(mesh.v_pos, dense, clip.pose(key))[mesh.t_pos_idx], atol=1e-5)


def _channels_at(raw, animation: dict, key: int) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Rotations (3, 3) and translations (3,) by node."""
    rotations, places = {}, {}
    for channel in animation["channels"]:
        value = raw.values(animation["samplers"][channel["sampler"]]["output"])[key].astype(float)
        if channel["target"]["path"] == "rotation":
            rotations[channel["target"]["node"]] = rotation_matrix(value[[3, 0, 1, 2]])
        else:
            places[channel["target"]["node"]] = value
    return rotations, places


@pytest.mark.parametrize(("change", "message"), [
    (dict(times_s=np.array([0.1, 1.0])), "animation 'nod': its times must grow from 0"),
    (dict(times_s=np.array([0.0, 0.0])), "animation 'nod': its times must grow from 0"),
    (dict(rotations_wxyz={"tail": np.ones((2, 4))}), "animation 'nod': it turns tail, which is not in the skeleton"),
    (dict(rotations_wxyz={}), "animation 'nod': it turns nothing"),
    (dict(rotations_wxyz={"head": np.zeros((2, 4))}), "animation 'nod': head needs (2, 4) finite numbers, quaternions not zero"),
    (dict(root_offset_m=np.zeros((3, 3))), "animation 'nod': the root's place needs (2, 3) finite numbers"),
])
def test_animations_that_cannot_be_written_are_named(tmp_path: Path, change: dict, message: str) -> None:
    good = {"name": "nod", "times_s": np.array([0.0, 1.0]), "rotations_wxyz": {"head": np.ones((2, 4))}}
    with pytest.raises(ValueError) as caught:
        skinned_file(tmp_path / "a.glb", animations=[GlbAnimation(**(good | change))])
    assert message in str(caught.value)


def test_animation_turns_as_the_pose_does(tmp_path: Path) -> None:
    keys = np.stack([axis_angle_wxyz(np.array([0, 0, 1.0]), a) for a in (0.0, 30.0)])
    raw = check_rules(skinned_file(tmp_path / "a.glb", animations=[GlbAnimation("turn", np.array([0.0, 1.0]), {"head": keys}, np.zeros((2, 3)))]))
    (animation,) = raw.json["animations"]
    rotation, move = animation["samplers"]
    np.testing.assert_allclose(raw.values(rotation["output"])[1], [0, np.sin(np.pi / 12), 0, np.cos(np.pi / 12)], atol=1e-6)
    np.testing.assert_allclose(raw.values(move["output"])[0], z_up_to_y_up(body(0.04).skeleton.heads[0]), atol=1e-6)
    assert raw.json["accessors"][rotation["input"]]["max"] == [1.0]
    assert raw.json["nodes"][animation["channels"][0]["target"]["node"]]["name"] == "head"


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    assert skinned_file(tmp_path / "a.glb").read_bytes() == skinned_file(tmp_path / "b.glb").read_bytes()


def test_influences_are_sorted_and_normalised(tmp_path: Path) -> None:
    mesh, joints, weights = figure()
    shuffled = np.argsort(np.random.default_rng(5).random(joints.shape), -1)
    joints, weights = (np.take_along_axis(a, shuffled, -1) for a in (joints, weights))
    write_glb(tmp_path / "a.glb", mesh, None, body(0.04).skeleton, joints, 7 * weights)
    got = check_rules(tmp_path / "a.glb").attributes()
    assert got["JOINTS_0"].dtype == np.uint8 and (got["WEIGHTS_0"][:, 0] >= 0.25).all()


@pytest.mark.parametrize(("change", "message"), [
    (dict(t_pos_idx=np.array([[0, 1, 9]])), "t_pos_idx reaches from 0 to 9, expected 0 to 2"),
    (dict(v_pos=np.full((3, 3), np.nan)), "v_pos holds numbers that are not finite"),
    (dict(v_tex=np.zeros((3, 2))), "v_tex and t_tex_idx belong together"),
    (dict(t_pos_idx=np.zeros((0, 3), int)), "needs (V, 3) positions and triangles"),
])
def test_what_cannot_be_written_is_named(tmp_path: Path, change: dict, message: str) -> None:
    good = {"v_pos": np.eye(3), "t_pos_idx": np.array([[0, 1, 2]])}
    with pytest.raises(ValueError) as caught:
        write_glb(tmp_path / "a.glb", GlbMesh(**(good | change)))
    assert message in str(caught.value) and not (tmp_path / "a.glb").exists()


def test_weights_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    mesh, joints, weights = figure()
    with pytest.raises(ValueError, match="joints reach from 0 to 99"):
        write_glb(tmp_path / "a.glb", mesh, None, body(0.04).skeleton, np.where(joints == joints.max(), 99, joints), weights)
    with pytest.raises(ValueError, match="not all zero"):
        write_glb(tmp_path / "a.glb", mesh, None, body(0.04).skeleton, joints, weights * 0)
    with pytest.raises(ValueError, match="give all three, or none"):
        write_glb(tmp_path / "a.glb", mesh, None, body(0.04).skeleton)


def by_hand(document: dict, binary: bytes) -> bytes:
    """A GLB from its JSON and binary chunk."""
    document = {"asset": {"version": "2.0"}, "buffers": [{"byteLength": len(binary)}]} | document
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    return (struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary)) + struct.pack("<I4s", len(text), b"JSON") + text
            + struct.pack("<I4s", len(binary), b"BIN\0") + binary)


def test_other_peoples_layouts_are_read(tmp_path: Path) -> None:
    """Interleaved data, a sparse accessor, normalised texture coordinates, a strip, and a scaled, mirrored, turned node."""
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], "<f4")
    rows = b"".join(p.tobytes() + struct.pack("<HH", int(65535 * p[0]), int(65535 * p[1])) for p in points)
    sparse = struct.pack("<HH", 3, 0)[:2] + b"\0\0" + np.array([1, 1, 0.5], "<f4").tobytes()
    node = {"mesh": 0, "scale": [-2, 2, 2], "rotation": [0, 0, np.sqrt(0.5), np.sqrt(0.5)], "translation": [0, 0, 5]}
    document = {
        "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [node],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "mode": 5}]}],
        "bufferViews": [{"buffer": 0, "byteOffset": 0, "byteLength": 64, "byteStride": 16},
                        {"buffer": 0, "byteOffset": 64, "byteLength": 2}, {"buffer": 0, "byteOffset": 68, "byteLength": 12}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3",
             "sparse": {"count": 1, "indices": {"bufferView": 1, "componentType": 5123}, "values": {"bufferView": 2}}},
            {"bufferView": 0, "byteOffset": 12, "componentType": 5123, "count": 4, "type": "VEC2", "normalized": True},
        ],
    }
    (tmp_path / "a.glb").write_bytes(by_hand(document, rows + sparse))
    (part,) = read_glb(tmp_path / "a.glb").parts
    # glTF: x, y, z scaled by (-2, 2, 2), turned a quarter about z: (-2y, -2x, 2z + 5); world: (x, -z, y)
    np.testing.assert_allclose(part.v_pos, [[0, -5, 0], [0, -5, -2], [-2, -5, 0], [-2, -6, -2]], atol=1e-6)
    np.testing.assert_allclose(part.v_tex, [[0, 1], [1, 1], [0, 0], [1, 0]], atol=1e-4)
    assert part.t_pos_idx.tolist() == [[2, 1, 0], [2, 3, 1]]  # a mirror turns the winding round
    assert part.joints is None and part.material is None


def test_base_colour_may_use_another_set_of_coordinates_moved_on_its_atlas(tmp_path: Path) -> None:
    """The second set, halved, turned a quarter against the clock as the picture shows it (v down), shifted."""
    points, first, second = np.eye(3, dtype="<f4"), np.zeros((3, 2), "<f4"), np.array([[0, 0], [1, 0], [0, 1]], "<f4")
    texture = {"index": 0, "extensions": {"KHR_texture_transform": {
        "offset": [0.25, 0.75], "scale": [0.5, 0.5], "rotation": float(np.pi / 2), "texCoord": 1}}}
    document = {
        "extensionsRequired": ["KHR_texture_transform"], "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1, "TEXCOORD_1": 2}, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": texture}}], "textures": [{}],
        "bufferViews": [{"buffer": 0, "byteOffset": a, "byteLength": n} for a, n in ((0, 36), (36, 24), (60, 24))],
        "accessors": [{"bufferView": i, "componentType": 5126, "count": 3, "type": t} for i, t in enumerate(("VEC3", "VEC2", "VEC2"))],
    }
    (tmp_path / "a.glb").write_bytes(by_hand(document, points.tobytes() + first.tobytes() + second.tobytes()))
    (part,) = read_glb(tmp_path / "a.glb").parts
    np.testing.assert_allclose(part.v_tex, [[0.25, 0.25], [0.25, 0.75], [0.75, 0.25]], atol=1e-6)  # +u of before is up, +v (down) right


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda d: d[:40], "bytes; expected a whole file"),
    (lambda d: b"PK" + d[2:], "does not begin with 'glTF'"),
    (lambda d: by_hand({"extensionsRequired": ["KHR_draco_mesh_compression"]}, b""), "KHR_draco_mesh_compression"),
    (lambda d: by_hand({"scene": 0, "scenes": [{"nodes": [4]}]}, b""), "cannot|can be read"),
])
def test_files_that_cannot_be_read_are_named(tmp_path: Path, spoil, message: str) -> None:
    path = skinned_file(tmp_path / "a.glb")
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ArtifactError, match=message) as caught:
        read_glb(path)
    assert str(path) in str(caught.value)
