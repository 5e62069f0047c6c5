"""One training by nerfstudio and one reading of what it learnt: argument lists out, files back, its last words in the error."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.errors import StageError
from third_party.nerfstudio import NerfstudioProgram

READER = Path(__file__).parent / "scripts" / "read_field.py"
EXPERIMENT, RUN = "field", "run"  # folders that it would else name after the data and the hour
METHODS = ("nerfacto", "instant-ngp")
_OF_METHOD = {
    "nerfacto": ["--pipeline.model.camera-optimizer.mode", "off", "--pipeline.model.use-appearance-embedding", "False"],
    "instant-ngp": ["--pipeline.model.grid-levels", "1", "--pipeline.model.cone-angle", "0.0", "--pipeline.model.alpha-thre", "0.0"],
}
_STEP = re.compile(rb"^\s*(\d+) \(\d+\.\d+%\)", re.MULTILINE)
_POLL_S = 0.25
_TAIL_LINES = 12


@dataclass(frozen=True)
class Order:
    """What to train: a folder with ``transforms.json`` whose figure lies within [-1, 1] on each axis, and how."""

    data: Path
    method: Literal["nerfacto", "instant-ngp"]
    steps: int
    rays_per_batch: int
    seed: int
    device: str  # "cpu" or "cuda"


def arguments(order: Order, out: Path) -> list[str]:
    """Of ``ns-train``: no viewer, no evaluation of its own, one checkpoint, cameras taken as they are, every ray before a random colour."""
    own = [*_OF_METHOD[order.method], "--pipeline.model.background-color", "random", "--pipeline.model.disable-scene-contraction", "True"]
    if order.device == "cpu":
        own += ["--mixed-precision", "False"]
        if order.method == "nerfacto":
            own += ["--pipeline.model.implementation", "torch"]
    return [
        order.method, "--output-dir", str(out), "--experiment-name", EXPERIMENT, "--timestamp", RUN, "--vis", "tensorboard",
        "--machine.device-type", order.device, "--machine.seed", str(order.seed), "--max-num-iterations", str(order.steps),
        "--steps-per-save", str(order.steps), "--steps-per-eval-batch", "0", "--steps-per-eval-image", "0", "--steps-per-eval-all-images", "0",
        "--logging.local-writer.max-log-size", "0", "--pipeline.datamanager.train-num-rays-per-batch", str(order.rays_per_batch), *own,
        "nerfstudio-data", "--data", str(order.data), "--orientation-method", "none", "--center-method", "none", "--auto-scale-poses", "False",
    ]


def train(program: NerfstudioProgram, order: Order, out: Path, tell: Callable[[int], None]) -> Path:
    """Train, telling the step now and then; the ``config.yml`` that its own tools take. Raises StageError."""
    out.mkdir(parents=True, exist_ok=True)
    log = out / "ns-train.txt"
    _run([str(program.train), *arguments(order, out)], log, lambda said: tell(int(_STEP.findall(said)[-1])) if _STEP.search(said) else None)
    config = out / EXPERIMENT / order.method / RUN / "config.yml"
    if not config.is_file():
        raise StageError(f"nerfstudio ended well but left no {config}. {_last_words(log)}")
    return config


def read_field(program: NerfstudioProgram, config: Path, low: Sequence[float], cell: float, inside: np.ndarray, folder: Path) -> tuple[np.ndarray, ...]:
    """Density (X, Y, Z), per unit of the data, colour (X, Y, Z, 3), and where that is known, at the points ``low`` + ``cell`` * (i, j, k) of the data's frame.

    Asked is only where ``inside`` (X, Y, Z) bool; density is 0 elsewhere. Colours are those of the surface seen head-on. Raises StageError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    answer = folder / "field.npz"
    answer.unlink(missing_ok=True)
    (folder / "request.json").write_text(json.dumps({"config": str(config), "low": [float(v) for v in low], "cell": float(cell)}), encoding="utf-8")
    np.save(folder / "inside.npy", np.ascontiguousarray(inside, bool), allow_pickle=False)
    log = folder / "read_field.txt"
    _run([str(program.python), str(READER), str(folder)], log, lambda said: None)
    if not answer.is_file():
        raise StageError(f"nerfstudio's field could not be read: there is no {answer}. {_last_words(log)}")
    with np.load(answer, allow_pickle=False) as file:
        return file["density"], file["rgb"], file["coloured"]


def _run(argv: list[str], log: Path, hear: Callable[[bytes], None]) -> None:
    """To the end of the program; ``hear`` gets all that it said so far. Raises StageError."""
    with log.open("wb") as out:
        try:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                       env={**os.environ, "PYTHONUNBUFFERED": "1"})
        except OSError as error:
            raise StageError(f"nerfstudio could not be started: {argv[0]}: {error}") from error
        try:
            while process.poll() is None:
                hear(log.read_bytes())
                time.sleep(_POLL_S)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    hear(log.read_bytes())
    if process.returncode:
        raise StageError(f"`{Path(argv[0]).name} {argv[1]}` ended with {process.returncode}. {_last_words(log)}")


def _last_words(log: Path) -> str:
    tail = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()][-_TAIL_LINES:]
    return "The end of what it said:\n  " + "\n  ".join(tail or ["(nothing)"])
