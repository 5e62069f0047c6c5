"""The stage end to end on a ball: files, shape, colours, resuming, light."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import ArtifactError, StageError
from stages.artifacts.field import FieldGrid
from stages.artifacts.mesh import MeshAsset
from stages.mesh import STAGE, build, implicit, light, refine
from stages.mesh.build import GRIDS
from stages.mesh.observed import observe, view_order
from stages.mesh.repair import is_edge_manifold
from stages.mesh.settings import MeshSettings
from stages.mesh.warm import RADIUS_M, SETTINGS, Silent, ball_views, make

PAYLOAD = ("mesh.safetensors", "kd.png", "ks.png", "normal.png", "mesh.glb", "metrics.json")
LONGER = SETTINGS.model_copy(update={"implicit_steps": 12, "surface_steps": 12})


@pytest.fixture(scope="module")
def asset(tmp_path_factory: pytest.TempPathFactory) -> MeshAsset:
    return make(tmp_path_factory.mktemp("ball"), LONGER)


def test_artifact_is_valid_closed_and_the_ball(asset: MeshAsset) -> None:
    asset.validate()
    mesh = MeshAsset.open(asset.folder).mesh
    assert is_edge_manifold(mesh.t_pos_idx) and asset.metrics["pieces"] == 1
    assert len(mesh.t_pos_idx) <= 500  # fewer would be slivers
    r = np.linalg.norm(mesh.v_pos, axis=1)
    assert abs(r.mean() - RADIUS_M) < 0.024 and r.std() < 0.024  # half a pixel of these small, hard-edged pictures
    outward = (mesh.v_nrm * mesh.v_pos).sum(1) / r
    assert np.percentile(outward, 5) > 0.7


def test_colours_are_those_of_the_views(asset: MeshAsset) -> None:
    mesh = asset.mesh
    size = mesh.kd.shape[0]
    middle = mesh.v_tex[mesh.t_tex_idx].mean(1)
    colour = mesh.kd[np.clip(((1 - middle[:, 1]) * size).astype(int), 0, size - 1), np.clip((middle[:, 0] * size).astype(int), 0, size - 1)]
    place = mesh.v_pos[mesh.t_pos_idx].mean(1)
    truth = 0.5 + 0.4 * place / np.linalg.norm(place, axis=1, keepdims=True)
    side = np.abs(place[:, 2]) < 0.4
    assert np.abs(colour - truth)[side].mean() < 0.03


def test_previews_are_there_and_curves_are_curves(asset: MeshAsset) -> None:
    names = {p.name for p in (asset.folder / "preview").iterdir()}
    assert {"turnaround.png", "beside_views.png", "uv_atlas.png", "surface_and_texture.json", "implicit_surface.json"} <= names
    curve = json.loads((asset.folder / "preview" / "implicit_surface.json").read_text())
    assert curve["x"] == list(range(1, 13)) and all(len(s) == 12 for s in curve["series"].values())


def test_no_more_triangles_than_the_first_pass_is_worth(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A million are asked for, of a ball on a coarse grid."""
    with caplog.at_level(logging.INFO):
        asset = make(tmp_path, SETTINGS.model_copy(update={"triangles": 1_000_000}))
    (first,) = (int(record.args[0]) for record in caplog.records if record.msg.startswith("first pass"))
    assert first < asset.metrics["triangles"] <= build.FINER * first


class Killed(Exception):
    """What stands for kill -9 here."""


class DiesAt(Silent):
    """Raises at one step of one pass."""

    def __init__(self, label: str, step: int) -> None:
        self.label, self.step, self.now, self.count = label, step, "", 0

    def start(self, label: str, total: int) -> None:
        self.now, self.count = label, 0

    def advance(self, steps: int = 1, **figures: float) -> None:
        self.count += steps
        if self.now == self.label and self.count >= self.step:
            raise Killed


@pytest.mark.parametrize("where", [("implicit surface", 7), ("surface and texture", 5), ("repair, remesh, unwrap, project", 2)])
def test_resumed_stage_ends_in_the_same_bytes(
    asset: MeshAsset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: tuple[str, int]
) -> None:
    from pipeline.checkpoint import Checkpoint
    from stages.mesh import warm

    monkeypatch.setattr(Checkpoint, "due", lambda self, seconds=5.0: True)
    with monkeypatch.context() as patch:
        patch.setattr(warm, "Silent", lambda: DiesAt(*where))
        with pytest.raises(Killed):
            make(tmp_path, LONGER)
    again = make(tmp_path, LONGER)
    for name in PAYLOAD:
        assert (again.folder / name).read_bytes() == (asset.folder / name).read_bytes(), name


@pytest.mark.parametrize("extraction", GRIDS)
def test_the_first_pass_survives_saving(tmp_path: Path, extraction: str) -> None:
    axis = np.arange(12) * 0.1 - 0.55
    sdf = np.linalg.norm(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1), axis=-1) - 0.4
    grid, values = GRIDS[extraction](sdf, np.full(3, -0.55), 0.1, 2.0)
    fresh = lambda: implicit.ImplicitSurface.start(grid, values, np.zeros((len(values), 3)), SETTINGS)  # noqa: E731
    first = fresh()
    push(first, torch.randn_like)
    first.optimiser.step()
    first.step = 3
    first.save(tmp_path / "s.npz")
    second = fresh().load(tmp_path / "s.npz")
    assert second.step == 3
    for state in (first, second):
        push(state, torch.ones_like)
        state.optimiser.step()
    assert (first.weights.numel() > 0) == (extraction == "cubes")
    for name in ("sdf", "move", "rgb", "weights"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name


def push(state: implicit.ImplicitSurface, gradient: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Give every parameter a gradient."""
    for group in state.optimiser.param_groups:
        for parameter in group["params"]:
            parameter.grad = gradient(parameter)


def test_field_without_a_surface_says_what_to_do(tmp_path: Path) -> None:
    from stages.mesh import warm

    FieldGrid.write(tmp_path / "field", np.zeros((8, 8, 8)), np.zeros((8, 8, 8, 3)), np.eye(4))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(StageError, match="field holds no surface"):
        patch.setattr(warm, "ball_field", lambda folder: FieldGrid.open(folder))
        make(tmp_path)


def test_damaged_artifacts_are_named(asset: MeshAsset, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"there is no mesh\.safetensors"):
        MeshAsset.open(tmp_path)
    for name in PAYLOAD:
        (tmp_path / name).write_bytes((asset.folder / name).read_bytes())
    MeshAsset.open(tmp_path).validate()
    (tmp_path / "ks.png").unlink()
    with pytest.raises(ArtifactError, match=r"there is no ks\.png"):
        MeshAsset.open(tmp_path).validate()


def test_smoothing_solver_inverts_its_matrix() -> None:
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    solve = refine.smoothing_solver(faces, 4, 2.0)
    laplacian = 4 * np.eye(4) - np.ones((4, 4))
    x = np.random.default_rng(0).normal(size=(4, 3))
    np.testing.assert_allclose(solve(x), np.linalg.solve(np.eye(4) + 2 * laplacian, x))


def test_every_view_comes_before_any_comes_again(tmp_path: Path) -> None:
    order = view_order(10, 3, 10, 0)
    assert order.shape == (10, 3) and sorted(order.ravel()[:10]) == list(range(10))
    np.testing.assert_array_equal(order, view_order(10, 3, 10, 0))
    assert [len(o.cameras) for o in observe(ball_views(tmp_path))] == [8]


def test_no_steps_leave_the_surface_of_the_field(tmp_path: Path) -> None:
    assert view_order(10, 3, 0, 0).shape == (0, 3)
    mesh = make(tmp_path, SETTINGS.model_copy(update={"implicit_steps": 0, "surface_steps": 0})).mesh
    assert abs(np.linalg.norm(mesh.v_pos, axis=1).mean() - RADIUS_M) < 0.06  # one of the 20 cells is 0.05 m


def test_the_light_is_told_apart_last_and_kept(asset: MeshAsset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The surface is that of an unlit run; the base colours are its texture without the light that stands beside them."""
    monkeypatch.setattr(light, "POINTS", 500)
    monkeypatch.setattr(light, "STEPS", 20)
    lit = make(tmp_path, LONGER.model_copy(update={"lighting": "environment"}))
    lit.validate()
    np.testing.assert_allclose(lit.mesh.v_pos, asset.mesh.v_pos, atol=1e-6)
    lamps = json.loads((lit.folder / "light.json").read_text())
    assert np.shape(lamps["directions"]) == np.shape(lamps["colours_linear"]) == (light.LAMPS, 3)
    assert lit.metrics["light_explains_share"] < 1 and "light_explains_share" not in asset.metrics
    assert np.abs(lit.mesh.kd - asset.mesh.kd).max() > 0.05
    assert (lit.folder / "preview" / "light.png").is_file() and not (asset.folder / "light.json").exists()


def test_stage_and_settings() -> None:
    assert STAGE.name == "mesh" and STAGE.output is MeshAsset and STAGE.settings is MeshSettings
    assert all(field.description for field in MeshSettings.model_fields.values())
    assert [c.name for c in STAGE.capabilities(MeshSettings())] == ["rasterizer"]


@pytest.mark.parametrize(("lighting", "explained", "divided"), [("auto", 0.05, False), ("auto", 0.2, True), ("environment", -1.0, True)])
def test_auto_divides_by_light_only_where_the_views_show_it(
    asset: MeshAsset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lighting: str, explained: float, divided: bool
) -> None:
    half = light.DistantLight(np.array([[0, 0, 1.0], [0, 0, -1.0]]), np.full((2, 3), 0.5), explained)
    monkeypatch.setattr(build, "light_on", lambda *_: half)
    settings = SETTINGS.model_copy(update={"lighting": lighting})
    seen = np.ones(asset.mesh.kd.shape[:2], bool)
    mesh, found = build.told_apart(asset.mesh, seen, settings, logging.getLogger("test"))
    assert found is (half if divided else None)
    assert (mesh is asset.mesh) is not divided
    if divided:
        assert (mesh.kd >= asset.mesh.kd - 1 / 255).all() and mesh.kd.mean() > asset.mesh.kd.mean() + 0.1  # no side is lit by more than a half
