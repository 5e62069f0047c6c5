"""Progress inside a stage: named files, each written whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pipeline.errors import StageError

T = TypeVar("T")


class Checkpoint:
    """Named files in ``folder`` that survive a kill. A name may carry a suffix ("latents.npz"), but no separators."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._clock = clock
        self._saved_at = clock()
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, name: str, write: Callable[[Path], None]) -> None:
        """Let ``write`` fill a temporary file and put it in the place of ``name`` in one step. Resets ``due``."""
        target = self._path(name)
        temporary = target.with_name(f".writing-{target.name}")
        temporary.unlink(missing_ok=True)
        write(temporary)
        if not temporary.is_file():
            raise StageError(f"checkpoint {name!r}: the writer left no file at {temporary}; write to the path that is given")
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
        self._saved_at = self._clock()

    def load(self, name: str, read: Callable[[Path], T]) -> T | None:
        """What ``read`` makes of the last saved ``name``, or None if nothing was saved."""
        target = self._path(name)
        return read(target) if target.exists() else None

    def has(self, name: str) -> bool:
        """Whether ``name`` was saved."""
        return self._path(name).exists()

    def due(self, seconds: float = 5.0) -> bool:
        """Whether ``seconds`` have passed since the stage started or last saved."""
        return self._clock() - self._saved_at >= seconds

    def _path(self, name: str) -> Path:
        if not name or name != Path(name).name or name.startswith("."):
            raise StageError(f"checkpoint name {name!r}: expected a plain file name")
        return self.folder / name
