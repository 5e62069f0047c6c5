"""FBX, USDZ and .blend: read back by Blender, the bones are where they were and a pose moves the surface as ours does; asked for before a run."""

from __future__ import annotations

import json
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stages
from pipeline.backends import choose_all
from pipeline.commands import Request, prepare
from pipeline.errors import MissingError
from stages.artifacts.exports import ExportSet
from stages.artifacts.images import encode_png
from stages.artifacts.normals import unit
from stages.artifacts.showcase_poses import showcase_pose
from stages.export import STAGE, ExportInputs
from stages.export.bone_names import renamed
from stages.export.converter import FORMATS, BlenderConverter
from stages.export.settings import FORMATS as ALL
from stages.export.settings import ExportSettings
from tests.export.test_vrm import inputs_of
from tests.rig.figures import body
from tests.rig.stage_folders import context_in
from third_party.blender.provision import VARIABLE, find_blender

REFUSAL = BlenderConverter().probe()
needs_blender = pytest.mark.skipif(REFUSAL is not None, reason=str(REFUSAL))
SETTINGS = ExportSettings(name="mika", turntable_frames=8, turntable_px=96, formats=FORMATS, bones="mixamo")

INSIDE = """
import bpy, json, sys
from mathutils import Matrix
path, transforms = sys.argv[-2], json.loads(open(sys.argv[-1]).read())
bpy.ops.wm.read_factory_settings(use_empty=True)
if path.endswith(".blend"):
    bpy.ops.wm.open_mainfile(filepath=path)
elif path.endswith(".fbx"):
    bpy.ops.import_scene.fbx(filepath=path, automatic_bone_orientation=False)
else:
    bpy.ops.wm.usd_import(filepath=path)
armature = next(o for o in bpy.data.objects if o.type == "ARMATURE")
mesh = next(o for o in bpy.data.objects if o.type == "MESH" and o.vertex_groups)
here = armature.matrix_world
def points():
    bpy.context.view_layer.update()
    shape = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return [list(mesh.matrix_world @ v.co) for v in shape.data.vertices]
rest = points()
bones = {b.name: [list(here @ b.head_local), list(here @ b.tail_local)] for b in armature.data.bones}
for bone in armature.pose.bones:  # parents come first
    if bone.name in transforms:
        bone.matrix = here.inverted() @ Matrix(transforms[bone.name]) @ here @ bone.bone.matrix_local
        bpy.context.view_layer.update()
def mean(image):
    values = image.pixels[:]
    return [sum(values[c::4]) * 4 / len(values) for c in range(3)]
pictures = [[list(i.size), bool(i.packed_file), mean(i)] for i in bpy.data.images if i.size[0]]
print("RESULT" + json.dumps({"rest": rest, "posed": points(), "bones": bones, "pictures": pictures, "objects": [o.name for o in bpy.data.objects]}))
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ExportInputs:
    return inputs_of(body(0.04), tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def made(inputs: ExportInputs, tmp_path_factory: pytest.TempPathFactory) -> ExportSet:
    context = context_in(tmp_path_factory.mktemp("made"))
    backends = {name: choice.backend for name, choice in choose_all(STAGE.capabilities(SETTINGS)).items()}
    return STAGE.run(SETTINGS, inputs, replace(context, backends=backends))


def read_back(path: Path, transforms: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What Blender sees in a file, at rest and with joints moved by world transforms."""
    blender = find_blender()
    (folder / "look.py").write_text(INSIDE)
    (folder / "transforms.json").write_text(json.dumps(transforms))
    command = blender.command(folder / "look.py", str(path), str(folder / "transforms.json"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-800:]
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))[6:])


@needs_blender
@pytest.mark.parametrize("suffix", FORMATS)
def test_bones_and_posed_vertices_come_back(made: ExportSet, inputs: ExportInputs, tmp_path: Path, suffix: str) -> None:
    from scipy.spatial import cKDTree

    made.validate()
    skinning = inputs.rig.skinning
    bones = renamed(skinning.skeleton, "mixamo")
    names = [name.replace(":", "_") if suffix == "usdz" else name for name in bones.names]  # USD has no colons in names
    transforms = skinning.skeleton.joint_transforms(showcase_pose(skinning.skeleton, "walk"))
    seen = read_back(made.folder / f"mika.{suffix}", dict(zip(names, transforms.tolist(), strict=True)), tmp_path)
    assert set(seen["bones"]) == set(names)
    heads, tails = (np.array([seen["bones"][name][end] for name in names]) for end in (0, 1))
    np.testing.assert_allclose(heads, bones.heads, atol=1e-5)
    if suffix == "blend":
        np.testing.assert_allclose(tails, bones.tails, atol=1e-5)
    if suffix == "fbx":  # joints are points with axes: where a bone ends is the importer's guess, its direction is not
        np.testing.assert_allclose(unit(tails - heads, np.zeros(3)), unit(bones.tails - bones.heads, np.zeros(3)), atol=1e-3)
    distance, index = cKDTree(skinning.v_pos_rest).query(np.array(seen["rest"]))
    assert distance.max() < 1e-5 and len(np.unique(index)) == len(np.unique(skinning.v_pos_rest, axis=0))
    np.testing.assert_allclose(seen["posed"], skinning.posed(transforms)[index], atol=1e-3)
    assert np.abs(skinning.posed(transforms) - skinning.v_pos_rest).max() > 0.2
    assert not [name for name in seen["objects"] if "Icosphere" in name]
    kd = inputs.mesh.mesh.kd.mean((0, 1))
    assert any(size == [64, 64] and np.allclose(mean, kd, atol=2e-3) for size, _, mean in seen["pictures"])
    assert suffix != "blend" or all(packed for _, packed, _ in seen["pictures"])


@needs_blender
def test_textures_are_the_figures_own(made: ExportSet, inputs: ExportInputs) -> None:
    kd, ks, normal = ((inputs.mesh.folder / f"{name}.png").read_bytes() for name in ("kd", "ks", "normal"))
    fbx = (made.folder / "mika.fbx").read_bytes()
    assert kd in fbx and normal in fbx and b"mika.fbm/kd.png" in fbx and b"mika.fbm/normal.png" in fbx
    with zipfile.ZipFile(made.folder / "mika.usdz") as packed:
        inside = {Path(name).name: packed.read(name) for name in packed.namelist()}
    assert (inside["kd.png"], inside["ks.png"], inside["normal.png"]) == (kd, ks, normal)


@needs_blender
def test_nothing_is_left_where_the_user_stands(inputs: ExportInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything taken from there: a picture of the same name is not the figure's."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "kd.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
    monkeypatch.chdir(tmp_path / "here")
    context = replace(context_in(tmp_path), backends={"conversion": BlenderConverter()})
    STAGE.run(SETTINGS, inputs, context)
    assert [p.name for p in (tmp_path / "here").iterdir()] == ["kd.png"]
    assert (inputs.mesh.folder / "kd.png").read_bytes() in (context.out / "mika.fbx").read_bytes()
    assert sorted(p.suffix for p in context.out.iterdir() if p.is_file()) == [".blend", ".fbx", ".json", ".mp4", ".png", ".usdz"]


@needs_blender
def test_a_figure_without_a_skeleton_is_converted_too(inputs: ExportInputs, tmp_path: Path) -> None:
    context = replace(context_in(tmp_path), backends={"conversion": BlenderConverter()})
    made = STAGE.run(SETTINGS.model_copy(update={"formats": ("fbx",)}), ExportInputs(inputs.mesh), context)
    made.validate()
    assert b"\x89PNG" in (made.folder / "mika.fbx").read_bytes() and not list(context.work.glob("blender-*"))


def test_blender_is_asked_for_only_where_it_is_needed() -> None:
    for name in ALL:
        assert len(STAGE.capabilities(ExportSettings(formats=(name,)))) == (name in FORMATS)


def test_without_blender_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    (tmp_path / "c.yaml").write_text("name: mika\nprompt: a girl\nexport: {formats: [glb, fbx]}\n")
    with pytest.raises(MissingError) as caught:
        prepare(Request(stages.character(), tmp_path / "c.yaml", out=tmp_path / "outputs", cache=tmp_path / "cache"))
    assert caught.value.exit_code == 3 and not (tmp_path / "outputs").exists()
    assert "export: conversion cannot be done on this machine: blender:" in str(caught.value)
    assert "nowhere does not exist (export.formats names what only Blender writes: blend, fbx, usdz)" in str(caught.value)
