"""What a panel shows of what a run tells."""

from __future__ import annotations

import json
from pathlib import Path

from blender_addon.events import LOG_LINES, Account, duration
from pipeline import progress
from tests.pipeline.conftest import Program


def hearing(*events: dict | str) -> Account:
    account = Account()
    for event in events:
        account.hear(event if isinstance(event, str) else json.dumps(event))
    return account


RUN = {"event": "run", "name": "mika", "folder": "/out/mika", "stages": ["a", "b", "c", "d"]}


def test_stages_and_their_steps_make_the_fraction() -> None:
    account = hearing(RUN, {"event": "kept", "stage": "a"}, {"event": "starts", "stage": "b", "resumed": True},
                      {"event": "progress", "stage": "b", "label": "painting", "done": 3, "total": 4, "left_s": 200.4})
    assert (account.fraction, account.status) == (1.75 / 4, "b: painting, 3 min 20 s left")
    account.hear(json.dumps({"event": "done", "stage": "b", "seconds": 7.2}))
    assert (account.fraction, account.status) == (0.5, "b: done in 7 s")
    assert list(account.log) == ["a: kept", "b: goes on", "b: done in 7 s"]


def test_more_steps_than_foreseen_are_no_more_than_all() -> None:
    assert hearing({**RUN, "stages": ["b"]}, {"event": "progress", "stage": "b", "label": "", "done": 9, "total": 0, "left_s": None}).fraction == 1.0


def test_what_is_no_event_is_log() -> None:
    account = hearing("error: it is wrong", "{not json", '{"event": 3}', "[1]", '{"event": "from tomorrow", "x": 1}', "  ")
    assert list(account.log) == ["error: it is wrong", "{not json", '{"event": 3}', "[1]"] and account.status == "[1]"
    assert account.fraction == 0.0 and account.glb is None


def test_the_log_does_not_grow_for_ever() -> None:
    account = hearing(*(f"line {i}" for i in range(LOG_LINES + 5)))
    assert len(account.log) == LOG_LINES and account.log[0] == "line 5"


def test_the_glb_is_found_among_what_was_delivered() -> None:
    account = hearing({"event": "delivered", "files": ["/out/mika.mp4", "/out/mika.glb"], "report": "/out/report.html"})
    assert (account.glb, account.report) == (Path("/out/mika.glb"), Path("/out/report.html"))


def test_a_whole_run_of_the_engine_is_understood(program: Program, home: Path) -> None:
    account = hearing(*program("run", "a.yaml", "--progress", "json").stdout.splitlines())
    assert (account.name, account.folder, account.fraction) == ("mika", home / "outputs/mika", 1.0)
    assert account.finished == {"count", "words", "glue"} and account.files == [home / "outputs/mika/mika.txt"] and account.report.is_file()
    assert any("count" in line for line in account.log)


def test_times_are_said_as_the_program_says_them() -> None:
    for seconds in (0, 6.6, 59.6, 61, 3599, 3600, 7325):
        assert duration(seconds) == progress.duration(seconds)
