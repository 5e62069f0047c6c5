"""Turns what goes wrong inside a stage into one sentence and a log file."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import PipelineError, StageError

WARNINGS = logging.getLogger("py.warnings")  # what libraries warn of goes into the stage's log


class StageGuard:
    """Context manager around a stage: gives it a log and answers for its failures.

    What the stage raises on purpose (PipelineError) passes, with the log's path; anything else is a StageError whose
    traceback stands in the log only. An interruption passes untouched.
    """

    def __init__(self, stage: str, folder: Path | None) -> None:
        self._stage = stage
        self.path = folder / f"{stage}.log" if folder else None
        self.log = logging.getLogger(f"pipeline.{stage}")
        self._handler: logging.Handler | None = None

    def __enter__(self) -> Self:
        self.log.setLevel(logging.DEBUG)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._handler = logging.FileHandler(self.path, mode="w", encoding="utf-8")
            self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            for log in (self.log, WARNINGS):
                log.addHandler(self._handler)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is not None and issubclass(kind, Exception):
                self.log.error("%s", "".join(traceback.format_exception(kind, error, trace)))
        finally:
            if self._handler is not None:
                for log in (self.log, WARNINGS):
                    log.removeHandler(self._handler)
                self._handler.close()
        named = f"\nIts log: {self.path}" if self.path else ""
        if isinstance(error, PipelineError):
            error.args = (f"{self._stage}: {error}{named}",)
        elif isinstance(error, MemoryError):
            raise StageError(f"{self._stage}: this machine has too little memory for these settings{named}") from error
        elif isinstance(error, Exception):
            raise StageError(f"{self._stage}: {type(error).__name__}: {error}{named}") from error
