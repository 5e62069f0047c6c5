"""The wiring of a recipe, checked before anything runs."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import PipelineError
from pipeline.settings import PromptedSettings
from pipeline.stage import Stage


class WiringError(PipelineError):
    """A recipe does not hang together; a mistake in the program, not of its user."""


@dataclass(frozen=True)
class Mistake:
    """Something wrong that no setting shows alone.

    ``stage`` is the one that would fail of it. ``settings`` are the locations where it can be mended, such as
    ("views", "controlnets", 0); it is told of the first that is written. ``missing``: nothing that was written is wrong, but
    something that it takes is not there.
    """

    stage: str
    settings: tuple[tuple[str | int, ...], ...]
    text: str
    missing: bool = False


def _none_skipped(settings: Mapping[str, Any]) -> Mapping[str, str]:
    return {}


def _none_wrong(settings: Mapping[str, Any]) -> Iterable[Mistake]:
    return ()


def _none_known() -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class Outlook:
    """What a forecast builds on: where the stages will run, and what each ``measured`` of itself when it was last made just so."""

    device: str
    threads: int
    measured: Mapping[str, Mapping[str, float]]


def _nothing_noted(settings: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    return {}


def _nothing_foretold(settings: Mapping[str, Any], outlook: Outlook) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Preview:
    """How a recipe shows what several runs come to: the ``stage`` at which they stop, the ``settings`` of a first impression, by
    dotted name, and ``sheet``, which lays (label, that stage's folder) out as one picture."""

    stage: str
    settings: Mapping[str, str]
    sheet: Callable[[Sequence[tuple[str, Path]], Path], None]


@dataclass(frozen=True)
class Recipe:
    """Stages in the order in which they run.

    ``skipped`` maps the settings of all stages, by name, to the stages that those settings make unneeded, each with a
    sentence that says why. ``common`` holds the settings of the whole run; a stage's setting of the same name takes the
    run's value, but for those that ``apart`` names ("masks.prompt") because they mean something else. ``models`` names the
    settings that take a name of ``known_models`` or a folder. ``mistakes`` looks at the settings of all stages together, and
    into the user's files, before anything runs. ``presets`` maps a setting ("export.preset") to the folder of YAMLs that its values name:
    defaults for any stage, over the profile's and under what is written. ``notices`` maps stages to sentences for the user on what settings of
    different stages do together. ``forecast`` maps stages to a sentence on the time and the memory that they will take.
    """

    name: str
    stages: tuple[Stage, ...]
    common: type = PromptedSettings
    apart: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    known_models: Callable[[], Iterable[str]] = field(default=_none_known)
    presets: Mapping[str, Path] = field(default_factory=dict)
    skipped: Callable[[Mapping[str, Any]], Mapping[str, str]] = field(default=_none_skipped)
    mistakes: Callable[[Mapping[str, Any]], Iterable[Mistake]] = field(default=_none_wrong)
    notices: Callable[[Mapping[str, Any]], Mapping[str, Sequence[str]]] = field(default=_nothing_noted)
    forecast: Callable[[Mapping[str, Any], Outlook], Mapping[str, str]] = field(default=_nothing_foretold)
    preview: Preview | None = None

    def stage(self, name: str) -> Stage:
        """The stage of that name. Raises KeyError."""
        return {s.name: s for s in self.stages}[name]


@dataclass(frozen=True)
class Step:
    """One stage of a graph; ``sources`` maps its input fields to the stages that make them, None for what is skipped."""

    stage: Stage
    sources: dict[str, str | None]


@dataclass(frozen=True)
class Graph:
    """The stages that will run, in order, and those that will not, with reasons."""

    steps: tuple[Step, ...]
    skipped: dict[str, str]

    def until(self, name: str | None) -> Graph:
        """The part of the graph that ``name`` needs, itself included; all of it for None."""
        if name is None:
            return self
        needed: set[str] = {name}
        for step in reversed(self.steps):
            if step.stage.name in needed:
                needed.update(source for source in step.sources.values() if source)
        return Graph(tuple(s for s in self.steps if s.stage.name in needed), self.skipped)

    def after(self, name: str) -> list[str]:
        """Names of the stages that depend on ``name``, directly or not, in order."""
        reached = {name}
        for step in self.steps:
            if reached.intersection(s for s in step.sources.values() if s):
                reached.add(step.stage.name)
        return [s.stage.name for s in self.steps if s.stage.name in reached and s.stage.name != name]


def wire(recipe: Recipe, settings: Mapping[str, Any] | None = None) -> Graph:
    """Connect the stages of ``recipe`` by the names of their input fields.

    With ``settings`` (stage name -> settings) the unneeded stages are left out; without, all are checked. Raises WiringError
    for a name used twice, an input that no earlier stage makes, a wrong type, or a required input of a skipped stage.
    """
    skipped = dict(recipe.skipped(settings)) if settings is not None else {}
    made: dict[str, type] = {}
    steps: list[Step] = []
    for stage in recipe.stages:
        if stage.name in made:
            raise WiringError(f"recipe {recipe.name}: two stages are named {stage.name}")
        if stage.name not in skipped:
            steps.append(Step(stage, _sources(recipe, stage, made, skipped)))
        made[stage.name] = stage.output
    unknown = set(skipped) - set(made)
    if unknown:
        raise WiringError(f"recipe {recipe.name}: skips {', '.join(sorted(unknown))}, which it does not have")
    return Graph(tuple(steps), skipped)


def _sources(recipe: Recipe, stage: Stage, made: Mapping[str, type], skipped: Mapping[str, str]) -> dict[str, str | None]:
    sources: dict[str, str | None] = {}
    where = f"recipe {recipe.name}, stage {stage.name}"
    hints = typing.get_type_hints(stage.inputs)
    for name in [f.name for f in dataclasses.fields(stage.inputs)]:
        wanted, optional = _unwrap(hints[name])
        if name not in made:
            if optional and name not in {s.name for s in recipe.stages}:
                sources[name] = None
                continue
            raise WiringError(f"{where}: input {name!r} is made by no earlier stage (earlier: {', '.join(made) or 'none'})")
        if not issubclass(made[name], wanted):
            raise WiringError(f"{where}: input {name!r} wants {wanted.__name__}, but {name} makes {made[name].__name__}")
        if name in skipped and not optional:
            raise WiringError(f"{where}: needs {name}, which is skipped because {skipped[name]}")
        sources[name] = None if name in skipped else name
    return sources


def _unwrap(hint: Any) -> tuple[type, bool]:
    """(type, whether None is allowed) of ``X`` or ``X | None``."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        arms = [a for a in typing.get_args(hint) if a is not type(None)]
        return arms[0], len(arms) < len(typing.get_args(hint))
    return hint, False
