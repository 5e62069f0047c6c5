"""What a run tells a program that watches it: one JSON object a line, ``--progress json``.

Every line has ``event``: ``run`` (name, folder, stages in order), ``line`` (text), ``kept`` / ``starts`` / ``done`` (stage), ``progress`` (stage, label,
done, total, left_s), ``delivered`` (files, report). What is wrong stands on stderr, and in the exit code, as always.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TextIO

from pipeline.narrate import RunNarrator
from pipeline.progress import Estimate
from pipeline.stage import Progress
from pipeline.store import Manifest


class JsonProgress:
    """A line at the start of a task, at its end, and between them at most one every ``every_s`` seconds."""

    def __init__(self, stage: str, tell: Callable[..., None], every_s: float = 0.5, clock: Callable[[], float] = time.monotonic) -> None:
        self._stage, self._tell, self._every_s, self._clock = stage, tell, every_s, clock
        self._label, self._estimate, self._told_at = "", Estimate(1, clock), clock()

    def start(self, label: str, total: int) -> None:
        """Begin a task of ``total`` steps."""
        self._label, self._estimate = label, Estimate(total, self._clock)
        self._note({})

    def advance(self, steps: int = 1, **figures: float) -> None:
        """Count ``steps``; ``figures`` are told beside them."""
        self._estimate.advance(steps)
        if self._clock() - self._told_at >= self._every_s or self._estimate.done >= self._estimate.total:
            self._note(figures)

    def _note(self, figures: dict[str, float]) -> None:
        self._told_at, left_s = self._clock(), self._estimate.left_s()
        self._tell("progress", stage=self._stage, label=self._label, done=self._estimate.done, total=self._estimate.total,
                   left_s=None if left_s is None else round(left_s, 1), figures={name: float(f"{value:.4g}") if math.isfinite(value) else None for name, value in figures.items()})


class JsonNarrator(RunNarrator):
    """Writes to ``stream``, each line at once."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def begins(self, name: str, folder: Path, stages: Sequence[str]) -> None:
        """A run into ``folder`` begins."""
        self._tell("run", name=name, folder=str(folder.resolve()), stages=list(stages))

    def say(self, line: str) -> None:
        """One line for a person."""
        self._tell("line", text=line)

    def reused(self, stage: str) -> None:
        """``stage`` is kept from an earlier run."""
        self._tell("kept", stage=stage)

    def starts(self, stage: str, resumed: bool, lately_s: float | None) -> AbstractContextManager[Progress]:
        """``stage`` begins; the context is its progress. ``lately_s`` is what it took when it was last made."""
        self._tell("starts", stage=stage, resumed=resumed, lately_s=lately_s)
        return self._task(stage)

    @contextmanager
    def _task(self, stage: str) -> Iterator[Progress]:
        yield JsonProgress(stage, self._tell)

    def done(self, manifest: Manifest) -> None:
        """A stage was committed."""
        self._tell("done", stage=manifest.stage, seconds=manifest.seconds)

    def delivered(self, files: Sequence[Path], report: Path) -> None:
        """The run is done, and these are what the user came for."""
        self._tell("delivered", files=[str(path.resolve()) for path in files], report=str(report.resolve()))

    def _tell(self, event: str, **rest: Any) -> None:
        print(json.dumps({"event": event, **rest}, allow_nan=False, default=str), file=self._stream, flush=True)
