"""Light falls on a surface without its bumps where the views did not agree."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.artifacts.glb_reader import read_glb
from stages.artifacts.mesh import METRICS, MeshAsset
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Rig, Skinning
from stages.export import STAGE, ExportInputs
from stages.export.even_normals import even_normals, fitted_to
from stages.export.settings import ExportSettings
from stages.rig.inpaint import strongest
from tests.export.attached import attachments
from tests.rig.figures import body, surface_nets
from tests.rig.stage_folders import context_in, textured


def _degrees(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


def _ball(bumps: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A ball of 20 cm with waves 3 cm long; the directions from its middle."""
    v_pos, faces = surface_nets(lambda p: np.linalg.norm(p - [0, 0, 0.8], axis=-1) - 0.2, 0.02)
    outward = (v_pos - [0, 0, 0.8]) / np.linalg.norm(v_pos - [0, 0, 0.8], axis=-1, keepdims=True)
    return v_pos + outward * bumps * np.sin(v_pos * 2 * np.pi / 0.08).prod(-1, keepdims=True), faces, outward


def test_bumps_throw_no_shade_and_the_shape_does() -> None:
    v_pos, faces, outward = _ball(0.01)
    even = even_normals(v_pos, faces, 0.04)
    plain_off, off = _degrees(vertex_normals(v_pos, faces), outward), _degrees(even, outward)
    assert np.percentile(plain_off, 90) > 15 and np.percentile(off, 90) < 4
    np.testing.assert_allclose(np.linalg.norm(even, axis=-1), 1, atol=1e-9)
    smooth, faces, outward = _ball(0.0)
    assert _degrees(even_normals(smooth, faces, 0.04), outward).max() < 6
    np.testing.assert_allclose(even_normals(smooth, faces, 0.0), vertex_normals(smooth, faces), atol=1e-3)


def test_what_shares_places_with_the_surface_shares_its_normals() -> None:
    plate, hat = attachments()
    v_pos = np.concatenate([plate.v_pos_rest[:2].astype(float), [[9.0, 9, 9], [8.0, 9, 9]]])
    v_nrm = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0], [0, 1.0, 0]])
    still = replace(plate, morphs={})
    fitted, untouched, moving = fitted_to([still, hat, plate], v_pos, v_nrm)
    np.testing.assert_allclose(fitted.v_nrm[:2], v_nrm[:2])
    np.testing.assert_allclose(fitted.v_nrm[2:], vertex_normals(plate.v_pos_rest.astype(float), plate.t_pos_idx)[2:], atol=1e-6)
    assert untouched is hat and moving.v_nrm.shape == (4, 3)


@pytest.mark.parametrize(("agree", "normals", "even"), [(False, "auto", True), (True, "auto", False), (True, "even", True), (False, "surface", False), (None, "auto", False)])
def test_files_have_even_normals_where_the_views_did_not_agree(tmp_path: Path, agree: bool | None, normals: str, even: bool) -> None:
    b = body(0.04)
    rough = b.v_pos + np.random.default_rng(0).normal(0, 0.004, b.v_pos.shape)
    joints, weights = strongest(b.weights)
    skinning = Skinning(rough.astype(np.float32), joints, weights, b.skeleton)
    asset = MeshAsset.write(tmp_path / "mesh", textured(rough, b.t_pos_idx), {} if agree is None else {"views_agree": agree})
    assert json.loads((asset.folder / METRICS).read_text()).get("views_agree") == agree
    settings = ExportSettings(name="mika", turntable_frames=8, turntable_px=64, normals=normals, formats=("glb", "obj"))
    for kind, rig in (("rigged", Rig.write(tmp_path / "rig", skinning, {})), ("static", None)):
        made = STAGE.run(settings, ExportInputs(asset, rig), context_in(tmp_path / kind))
        (part,) = read_glb(made.folder / "mika.glb").parts
        off = np.median(_degrees(part.v_nrm, _at(part.v_pos, rough, vertex_normals(rough, b.t_pos_idx))))
        assert (off > 2 if even else off < 0.1), (kind, off)
        lines = [line.split()[1:] for line in (made.folder / "mika.obj").read_text().splitlines() if line.startswith("vn ")]
        in_obj = np.array(lines, float) @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # Y up to Z up
        off = np.median(_degrees(in_obj, vertex_normals(rough, b.t_pos_idx)))
        assert (off > 2 if even else off < 0.1), (kind, "obj", off)


def _at(points: np.ndarray, v_pos: np.ndarray, values: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    return values[cKDTree(v_pos).query(points)[1]]


def test_a_normal_map_that_changes_nothing_is_left_out(tmp_path: Path) -> None:
    b = body(0.04)
    mesh = textured(b.v_pos, b.t_pos_idx)
    flat = replace(mesh, normal=np.broadcast_to(np.array([0.5, 0.5, 1.0], np.float32), mesh.normal.shape))
    settings = ExportSettings(name="mika", turntable_frames=8, turntable_px=64, formats=("glb", "obj"))
    made = STAGE.run(settings, ExportInputs(MeshAsset.write(tmp_path / "mesh", flat, {})), context_in(tmp_path))
    assert "mika_normal.png" not in [p.name for p in made.files] and "mika_normal" not in (made.folder / "mika.mtl").read_text()
    assert read_glb(made.folder / "mika.glb").materials[0].normal_png is None
