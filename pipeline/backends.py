"""Chooses one implementation of each capability, and remembers why the others were refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ConfigError, MissingError
from pipeline.stage import Capability


@dataclass(frozen=True)
class Choice:
    """The backend taken for one capability; ``refused`` maps the names of those asked before it to their reasons."""

    capability: str
    backend: Any
    refused: dict[str, str]

    def identity(self) -> list[str]:
        """What enters the stage's key: capability, backend, version."""
        return [self.capability, self.backend.name, self.backend.version()]


def licence(backend: Any) -> str:
    """The terms of a backend's own that its user has to know; "" if it has none."""
    return getattr(backend, "licence", "")


def choose(capability: Capability, where: str = "") -> Choice:
    """The first backend that can be used, or the one that is named.

    Raises ConfigError for a name that no backend has, and MissingError, with every reason, when none can be used.
    """
    wanted, known = capability.wanted, [b.name for b in capability.backends]
    if wanted != "auto" and wanted not in known:
        raise ConfigError(f"{where}{capability.name}: there is no backend {wanted!r}; expected auto or one of {', '.join(known)}")
    refused: dict[str, str] = {}
    for backend in capability.backends:
        if wanted not in ("auto", backend.name):
            continue
        reason = backend.probe()
        if reason is None:
            return Choice(capability.name, backend, refused)
        refused[backend.name] = reason
    reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
    named = "" if wanted == "auto" else f" (named in the settings, so no other was tried; auto would try {', '.join(known)})"
    raise MissingError(f"{where}{capability.name} cannot be done on this machine: {reasons}{named}. "
                       "`python -m pipeline doctor` says what would mend it.")


def choose_all(capabilities: Sequence[Capability], where: str = "") -> dict[str, Choice]:
    """One choice for each capability, by name."""
    return {c.name: choose(c, where) for c in capabilities}
