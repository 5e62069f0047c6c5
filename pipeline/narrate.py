"""What a run says while it works: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TextIO

from pipeline.progress import BarProgress, LineProgress, duration
from pipeline.runner import Narrator
from pipeline.stage import Progress
from pipeline.store import Manifest


class RunNarrator(Narrator):
    """What a whole run tells, beyond its stages."""

    def begins(self, name: str, folder: Path, stages: Sequence[str]) -> None:
        """A run into ``folder`` begins."""

    def say(self, line: str) -> None:
        """One line for a person."""

    def delivered(self, files: Sequence[Path], report: Path) -> None:
        """The run is done, and these are what the user came for."""
        for path in (*files, report):
            self.say(str(path))


class TerminalNarrator(RunNarrator):
    """Writes to ``stream``; bars if it is a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._console = None
        if self._stream.isatty():
            from rich.console import Console

            self._console = Console(file=self._stream, highlight=False)

    def say(self, line: str) -> None:
        """One line, above the bar if there is one."""
        if self._console is not None:
            self._console.print(line, markup=False)
        else:
            print(line, file=self._stream, flush=True)

    def reused(self, stage: str) -> None:
        """``stage`` is kept from an earlier run."""
        self.say(f"{stage:<11} kept")

    def starts(self, stage: str, resumed: bool, lately_s: float | None) -> AbstractContextManager[Progress]:
        """``stage`` begins; the context is its progress. ``lately_s`` is what it took when it was last made."""
        took = f" (took {duration(lately_s)} last time)" if lately_s is not None and lately_s >= 5 else ""
        self.say(f"{stage:<11} {'goes on' if resumed else 'starts'}{took}")
        return self._task(stage)

    @contextmanager
    def _task(self, stage: str) -> Iterator[Progress]:
        if self._console is None:
            yield LineProgress(stage, self.say)
            return
        bar = BarProgress(stage, self._console)
        try:
            yield bar
        finally:
            bar.close()

    def done(self, manifest: Manifest) -> None:
        """A stage was committed."""
        self.say(f"{manifest.stage:<11} done in {duration(manifest.seconds)}, peak {manifest.peak_memory_bytes / 2**30:.2f} GiB")


class SpokenLog(logging.Handler):
    """Passes warnings of the stages on to the narrator."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say one record, but for tracebacks, which stand in the log file."""
        if record.levelno < logging.ERROR:
            self._say(f"  note: {record.name.removeprefix('pipeline.')}: {record.getMessage()}")
