"""Runs the fake program: in this process where that is enough, in one of its own where it is to be killed."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.errors import PipelineError
from tests.pipeline.fake_program import DOORS

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Program = Callable[..., Done]


def environment(**extra: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", **extra}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.pipeline.fake_program", *arguments]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "a.yaml").write_text("name: mika\nprompt: hello\n")
    return tmp_path


@pytest.fixture
def program(home: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.chdir(home)

    def call(*arguments: str, **extra: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        kept, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
        os.environ.update(extra)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = _exit_code(arguments)
        finally:
            os.environ.clear()
            os.environ.update(kept)
            signal.signal(signal.SIGTERM, handler)
            logging.captureWarnings(False)
        return Done(code, out.getvalue(), err.getvalue())

    return call


def _exit_code(arguments: tuple[str, ...]) -> int:
    try:
        return main(arguments, DOORS)
    except SystemExit as error:
        return int(error.code or 0)
    except (PipelineError, KeyboardInterrupt):
        traceback.print_exc()
        return 1
