"""The background process: its course, its end, and that it can be stopped and resumed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blender_addon.job import PATIENCE_S, Job
from tests.pipeline.conftest import command, environment

DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


def ended(job: Job, timeout_s: float = 30.0) -> Job:
    patience = time.monotonic() + timeout_s
    while job.poll():
        assert time.monotonic() < patience, list(job.account.log)
        time.sleep(0.02)
    return job


def heard(job: Job, word: str) -> None:
    patience = time.monotonic() + 20
    while not any(word in line for line in job.account.log):
        assert job.poll() and time.monotonic() < patience, list(job.account.log)
        time.sleep(0.02)


def say(*code: str) -> list[str]:
    return [sys.executable, "-c", "; ".join(code)]


def test_a_run_of_the_engine_stopped_and_resumed(home: Path) -> None:
    argv = command("run", "a.yaml", "--progress", "json", "--count.steps", "600")
    job = Job([argv], home, environment(FAKE_SLEEP="0.1"))
    while not list(home.glob("cache/count/??/*.work/scratch/checkpoint/values.json")):
        assert job.poll(), list(job.account.log)
        time.sleep(0.05)
    job.stop()
    assert job.stopping and job.state == "running"
    assert ended(job).state == "stopped" and job.code == 130 and not job.stopping
    again = ended(Job([argv], home, environment()))
    assert (again.state, again.code, again.account.fraction) == ("done", 0, 1.0)
    assert "count: goes on" in again.account.log and again.account.files == [home / "outputs/mika/mika.txt"]


def test_commands_run_in_order_and_the_first_failure_is_the_end(tmp_path: Path) -> None:
    job = ended(Job([say("print('one')"), say("print('two')")], tmp_path))
    assert (job.state, list(job.account.log)) == ("done", ["one", "two"])
    job = ended(Job([say("import sys", "print('error: it is wrong', file=sys.stderr)", "sys.exit(2)"), say("print('never')")], tmp_path))
    assert (job.state, job.code, list(job.account.log)) == ("failed", 2, ["error: it is wrong"])


def test_starting_and_polling_wait_for_nothing(tmp_path: Path) -> None:
    began = time.monotonic()
    job = Job([say("import time", "time.sleep(60)")], tmp_path)
    assert job.poll() and time.monotonic() - began < 50
    job.end()
    assert job.state == "stopped"


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    job = Job([[str(tmp_path / "python"), "-m", "pipeline"]], tmp_path)
    assert job.state == "failed" and not job.poll() and "could not be started" in job.account.last_line


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
def test_one_that_does_not_hear_is_asked_again(tmp_path: Path) -> None:
    now = [0.0]
    job = Job([[sys.executable, "-c", DEAF], say("print('never')")], tmp_path, clock=lambda: now[0])
    heard(job, "deaf")
    job.stop()
    assert job.poll() and job.stopping
    now[0] = PATIENCE_S + 1
    assert ended(job).state == "stopped" and "never" not in job.account.log


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
def test_the_end_is_the_end(tmp_path: Path) -> None:
    job = Job([[sys.executable, "-c", DEAF]], tmp_path)
    heard(job, "deaf")
    process = job._process
    job.end(0.2)
    assert job.state == "stopped" and process.poll() is not None


def test_words_in_any_encoding_do_not_end_the_reading(tmp_path: Path) -> None:
    job = ended(Job([say("import sys", "sys.stdout.buffer.write(b'\\xff\\xfe bad\\n')", "print('good')")], tmp_path))
    assert job.state == "done" and job.account.last_line == "good"


def test_no_shell_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = {}

    def popen(argv: list[str], **options: object) -> None:
        asked.update(options, argv=argv)
        raise OSError("no")

    monkeypatch.setattr(subprocess, "Popen", popen)
    Job([["python", "a; b"]], tmp_path)
    assert asked["argv"] == ["python", "a; b"] and "shell" not in asked and asked["stdin"] == subprocess.DEVNULL
