"""Runs stages: one alone, or a whole graph as resolve -> key -> lock -> run -> commit."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from pipeline.backends import choose_all
from pipeline.checkpoint import Checkpoint
from pipeline.progress import SilentProgress
from pipeline.stage import Progress, Stage, StageContext


def run_stage(stage: Stage, settings: Any, inputs: Any, out_dir: Path, *, work_dir: Path | None = None, device: str = "cpu",
              threads: int = 2, progress: Progress | None = None, log: logging.Logger | None = None) -> Any:
    """Run one stage outside a graph: tests, benchmarks, notebooks. Returns its validated output, opened on ``out_dir``.

    ``out_dir`` is emptied first. ``work_dir`` (default: ``out_dir`` + ".work") keeps checkpoints, and is left behind only if
    the stage fails or is given. Backends are chosen as in a run. Raises whatever the stage raises.
    """
    shutil.rmtree(out_dir, ignore_errors=True)
    out_dir.mkdir(parents=True)
    work = work_dir or out_dir.with_name(out_dir.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    choices = choose_all(stage.capabilities(settings), f"{stage.name}: ")
    context = StageContext(
        out=out_dir, work=work, log=log or logging.getLogger(f"pipeline.{stage.name}"), progress=progress or SilentProgress(),
        backends={name: choice.backend for name, choice in choices.items()}, device=device, threads=threads,
        checkpoint=Checkpoint(work / "checkpoint"))
    stage.run(settings, inputs, context)
    output = stage.output.open(out_dir)
    output.validate()
    if work_dir is None:
        shutil.rmtree(work)
    return output
