"""The stage as the runner sees it: folders in, folder out."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import MissingError, StageError
from pipeline.stage import StageContext
from stages.artifacts.field import FieldGrid
from stages.artifacts.images import write_png
from stages.artifacts.views import MaskedViews, write_view_set
from stages.field import STAGE, FieldInputs
from stages.field.backends import BACKENDS
from stages.field.learn import lasting
from stages.field.scene import split
from stages.field.settings import FieldSettings
from tests.field.scenes import SMALL, ball_views, write_ball

QUICK = SMALL.model_copy(update={"steps": 60})
PAYLOAD = ("grid.safetensors", "network.safetensors", "corrections.safetensors", "metrics.json", "novel_views.mp4")


class Told:
    """A progress that remembers; raises KeyboardInterrupt after ``stop_after`` steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.steps: dict[str, int] = {}
        self.figures: list[float] = []
        self._label, self._stop = "", stop_after

    def start(self, label: str, total: int) -> None:
        self._label = label
        self.steps[label] = 0

    def advance(self, steps: int = 1, **figures: float) -> None:
        self.steps[self._label] += steps
        self.figures += [figures["psnr"]] if "psnr" in figures else []
        if self._stop is not None and self.steps[self._label] >= self._stop:
            raise KeyboardInterrupt


class Eager(Checkpoint):
    """A checkpoint that is always due."""

    def due(self, seconds: float = 5.0) -> bool:
        return True


def context(folder: Path, told: Told | None = None) -> StageContext:
    out = folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    return StageContext(out, folder / "work", logging.getLogger("field"), told or Told(),
                        {"radiance field": BACKENDS[0]}, checkpoint=Eager(folder / "work"))


def run(views: Path, folder: Path, told: Told | None = None, settings: FieldSettings = QUICK) -> FieldGrid:
    return STAGE.run(settings, FieldInputs(MaskedViews.open(views)), context(folder, told))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FieldGrid, Told]:
    base, told = tmp_path_factory.mktemp("field"), Told()
    return base, run(write_ball(base / "views"), base / "run", told), told


def test_the_folder_holds_what_was_promised(done: tuple[Path, FieldGrid, Told]) -> None:
    _, grid, told = done
    grid.validate()
    assert {p.name for p in grid.folder.iterdir()} == {*PAYLOAD, "preview"}
    assert {p.name for p in (grid.folder / "preview").iterdir()} == {"held_out.png", "training.json", "novel_views.mp4"}
    metrics = json.loads((grid.folder / "metrics.json").read_text())
    assert list(metrics["held_out_views"]) == ["ball_02", "ball_06"]
    assert metrics["training_views"] == 6 and metrics["steps"] == 60
    assert metrics["held_out"]["figure_psnr_db"] > 15
    assert told.steps == {"field": 60, "film": 3} and told.figures[-1] > told.figures[0] + 5
    curve = json.loads((grid.folder / "preview" / "training.json").read_text())
    assert len(curve["x"]) == len(curve["series"]["PSNR of the batch (dB)"]) == 7


def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(done: tuple[Path, FieldGrid, Told], tmp_path: Path) -> None:
    base, grid, _ = done
    with pytest.raises(KeyboardInterrupt):
        run(base / "views", tmp_path, Told(stop_after=10))
    told = Told()
    again = run(base / "views", tmp_path, told)
    assert len(told.figures) == 60 - 9  # the step that was told last was not saved
    for name in PAYLOAD:
        assert (again.folder / name).read_bytes() == (grid.folder / name).read_bytes(), name


def test_held_out_pictures_are_never_learnt_from(done: tuple[Path, FieldGrid, Told], tmp_path: Path) -> None:
    _, grid, _ = done
    folder = write_ball(tmp_path / "views")
    for name in ("ball_02", "ball_06"):
        write_png(folder / "images" / f"{name}.png", np.full((48, 48, 4), 255, np.uint8))
    spoilt = run(folder, tmp_path)
    assert (spoilt.folder / "grid.safetensors").read_bytes() == (grid.folder / "grid.safetensors").read_bytes()
    assert spoilt.metrics["held_out"]["figure_psnr_db"] < grid.metrics["held_out"]["figure_psnr_db"] - 3


def test_pictures_without_alpha_are_refused(tmp_path: Path) -> None:
    write_view_set(tmp_path / "views", ((v.camera, v.rgba[..., :3]) for v in ball_views()))
    with pytest.raises(MissingError, match="ball_00 has no alpha.*Save the pictures as RGBA"):
        run(tmp_path / "views", tmp_path)


def test_split(tmp_path: Path) -> None:
    views = MaskedViews.open(write_ball(tmp_path))
    assert split(views, 0)[1] == []
    assert split(views, (0, 5))[1] == ["ball_00", "ball_05"]
    with pytest.raises(StageError, match=r"field.held_out names view 8, but there are 8 views \(0 to 7\)"):
        split(views, (8,))
    with pytest.raises(StageError, match="at least two views to learn from, got 1 of 8"):
        split(views, tuple(range(7)))


def test_settings_and_stage_import_nothing_heavy() -> None:
    code = "import sys, stages.field; sys.exit(bool({'torch', 'numba', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("pixels", "steps"), [(1_000, 2000), (1_500_000, 3000), (9_000_000, 4000)])
def test_more_pixels_are_learnt_for_longer_unless_the_user_says_how_long(pixels: int, steps: int) -> None:
    scene = SimpleNamespace(pixels=range(pixels))
    assert lasting(FieldSettings(), scene).steps == steps
    assert lasting(FieldSettings(steps=7), scene).steps == 7
