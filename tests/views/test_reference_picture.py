"""The user's own front picture: kept as it is, looked at by all, with noise on it or without."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.runner import run_stage as run_stage_with
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import write_png
from stages.artifacts.views import ViewSet
from stages.views import STAGE, ViewsInputs
from stages.views.reference import framed, open_reference
from stages.views.settings import ViewsSettings
from tests.views.killing import Killed, die_at

Build = Callable[..., ViewsSettings]
run_stage = partial(run_stage_with, threads=1)


def drawing(path: Path, seed: int) -> Path:
    write_png(path, np.random.default_rng(seed).integers(0, 256, (48, 32, 3), dtype=np.uint8))
    return path


def others(views: ViewSet) -> np.ndarray:
    return np.stack([views.image(name) for name in views.names[1:]])


@pytest.mark.parametrize("lead", [0.0, 0.5])
def test_it_is_the_first_picture_and_the_others_look_at_it(lead: float, settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    paths = [drawing(tmp_path / f"{i}.png", i) for i in range(2)]
    painted = [
        run_stage(STAGE, settings(reference=path, lead=lead), ViewsInputs(conditions), tmp_path / path.stem) for path in paths
    ]
    for views, path in zip(painted, paths, strict=True):
        np.testing.assert_array_equal(views.image(views.names[0]), open_reference(path))
        assert (views.folder / "preview" / "denoising.png").is_file()
    difference = np.abs(others(painted[0]) - others(painted[1]))  # nought if nobody looked
    assert (difference.reshape(len(difference), -1).max(1) > 0.5 / 255).all()


@pytest.mark.parametrize("lead", [0.0, 0.5])
def test_killed_it_goes_on_to_the_same_bytes(
    lead: float, settings: Build, conditions: ConditionSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(reference=drawing(tmp_path / "drawing.png", 0), lead=lead, chunk=4)
    payload = lambda: {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}  # noqa: E731
    run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out")
    undisturbed, calls = payload(), die_at([6], monkeypatch)
    with pytest.raises(Killed):
        run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out", work_dir=tmp_path / "work")
    run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out", work_dir=tmp_path / "work")
    assert len(calls) == (1 + 4 * 2 + 1 + 1 if lead else 4 * 2 + 2) and payload() == undisturbed  # a clean one goes through once in each life


def test_other_shapes_are_scaled_to_fit_and_padded_with_white() -> None:
    black = np.zeros((10, 40, 3), np.float32)
    whole = framed(black, width=20, height=30)
    assert whole.shape == (30, 20, 3) and whole.dtype == np.uint8
    assert (whole[13:17] < 5).all() and (whole[:11] == 255).all() and (whole[19:] == 255).all()


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[:2, :, 3] = 255
    write_png(tmp_path / "a.png", picture)
    seen = open_reference(tmp_path / "a.png")
    assert seen.shape == (4, 4, 3) and (seen[:2] == 0).all() and (seen[2:] == 1).all()


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("no picture")
    with pytest.raises(ConfigError, match=r"words\.png.*is not a picture"):
        open_reference(tmp_path / "words.png")


def test_a_reference_wants_a_window(tmp_path: Path) -> None:
    path = drawing(tmp_path / "drawing.png", 0)
    with pytest.raises(ValueError, match="no frame looks at the reference"):
        ViewsSettings(reference=path, window="none")
    with pytest.raises(ValueError, match="nothing is painted"):
        ViewsSettings(reference=path, source="images", folder=tmp_path)
