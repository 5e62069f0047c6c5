"""The field on the generator's truth: held-out figure PSNR, time, memory.

    python -m scripts.bench.field --json docs/benchmarks/field.json

36 views of 288 x 384 on the body ring, every sixth of them held out (so 30 are learnt from); default settings otherwise. Figure PSNR as
``stages.artifacts.scores`` defines it. ``--rings`` takes the pipeline's own cameras instead: 24 round the body, 8 round the head.
Kernels are compiled before the clock starts, as ``setup`` does.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.checkpoint import Checkpoint
from pipeline.memory import high_water_bytes
from pipeline.stage import StageContext
from scripts.bench.machine import described, report
from scripts.generator import DEFAULT, HELD_OUT, build_character, render
from stages.artifacts.cameras import Camera
from stages.artifacts.framing import body_ring, head_ring
from stages.artifacts.views import MaskedViews, write_view_set
from stages.conditions.body import load_base_body
from stages.field import STAGE, FieldInputs
from stages.field.backends import BACKENDS
from stages.field.settings import FieldSettings
from stages.field.warm import warm

WIDTH, HEIGHT = 288, 384
HELD_OUT_EVERY = 6
MEAN_OF = 10  # steps


class Watch:
    """A progress that keeps the time of every step."""

    def __init__(self) -> None:
        self.curve: list[tuple[float, float]] = []  # seconds, PSNR of the batch
        self._began = time.perf_counter()

    def start(self, label: str, total: int) -> None:
        """Nothing to show."""

    def advance(self, steps: int = 1, **figures: float) -> None:
        """Note when, and how well."""
        if "psnr" in figures:
            self.curve.append((time.perf_counter() - self._began, figures["psnr"]))


def straight(rgb_on_white: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """RGBA with straight alpha of a picture on white."""
    a = alpha[..., None]
    return np.concatenate([((rgb_on_white - (1 - a)) / np.maximum(a, 1e-3)).clip(0, 1), a], -1)


def write_truth(folder: Path, index: int, rings: bool) -> None:
    """Renders of the default character, or of one from the held-out combinations, with cameras."""
    body = load_base_body()
    character = build_character(DEFAULT if index < 0 else HELD_OUT[index], body)
    cameras: list[Camera] = body_ring(body, 24, WIDTH, HEIGHT) + head_ring(body, 8, WIDTH, HEIGHT)
    if not rings:
        cameras = body_ring(body, 36, WIDTH, HEIGHT)
    extras = [{"ring": c.name.split("_")[0]} for c in cameras]
    write_view_set(folder, ((c, straight(*render(character, c))) for c in cameras), extras)


def measure(views: Path, work: Path, settings: FieldSettings, threads: int) -> dict[str, Any]:
    """Run the stage once."""
    out, watch = work / "out", Watch()
    out.mkdir(parents=True)
    backend = next(b for b in BACKENDS if settings.backend in ("auto", b.name))
    context = StageContext(out, work / "scratch", logging.getLogger("bench"), watch, {"radiance field": backend},
                           threads=threads, checkpoint=Checkpoint(work / "scratch"))
    wall, cpu = time.perf_counter(), time.process_time()
    grid = STAGE.run(settings, FieldInputs(MaskedViews.open(views)), context)
    grid.validate()
    return {
        "wall_s": round(time.perf_counter() - wall, 1), "cpu_s": round(time.process_time() - cpu, 1),
        "training_wall_s": round(watch.curve[-1][0], 1), "peak_memory_gib": round(high_water_bytes() / 2**30, 2),
        "grid": list(grid.resolution), **grid.metrics,
        "batch_psnr_over_seconds": [
            [round(watch.curve[i][0], 1), round(float(np.mean([p for _, p in watch.curve[i + 1 - MEAN_OF : i + 1]])), 2)]
            for i in range(MEAN_OF - 1, len(watch.curve), MEAN_OF)
        ],
    }


def main() -> None:
    """Parse, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--character", type=int, default=-1, help="index of a held-out combination; -1 is the default character")
    parser.add_argument("--rings", action="store_true", help="24 body and 8 head cameras instead of 36 round the body")
    parser.add_argument("--steps", type=int, default=FieldSettings().steps)
    parser.add_argument("--backend", default="auto", choices=["auto", "numba", "torch"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="leave views and output in this folder")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    settings = FieldSettings(steps=given.steps, backend=given.backend, held_out=FieldSettings().held_out if given.rings else HELD_OUT_EVERY)
    machine = described()
    warm()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        write_truth(folder / "views", given.character, given.rings)
        figures = measure(folder / "views", folder / "run", settings, given.threads)
    report({"machine": machine, "threads": given.threads, "settings": settings.model_dump(), "figures": figures}, given.json)


if __name__ == "__main__":
    main()
