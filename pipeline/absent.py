"""Models that are not on this machine: all of them named at once, with the one command that fetches them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.stage import AbsentModel, Stage

FETCH_LINE = "python -m pipeline models fetch"


def absent_models(stages: Iterable[Stage], settings: Mapping[str, Any]) -> dict[str, Sequence[AbsentModel]]:
    """Stage -> the models that it cannot do without and that are not here; stages that lack none are left out."""
    absent = {stage.name: tuple(stage.absent(settings[stage.name])) for stage in stages}
    return {name: models for name, models in absent.items() if models}


def together(absent: Mapping[str, Sequence[AbsentModel]]) -> tuple[AbsentModel, ...]:
    """The models of all stages, each once, in order."""
    return tuple(dict.fromkeys(model for models in absent.values() for model in models))


def fetch_line(absent: Sequence[AbsentModel]) -> str:
    """The one command that fetches all of them."""
    return f"{FETCH_LINE} {' '.join(model.name for model in absent)}"


def sentence(absent: Sequence[AbsentModel]) -> str:
    """What is not here, and what mends it."""
    listed = ", ".join(f"{model.name!r} ({model.said})" for model in absent)
    if len(absent) == 1:
        return f"model {listed} is not on this machine; `{fetch_line(absent)}` downloads it"
    return f"{len(absent)} models are not on this machine: {listed}; `{fetch_line(absent)}` downloads them"
