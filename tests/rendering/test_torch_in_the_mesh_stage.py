"""Both passes of the mesh stage on a ball, through torch operations and through the compiled rasterizer."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.stage import StageContext
from stages.artifacts.mesh import MeshAsset, TexturedMesh
from stages.mesh import refine, warm
from stages.mesh.calm import fitting
from stages.mesh.observed import observe
from stages.rendering import CpuBackend, TorchBackend

SETTINGS = warm.SETTINGS.model_copy(update={"implicit_steps": 12, "surface_steps": 6})


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> MeshAsset:
    return warm.make(tmp_path_factory.mktemp("compiled"), SETTINGS)


def losses(asset: MeshAsset, name: str) -> np.ndarray:
    curve = json.loads((asset.folder / "preview" / name).read_text())
    return np.array(list(curve["series"].values()))


def test_the_first_pass_goes_the_same_way(compiled: MeshAsset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it, what is a rounding error decides which edge is flipped, so that of the rest only what it has to be is compared."""
    monkeypatch.setattr(warm, "CpuBackend", lambda: TorchBackend(anywhere=True))
    ours = warm.make(tmp_path, SETTINGS)
    ours.validate()
    np.testing.assert_allclose(losses(ours, "implicit_surface.json"), losses(compiled, "implicit_surface.json"), rtol=1e-3)
    np.testing.assert_allclose(losses(ours, "surface_and_texture.json"), losses(compiled, "surface_and_texture.json"), rtol=0.3)
    radius = np.linalg.norm(ours.mesh.v_pos, axis=1)
    assert abs(radius.mean() - warm.RADIUS_M) < 0.024 and radius.std() < 0.024


def second_pass(mesh: TexturedMesh, folder: Path, backend: TorchBackend | CpuBackend) -> tuple[np.ndarray, np.ndarray, dict[str, list[float]]]:
    """Vertices, texture and losses."""
    observed = observe(warm.ball_views(folder / "views"))
    settings = fitting(SETTINGS, warm.ball_field(folder / "field"))
    context = StageContext(folder, folder / "work", logging.getLogger("t"), warm.Silent(), {}, threads=1, checkpoint=Checkpoint(folder / "work"))
    surface = refine.TexturedSurface.start(mesh.v_pos, mesh.t_pos_idx, mesh.v_tex, mesh.t_tex_idx, np.full_like(mesh.kd, 0.5), settings.smoothness)
    curves = refine.fit(surface, observed, backend.create(), settings, context)
    return surface.v_pos().detach().numpy(), surface.kd().detach().numpy(), curves


def test_the_second_pass_ends_in_the_same_place(compiled: MeshAsset, tmp_path: Path) -> None:
    ours, theirs = (second_pass(compiled.mesh, tmp_path / b.name, b) for b in (TorchBackend(anywhere=True), CpuBackend()))
    assert np.abs(theirs[0] - compiled.mesh.v_pos).max() > 1e-4  # it went somewhere
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-6)
    assert np.abs(ours[1] - theirs[1]).mean() < 1e-5
    for name, curve in theirs[2].items():
        np.testing.assert_allclose(ours[2][name], curve, rtol=1e-4)
