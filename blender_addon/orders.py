# SPDX-License-Identifier: GPL-3.0-or-later
"""The command lines, as lists of arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def run(python: Path, character: Path, outputs: Path, changes: Mapping[str, str] | None = None) -> list[str]:
    """Make ``character``, resuming. ``changes`` are settings by dotted name that differ from the file."""
    argv = [str(python), "-m", "pipeline", "run", str(character), "--out", str(outputs), "--progress", "json"]
    return argv + [f"--{name}={value}" for name, value in (changes or {}).items()]


def pose(python: Path, armature: Path, pose_file: Path) -> list[str]:
    """Turn an armature's description into a pose file."""
    return [str(python), "-m", "scripts.pose_of_armature", str(armature), str(pose_file)]


def environment() -> dict[str, str]:
    """Ours, without what points a Python at Blender's own libraries; text is UTF-8."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__")}
    return {**kept, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
