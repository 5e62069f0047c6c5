"""One tiny model and one set of conditions for all tests of the views stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.artifacts.conditions import ConditionSet
from stages.views.settings import ControlNetSettings, ViewsSettings
from tests.views.tiny import write_conditions, write_model

torch.set_num_threads(1)  # tiny networks are fastest so


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Stable Diffusion with ControlNets."""
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def conditions(tmp_path_factory: pytest.TempPathFactory) -> ConditionSet:
    """Five body and three head views, 32 x 48 px (w x h)."""
    return write_conditions(tmp_path_factory.mktemp("conditions"))


@pytest.fixture
def settings(model_folder: Path) -> Callable[..., ViewsSettings]:
    """Settings for the tiny model; keywords override."""

    def build(**changes: Any) -> ViewsSettings:
        controls = (ControlNetSettings(model=str(model_folder / "controlnet-parts"), kind="parts"),)
        return ViewsSettings(
            **{"model": str(model_folder), "controlnets": controls, "steps": 4, "prompt": "girl, red hair", "guidance_scale": 3.0,
               "lead": 0.0, "temperature": 1.0}
            | changes
        )

    return build
