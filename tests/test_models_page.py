"""The settings that docs/models.md shows are right as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import stages
from pipeline.config import load
from stages.artifacts.images import write_png
from third_party import models

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("text", BLOCKS)
def test_the_examples_are_right(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_MODELS", str(tmp_path / "models"))
    for folder in ("files", "image_encoder", "models/anime"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "models" / "anime" / "model_index.json").touch()
    for file in re.findall(r"[\w/-]+\.(?:safetensors|png)", text):
        if file.endswith(".png"):
            write_png(tmp_path / file, np.zeros((8, 8, 3), np.uint8))
        (tmp_path / file).touch()
    (tmp_path / "c.yaml").write_text(text if text.startswith("name") else f"name: mika\nprompt: a girl\n{text}")
    views = load(stages.character(), tmp_path / "c.yaml").stages["views"]
    assert views.ip_adapter is not None and (views.model == "anime") == text.startswith("name")


def test_the_commands_name_models_that_there_are() -> None:
    named = re.findall(r"models fetch\s+((?:\w+ ?)+)", re.sub(r"\s+", " ", PAGE.read_text(encoding="utf-8")))
    assert len(named) >= 3
    for names in named:
        words = [word for word in names.split() if "_" in word]
        assert set(words) <= set(models.registry()), words
