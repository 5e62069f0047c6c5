# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run tells of itself (``--progress json``), gathered into what a panel shows."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOG_LINES = 2000


@dataclass
class Account:
    """The run so far. Fill it line by line with ``hear``; lines that are no events are log."""

    name: str = ""
    folder: Path | None = None
    stages: list[str] = field(default_factory=list)
    finished: set[str] = field(default_factory=set)
    stage: str = ""
    label: str = ""
    share: float = 0.0  # of the stage that is running
    left_s: float | None = None
    last_line: str = ""
    log: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    files: list[Path] = field(default_factory=list)
    report: Path | None = None

    @property
    def fraction(self) -> float:
        """How far the run is, from 0 to 1; all stages count the same."""
        if not self.stages:
            return 0.0
        return min(1.0, (len(self.finished) + (self.share if self.stage not in self.finished else 0.0)) / len(self.stages))

    @property
    def status(self) -> str:
        """What is being done, in a few words."""
        if not self.stage or self.stage in self.finished:
            return self.last_line
        left = "" if self.left_s is None else f", {duration(self.left_s)} left"
        return f"{self.stage}{': ' if self.label else ''}{self.label}{left}"

    @property
    def glb(self) -> Path | None:
        """The GLB that was delivered, if one was."""
        return next((path for path in self.files if path.suffix.lower() == ".glb"), None)

    def hear(self, line: str) -> None:
        """Take in one line of what the program wrote."""
        event = _event(line)
        if event is None:
            self._note(line)
            return
        take = getattr(self, f"_on_{event['event']}", None)  # a newer program may tell what we do not know
        if take is not None:
            take(event)

    def _note(self, line: str) -> None:
        if line.strip():
            self.last_line = line.strip()
            self.log.append(line.rstrip())

    def _on_run(self, event: dict[str, Any]) -> None:
        self.name, self.folder, self.stages = event["name"], Path(event["folder"]), list(event["stages"])
        self.report = self.folder / "report.html"

    def _on_line(self, event: dict[str, Any]) -> None:
        self._note(event["text"])

    def _on_kept(self, event: dict[str, Any]) -> None:
        self.finished.add(event["stage"])
        self._note(f"{event['stage']}: kept")

    def _on_starts(self, event: dict[str, Any]) -> None:
        self.stage, self.label, self.share, self.left_s = event["stage"], "", 0.0, None
        self._note(f"{self.stage}: {'goes on' if event.get('resumed') else 'starts'}")

    def _on_progress(self, event: dict[str, Any]) -> None:
        self.stage, self.label, self.left_s = event["stage"], event["label"], event["left_s"]
        self.share = min(1.0, event["done"] / max(1, event["total"]))

    def _on_done(self, event: dict[str, Any]) -> None:
        self.finished.add(event["stage"])
        self._note(f"{event['stage']}: done in {duration(event['seconds'])}")

    def _on_delivered(self, event: dict[str, Any]) -> None:
        self.files, self.report = [Path(path) for path in event["files"]], Path(event["report"])


def duration(seconds: float) -> str:
    """Seconds in short: 7 s, 3 min 20 s, 1 h 05 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _event(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None
