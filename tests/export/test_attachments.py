"""Further surfaces and morph targets: kept by the rig, written in every format, drawn in the pictures."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ArtifactError
from scripts.bench.validate_gltf import modules_folder, validate
from stages.artifacts.attachments import moved_attachment
from stages.artifacts.body import axis_angle_wxyz
from stages.artifacts.exports import ExportSet
from stages.artifacts.glb_document import GlbDocument
from stages.artifacts.glb_reader import read_glb
from stages.artifacts.morphs import GAZES, PRESETS, Morph, ordered, sparse
from stages.artifacts.rig import Rig
from stages.export import STAGE, ExportInputs
from stages.export.expressions import expressions
from stages.export.figure import Figure
from stages.export.glb import layers_of
from stages.export.settings import ExportSettings
from tests.export.attached import GREEN, RED, attached_inputs, attachments
from tests.rig.figures import body
from tests.rig.stage_folders import context_in

SMALL = {"name": "mika", "turntable_frames": 8, "turntable_px": 96}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ExportInputs:
    return attached_inputs(tmp_path_factory.mktemp("attached"))


@pytest.fixture(scope="module")
def made(inputs: ExportInputs, tmp_path_factory: pytest.TempPathFactory) -> ExportSet:
    return STAGE.run(ExportSettings(**SMALL, formats=("glb", "vrm", "obj", "stl")), inputs, context_in(tmp_path_factory.mktemp("made")))


def test_the_rig_keeps_them(inputs: ExportInputs) -> None:
    rig = inputs.rig
    rig.validate()
    assert [a.name for a in rig.attachments] == ["plate", "hat"] and rig.hidden.sum() > 0
    for got, meant in zip(rig.attachments, attachments(), strict=True):
        for name in ("v_pos_rest", "t_pos_idx", "v_tex", "t_tex_idx", "kd", "joints", "weights"):
            np.testing.assert_array_equal(getattr(got, name), getattr(meant, name))
        assert (got.double_sided, got.own_mesh, got.v_nrm) == (meant.double_sided, meant.own_mesh, None)
        assert list(got.morphs) == list(meant.morphs)
    assert list(rig.morphs) == ["aa"] and rig.morphs["aa"].offset.shape == (len(rig.morphs["aa"].index), 3)


def test_the_glb_holds_parts_layers_and_targets(made: ExportSet, inputs: ExportInputs) -> None:
    """The plate is a primitive of the figure and shares its targets; the hat is a mesh of its own. All hang on the one skin."""
    made.validate()
    scene = read_glb(made.folder / "mika.glb")
    assert [p.name for p in scene.parts] == ["mika", "mika", "hat"] and [m.name for m in scene.materials] == ["mika", "mika_plate", "mika_hat"]
    main, plate, hat = scene.parts
    assert len(main.t_pos_idx) == len(body(0.04).t_pos_idx) - inputs.rig.hidden.sum()
    assert [list(p.morphs) for p in scene.parts] == [["aa", "blink"], ["aa", "blink"], ["wink"]]
    np.testing.assert_allclose(plate.morphs["blink"], np.tile([0, 0, -0.1], (4, 1)), atol=1e-7)
    assert not main.morphs["blink"].any() and not plate.morphs["aa"].any()
    moved = main.v_pos[(main.morphs["aa"] != 0).any(-1)]
    assert len(moved) and np.abs(moved - [0, -0.1, 1.36]).max() < 0.06
    np.testing.assert_allclose(main.morphs["aa"][(main.morphs["aa"] != 0).any(-1)], np.tile([0, -0.01, -0.02], (len(moved), 1)), atol=1e-7)
    np.testing.assert_allclose(hat.morphs["wink"][hat.v_pos.sum(-1).argmax()], [0, 0, 0.02], atol=1e-7)
    assert scene.materials[2].double_sided and not scene.materials[1].double_sided
    assert made.listing["morphs"] == ["aa", "blink", "wink"] and made.listing["vrchat"]["materials"] == 3
    document = _json(made.folder / "mika.glb")
    assert [mesh["extras"]["targetNames"] for mesh in document["meshes"]] == [["aa", "blink"], ["wink"]]
    assert {node["skin"] for node in document["nodes"] if "mesh" in node} == {0}


def _json(path: Path) -> dict:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])


def test_the_validator_finds_nothing(made: ExportSet) -> None:
    modules = modules_folder()
    if isinstance(modules, str):
        pytest.skip(modules)
    report = validate(made.folder / "mika.glb", modules)
    assert report["issues"]["numErrors"] == report["issues"]["numWarnings"] == 0, report["issues"]["messages"]


def test_the_vrm_binds_expressions_to_every_mesh_that_has_them(made: ExportSet) -> None:
    """Presets by their names, the rest as custom ones; an emotion that draws the lids leaves nothing for a blink to do."""
    document = _json(made.folder / "mika.vrm")
    vrm = document["extensions"]["VRMC_vrm"]
    node = {n["name"]: k for k, n in enumerate(document["nodes"])}
    bind = lambda name, index: [{"node": node[name], "index": index, "weight": 1.0}]  # noqa: E731
    assert vrm["expressions"] == {"preset": {"aa": {"isBinary": False, "morphTargetBinds": bind("mika", 0)},
                                             "blink": {"isBinary": False, "morphTargetBinds": bind("mika", 1), "overrideLookAt": "blend"}},
                                  "custom": {"wink": {"isBinary": False, "morphTargetBinds": bind("hat", 0)}}}
    assert vrm["firstPerson"] == {"meshAnnotations": [{"node": node["mika"], "type": "auto"}, {"node": node["hat"], "type": "auto"}]}
    assert [m["extensions"]["VRMC_materials_mtoon"]["outlineWidthMode"] for m in document["materials"]] == ["worldCoordinates", "none", "none"]


def test_emotions_hold_back_blinks_and_speech() -> None:
    document = GlbDocument({"nodes": [{"mesh": 0}], "meshes": [{"extras": {"targetNames": list(PRESETS)}}]})
    said = expressions(document)["preset"]
    assert list(said) == list(PRESETS)
    assert {n for n, e in said.items() if e.get("overrideBlink") == "blend"} == {"happy", "angry", "sad", "relaxed"}
    assert {n for n, e in said.items() if e.get("overrideMouth") == "blend"} == {"happy", "surprised"}
    assert {n for n, e in said.items() if e.get("overrideLookAt") == "blend"} == {"happy", "blink"}
    assert expressions(GlbDocument({"nodes": [{}], "meshes": []})) == {}


def test_a_painted_gaze_makes_the_vrm_look(inputs: ExportInputs, tmp_path: Path) -> None:
    """All four looks among the morphs, and no joint that turns an eye."""
    rig = inputs.rig
    looks = {name: Morph(np.array([0], np.int32), np.full((1, 3), 0.01, np.float32)) for name in GAZES}
    joints = np.where(np.isin(rig.skinning.joints, [rig.skinning.skeleton.index(e) for e in ("leftEye", "rightEye") if e in rig.skinning.skeleton.names]), 0,
                      rig.skinning.joints).astype(np.uint16)
    looking = Rig.write(tmp_path / "rig", replace(rig.skinning, joints=joints), {}, (), (), rig.attachments, dict(rig.morphs) | looks, rig.hidden)
    vrm = _json(STAGE.run(ExportSettings(**SMALL, formats=("vrm",)), ExportInputs(inputs.mesh, looking), context_in(tmp_path)).folder / "mika.vrm")
    said = vrm["extensions"]["VRMC_vrm"]
    assert said["lookAt"]["type"] == "expression" and set(GAZES) < said["expressions"]["preset"].keys()


def test_what_continues_the_surface_is_seen_from_both_sides_as_that_is() -> None:
    for both in (False, True):
        assert [layer.material.double_sided for layer in layers_of(attachments(), "m", both_sides=both)] == [both, True]


def test_a_vrms_morphs_turn_into_the_t_pose(made: ExportSet) -> None:
    """The head stays upright there, so its plate still comes straight down."""
    scene = read_glb(made.folder / "mika.vrm")
    np.testing.assert_allclose(scene.parts[1].morphs["blink"], np.tile([0, 0, -0.1], (4, 1)), atol=1e-6)
    assert scene.parts[1].v_pos[:, 2].mean() > 1.3


def test_the_obj_holds_what_is_seen_and_the_stl_the_whole_surface(made: ExportSet, inputs: ExportInputs) -> None:
    seen = len(body(0.04).t_pos_idx) - int(inputs.rig.hidden.sum()) + 4
    assert made.listing["triangles"] == seen
    assert struct.unpack_from("<I", (made.folder / "mika.stl").read_bytes(), 80) == (len(body(0.04).t_pos_idx),)
    lines = (made.folder / "mika.obj").read_text().splitlines()
    assert [line for line in lines if line.startswith("o ")] == ["o mika", "o plate", "o hat"]
    faces = [line for line in lines if line.startswith("f ")]
    count = len(body(0.04).v_pos) + 8
    assert len(faces) == seen and faces[-1].split()[-1] == f"{count}/{count}/{count}"
    assert "map_Kd mika_plate.png" in (made.folder / "mika.mtl").read_text() and (made.folder / "mika_hat.png").is_file()


def test_pictures_show_them_and_morphs_move_them(inputs: ExportInputs) -> None:
    rig = inputs.rig
    figure = Figure(inputs.mesh.mesh, rig.skinning, (), (), rig.attachments, rig.morphs, rig.hidden)
    camera = figure.face_camera(0.0, 128)

    def middle(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
        rows = np.nonzero((picture == colour).all(-1))[0]
        assert len(rows) > 50
        return float(rows.mean())

    still = figure.picture(camera)
    lowered = figure.picture(camera, figure.expressing({"blink": 0.5}))
    assert middle(still, GREEN) == middle(lowered, GREEN) and middle(lowered, RED) > middle(still, RED) + 5
    with pytest.raises(KeyError, match="there is no morph 'nod'; there are: aa, blink, wink"):
        figure.expressing({"nod": 1.0})


def test_attachments_follow_the_skeleton_and_their_morphs_turn_with_it() -> None:
    plate = attachments()[0]
    skeleton = body(0.04).skeleton
    transforms = skeleton.joint_transforms({"head": axis_angle_wxyz(np.array([1.0, 0, 0]), 90.0)})
    moved = moved_attachment(plate, transforms)
    both = moved_attachment(replace(plate, v_pos_rest=plate.v_pos_rest + plate.morphs["blink"].dense(4).astype(np.float32)), transforms)
    np.testing.assert_allclose(moved.v_pos_rest + moved.morphs["blink"].dense(4), both.v_pos_rest, atol=1e-6)
    assert np.ptp(moved.v_pos_rest[:, 2]) < 1e-6 < np.ptp(plate.v_pos_rest[:, 2])


def test_morphs_are_sparse_and_in_order() -> None:
    dense = np.zeros((5, 3))
    dense[3] = [0.1, 0, 0]
    morph = sparse(dense)
    assert morph.index.tolist() == [3] and morph.dense(5).tolist() == pytest.approx(dense, abs=1e-8)
    assert ordered({"zig": 1, "blink": 1, "aa": 1, "happy": 1, "ant": 1}) == ["happy", "aa", "blink", "ant", "zig"]


@pytest.mark.parametrize(("change", "message"), [
    (lambda t, j: t.pop("0.v_tex"), "the attachments cannot be read (KeyError: '0.v_tex')"),
    (lambda t, j: t.update({"0.weights": t["0.weights"] * 2}), "attachment 'plate' has skin weights that are negative or do not sum to 1"),
    (lambda t, j: t.update({"0.joints": t["0.joints"] + np.uint16(90)}), "attachment 'plate' has 'joints' from 90 to 95, expected 0 to 19"),
    (lambda t, j: t.update({"1.t_pos_idx": t["1.t_pos_idx"] + np.int32(2)}), "attachment 'hat' has 't_pos_idx' from 2 to 5, expected 0 to 3"),
    (lambda t, j: t.update({"0.v_pos_rest": t["0.v_pos_rest"] * np.float32(np.nan)}), "'v_pos_rest' with numbers that are not finite"),
    (lambda t, j: t.update({"0.v_pos_rest": t["0.v_pos_rest"].astype(np.float64)}), "as float64 (4, 3), expected float32 (n, 3)"),
    (lambda t, j: t.update({"0.kd": t["0.kd"][..., :2].copy()}), "has 'kd' as uint8 (8, 8, 2), expected uint8 (height, width, 3)"),
    (lambda t, j: t.update({"0.morph_index.blink": t["0.morph_index.blink"][::-1].copy()}), "has a morph 'blink' that moves vertices that are not in order"),
    (lambda t, j: j[0].pop("name"), "the attachments cannot be read (KeyError: 'name')"),
])
def test_spoilt_attachments_are_refused(inputs: ExportInputs, tmp_path: Path, change, message: str) -> None:
    from safetensors.numpy import load_file, save_file

    for name in ("rig.safetensors", "skeleton.json"):
        (tmp_path / name).write_bytes((inputs.rig.folder / name).read_bytes())
    tensors = load_file(inputs.rig.folder / "attachments.safetensors")
    listing = json.loads((inputs.rig.folder / "attachments.json").read_text())
    change(tensors, listing)
    save_file(tensors, tmp_path / "attachments.safetensors")
    (tmp_path / "attachments.json").write_text(json.dumps(listing))
    with pytest.raises(ArtifactError) as error:
        Rig.open(tmp_path).validate()
    assert message in str(error.value)


@pytest.mark.parametrize(("change", "message"), [
    (lambda t: t.pop("morph_offset.aa"), "no tensor 'morph_offset.aa'"),
    (lambda t: t.update({"morph_index.aa": t["morph_index.aa"] + np.int32(10_000)}), "morph 'aa' moves vertices that are not in order or not among"),
    (lambda t: t.update({"hidden": np.ones_like(t["hidden"])}), "that leaves something to see"),
])
def test_spoilt_morphs_are_refused(inputs: ExportInputs, tmp_path: Path, change, message: str) -> None:
    from safetensors.numpy import load_file, save_file

    (tmp_path / "skeleton.json").write_bytes((inputs.rig.folder / "skeleton.json").read_bytes())
    tensors = load_file(inputs.rig.folder / "rig.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "rig.safetensors")
    with pytest.raises(ArtifactError, match=message):
        Rig.open(tmp_path).validate()


def test_a_morph_of_no_vertices_is_legal() -> None:
    assert not Morph(np.zeros(0, np.int32), np.zeros((0, 3), np.float32)).dense(3).any()
