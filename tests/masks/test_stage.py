"""The stage: pictures in, RGBA out, failures reported."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import MissingError
from pipeline.runner import run_stage
from stages.artifacts.cameras import ring
from stages.artifacts.images import to_u8
from stages.artifacts.views import ViewSet, write_view_set
from stages.masks import STAGE, MasksInputs
from stages.masks.settings import MasksSettings
from tests.masks.pictures import HEIGHT, WIDTH, girl


class Bodies:
    """As much of a condition set as the stage asks for."""

    def __init__(self, masks: dict[str, np.ndarray], cameras: list) -> None:
        self._masks, self.cameras = masks, cameras

    def mask(self, name: str) -> np.ndarray:
        return self._masks[name].astype(np.float32)


def views(folder: Path, spoil: str | None = None, alpha: bool = False) -> tuple[ViewSet, Bodies]:
    cameras = ring("body", 8, np.zeros(3), 4.0, 0.0, 300.0, WIDTH, HEIGHT)
    pictures, bodies = [], {}
    for i, camera in enumerate(cameras):
        image, coverage, bodies[camera.name] = girl(shift=float(i % 3), seed=i)
        if camera.name == spoil:
            image = np.ones_like(image)
        pictures.append((camera, to_u8(np.dstack([image, coverage]) if alpha else image)))
    write_view_set(folder, pictures, [{"ring": "body"}] * len(cameras))
    return ViewSet.open(folder), Bodies(bodies, cameras)


def test_cuts_out_and_leaves_out_what_failed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given, bodies = views(tmp_path / "views", spoil="body_05")
    bodies._masks["body_05"][:] = False  # nothing holds the silhouette up
    with caplog.at_level(logging.WARNING):
        masked = run_stage(STAGE, MasksSettings(), MasksInputs(given, bodies), tmp_path / "masks")
    assert masked.names == [c.name for c in bodies.cameras if c.name != "body_05"]
    assert "no figure" in masked.report["frames"]["body_05"]["rejected"]
    assert masked.image("body_00").shape == (HEIGHT, WIDTH, 4)
    _, coverage, _ = girl(seed=0)
    assert np.abs(masked.image("body_00")[..., 3] - coverage).mean() < 0.01
    masked.validate()


def test_own_alpha_is_believed(tmp_path: Path) -> None:
    given, _ = views(tmp_path / "views", alpha=True)
    masked = run_stage(STAGE, MasksSettings(), MasksInputs(given, None), tmp_path / "masks")
    assert np.array_equal(masked.image("body_02"), given.image("body_02"))


def test_no_alpha_and_nothing_to_make_one_with(tmp_path: Path) -> None:
    given, _ = views(tmp_path / "views")
    with pytest.raises(MissingError, match="have no alpha"):
        run_stage(STAGE, MasksSettings(), MasksInputs(given, None), tmp_path / "masks")
