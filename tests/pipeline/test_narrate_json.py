"""``--progress json``: what a program that watches a run is told."""

from __future__ import annotations

import io
import json
import signal
import subprocess
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.narrate_json import JsonNarrator, JsonProgress
from tests.pipeline.conftest import Program, command, environment


def told(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_is_an_object_and_they_tell_the_run(program: Program, home: Path) -> None:
    done = program("run", "a.yaml", "--progress", "json")
    events = told(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert events[0] == {"event": "run", "name": "mika", "folder": str(home / "outputs/mika"), "stages": ["count", "words", "glue"]}
    assert [e["stage"] for e in events if e["event"] == "starts"] == [e["stage"] for e in events if e["event"] == "done"] == ["count", "words", "glue"]
    counted = [e for e in events if e["event"] == "progress" and e["stage"] == "count"]
    assert (counted[0]["done"], counted[-1]["done"], counted[-1]["total"]) == (0, 5, 5)
    assert events[-1] == {"event": "delivered", "files": [str(home / "outputs/mika/mika.txt")], "report": str(home / "outputs/mika/report.html")}


def test_what_is_kept_and_what_goes_are_told(program: Program, home: Path) -> None:
    program("run", "a.yaml", "--glue.formats", "[txt, md]")
    events = told(program("run", "a.yaml", "--progress", "json").stdout)
    assert [e["stage"] for e in events if e["event"] == "kept"] == ["count", "words"]
    assert any(e["event"] == "line" and "mika.md removed: an earlier run made it" in e["text"] for e in events)


def test_what_is_wrong_stands_on_stderr(program: Program) -> None:
    done = program("run", "a.yaml", "--progress", "json", "--count.fail", "own")
    assert done.returncode == 1 and "it is wrong" in done.stderr and told(done.stdout)[-1]["event"] != "delivered"
    assert program("run", "a.yaml", "--progress", "xml").returncode == 2


def test_between_start_and_end_at_most_one_line_an_interval() -> None:
    now, lines = [0.0], []
    progress = JsonProgress("field", lambda event, **rest: lines.append(rest), 0.5, lambda: now[0])
    progress.start("training", 10)
    for _ in range(10):
        now[0] += 0.2
        progress.advance(1, loss=float("nan"))
    assert [(line["done"], line["left_s"]) for line in lines] == [(0, None), (3, 1.4), (6, 0.8), (9, 0.2), (10, 0.0)]
    assert lines[-1]["figures"] == {"loss": None}, "JSON knows no NaN"


def test_names_in_any_script_come_through(tmp_path: Path) -> None:
    JsonNarrator(said := io.StringIO()).begins("美香", tmp_path, [])
    assert said.getvalue().isascii() and told(said.getvalue())[0]["name"] == "美香"


def test_ctrl_break_counts_as_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = {}
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    cli._catch_interruptions()
    assert handlers == {signal.SIGTERM: cli._interrupt, 21: cli._interrupt}


def test_lines_come_while_it_runs(home: Path) -> None:
    running = subprocess.Popen(command("run", "a.yaml", "--progress", "json", "--count.steps", "100"), cwd=home, env=environment(FAKE_SLEEP="0.1"),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert json.loads(running.stdout.readline())["event"] == "run"
    while json.loads(running.stdout.readline())["event"] != "progress":
        pass
    assert running.poll() is None, "the rest of it takes ten seconds"
    running.terminate()
    assert "goes on from here" in running.communicate(timeout=20)[1] and running.returncode == 130
