"""Parts as meshes of their own: named, the same surface together, one material or one each, with a rig and without, in every format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import StageError
from stages.artifacts.glb_reader import read_glb
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.parts import Parts, write_parts
from stages.artifacts.rig import Rig
from stages.export import STAGE, ExportInputs
from stages.export.settings import ExportSettings
from tests.export.attached import attached_inputs
from tests.export.gltf_rules import check_rules
from tests.rig.figures import body
from tests.rig.stage_folders import context_in

SMALL = {"name": "mika", "turntable_frames": 8, "turntable_px": 96, "viewer_px": 0}
NAMES = ("body", "hair", "hat", "skirt")


def dressed_inputs(folder: Path) -> ExportInputs:
    """The humanoid with two further surfaces, labelled: hair above the neck, a skirt from the hips to the knees, no "hat"."""
    inputs = attached_inputs(folder)
    height = body(0.04).v_pos[body(0.04).t_pos_idx].mean(1)[:, 2]
    t_part = np.select([height > 1.36, (height > 0.5) & (height < 0.9)], [1, 3], 0).astype(np.uint8)
    write_parts(inputs.mesh.folder, Parts(NAMES, t_part, np.ones(len(t_part), np.float32)))
    return ExportInputs(MeshAsset.open(inputs.mesh.folder), inputs.rig)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ExportInputs:
    return dressed_inputs(tmp_path_factory.mktemp("parts"))


def test_parts_are_meshes_that_together_are_the_joined_one(inputs: ExportInputs, tmp_path: Path) -> None:
    made = {parts: STAGE.run(ExportSettings(**SMALL, formats=("glb", "vrm"), parts=parts), inputs, context_in(tmp_path / parts)) for parts in ("auto", "joined")}
    for out in made.values():
        out.validate()
        for suffix in ("glb", "vrm"):
            check_rules(out.folder / f"mika.{suffix}")
    apart, whole = read_glb(made["auto"].folder / "mika.glb"), read_glb(made["joined"].folder / "mika.glb")
    for suffix in ("glb", "vrm"):
        raw = check_rules(made["auto"].folder / f"mika.{suffix}").json
        assert raw["skins"][0]["name"] == raw["scenes"][0]["name"] == "mika" and raw["nodes"][0]["name"] == "body"
    own = [p for p in apart.parts if p.name not in ("plate", "hat")]
    assert made["auto"].listing["parts"] == ["body", "hair", "skirt"] and "parts" not in made["joined"].listing
    assert [p.name for p in apart.parts] == ["body", "body", "hair", "skirt", "hat"]  # the plate is a primitive of the first mesh
    rows = lambda parts: np.concatenate([np.concatenate([p.v_pos, p.v_nrm, p.v_tex, np.zeros((len(p.v_pos), 1))], 1)[p.t_pos_idx].reshape(-1, 27) for p in parts])  # noqa: E731
    together, one = (np.unique(rows(parts).round(5), axis=0) for parts in ([*own], [whole.parts[0], whole.parts[1]]))
    np.testing.assert_allclose(together, one, atol=2e-5)


def test_what_parts_share_is_the_same_on_both_sides(inputs: ExportInputs, tmp_path: Path) -> None:
    made = STAGE.run(ExportSettings(**SMALL), inputs, context_in(tmp_path))
    scene = read_glb(made.folder / "mika.glb")
    first, hair = (next(p for p in scene.parts if p.name == name) for name in ("body", "hair"))
    shared = 0
    dense = lambda p: np.stack([np.bincount(j, w, len(scene.skeleton.names)) for j, w in zip(p.joints, p.weights, strict=True)])  # noqa: E731
    weights = {id(p): dense(p) for p in (first, hair)}
    places = {tuple(v): i for i, v in enumerate(first.v_pos.round(6).tolist())}
    for j, v in enumerate(hair.v_pos.round(6).tolist()):
        if (i := places.get(tuple(v))) is not None:
            shared += 1
            np.testing.assert_allclose(first.v_nrm[i], hair.v_nrm[j], atol=1e-6)
            np.testing.assert_allclose(weights[id(first)][i], weights[id(hair)][j], atol=1e-6)
    assert shared > 10


@pytest.mark.parametrize(("own", "materials", "names"), [(False, 3, {"mika"}), (True, 5, {"mika_body", "mika_hair", "mika_skirt"})])
def test_parts_share_textures_and_one_material_or_have_one_each(inputs: ExportInputs, tmp_path: Path, own: bool, materials: int, names: set[str]) -> None:
    made = STAGE.run(ExportSettings(**SMALL, part_materials=own), inputs, context_in(tmp_path))
    raw = check_rules(made.folder / "mika.glb")
    of_parts = [m for m in raw.json["materials"] if m["name"] not in ("mika_plate", "mika_hat")]
    assert {m["name"] for m in of_parts} == names and len(raw.json["materials"]) == materials == made.listing["vrchat"]["materials"]
    assert all(m["doubleSided"] for m in of_parts)
    assert len({m["pbrMetallicRoughness"]["baseColorTexture"]["index"] for m in of_parts}) == 1 and len(raw.json["images"]) == 5


def test_morphs_go_with_the_part_that_they_move(inputs: ExportInputs, tmp_path: Path) -> None:
    made = STAGE.run(ExportSettings(**SMALL), inputs, context_in(tmp_path))
    parts = read_glb(made.folder / "mika.glb").parts
    moved = {p.name: {name for name, offset in p.morphs.items() if np.abs(offset).max() > 1e-4} for p in parts}
    assert moved["skirt"] == set() and "aa" in moved["body"] | moved["hair"]
    total = sum(float(np.unique(np.concatenate([p.v_pos, p.morphs["aa"]], 1).round(6), axis=0)[:, 3:].any(1).sum()) for p in parts if "aa" in p.morphs)
    assert total >= len(inputs.rig.morphs["aa"].index)


def test_a_figure_without_a_rig_has_parts_as_well(inputs: ExportInputs, tmp_path: Path) -> None:
    made = STAGE.run(ExportSettings(**SMALL, formats=("glb", "obj")), replace(inputs, rig=None), context_in(tmp_path))
    made.validate()
    scene = read_glb(made.folder / "mika.glb")
    assert [p.name for p in scene.parts] == ["body", "hair", "skirt"] and scene.skeleton is None
    check_rules(made.folder / "mika.glb")
    lines = (made.folder / "mika.obj").read_text().splitlines()
    groups = [(n, line.split()[1]) for n, line in enumerate(lines) if line.startswith("g ")]
    assert [name for _, name in groups] == ["body", "hair", "skirt"] and sum(line.startswith("f ") for line in lines) == made.listing["triangles"]
    hair = [line for line in lines[groups[1][0] : groups[2][0]] if line.startswith("f ")]
    assert len(hair) == (inputs.mesh.parts.t_part == 1).sum()


def test_separate_parts_need_labels(inputs: ExportInputs, tmp_path: Path) -> None:
    plain = attached_inputs(tmp_path)
    with pytest.raises(StageError, match=r"export\.parts is separate, and no parts were labelled; name them in masks\.parts"):
        STAGE.run(ExportSettings(**SMALL, parts="separate"), plain, context_in(tmp_path / "run"))


def test_the_body_beneath_and_hands_are_meshes_beside_parts_and_the_first_is_left_out_where_nothing_can_be_taken_off(inputs: ExportInputs, tmp_path: Path) -> None:
    plate, hat = inputs.rig.attachments
    under, hands = (replace(hat, name=name, own_mesh=own, morphs={}) for name, own in (("beneath", True), ("hands", False)))
    rig = Rig.write(tmp_path / "rig", inputs.rig.skinning, {}, (), (), (plate, under, hands))
    for parts, expected in (("separate", ["body", "body", "hair", "skirt", "beneath", "hands"]), ("joined", ["mika", "mika", "mika"])):
        made = STAGE.run(ExportSettings(**SMALL, formats=("glb", "vrm", "stl"), parts=parts), ExportInputs(inputs.mesh, rig), context_in(tmp_path / parts))
        made.validate()
        for suffix in ("glb", "vrm"):
            assert [p.name for p in read_glb(made.folder / f"mika.{suffix}").parts] == expected
        size = (made.folder / "mika.stl").stat().st_size
        assert (size - 84) // 50 == len(inputs.mesh.t_pos_idx) + 2  # the hands, no plate, and no body within the body
