"""The compiled hash grid beside a plain one in torch operations of the same size, forward and backward, and whole trainings of the field with either.

    python -m scripts.bench.hash_grid --train --json docs/benchmarks/hash_grid.json

Points lie at random in the box, as many as a step of training asks for; default settings of the field. The median of --rounds turns, taken one after the other. With --train:
seconds of training until the batches' PSNR, averaged over ten steps, passes --decibels, on the generator's pictures (see ``scripts.bench.field``).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import torch

from scripts.bench.field import measure, write_truth
from scripts.bench.machine import described, report
from stages.field.encoding import BLOCK, GridLayout, backward_kernel, forward_kernel
from stages.field.settings import FieldSettings
from stages.field.torch_field import encode
from stages.field.warm import warm

EXTENT = np.array([0.75, 0.3, 1.0])


def compiled(layout: GridLayout, table: np.ndarray, points: np.ndarray, d_out: np.ndarray, threads: int) -> Callable[[], np.ndarray]:
    """Forward and backward by the kernels; the gradient of the table."""
    forward, backward = forward_kernel(layout.features), backward_kernel(layout.features)
    blocks = len(points) // BLOCK
    out, d_table = np.empty((blocks, layout.width, BLOCK), np.float32), np.zeros_like(table)
    d_blocks = np.ascontiguousarray(d_out.reshape(blocks, BLOCK, layout.width).transpose(0, 2, 1))

    def turn() -> np.ndarray:
        d_table[:] = 0
        forward(points, table, layout.scale, layout.shape, layout.offset, layout.hashed, out)
        backward(points, d_blocks, layout.scale, layout.shape, layout.offset, layout.hashed, threads, d_table)
        return d_table

    return turn


def plain(layout: GridLayout, table: np.ndarray, points: np.ndarray, d_out: np.ndarray) -> Callable[[], np.ndarray]:
    """The same in torch operations, differentiated by autograd."""
    rows, at, grad = torch.from_numpy(table).requires_grad_(), torch.from_numpy(points), torch.from_numpy(d_out)

    def turn() -> np.ndarray:
        return torch.autograd.grad(encode(at, rows, layout), rows, grad)[0].numpy()

    return turn


def medians(turns: dict[str, Callable[[], np.ndarray]], rounds: int) -> dict[str, float]:
    """Seconds of each, in turns one after the other."""
    for turn in turns.values():
        turn()
    taken: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            began = time.perf_counter()
            turn()
            taken[name].append(time.perf_counter() - began)
    return {name: float(np.median(t)) for name, t in taken.items()}


def seconds_to(decibels: float, curve: list[list[float]]) -> float | None:
    """When it was first passed; ``curve`` holds (seconds, PSNR)."""
    return next((t for t, psnr in curve if psnr >= decibels), None)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--steps", type=int, default=400, help="of each training")
    parser.add_argument("--decibels", type=float, default=25.0)
    parser.add_argument("--json", type=Path)
    o = parser.parse_args()
    machine, s = described(), FieldSettings()
    numba.set_num_threads(o.threads)
    torch.set_num_threads(o.threads)
    layout = GridLayout.of(s.levels, s.features, s.log2_hashmap_size, s.base_resolution, s.finest_resolution, EXTENT)
    rng = np.random.default_rng(0)
    points = (rng.random((s.samples_per_batch, 3)) * EXTENT).astype(np.float32)
    table = rng.uniform(-1, 1, (int(layout.offset[-1]), s.features)).astype(np.float32)
    d_out = rng.normal(size=(len(points), layout.width)).astype(np.float32)
    turns = {"compiled": compiled(layout, table, points, d_out, o.threads), "torch": plain(layout, table, points, d_out)}
    ours, theirs = (turn() for turn in turns.values())
    seconds = medians(turns, o.rounds)
    figures = {"points": len(points), "seconds": seconds, "ratio": seconds["torch"] / seconds["compiled"],
               "greatest_difference": float(np.abs(ours - theirs).max() / np.abs(theirs).max())}
    if o.train:
        figures["training"] = trained(o.steps, o.decibels, o.threads)
    report({"machine": machine, "threads": o.threads, "settings": s.model_dump(), **figures}, o.json)


def trained(steps: int, decibels: float, threads: int) -> dict[str, float | None]:
    """Seconds to ``decibels`` with either backend, and their ratio."""
    warm()
    with tempfile.TemporaryDirectory() as temporary:
        folder, out = Path(temporary), {}
        write_truth(folder / "views", -1, rings=False)
        for backend in ("numba", "torch"):
            settings = FieldSettings(backend=backend, steps=steps, held_out=6, video=False)
            out[backend] = seconds_to(decibels, measure(folder / "views", folder / backend, settings, threads)["batch_psnr_over_seconds"])
    out["ratio"] = None if None in out.values() else out["torch"] / out["numba"]
    return out


if __name__ == "__main__":
    main()
