"""Labelled parts: small over large, only on the figure, as pictures that are read back, told where words find nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ArtifactError
from pipeline.runner import run_stage
from stages.artifacts.images import read_png, write_png
from stages.artifacts.labels import label_colours, read_labels, write_labels
from stages.masks import STAGE, MasksInputs
from stages.masks.cutters import GroundedSam
from stages.masks.parts import composed
from stages.masks.settings import MasksSettings
from tests.masks.test_stage import views


def _square(low: int, high: int) -> np.ndarray:
    logits = np.full((20, 20), -1.0, np.float32)
    logits[low:high, low:high] = 1.0
    return logits


def test_small_parts_lie_over_large_ones_and_nothing_leaves_the_figure() -> None:
    inside = np.zeros((20, 20), bool)
    inside[2:18, 2:18] = True
    labels = composed([_square(8, 12), None, _square(0, 20)], inside)
    assert (labels[8:12, 8:12] == 1).all() and (labels == 1).sum() == 16
    assert ((labels == 3) == (inside & (labels != 1))).all() and not (labels == 2).any()
    assert np.array_equal(composed([_square(0, 20), None, _square(8, 12)], inside) == 3, labels == 1)


def test_labels_are_pictures_that_are_read_back(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 33, (24, 16)).astype(np.uint8)
    write_labels(tmp_path / "labels.png", labels, 32)
    assert np.array_equal(read_labels(tmp_path / "labels.png", 32), labels)
    assert len(np.unique(label_colours(32), axis=0)) == 33
    write_png(tmp_path / "strange.png", np.full((4, 4, 3), 7, np.uint8))
    with pytest.raises(ArtifactError, match="which is no label"):
        read_labels(tmp_path / "strange.png", 32)


class Sees:
    """GroundingDINO and SAM that find ``words`` in the upper half, and read no "cape"."""

    def __init__(self, words: set[str]) -> None:
        self.words, self.asked = words, 0

    def find_parts(self, image: np.ndarray, words: tuple[str, ...], box_threshold: float) -> list[np.ndarray | None]:
        self.asked += 1
        upper = np.where(np.arange(image.shape[0])[:, None] < image.shape[0] // 2, 1.0, -1.0) * np.ones(image.shape[:2])
        return [upper if word in self.words else None for word in words]

    def unread(self, words: tuple[str, ...]) -> list[str]:
        return [word for word in words if word == "cape"]


def test_the_stage_writes_them_and_names_what_it_does_not_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sees = Sees({"hair"})
    monkeypatch.setattr(GroundedSam, "open", lambda self, device: sees)
    given, bodies = views(tmp_path / "views")
    settings = MasksSettings(backend="silhouette", grounding_dino="embedded", sam="embedded", parts=("hair", "dress", "cape"))
    with caplog.at_level(logging.WARNING):
        masked: Any = run_stage(STAGE, settings, MasksInputs(given, bodies), tmp_path / "masks")
    assert masked.label_words == ("hair", "dress", "cape") and sees.asked == len(masked.names)
    name = masked.names[0]
    labels, alpha = masked.labels(name), masked.image(name)[..., 3]
    half = labels.shape[0] // 2
    assert np.array_equal(labels[:half] == 1, alpha[:half] > 0.5) and not labels[half:].any()
    assert read_png(masked.folder / "preview" / "parts.png").ndim == 3
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "no picture shows 'dress'" in said and "never learnt 'cape'" in said and "'hair'" not in said


def test_without_words_nothing_is_labelled(tmp_path: Path) -> None:
    given, bodies = views(tmp_path / "views")
    masked = run_stage(STAGE, MasksSettings(), MasksInputs(given, bodies), tmp_path / "masks")
    assert masked.label_words == () and not (masked.folder / "labels").exists()
