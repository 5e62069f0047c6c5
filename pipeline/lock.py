"""One maker for each entry: a lock of the operating system, which the kernel releases when its holder dies."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import PipelineError


class LockedError(PipelineError):
    """Another process is making the same thing."""


@contextmanager
def hold(path: Path, what: str) -> Iterator[None]:
    """Hold the lock at ``path`` while ``what`` is made. Raises LockedError that names the holder; never waits."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)
    card = path.with_suffix(".json")
    try:
        lock.acquire()
    except Timeout as error:
        raise LockedError(f"{what} is being made by {_holder(card)}. Wait for it, or stop it and run again; "
                          "what it has done so far is kept.") from error
    try:
        card.write_text(json.dumps({"pid": os.getpid(), "host": platform.node(),
                                    "since": datetime.now(UTC).isoformat(timespec="seconds")}))
        yield
    finally:
        lock.release()


def _holder(card: Path) -> str:
    try:
        known = json.loads(card.read_text())
        return f"process {known['pid']} on {known['host']}, since {known['since']}"
    except (OSError, ValueError, KeyError):
        return "another process"
