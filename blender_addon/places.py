# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are: the project's folder, a Python that has its packages, its profiles, the folder for results."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "CHARACTER_PIPELINE"
SCRIPT = "character-pipeline"


def is_project(folder: Path) -> bool:
    """Whether ``folder`` is a checkout, or the folder of packages that an installation went to."""
    return (folder / "pipeline" / "__main__.py").is_file() and (folder / "stages").is_dir()


def find_project() -> Path | None:
    """The folder that the environment variable names, else the checkout in which the installed command lies, else None.

    Never one round the open file: who opens a file that he was sent has not asked for the programs beside it.
    """
    named, command = os.environ.get(VARIABLE), shutil.which(SCRIPT)
    candidates = [Path(named)] if named else []
    candidates += Path(command).absolute().parents if command else []
    return next((folder for folder in candidates if is_project(folder)), None)


def find_python(project: Path | None) -> Path | None:
    """The interpreter of the project's virtual environment, else the one beside the installed command, else None.

    No other Python is guessed at: one without the project's packages would fail only later.
    """
    for environment in (".venv", "venv", "env"):
        if project is not None and (python := interpreter(project / environment)).is_file():
            return python
    command = shutil.which(SCRIPT)
    if command is None:
        return None
    return next((path for path in _beside(Path(command)) if path.is_file()), None)


def interpreter(environment: Path) -> Path:
    """The Python of a virtual environment."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def problem(python: Path | None, project: Path | None) -> str | None:
    """One sentence on what the preferences lack, or None. A project that is installed as a package needs no folder."""
    if python is None:
        return "Preferences: name the Python that the project is installed in, such as .venv/bin/python in its folder"
    if not python.is_file():
        return f"Preferences: there is no Python at {python}"
    if project is not None and not is_project(project):
        return f"Preferences: {project} is not the project's folder; one that holds pipeline and stages was expected"
    return None


def profiles(project: Path | None) -> list[str]:
    """Names of the profiles in the project's folder; ``embedded``, which is always there, if they are not to be seen."""
    folder = None if project is None else project / "configs" / "profiles"
    found = sorted(path.stem for path in folder.glob("*.yaml")) if folder is not None and folder.is_dir() else []
    return found or ["embedded"]


def default_outputs() -> Path:
    """Where results go until the preferences say otherwise."""
    return Path.home() / "characters"


def _beside(command: Path) -> Iterator[Path]:
    for place in dict.fromkeys((command.parent, command.resolve().parent)):
        yield place / ("python.exe" if os.name == "nt" else "python")
