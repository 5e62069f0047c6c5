"""Pictures that disagree: corrected cameras and colours, odd ones outvoted, the texture of whoever saw it best."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from stages.artifacts.corrections import Correction, Corrections
from stages.artifacts.field import METRICS, FieldGrid
from stages.mesh.calm import MEAN_FROM_DB, fitting
from stages.mesh.observed import corrected
from stages.mesh.paint import painted
from stages.mesh.settings import MeshSettings
from stages.mesh.texels import texels_of
from stages.mesh.unwrap import unwrap
from stages.mesh.warm import SETTINGS, make
from tests.mesh.test_textures import stripes, views_of


def ball() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    m = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    v, f = np.asarray(m.vertices, np.float32), np.asarray(m.faces, np.int32)
    return v, f, *unwrap(v, f, 256)


def test_a_repainted_patch_is_outvoted_and_nothing_else_changes() -> None:
    """The view that looks straight at a patch has it in another colour; its neighbours know better."""
    v, f, v_tex, t = ball()
    texels = texels_of(v_tex, t, 256)
    views = views_of(v, f, stripes, 24)
    clean, _ = painted(texels, v, f, [views], 24.0)
    views.rgb[0, 42:54, 42:54] = torch.tensor([1.0, 0.0, 0.0])
    errors = {}
    for outvote in (False, True):
        colour, _ = painted(texels, v, f, [views], 24.0, outvote=outvote)
        p = texels.carry(v, f)
        patch = (p[:, 1] < 0) & (np.abs(p[:, [0, 2]]) < 0.04).all(1)
        errors[outvote] = np.abs(colour - clean)[patch].mean(), np.abs(colour - clean)[(p[:, 1] > 0.1) & (np.abs(p[:, 2]) < 0.3)].mean()
    assert errors[False][0] > 0.3 and errors[True][0] < 0.2 * errors[False][0]
    assert errors[True][1] < 0.02


def test_corrected_views_show_what_their_cameras_see() -> None:
    v, f, _, _ = ball()
    o = views_of(v, f, stripes, 4)
    name = o.cameras[1].name
    fix = Correction(np.array([0.01, 0.0, 0.02, 0.03]), np.full(3, 1.2), np.full(3, 0.1))
    (got,) = corrected([o], Corrections({name: fix}))
    np.testing.assert_array_equal(got.cameras[0].c2w, o.cameras[0].c2w)
    assert got.cameras[1].fx == pytest.approx(o.cameras[1].fx * np.exp(0.03)) and got.cameras[1].cx == pytest.approx(48 + 0.01 * o.cameras[1].fx)
    torch.testing.assert_close(got.rgb[0], o.rgb[0])
    figure = o.alpha[1, ..., 0] > 0
    torch.testing.assert_close(got.rgb[1][figure], ((o.rgb[1][figure] - 0.1) / 1.2).clamp(0, 1))
    assert (got.rgb[1][~figure] == 0).all() and not torch.equal(got.clip[1], o.clip[1]) and torch.equal(got.clip[0], o.clip[0])


@pytest.mark.parametrize(("psnr_db", "expected"), [(MEAN_FROM_DB - 1, "projected"), (MEAN_FROM_DB + 1, "fitted"), (None, "projected")])
def test_views_that_disagree_are_not_averaged(tmp_path: Path, psnr_db: float | None, expected: str) -> None:
    field = FieldGrid.write(tmp_path, np.zeros((2, 2, 2)), np.zeros((2, 2, 2, 3)), np.eye(4))
    if psnr_db is not None:
        (tmp_path / METRICS).write_text(json.dumps({"training_psnr_db": psnr_db}))
    assert fitting(MeshSettings(), field).final_colours == expected
    assert fitting(MeshSettings(final_colours="fitted"), field).final_colours == "fitted"


def test_projected_colours_are_not_the_fitted_ones_and_both_are_the_balls(tmp_path: Path) -> None:
    kd = {}
    for way in ("projected", "fitted"):
        mesh = make(tmp_path / way, SETTINGS.model_copy(update={"final_colours": way})).mesh
        middle = mesh.v_pos[mesh.t_pos_idx].mean(1)
        uv = mesh.v_tex[mesh.t_tex_idx].mean(1)
        kd[way] = mesh.kd[((1 - uv[:, 1]) * 128).astype(int).clip(0, 127), (uv[:, 0] * 128).astype(int).clip(0, 127)]
        side = np.abs(middle[:, 2]) < 0.3
        truth = 0.5 + 0.4 * middle / np.linalg.norm(middle, axis=1, keepdims=True)
        assert np.abs(kd[way] - truth)[side].mean() < 0.04
    assert np.abs(kd["projected"] - kd["fitted"]).max() > 0
