"""``run.json``: what a run is doing, what it came to, and what it refers to in the cache; kept current while it goes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.runner import Ran

FILE = "run.json"
State = Literal["running", "done", "failed", "interrupted"]


@dataclass
class Record:
    """The ``run.json`` in ``target``.

    ``state`` is ``running`` while the run goes, and stays so if it is killed; then ``done``, ``failed`` or ``interrupted``.
    ``stages`` holds what this run made or reused and, until a whole run is done, what else the last whole run left, which is
    what the user still has. ``delivered`` are the stamps (see ``pipeline.publish``) of the files that were handed over.
    ``head`` is what is known beforehand: name, recipe, settings, skipped stages.
    """

    target: Path
    head: Mapping[str, Any]
    ran: Ran
    started: float = field(default_factory=time.monotonic)

    def write(self, state: State, failure: str = "", delivered: Mapping[str, list[int]] | None = None) -> None:
        """Put the file in its place by one rename. ``delivered`` is given by a whole run that is done."""
        self.target.mkdir(parents=True, exist_ok=True)
        document = self._document(state, failure, delivered) | {
            "executed": self.ran.executed, "seconds": round(time.monotonic() - self.started, 3)}
        temporary = self.target / f".writing-{FILE}"
        temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, self.target / FILE)

    def says(self, state: State, failure: str = "", delivered: Mapping[str, list[int]] | None = None) -> bool:
        """Whether the file says so already, but for the times."""
        old = read(self.target)
        return all(old.get(k) == v for k, v in self._document(state, failure, delivered).items())

    def _document(self, state: State, failure: str, delivered: Mapping[str, list[int]] | None) -> dict[str, Any]:
        stages = {name: {"key": m.key, "content": m.content, "folder": str(self.ran.folders[name]), "started": m.started, "seconds": m.seconds,
                         "peak_memory_bytes": m.peak_memory_bytes, "backends": m.backends, "models": m.models, "warnings": m.warnings}
                  for name, m in self.ran.manifests.items()}
        if delivered is None:
            old = read(self.target)
            stages, delivered = {**old.get("stages", {}), **stages}, old.get("delivered", {})
        return {**self.head, "state": state, "failure": failure, "stages": stages, "delivered": dict(delivered)}


def read(target: Path) -> dict[str, Any]:
    """The ``run.json`` in ``target``; empty if there is none that can be read."""
    try:
        return json.loads((target / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def in_use(out: Path) -> set[tuple[str, str]]:
    """(stage, key) of every committed folder that a ``run.json`` under ``out`` refers to, runs still going among them."""
    return {(stage, entry["key"]) for path in out.glob(f"*/{FILE}") for stage, entry in read(path.parent).get("stages", {}).items()}
