"""Checkpoints are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import StageError
from pipeline.progress import Estimate, LineProgress, duration


def test_saved_is_loaded_and_absent_is_none(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.load("a.txt", Path.read_text) is None and not checkpoint.has("a.txt")
    checkpoint.save("a.txt", lambda p: p.write_text("1"))
    checkpoint.save("a.txt", lambda p: p.write_text("2"))
    assert Checkpoint(tmp_path).load("a.txt", Path.read_text) == "2" and checkpoint.has("a.txt")


def test_a_writer_that_dies_leaves_the_last_one(tmp_path: Path) -> None:
    def die(path: Path) -> None:
        path.write_text("half")
        raise ZeroDivisionError

    checkpoint = Checkpoint(tmp_path)
    checkpoint.save("a.txt", lambda p: p.write_text("whole"))
    with pytest.raises(ZeroDivisionError):
        checkpoint.save("a.txt", die)
    assert checkpoint.load("a.txt", Path.read_text) == "whole"


def test_a_writer_that_writes_elsewhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="left no file"):
        Checkpoint(tmp_path).save("a", lambda p: None)


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden"])
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(StageError, match="plain file name"):
        Checkpoint(tmp_path).has(name)


def test_due_counts_from_the_last_save(tmp_path: Path) -> None:
    now = [0.0]
    checkpoint = Checkpoint(tmp_path, lambda: now[0])
    assert not checkpoint.due()
    now[0] = 5.0
    assert checkpoint.due() and not checkpoint.due(6)
    checkpoint.save("a", lambda p: p.write_text(""))
    assert not checkpoint.due()


def test_time_left_follows_the_pace_of_late() -> None:
    now = [0.0]
    estimate = Estimate(100, lambda: now[0])
    assert estimate.left_s() is None
    now[0] = 60.0  # a warm-up
    estimate.advance(1)
    for _ in range(30):
        now[0] += 1.0
        estimate.advance(1)
    assert estimate.left_s() == pytest.approx(69, rel=0.1)


def test_lines_are_few_and_tell_what_is_left() -> None:
    now, lines = [0.0], []
    progress = LineProgress("views", lines.append, 15.0, lambda: now[0])
    progress.start("denoising", 40)
    for _ in range(20):
        now[0] += 1.0
        progress.advance(loss=0.5)
    assert lines == ["views: denoising", "views: denoising 15/40, 25 s left, loss 0.5"]


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3900, "1 h 05 min"), (-1, "0 s")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
