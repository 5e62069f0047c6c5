"""nerfstudio (Apache-2.0) as a program: it trains in an environment of its own, and a script of ours in that environment reads its field.

It is never imported here and never installed by us: it pins other versions of what we use. Finding it starts no process.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

INSTALL_LINE = "python -m venv .env-nerfstudio, then .env-nerfstudio/bin/pip install nerfstudio"
SETTING = "field.nerfstudio_python"


@dataclass(frozen=True)
class NerfstudioProgram:
    """An environment with nerfstudio: its interpreter, its ``ns-train``, its version."""

    python: Path
    train: Path
    version: str


def find_nerfstudio(configured: str | None = None) -> NerfstudioProgram | str:
    """The nerfstudio to use, or one sentence on why there is none.

    ``configured`` is the interpreter of its environment and then the only one considered; else the ``ns-train`` on PATH stands beside it.
    """
    remedy = f"make an environment for it ({INSTALL_LINE}) and name its Python as {SETTING}"
    if configured is None:
        found = shutil.which("ns-train")
        if found is None:
            return f"no `ns-train` is on PATH and {SETTING} is not set: {remedy}"
        return _program(Path(found).parent / _exe("python"), remedy)
    named = shutil.which(configured)
    if named is None:
        return f"{SETTING} names {configured}, which is no program: {remedy}"
    return _program(Path(named), remedy)


def _program(python: Path, remedy: str) -> NerfstudioProgram | str:
    train = python.parent / _exe("ns-train")
    if not python.exists() or not train.exists():
        return f"there is no `ns-train` beside {python}: {remedy}"
    version = _installed_version(python)
    return f"{python} is a Python without nerfstudio: {remedy}" if version is None else NerfstudioProgram(python, train, version)


def _installed_version(python: Path) -> str | None:
    """Read from package metadata."""
    for pattern in ("lib/python*/site-packages/nerfstudio-*.dist-info", "Lib/site-packages/nerfstudio-*.dist-info"):
        for info in sorted(python.parent.parent.glob(pattern)):
            return info.name.removesuffix(".dist-info").split("-")[1]
    return None


def _exe(name: str) -> str:
    return f"{name}.exe" if os.name == "nt" else name
