"""One class per kind of failure; each says what was got, what was expected and what to do."""

from __future__ import annotations

from pathlib import Path


class PipelineError(Exception):
    """Anything that ends a command with a sentence instead of a traceback."""

    exit_code = 1


class ConfigError(PipelineError):
    """The input was wrong; nothing has run."""

    exit_code = 2


class MissingError(PipelineError):
    """Something is not on this machine, or not in the data."""

    exit_code = 3


class StageError(PipelineError):
    """A stage failed."""


class ArtifactError(StageError):
    """A folder on disk is not what its reader expects."""

    def __init__(self, folder: Path, problem: str, remedy: str) -> None:
        super().__init__(f"{folder}: {problem}. {remedy}")
        self.folder, self.problem, self.remedy = folder, problem, remedy
