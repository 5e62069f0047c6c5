"""The export stage: files, pictures, their bytes; static without a rig; opened in Blender where there is one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial import cKDTree

from pipeline.errors import ArtifactError
from scripts.bench.validate_gltf import modules_folder, validate
from stages.artifacts.exports import ExportSet
from stages.artifacts.glb import z_up_to_y_up
from stages.artifacts.glb_reader import read_glb
from stages.artifacts.images import read_png
from stages.artifacts.rig import Rig, Skinning
from stages.export import STAGE, ExportInputs
from stages.export.figure import Figure
from stages.export.settings import ExportSettings
from stages.export.textures import reduce_picture
from stages.rendering.picture import STUDIO
from stages.rendering.viewpoint import looking_at, turntable
from stages.rig.inpaint import strongest
from stages.rig.motion.builtin import made_clip
from tests.export.gltf_rules import check_rules
from tests.rig.figures import body
from tests.rig.stage_folders import context_in, mesh_asset
from third_party.blender.provision import find_blender

SMALL = {"name": "mika", "turntable_frames": 8, "turntable_px": 96}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ExportInputs:
    folder = tmp_path_factory.mktemp("export")
    b = body(0.04)
    joints, weights = strongest(b.weights)
    skinning = Skinning(b.v_pos.astype(np.float32), joints, weights, b.skeleton)
    return ExportInputs(mesh_asset(folder / "mesh", b.v_pos, b.t_pos_idx), Rig.write(folder / "rig", skinning, {}))


@pytest.fixture(scope="module")
def made(inputs: ExportInputs, tmp_path_factory: pytest.TempPathFactory) -> ExportSet:
    return STAGE.run(ExportSettings(**SMALL, formats=("glb", "obj")), inputs, context_in(tmp_path_factory.mktemp("made")))


def test_everything_asked_for_is_there_and_legal(made: ExportSet) -> None:
    made.validate()
    assert [p.name for p in made.files] == ["mika.glb", "mika.obj", "mika.mtl", "mika_kd.png", "mika_ks.png", "mika_normal.png",
                                            "turntable.mp4", "contact_sheet.png"]
    raw = check_rules(made.folder / "mika.glb")
    assert raw.json["meshes"][0]["name"] == raw.json["materials"][0]["name"] == "mika"
    assert {"hips", "head", "leftUpperArm", "rightFoot"} <= {n["name"] for n in raw.json["nodes"]}
    assert made.listing["rigged"] and made.listing["joints"] == 20 and made.listing["texture_px"] == 64
    vrchat = made.listing["vrchat"]
    assert (vrchat["bones"], vrchat["materials"], vrchat["texture_mb"]) == (20, 1, round(3 * 64 * 64 * 4 / 3 / 2**20, 2))
    assert vrchat["PC"] == vrchat["mobile"] == {"rank": "Excellent", "decided_by": ""}
    assert {p.name for p in (made.folder / "preview").iterdir()} == {"turntable.mp4", "contact_sheet.png", "character.html"}


def test_the_glb_stands_at_rest_on_the_ground_facing_the_front(made: ExportSet) -> None:
    (part,) = read_glb(made.folder / "mika.glb").parts
    expected = body(0.04).v_pos
    np.testing.assert_allclose([part.v_pos.min(0), part.v_pos.max(0)], [expected.min(0), expected.max(0)], atol=1e-6)
    feet = part.v_pos[part.v_pos[:, 2] < 0.05]
    assert feet[:, 1].mean() < -0.01  # toes point to -Y


def test_the_obj_is_the_same_surface(made: ExportSet) -> None:
    trimesh = pytest.importorskip("trimesh")
    loaded = trimesh.load(made.folder / "mika.obj", process=False, force="mesh")
    b = body(0.04)
    np.testing.assert_allclose(loaded.triangles, z_up_to_y_up(b.v_pos[b.t_pos_idx]), atol=2e-6)
    assert np.asarray(loaded.visual.material.image).shape[:2] == (64, 64)
    text = (made.folder / "mika.mtl").read_text()
    assert "map_Kd mika_kd.png" in text and "newmtl mika" in text


def test_running_again_writes_the_same_bytes(made: ExportSet, inputs: ExportInputs, tmp_path: Path) -> None:
    again = STAGE.run(ExportSettings(**SMALL, formats=("glb", "obj")), inputs, context_in(tmp_path))
    for path in made.files:
        assert path.read_bytes() == (again.folder / path.name).read_bytes(), path.name
    assert (made.folder / "preview" / "character.html").read_bytes() == (again.folder / "preview" / "character.html").read_bytes()


def test_the_rigs_clips_are_animations_and_are_listed(inputs: ExportInputs, tmp_path: Path) -> None:
    skinning = inputs.rig.skinning
    clips = [made_clip(name, skinning.skeleton, 30.0) for name in ("idle", "walk")]
    rig = Rig.write(tmp_path / "rig", skinning, {}, clips)
    made = STAGE.run(ExportSettings(**SMALL), ExportInputs(inputs.mesh, rig), context_in(tmp_path / "run"))
    made.validate()
    raw = check_rules(made.folder / "mika.glb")
    assert [a["name"] for a in raw.json["animations"]] == ["idle", "walk"]
    assert made.listing["clips"] == [{"name": "idle", "seconds": 8.0, "fps": 30.0, "loops": True, "ground_m_s": 0.0},
                                     {"name": "walk", "seconds": 1.0, "fps": 30.0, "loops": True, "ground_m_s": round(clips[1].ground_m_s, 4)}]
    listing = json.loads((made.folder / "export.json").read_text())
    (made.folder / "export.json").write_text(json.dumps(listing | {"clips": []}))
    with pytest.raises(ArtifactError, match=r"holds the animations \['idle', 'walk'\], not those listed"):
        ExportSet.open(made.folder).validate()


def test_a_vrm_beside_the_glb_holds_no_clips(tmp_path: Path) -> None:
    figure = body(0.04)
    joints, weights = strongest(figure.weights)
    skinning = Skinning(figure.v_pos.astype(np.float32), joints, weights, figure.skeleton)
    rig = Rig.write(tmp_path / "rig", skinning, {}, [made_clip("walk", skinning.skeleton, 30.0)])
    inputs = ExportInputs(mesh_asset(tmp_path / "mesh", figure.v_pos, figure.t_pos_idx), rig)
    made = STAGE.run(ExportSettings(**SMALL | {"formats": ("glb", "vrm")}), inputs, context_in(tmp_path / "run"))
    made.validate()
    assert "animations" in check_rules(made.folder / "mika.glb").json and "animations" not in check_rules(made.folder / "mika.vrm").json


def test_clips_turn_the_joints_under_the_names_they_are_given(inputs: ExportInputs, tmp_path: Path) -> None:
    skinning = inputs.rig.skinning
    rig = Rig.write(tmp_path / "rig", skinning, {}, [made_clip("walk", skinning.skeleton, 30.0)])
    turned = []
    for bones in ("own", "mixamo"):
        made = STAGE.run(ExportSettings(**SMALL, bones=bones), ExportInputs(inputs.mesh, rig), context_in(tmp_path / bones))
        raw = check_rules(made.folder / "mika.glb")
        turned.append({raw.json["nodes"][c["target"]["node"]]["name"] for c in raw.json["animations"][0]["channels"]})
    assert "leftUpperLeg" in turned[0] and "mixamorig:LeftUpLeg" in turned[1] and len(turned[0]) == len(turned[1])


def test_without_a_rig_it_is_static_and_says_so(inputs: ExportInputs, tmp_path: Path) -> None:
    context = context_in(tmp_path)
    made = STAGE.run(ExportSettings(**SMALL, texture_px=16, viewer_px=0), ExportInputs(inputs.mesh), context)
    made.validate()
    assert not (made.folder / "preview" / "character.html").exists()
    assert "static" in context.warnings[0] and not made.listing["rigged"]
    raw = check_rules(made.folder / "mika.glb")
    assert "skins" not in raw.json and made.listing["texture_px"] == 16 and "vrchat" not in made.listing
    view = raw.json["bufferViews"][raw.json["images"][0]["bufferView"]]
    (tmp_path / "kd.png").write_bytes(raw.binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]])
    assert read_png(tmp_path / "kd.png").shape == (16, 16, 3)


@pytest.mark.parametrize(("formats", "message"), [
    (("glb", "vrml"), "there is no export format 'vrml'; there are: glb, vrm, obj, stl, fbx, usdz, blend"), ((), "name at least one export format"),
])
def test_unknown_formats_are_refused_and_the_known_named(formats: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ExportSettings(formats=formats)
    assert ExportSettings(formats=("GLB", "glb")).formats == ("glb",)


def test_a_damaged_export_is_noticed(made: ExportSet, tmp_path: Path) -> None:
    listing = dict(made.listing)
    (tmp_path / "export.json").write_text(json.dumps(listing | {"files": ["mika.glb"], "triangles": 7}))
    with pytest.raises(ArtifactError, match="mika.glb is missing"):
        ExportSet.open(tmp_path).validate()
    (tmp_path / "mika.glb").write_bytes((made.folder / "mika.glb").read_bytes())
    with pytest.raises(ArtifactError, match=f"holds {listing['triangles']} triangles, expected 7"):
        ExportSet.open(tmp_path).validate()


def test_textures_are_reduced_by_area() -> None:
    image = np.random.default_rng(0).random((12, 8, 3))
    np.testing.assert_allclose(reduce_picture(image, 6), image.reshape(6, 2, 4, 2, 3).mean((1, 3)), atol=1e-12)
    uneven = reduce_picture(image, 5)
    assert uneven.shape == (5, 3, 3)
    np.testing.assert_allclose(uneven.mean((0, 1)), image.mean((0, 1)), atol=1e-12)


def test_pictures_show_the_front_from_the_front(made: ExportSet, inputs: ExportInputs) -> None:
    """Red on the face and blue behind: seen from azimuth 0 the middle is red, from 180 blue; every camera holds the figure."""
    from stages.rendering.picture import draw_colours

    b = body(0.04)
    colours = np.where((b.v_pos[:, 1] < 0)[:, None], [1.0, 0, 0], [0.0, 0, 1])
    for azimuth, expected in ((0.0, [255, 0, 0]), (180.0, [0, 0, 255])):
        picture = draw_colours(b.v_pos, b.t_pos_idx, colours, looking_at(b.v_pos, azimuth, 60, 90))
        assert picture[45, 30].tolist() == expected and picture[0, 0].tolist() == [255, 255, 255]
    for camera in [*turntable(b.v_pos, 7, 60, 90), looking_at(b.v_pos, 33.0, 60, 90)]:
        pixels, _ = camera.project(b.v_pos)
        assert (pixels > 1).all() and (pixels < [59, 89]).all()
    figure = Figure(inputs.mesh.mesh, inputs.rig.skinning)
    face = figure.face_camera(0.0, 64)
    assert 0 < face.project(b.skeleton.heads[b.skeleton.index("head")])[0][1] < 64
    clay = figure.picture(face, look="clay")
    assert clay[0, 0].tolist() == list(STUDIO)
    assert (clay[32, 32] < 230).all() and (clay.std((0, 1)) > 5).all()


def test_khronos_validator_finds_nothing(made: ExportSet) -> None:
    modules = modules_folder()
    if isinstance(modules, str):
        pytest.skip(modules)
    report = validate(made.folder / "mika.glb", modules)["issues"]
    assert report["numErrors"] == report["numWarnings"] == 0, report["messages"]


INSIDE_BLENDER = """
import bpy, json, sys
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=sys.argv[-1])
armature = next(o for o in bpy.data.objects if o.type == "ARMATURE")
mesh = next(o for o in bpy.data.objects if o.type == "MESH" and o.vertex_groups)
bpy.context.view_layer.update()
shape = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
points = [list(mesh.matrix_world @ v.co) for v in shape.data.vertices]
bones = {b.name: list(armature.matrix_world @ b.head_local) for b in armature.data.bones}
print("RESULT" + json.dumps({"points": points, "bones": bones, "groups": [g.name for g in mesh.vertex_groups]}))
"""


def test_in_blender_it_lies_in_the_frame_of_the_cameras(made: ExportSet, tmp_path: Path) -> None:
    blender = find_blender()
    if isinstance(blender, str):
        pytest.skip(blender)
    (tmp_path / "look.py").write_text(INSIDE_BLENDER)
    done = subprocess.run(blender.command(tmp_path / "look.py", str(made.folder / "mika.glb")), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    seen = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))[6:])
    b = body(0.04)
    points = np.array(seen["points"])
    np.testing.assert_allclose([points.min(0), points.max(0)], [b.v_pos.min(0), b.v_pos.max(0)], atol=1e-5)
    for name, head in zip(b.skeleton.names, b.skeleton.heads, strict=True):
        np.testing.assert_allclose(seen["bones"][name], head, atol=1e-5)
    assert set(seen["groups"]) == set(b.skeleton.names)


MOVING_IN_BLENDER = """
import bpy, json, sys
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = 30
bpy.ops.import_scene.gltf(filepath=sys.argv[-1])
armature = next(o for o in bpy.data.objects if o.type == "ARMATURE")
mesh = next(o for o in bpy.data.objects if o.type == "MESH" and o.vertex_groups)
data = armature.animation_data
for track in data.nla_tracks:
    track.mute = True
seen = {}
for name in ("idle", "walk"):
    data.action = next(a for a in bpy.data.actions if a.name.startswith(name))
    if getattr(data.action, "slots", None):
        data.action_slot = data.action.slots[0]
    for key in (0, 11, 29):
        bpy.context.scene.frame_set(key)
        shape = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
        seen[f"{name} {key}"] = [list(mesh.matrix_world @ v.co) for v in shape.data.vertices]
print("RESULT" + json.dumps(seen))
"""


def test_in_blender_it_moves_as_we_pose_it(inputs: ExportInputs, tmp_path: Path) -> None:
    """Every vertex of ours has one of Blender's within a tenth of a millimetre, at three keys of two clips."""
    blender = find_blender()
    if isinstance(blender, str):
        pytest.skip(blender)
    skinning = inputs.rig.skinning
    clips = {name: made_clip(name, skinning.skeleton, 30.0) for name in ("idle", "walk")}
    rig = Rig.write(tmp_path / "rig", skinning, {}, list(clips.values()))
    made = STAGE.run(ExportSettings(**SMALL, viewer_px=0), ExportInputs(inputs.mesh, rig), context_in(tmp_path / "run"))
    (tmp_path / "look.py").write_text(MOVING_IN_BLENDER)
    done = subprocess.run(blender.command(tmp_path / "look.py", str(made.folder / "mika.glb")), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    seen = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))[6:])
    for place, points in seen.items():
        name, key = place.split()
        distances, _ = cKDTree(np.array(points)).query(skinning.posed(clips[name].pose(int(key))))
        assert distances.max() < 1e-4, place
