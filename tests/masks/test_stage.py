"""The stage: pictures in, RGBA out, failures reported."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import MissingError, StageError
from pipeline.runner import run_stage
from pipeline.stage import Capability
from stages.artifacts.cameras import ring
from stages.artifacts.images import to_u8, write_png
from stages.artifacts.views import ViewSet, write_view_set
from stages.masks import STAGE, MasksInputs, matting
from stages.masks.cutters import Silhouette
from stages.masks.doubts import doubts
from stages.masks.kept import KeptCuts
from stages.masks.settings import MasksSettings
from tests.masks.pictures import HEIGHT, WIDTH, girl


class Bodies:
    """As much of a condition set as the stage asks for."""

    def __init__(self, masks: dict[str, np.ndarray], cameras: list) -> None:
        self._masks, self.cameras = masks, cameras

    def mask(self, name: str) -> np.ndarray:
        return self._masks[name].astype(np.float32)


def views(folder: Path, spoil: str | None = None, alpha: bool | None = False) -> tuple[ViewSet, Bodies]:
    """Eight views and their bodies. ``alpha``: that of the figure, none (False), or opaque everywhere (None)."""
    cameras = ring("body", 8, np.zeros(3), 4.0, 0.0, 300.0, WIDTH, HEIGHT)
    pictures, bodies = [], {}
    for i, camera in enumerate(cameras):
        image, coverage, bodies[camera.name] = girl(shift=float(i % 3), seed=i)
        if camera.name == spoil:
            image = np.ones_like(image)
        opacity = coverage if alpha else np.ones_like(coverage)
        pictures.append((camera, to_u8(image) if alpha is False else np.dstack([to_u8(image), to_u8(opacity)])))
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


def test_bodies_may_be_smaller_than_pictures(tmp_path: Path) -> None:
    """As views are that were painted again at a higher resolution."""
    given, bodies = views(tmp_path / "views")
    plain = run_stage(STAGE, MasksSettings(), MasksInputs(given, bodies), tmp_path / "plain")
    bodies._masks = {name: mask[1::2, 1::2] for name, mask in bodies._masks.items()}
    masked = run_stage(STAGE, MasksSettings(), MasksInputs(given, bodies), tmp_path / "masks")
    assert masked.names == plain.names and masked.image("body_00").shape == (HEIGHT, WIDTH, 4)
    assert np.abs(masked.image("body_00")[..., 3] - plain.image("body_00")[..., 3]).mean() < 0.005


def without_alpha(given: ViewSet, names: list[str], opaque: bool) -> None:
    for name in names:
        path = given.folder / "images" / f"{name}.png"
        picture = to_u8(given.image(name))
        write_png(path, np.dstack([picture[..., :3], np.full_like(picture[..., 0], 255)]) if opaque else np.ascontiguousarray(picture[..., :3]))


@pytest.mark.parametrize("opaque", [False, True])
def test_the_pictures_that_lack_alpha_are_named(tmp_path: Path, opaque: bool) -> None:
    given, _ = views(tmp_path / "views", alpha=True)
    without_alpha(given, ["body_02", "body_06"], opaque)
    with pytest.raises(MissingError, match=r"^2 of 8 pictures have no alpha .*: body_02, body_06; and there is"):
        run_stage(STAGE, MasksSettings(), MasksInputs(given, None), tmp_path / "masks")
    without_alpha(given, given.names[1:], opaque)
    with pytest.raises(MissingError, match=r"^7 of 8 .*: body_01, body_02, body_03, body_04, body_05 and 2 more; and there is"):
        run_stage(STAGE, MasksSettings(), MasksInputs(given, None), tmp_path / "masks")


class Unsure:
    """A cutter that says of every picture what ``third_party.grounded_sam`` would say of it."""

    name, needs_body = "grounded_sam", False

    def __init__(self, figures: list[dict[str, float]]) -> None:
        self._figures = iter(figures)

    def probe(self) -> None:
        return None

    def version(self) -> str:
        return "1"

    def figure(self, image: np.ndarray, body: np.ndarray | None, device: str) -> tuple[np.ndarray, dict[str, float]]:
        return matting.figure(image, body), next(self._figures)


def test_weak_detections_and_doubted_outlines_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given, bodies = views(tmp_path / "views")
    said = [{"box_score": 0.6, "boxes": 1.0, "sam_iou": 0.95, "weak": 0.0} for _ in given.names]
    said[3] |= {"box_score": 0.21, "weak": 1.0}
    said[5] |= {"box_score": 0.19, "weak": 1.0, "sam_iou": 0.7}
    stage = replace(STAGE, capabilities=lambda settings: (Capability("matting", "auto", (Unsure(said),)),))
    with caplog.at_level(logging.WARNING):
        run_stage(stage, MasksSettings(), MasksInputs(given, bodies), tmp_path / "masks")
    weak, unsure = (r.getMessage() for r in caplog.records)
    assert weak.startswith("GroundingDINO found 'girl' only with masks.box_threshold 0.3 and masks.text_threshold 0.25 lowered, ")
    assert "in 2 of 8 frames: body_03 (0.21), body_05 (0.19) (score of the box)" in weak
    assert unsure.startswith("SAM is not sure of its outline in 1 of 8 frames: body_05 (0.70)")


def test_frames_that_were_left_out_are_not_doubted_again() -> None:
    figures = {"box_score": 0.2, "weak": 1.0, "sam_iou": 0.5}
    assert list(doubts({"a": {**figures, "rejected": "no figure was found"}, "b": {"rejected": None}}, MasksSettings())) == []
    many = {f"body_{i:02d}": {**figures, "rejected": None} for i in range(10)}
    assert "in 10 of 10 frames: body_00 (0.20), " in next(doubts(many, MasksSettings()))
    assert "body_07 (0.20) and 2 more" in next(doubts(many, MasksSettings()))


def test_no_alpha_and_nothing_to_make_one_with(tmp_path: Path) -> None:
    given, _ = views(tmp_path / "views")
    with pytest.raises(MissingError, match="have no alpha"):
        run_stage(STAGE, MasksSettings(), MasksInputs(given, None), tmp_path / "masks")


def test_alpha_that_is_opaque_everywhere_is_none(tmp_path: Path) -> None:
    plain, bodies = views(tmp_path / "plain")
    opaque, _ = views(tmp_path / "opaque", alpha=None)
    assert opaque.image("body_00").shape == (HEIGHT, WIDTH, 4)
    with pytest.raises(MissingError, match="opaque everywhere"):
        run_stage(STAGE, MasksSettings(), MasksInputs(opaque, None), tmp_path / "masks")
    expected = run_stage(STAGE, MasksSettings(), MasksInputs(plain, bodies), tmp_path / "expected")
    assert payload(run_stage(STAGE, MasksSettings(), MasksInputs(opaque, bodies), tmp_path / "got").folder) == payload(expected.folder)


def payload(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_killed_run_cuts_only_what_is_left_and_ends_in_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, bodies = views(tmp_path / "views", spoil="body_05")
    inputs = MasksInputs(given, bodies)
    whole = run_stage(STAGE, MasksSettings(), inputs, tmp_path / "whole")
    cut, figure = [], Silhouette.figure

    def dies(self: Silhouette, image: np.ndarray, body: np.ndarray | None, device: str) -> tuple[np.ndarray, dict[str, float]]:
        if len(cut) == 3:
            cut.append(None)
            raise KeyboardInterrupt
        cut.append(image)
        return figure(self, image, body, device)

    monkeypatch.setattr(Silhouette, "figure", dies)
    with pytest.raises(KeyboardInterrupt):
        run_stage(STAGE, MasksSettings(), inputs, tmp_path / "masks", work_dir=tmp_path / "work")
    resumed = run_stage(STAGE, MasksSettings(), inputs, tmp_path / "masks", work_dir=tmp_path / "work")
    assert len(cut) - 1 == len(given.names)
    assert payload(resumed.folder) == payload(whole.folder) and len(payload(whole.folder)) == 7 + 3


def test_what_the_cutter_said_survives_a_kill(tmp_path: Path) -> None:
    kept = KeptCuts(Checkpoint(tmp_path), ["a/b", "c"])
    kept.keep("a/b", np.full((2, 3, 4), 7, np.uint8), {"box_score": 0.1 + 0.2})
    again = KeptCuts(Checkpoint(tmp_path), ["a/b", "c"])
    assert again.has("a/b") and not again.has("c")
    assert again.figures("a/b") == {"box_score": 0.1 + 0.2} and (again.rgba_u8("a/b") == 7).all()


def test_nothing_found_at_all_says_what_to_do(tmp_path: Path) -> None:
    given, bodies = views(tmp_path / "views")
    bodies._masks = {name: np.zeros_like(mask) for name, mask in bodies._masks.items()}
    for camera in given.cameras:
        write_png(given.folder / "images" / f"{camera.name}.png", np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    with pytest.raises(StageError, match="only 0 of 8 pictures could be cut out .no figure was found"):
        run_stage(STAGE, MasksSettings(), MasksInputs(given, bodies), tmp_path / "masks")
