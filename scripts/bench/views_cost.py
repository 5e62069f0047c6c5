"""What painting costs: network evaluations per view and step, seconds, and peak memory as the number of views grows, beside what
``stages.views.estimate`` expects of it.

    python -m scripts.bench.views_cost --views 12 24 48 --steps 3
    python -m scripts.bench.views_cost --views 6 --steps 1 --chunk 2 --random middle --width 512 --height 512

Each number of views runs in a process of its own, whose peak resident memory is read at its end, twice: as a run does it, which keeps
what is freed (``pipeline.memory.keep_freed``; times are of this), and with large blocks given back as they are freed (GIVING_BACK),
which shows what is in use at once. The networks are those of ``--model`` (default: the embedded ones if they are here, else the same
shapes with random weights: the cost is the same); ``--random middle`` makes some of Stable Diffusion 1.5's kind at half its widths.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.machine import cores
from pipeline.progress import SilentProgress
from scripts.bench.machine import described, report
from stages.artifacts.cameras import ring
from stages.artifacts.conditions import ConditionSet, write_cameras
from stages.artifacts.images import write_png
from stages.views.estimate import MOST_AT_ONCE, Painting, estimate
from stages.views.settings import ControlNetSettings, ViewsSettings

KEEPING = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
GIVING_BACK = KEEPING | {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
SEED = 0


def synthetic_conditions(folder: Path, views: int, width: int, height: int) -> ConditionSet:
    """A body ring of three quarters of ``views`` and a head ring of the rest, with coloured noise for parts pictures."""
    head = views // 4
    rings = {
        "body": ring("body", views - head, np.array([0.0, 0.0, 0.8]), 4.0, 0.0, 800.0, width, height),
        "head": ring("head", head, np.array([0.0, 0.0, 1.4]), 4.0, 0.0, 2500.0, width, height),
    }
    rng = np.random.default_rng(SEED)
    for camera in (camera for cameras in rings.values() for camera in cameras):
        blocks = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
        write_png(folder / "parts" / f"{camera.name}.png", blocks.repeat(16, 0).repeat(16, 1))
    write_cameras(folder, rings, "parts")
    return ConditionSet.open(folder)


def random_model(folder: Path) -> Path:
    """Untrained networks of the embedded models' shapes, in their layout."""
    from scripts.generator.captions import vocabulary
    from scripts.train import architecture
    from scripts.train.vocabulary import build_tokenizer

    tokenizer = build_tokenizer(vocabulary(), folder / "tokenizer")
    architecture.text_encoder(tokenizer).save_pretrained(folder / "text_encoder")
    architecture.autoencoder().save_pretrained(folder / "vae")
    architecture.unet().save_pretrained(folder / "unet")
    architecture.controlnet().save_pretrained(folder / "controlnet-parts")
    architecture.scheduler().save_pretrained(folder / "scheduler")
    return folder


def middle_model(folder: Path) -> Path:
    """Untrained networks of Stable Diffusion 1.5's kind, half as wide: 217 M parameters, with a ControlNet of 91 M."""
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel

    random_model(folder)
    configs = Path(__file__).resolve().parents[2] / "third_party" / "single_file" / "configs"
    text_channels = json.loads((folder / "text_encoder" / "config.json").read_text())["hidden_size"]
    for name, part, kind in (("unet", "unet", UNet2DConditionModel), ("controlnet", "controlnet-parts", ControlNetModel), ("vae", "vae", AutoencoderKL)):
        given = json.loads((configs / name / "config.json").read_text())
        halved = {"block_out_channels": [width // 2 for width in given["block_out_channels"]]}
        kind.from_config(given | halved | ({"cross_attention_dim": text_channels} if name != "vae" else {})).save_pretrained(folder / part)
    return folder


class CountingProgress(SilentProgress):
    """Notes when the denoising began and ended."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}

    def start(self, label: str, total: int) -> None:
        self.began[label] = time.monotonic()


@dataclass(frozen=True)
class Work:
    """What is painted, and how."""

    model: Path
    views: int
    steps: int
    window: str
    chunk: int
    threads: int
    width: int
    height: int

    @property
    def settings(self) -> ViewsSettings:
        """Those of the stage."""
        return ViewsSettings(
            prompt="a girl with long pink hair", model=str(self.model), steps=self.steps, window=self.window, chunk=self.chunk,
            controlnets=(ControlNetSettings(model=str(self.model / "controlnet-parts"), kind="parts"),),
        )

    def expected_mb(self) -> float:
        """The peak that is foreseen, in 2^20 bytes."""
        painting = Painting(self.views, self.width, self.height)
        foreseen = estimate(self.settings, painting, "cpu", self.model, [self.model / "controlnet-parts"])
        return round(foreseen.peak(min(self.views, self.chunk or MOST_AT_ONCE["cpu"])) / 2**20, 1)


def measure(work: Work, folder: Path) -> dict[str, Any]:
    """Paint in this process; figures as a JSON-ready dictionary."""
    from pipeline.runner import run_stage
    from stages.views import STAGE, ViewsInputs
    from stages.views.denoise import Denoiser

    evaluated: list[int] = []
    chunk_of = Denoiser._chunk

    def counted(self: Denoiser, *arguments: Any) -> Any:
        before = self.evaluations
        result = chunk_of(self, *arguments)
        evaluated.append(self.evaluations - before)
        return result

    Denoiser._chunk = counted  # type: ignore[method-assign]
    conditions = synthetic_conditions(folder / "conditions", work.views, work.width, work.height)
    progress = CountingProgress()
    run_stage(STAGE, work.settings, ViewsInputs(conditions), folder / "out", threads=work.threads, progress=progress)
    denoising_s = progress.began["decoding"] - progress.began["denoising"]
    return {
        "views": work.views, "steps": work.steps, "window": work.window,
        "evaluations_per_view_and_step": sum(evaluated) / (work.views * work.steps),
        "denoising_ms_per_view_and_step": round(1000 * denoising_s / (work.views * work.steps), 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1), "expected_mb": work.expected_mb(),
    }


def main() -> None:
    """Command line; ``--alone`` is the child process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=int, nargs="+", default=[12, 24, 48])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--window", choices=("causal", "joint", "keyframes", "anchors", "full", "none"), default="causal")
    parser.add_argument("--chunk", type=int, default=0)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--width", type=int, default=288)
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--random", choices=("embedded", "middle"), help="untrained networks of these shapes")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    machine = described()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.alone:
            print(json.dumps(measure(_work(options, options.model, options.views[0]), folder)))
            return
        model, rows = options.model or _model(options.random, folder), []
        for views in options.views:
            work = _work(options, model, views)
            command = [sys.executable, "-m", "scripts.bench.views_cost", "--alone",
                       *(text for field in fields(work) for text in (f"--{field.name}", str(getattr(work, field.name))))]
            kept, returned = (_child(command, environment) for environment in (KEEPING, GIVING_BACK))
            rows.append(kept | {"peak_in_use_mb": returned["peak_mb"]})
            print(json.dumps(rows[-1]), flush=True)
        spread = {f"{name}_spread": _spread([row[name] for row in rows]) for name in ("peak_mb", "peak_in_use_mb")}
        report({"machine": machine, "steps": options.steps, "runs": rows} | spread, options.json)


def _work(options: argparse.Namespace, model: Path, views: int) -> Work:
    return Work(model, views, options.steps, options.window, options.chunk, options.threads, options.width, options.height)


def _model(shape: str | None, folder: Path) -> Path:
    """The networks that were asked for: the embedded ones if they are here and nothing else was."""
    embedded = Path(__file__).resolve().parents[2] / "third_party" / "embedded"
    if shape is None and (embedded / "unet").is_dir():
        return embedded
    return {"middle": middle_model, "embedded": random_model}[shape or "embedded"](folder / "model")


def _child(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def _spread(peaks: list[float]) -> float:
    """By what share the highest lies above the lowest."""
    return round(max(peaks) / min(peaks) - 1, 4)


if __name__ == "__main__":
    main()
