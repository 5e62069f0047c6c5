"""Levels of detail: fewer triangles, the same skeleton, weights, textures and parts; nothing torn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial import cKDTree

from stages.artifacts.attachments import Attachment
from stages.artifacts.collapse import thinned
from stages.artifacts.glb_reader import GlbPart, read_glb
from stages.artifacts.normals import vertex_normals
from stages.export import STAGE, ExportInputs
from stages.export.levels import sunk
from stages.export.settings import ExportSettings
from stages.rig.hands.colour import baked
from stages.rig.hands.loops import border_loops
from stages.rig.inpaint import strongest
from tests.export.gltf_rules import check_rules
from tests.export.test_parts import dressed_inputs
from tests.rig.figures import body
from tests.rig.stage_folders import context_in

SMALL = {"name": "mika", "turntable_frames": 8, "turntable_px": 96, "viewer_px": 0}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ExportInputs:
    return dressed_inputs(tmp_path_factory.mktemp("levels"))


def rows(part: GlbPart) -> np.ndarray:
    """Positions with texture coordinates."""
    return np.concatenate([part.v_pos, part.v_tex], 1)


def dense(part: GlbPart) -> np.ndarray:
    """(V, J) weights."""
    return np.stack([np.bincount(j, w, 64) for j, w in zip(part.joints, part.weights, strict=True)])


def charted_body() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    b = body()
    v_tex, t_tex_idx, _ = baked(b.v_pos, b.t_pos_idx, np.ones_like(b.v_pos))
    return b.v_pos, b.t_pos_idx, v_tex, t_tex_idx


def area_2d(v_tex: np.ndarray, t_tex_idx: np.ndarray) -> np.ndarray:
    p = v_tex[t_tex_idx].astype(float)
    a, b = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_thinning_keeps_the_surface_closed_and_every_triangle_in_its_chart(share: float) -> None:
    v_pos, t_pos_idx, v_tex, t_tex_idx = charted_body()
    faces, tex, source = thinned(v_pos, t_pos_idx, v_tex, t_tex_idx, round(share * len(t_pos_idx)))
    assert len(faces) <= round(share * len(t_pos_idx)) and border_loops(faces) == []
    before, after = area_2d(v_tex, t_tex_idx), area_2d(v_tex, tex)
    assert (np.sign(after) == np.sign(before[source])).all()
    assert abs(np.abs(after).sum() / np.abs(before).sum() - 1) < 0.08  # the charts are covered as they were
    corner = dict(zip(t_tex_idx.ravel().tolist(), t_pos_idx.ravel().tolist(), strict=True))
    assert all(corner[t] == p for t, p in zip(tex.ravel().tolist(), faces.ravel().tolist(), strict=True))  # no vertex takes another's coordinates
    distance = cKDTree(v_pos[np.unique(faces)]).query(v_pos)[0]
    assert np.percentile(distance, 99) < 0.06


def test_borders_and_parts_stay_where_they_are() -> None:
    v_pos, t_pos_idx, v_tex, t_tex_idx = charted_body()
    keep = v_pos[t_pos_idx].mean(1)[:, 2] < 1.2
    part = (v_pos[t_pos_idx[keep]].mean(1)[:, 2] > 0.7).astype(int)
    faces, _, source = thinned(v_pos, t_pos_idx[keep], v_tex, t_tex_idx[keep], 1200, None, part)
    assert sorted(map(sorted, border_loops(faces))) == sorted(map(sorted, border_loops(t_pos_idx[keep])))
    middle = v_pos[faces].mean(1)[:, 2]
    assert (middle[part[source] == 1] > 0.6).all() and (middle[part[source] == 0] < 0.8).all()


def test_importance_keeps_triangles_where_it_is_high() -> None:
    v_pos, t_pos_idx, v_tex, t_tex_idx = charted_body()
    head = v_pos[:, 2] > 1.36
    share = {}
    for name, importance in (("even", None), ("head", np.where(head, 50.0, 1.0))):
        faces, _, _ = thinned(v_pos, t_pos_idx, v_tex, t_tex_idx, 2000, importance)
        share[name] = head[faces].all(1).mean()
    assert share["head"] > 1.3 * share["even"]


def test_the_stage_writes_and_lists_levels(inputs: ExportInputs, tmp_path: Path) -> None:
    made = STAGE.run(ExportSettings(**SMALL, levels=(1.0, 0.5, 0.25)), inputs, context_in(tmp_path))
    made.validate()
    assert [level["file"] for level in made.listing["levels"]] == ["mika_lod1.glb", "mika_lod2.glb"]
    assert {"mika.glb", "mika_lod1.glb", "mika_lod2.glb"} <= set(made.listing["files"]) and (made.folder / "preview" / "levels.png").is_file()
    whole = read_glb(made.folder / "mika.glb")
    for level in made.listing["levels"]:
        check_rules(made.folder / level["file"])
        scene = read_glb(made.folder / level["file"])
        assert scene.skeleton.names == whole.skeleton.names and [p.name for p in scene.parts] == [p.name for p in whole.parts]
        assert level["triangles"] < 1.1 * level["share"] * made.listing["triangles"] + 10
        for ours, full in zip(scene.parts, whole.parts, strict=True):
            distance, near = cKDTree(rows(full)).query(rows(ours))
            assert distance.max() < 1e-6
            np.testing.assert_allclose(dense(ours), dense(full)[near], atol=1e-6)
        assert [set(p.morphs) for p in scene.parts] == [set(p.morphs) for p in whole.parts]


@pytest.mark.parametrize("levels", [(0.5, 0.8), (1.5,), (0.5, 0.0), (1.0, 1.0)])
def test_levels_fall(levels: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match=r"levels are shares of the triangles, each in \(0, 1\] and less than the one before"):
        ExportSettings(levels=levels)


def test_the_body_beneath_lies_deeper_under_coarser_triangles_but_for_its_hands() -> None:
    b = body()
    joints, weights = strongest(b.weights)
    triangles = b.t_pos_idx.astype(np.int32)
    under = Attachment("beneath", b.v_pos.astype(np.float32), triangles, np.zeros((1, 2), np.float32), 0 * triangles, np.zeros((4, 4, 3), np.uint8), joints, weights)
    normals = vertex_normals(b.v_pos, triangles)
    moved = ((under.v_pos_rest - sunk(under, normals, 0.01, b.skeleton.names)) * normals).sum(-1)
    on_hand = b.weights[:, [b.skeleton.index("leftHand"), b.skeleton.index("rightHand")]].sum(1)
    np.testing.assert_allclose(moved, 0.01 * (1 - on_hand), atol=1e-3)
