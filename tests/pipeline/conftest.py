"""Runs the fake program in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Program = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", **extra}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.pipeline.fake_program", *arguments]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "a.yaml").write_text("name: mika\nprompt: hello\n")
    return tmp_path


@pytest.fixture
def program(home: Path) -> Program:
    def call(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command(*arguments), cwd=home, env=environment(**extra), capture_output=True, text=True, timeout=60, check=False)

    return call
