"""nerfstudio as a backend: what it is asked, what is read back, and what is said where it is missing. A stand-in speaks its command line and files."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.backends import choose
from pipeline.errors import MissingError, StageError
from pipeline.stage import StageContext
from stages.artifacts.field import FieldGrid
from stages.artifacts.views import MaskedViews, ViewSet
from stages.field import STAGE, FieldInputs
from stages.field.backends import Nerfstudio
from stages.field.elsewhere import SPAN, in_span, write_data
from stages.field.grid_field import GridField
from stages.field.settings import FieldSettings
from tests.field.scenes import RADIUS_M, SMALL, ball_scene, write_ball
from tests.field.stand_in import write_environment
from tests.field.test_stage import Eager, Told
from third_party.nerfstudio import NerfstudioProgram, find_nerfstudio
from third_party.nerfstudio.process import Order, arguments, read_field

posix = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")


def settings_for(python: Path, **changes: object) -> FieldSettings:
    return SMALL.model_copy(update={"backend": "nerfstudio", "nerfstudio_python": str(python), "steps": 40, "video": False, **changes})


def run(settings: FieldSettings, views: Path, folder: Path, told: Told | None = None) -> FieldGrid:
    (folder / "out").mkdir(parents=True, exist_ok=True)
    backend = choose(STAGE.capabilities(settings)[0]).backend
    context = StageContext(folder / "out", folder / "scratch", logging.getLogger("field"), told or Told(), {"radiance field": backend},
                           checkpoint=Eager(folder / "scratch"))
    return STAGE.run(settings, FieldInputs(MaskedViews.open(views)), context)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FieldGrid, Told, FieldSettings]:
    base, told = tmp_path_factory.mktemp("nerfstudio"), Told()
    settings = settings_for(write_environment(base / "environment"))
    return base, run(settings, write_ball(base / "views"), base / "run", told), told, settings


@posix
def test_its_ball_comes_back_in_our_frame(done: tuple) -> None:
    """Whatever turn, shift and scale it gave the scene; with colours, and held-out figures by the same rules as for the others."""
    _, grid, told, _ = done
    grid.validate()
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(500, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    inside, outside = (grid.sample(normals * RADIUS_M * share)[0] for share in (0.9, 1.1))
    assert (inside > 20).all() and (outside < 1).all()
    band = np.abs(normals[:, 2]) < 0.5  # what the ring of cameras looks at
    np.testing.assert_allclose(grid.sample(normals * RADIUS_M * 0.98)[1][band], (0.5 + 0.4 * normals)[band], atol=0.06)
    assert grid.metrics["held_out"]["figure_psnr_db"] > 24
    assert grid.metrics["training_psnr_db"] > 24 and grid.metrics["steps"] == 40
    assert told.steps["nerfstudio"] == 40
    assert not (grid.folder / "network.safetensors").exists()


@posix
def test_it_learns_from_nothing_that_is_held_out_and_takes_cameras_as_they_are(done: tuple) -> None:
    base, grid, _, _ = done
    config = json.loads((base / "run/scratch/nerfstudio/out/field/nerfacto/run/config.yml").read_text())
    held_out = {f"images/{name}.png" for name in grid.metrics["held_out_views"]}
    assert len(config["learnt"]) == grid.metrics["training_views"] and not set(config["learnt"]) & held_out
    asked = config["options"]
    assert asked["--orientation-method"] == asked["--center-method"] == "none" and asked["--auto-scale-poses"] == "False"
    assert asked["--pipeline.model.camera-optimizer.mode"] == "off" and asked["--machine.device-type"] == "cpu"


@posix
def test_what_was_trained_before_a_kill_is_not_trained_again(done: tuple) -> None:
    base, grid, _, settings = done
    log = base / "run/scratch/nerfstudio/out/ns-train.txt"
    before = log.stat().st_mtime_ns
    again = run(settings, base / "views", base / "run")
    assert log.stat().st_mtime_ns == before
    assert (again.density == grid.density).all()


@posix
def test_density_is_per_unit_of_the_data(tmp_path: Path) -> None:
    """80 in its own unit, of which there are two in one of the data: 40; and nothing where it was not asked."""
    program = find_nerfstudio(str(write_environment(tmp_path / "environment")))
    assert isinstance(program, NerfstudioProgram) and program.version == "1.1.5"
    config = tmp_path / "config.yml"
    config.write_text(json.dumps({"far": 3.0}))
    inside = np.ones((5, 5, 5), bool)
    inside[2, 2, 2] = False
    density, rgb, coloured = read_field(program, config, [-0.4, -0.4, -0.4], 0.2, inside, tmp_path / "back")
    at = np.stack(np.meshgrid(*[np.linspace(-0.4, 0.4, 5)] * 3, indexing="ij"), -1)
    expected = np.where((np.linalg.norm(at, axis=-1) < 0.5) & inside, 40.0, 0.0)
    np.testing.assert_allclose(density, expected)
    assert (rgb[~coloured] == 0).all() and not coloured[density == 0].any()


def test_the_data_set_holds_the_figure_in_its_unit_box(tmp_path: Path) -> None:
    scene = ball_scene()
    write_data(tmp_path, scene)
    views = ViewSet.open(tmp_path)
    assert len(views.training_names) == len(scene.training) and len(views.held_out_names) == len(scene.held_out)
    corners = scene.box.low + scene.box.size_m * scene.box.extent * np.array([[0, 0, 0], [1, 1, 1]])
    for view, camera in zip([*scene.training, *scene.held_out], views.cameras, strict=True):
        assert np.allclose(camera.c2w, in_span(view.camera, scene).c2w)
        before, after = view.camera.project(corners)[0], camera.project(np.array([-1, 1])[:, None] * scene.box.extent * SPAN / 2)[0]
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_a_field_of_a_grid_is_trilinear_and_keeps_its_colour_at_the_rim() -> None:
    density = np.zeros((3, 3, 3), np.float32)
    density[1, 1, 1] = 10.0
    rgb = np.zeros((3, 3, 3, 3), np.float32)
    rgb[1, 1, 1] = (0.2, 0.4, 0.6)
    field = GridField(density, rgb, density > 0, along_longest=2)
    points = np.array([[0.5, 0.5, 0.5], [0.25, 0.5, 0.5], [0.25, 0.25, 0.5], [1.0, 1.0, 1.0]], np.float32)
    np.testing.assert_allclose(field.density(points), [10, 5, 2.5, 0])
    np.testing.assert_allclose(field._ask(points)[1], np.broadcast_to([0.2, 0.4, 0.6], (4, 3)), atol=1e-6)


@posix
def test_its_last_words_are_in_the_error(tmp_path: Path) -> None:
    settings = settings_for(write_environment(tmp_path / "environment"), seed=13)
    with pytest.raises(StageError, match=r"`ns-train nerfacto` ended with 1\. The end of what it said:(\n.*)*the device is asleep"):
        run(settings, write_ball(tmp_path / "views"), tmp_path / "run")


@posix
def test_instant_ngp_is_refused_without_cuda(tmp_path: Path) -> None:
    settings = settings_for(write_environment(tmp_path / "environment"), nerfstudio_method="instant-ngp")
    with pytest.raises(MissingError, match="on CUDA alone and this run's device is the CPU; field.nerfstudio_method: nerfacto runs on both"):
        run(settings, write_ball(tmp_path / "views"), tmp_path / "run")


def test_a_missing_environment_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    remedy = r"make an environment for it \(python -m venv .*pip install nerfstudio\) and name its Python as field.nerfstudio_python"
    with pytest.raises(MissingError, match=f"no `ns-train` is on PATH and field.nerfstudio_python is not set: {remedy}"):
        choose(STAGE.capabilities(FieldSettings(backend="nerfstudio"))[0])
    assert "names nowhere/python, which is no program: make" in (Nerfstudio("nowhere/python").probe() or "")
    assert f"there is no `ns-train` beside {sys.executable}: make" in (Nerfstudio(sys.executable).probe() or "")


def test_it_is_for_who_names_it() -> None:
    assert [b.name for b in STAGE.capabilities(FieldSettings())[0].backends] == ["numba", "torch"]


def test_on_cuda_it_keeps_its_own_kernels() -> None:
    order = Order(Path("data"), "instant-ngp", 100, 512, 3, "cuda")
    asked = arguments(order, Path("out"))
    assert "--mixed-precision" not in asked and "torch" not in asked and asked[0] == "instant-ngp"
    assert asked[asked.index("--machine.device-type") + 1] == "cuda" and asked[asked.index("--max-num-iterations") + 1] == "100"
