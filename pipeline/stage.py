"""What a stage is: a plain function from typed folders on disk to one typed folder on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

T = TypeVar("T")
NAME, NAME_LENGTH = r"^\w[\w.-]*$", 80  # pattern of names of files and folders: nothing that leads out of where it is put


def not_blank(text: str) -> str:
    """A validator for texts that have to say something. Raises ValueError."""
    if not text.strip():
        raise ValueError(f"expected text, got {text!r}, which is blank")
    return text


@runtime_checkable
class Artifact(Protocol):
    """A typed view of one committed folder. Opening is cheap; contents are read when asked for."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Wrap ``folder``. Raises ``pipeline.errors.ArtifactError`` if it is not such an artifact."""
        ...

    def validate(self) -> None:
        """Check everything that later stages rely on. Raises ``ArtifactError``."""
        ...


@runtime_checkable
class Backend(Protocol):
    """One implementation of a capability."""

    name: str

    def probe(self) -> str | None:
        """None if it can be used on this machine, else one sentence that says why not. Imports nothing heavy."""
        ...

    def version(self) -> str:
        """Version that enters the stage's key, from package metadata."""
        ...


@dataclass(frozen=True)
class Capability:
    """A choice between implementations: the first whose ``probe`` answers None is taken.

    ``wanted`` is "auto" or the name of one backend, which then never falls back. A backend with an attribute ``licence`` (one line)
    has terms of its own that its user has to know; ``doctor`` and the report say them.
    """

    name: str
    wanted: str
    backends: tuple[Backend, ...]


@dataclass(frozen=True)
class ModelUse:
    """A model that a stage loads: its name in ``models.toml`` or a folder, and the digest or revision that enters the key."""

    name: str
    revision: str
    licence: str


class Progress(Protocol):
    """What a stage tells the person who waits."""

    def start(self, label: str, total: int) -> None: ...

    def advance(self, steps: int = 1, **figures: float) -> None: ...


class CheckpointProtocol(Protocol):
    """Progress inside a stage that a kill does not lose; see ``pipeline.checkpoint``."""

    def save(self, name: str, write: Callable[[Path], None]) -> None: ...

    def load(self, name: str, read: Callable[[Path], T]) -> T | None: ...

    def has(self, name: str) -> bool: ...

    def due(self, seconds: float = 5.0) -> bool: ...


@dataclass(frozen=True)
class StageContext:
    """What the runner hands to a running stage.

    ``out`` is empty when a stage starts, also when it resumes: what a resumed stage needs is in ``work``. Everything in
    ``out`` enters the stage's content digest but ``preview/``, ``*.blend``, ``*.fbx`` and ``*.usdz``. The report inlines ``preview/``:
    PNG, JPEG, MP4, HTML pages (each whole, and in a frame of its own), and JSON curves ``{"title": str, "x_label": str, "x": [...], "series": {"name": [...]}}``.
    """

    out: Path  # the folder to fill; committed whole when the stage returns
    work: Path  # scratch that survives a kill; where checkpoints live; removed at commit
    log: logging.Logger
    progress: Progress
    backends: Mapping[str, Any]  # capability name -> chosen backend object
    device: str = "cpu"  # "cpu" or "cuda"; never part of the key
    threads: int = 2
    checkpoint: CheckpointProtocol = field(kw_only=True)
    warnings: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)  # what it measures of itself, for the manifest and the next run's forecast

    def warn(self, text: str) -> None:
        """Say something the user has to know; it stands in the log, the manifest and the report. Said twice, kept once."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.log.warning(text)


@dataclass(frozen=True)
class AbsentModel:
    """A model that settings name, cannot do without, and that is not on this machine. ``said``: where it comes from, size, licence."""

    name: str
    said: str


def _nothing(settings: Any) -> tuple:
    return ()


def _ready() -> None:
    return None


@dataclass(frozen=True)
class Stage:
    """One step of a recipe, as a value.

    ``inputs`` is a dataclass; each of its fields is named after the stage that makes it and typed by that stage's
    ``output`` (``X | None`` where it may be absent). ``run(settings, inputs, context)`` fills ``context.out`` and returns
    the artifact opened on it.

    ``settings`` is a frozen pydantic model that forbids unknown fields. A field that bears the name of a setting of the
    whole run (``name``, ``prompt``, ``negative_prompt``, ``seed``) takes that value unless the stage's own section gives
    another. A field typed ``Path`` (``FilePath``, ``DirectoryPath``) is a file of the user's: relative to the YAML, there
    before anything runs, in the key as the digest of what it points at; a program's name is a ``str``.

    ``capabilities``, ``models``, ``absent`` and ``notices`` are asked before anything runs and import nothing heavy. ``absent`` are
    the models that have to be fetched first, so that those of all stages can be named at once; where there are some, ``models``
    raises MissingError. ``notices`` are sentences for the user on what these settings will not do, such as words that a model
    never learnt. ``prepare`` is called by ``setup``: what can be done once so that the first run need not, such as compiling kernels.
    """

    name: str
    version: int
    settings: type
    inputs: type
    output: type
    run: Callable[[Any, Any, StageContext], Any]
    capabilities: Callable[[Any], Sequence[Capability]] = field(default=_nothing)
    models: Callable[[Any], Sequence[ModelUse]] = field(default=_nothing)
    absent: Callable[[Any], Sequence[AbsentModel]] = field(default=_nothing)
    notices: Callable[[Any], Sequence[str]] = field(default=_nothing)
    prepare: Callable[[], None] = field(default=_ready)


def pending(items: Iterable[T], done: Callable[[T], bool]) -> list[T]:
    """The items still to do, in order."""
    return [item for item in items if not done(item)]
