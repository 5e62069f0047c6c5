"""Gradients of a picture by our CPU rasterizer and by Mitsuba 3's projective integrator: time at equal error.

    python -m scripts.bench.projective --mitsuba-python .env-mitsuba/bin/python --json docs/benchmarks/mitsuba.json

One scene (``gradient_scene``), one loss, one camera; both renderers are given the vertices anew in every turn and return the gradient of all vertices.
The error is the distance of the gradient of 24 smooth displacements from the true one, as a share of its length; of Mitsuba the mean over seeds. Mitsuba
may take more samples a pixel of the picture and its inside than of outlines: every pair in ``SAMPLES`` is tried, and the quickest whose error is not above
ours is held against us. Turns are taken one after the other, ours before each of Mitsuba's; the first round, in which both compile, does not count;
medians of the rest. Beside seconds stand those that the processor spent on either, which other work on the machine disturbs less, as long as there is one
thread: several wait for one another by spinning. Besides the true gradient there is a second measure, the mean of Mitsuba's finest, its own limit.

Mitsuba has an environment of its own (``python -m venv .env-mitsuba; .env-mitsuba/bin/pip install mitsuba``); its CPU variant needs LLVM (Debian:
libllvm19; where it stands elsewhere, DRJIT_LIBLLVM_PATH names the file). Without ``--mitsuba-python`` only ours is measured; ``--rasterizer torch``
takes the one in torch operations for it, on the CPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from scripts.bench.gradient_scene import SUPERSAMPLE, GradientScene, make_scene
from scripts.bench.machine import described, report
from stages.rendering.clip import to_clip, view_clip_matrices
from stages.rendering.cpu import CpuRasterizer
from stages.rendering.protocol import Rasterizer
from stages.rendering.torch_ops import TorchRasterizer

INSIDE = Path(__file__).with_name("projective_inside.py")
SAMPLES = ((1, 1), (4, 1), (8, 1), (16, 1), (16, 4))  # a pixel: of picture and inside, of outlines
OURS = {"cpu": CpuRasterizer, "torch": TorchRasterizer}
SHIFTS = ((0.0, 0.0), (0.5, 0.5), (0.25, 0.75), (0.75, 0.25))  # of the true pictures' grids of samples


class Projective:
    """Mitsuba in a process of its own; a context manager. Raises SystemExit with its last words where it does not answer."""

    def __init__(self, python: Path, scene: GradientScene, threads: int, folder: Path) -> None:
        np.savez(folder / "scene.npz", v_pos=scene.v_pos, t_pos_idx=scene.t_pos_idx, colours=scene.colours, modes=scene.modes, target=scene.target,
                 c2w=scene.camera.c2w, focal_px=scene.camera.fx, side_px=scene.camera.width)
        self._errors = (folder / "errors.txt").open("w+", encoding="utf-8")
        argv = [str(python), str(INSIDE), str(folder / "scene.npz"), str(threads)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True)

    def __enter__(self) -> Projective:
        self.versions = self._answer()
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait()
        self._errors.close()

    def gradient(self, inside: int, outlines: int, seed: int) -> dict[str, Any]:
        """One turn, by ``inside`` and ``outlines`` samples a pixel."""
        self._process.stdin.write(json.dumps({"primal": inside, "interior": inside, "silhouette": outlines, "seed": seed}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            raise SystemExit(f"Mitsuba ended with {self._process.returncode}; it said:\n{self._errors.read()[-2000:]}")
        return json.loads(line)


def rasterized(scene: GradientScene, rasterizer: Rasterizer | None = None) -> Callable[[], np.ndarray]:
    """A turn of our rasterizer, the compiled one if none is given: picture, loss and the gradient (V, 3) of the vertices."""
    rasterizer, clip = rasterizer or CpuRasterizer(), view_clip_matrices([scene.camera])
    tri, colours = torch.from_numpy(scene.t_pos_idx.astype(np.int32)), torch.from_numpy(scene.colours.astype(np.float32))[None]
    target, given = torch.from_numpy(scene.target), scene.v_pos.astype(np.float32)

    def turn() -> np.ndarray:
        v_pos = torch.from_numpy(given.copy()).requires_grad_()
        pos = to_clip(v_pos, clip)
        rast = rasterizer.rasterize(pos, tri, (scene.camera.height, scene.camera.width))
        picture = rasterizer.antialias(rasterizer.interpolate(colours, rast, tri), rast, pos, tri)
        ((picture[0] - target) ** 2).mean().backward()
        return v_pos.grad.numpy()

    return turn


def truth(scene: GradientScene, kept: Path | None) -> tuple[np.ndarray, float]:
    """The true gradient (K,), and how far the two halves of its estimates are apart, as a share of its length; read from ``kept`` if it is there."""
    if kept is not None and kept.is_file():
        halves = np.load(kept, allow_pickle=False)
    else:
        middle = len(SHIFTS) // 2
        halves = np.stack([np.mean([scene.true_gradient(shift) for shift in half], 0) for half in (SHIFTS[:middle], SHIFTS[middle:])])
        if kept is not None:
            np.save(kept, halves, allow_pickle=False)
    mean = halves.mean(0)
    return mean, float(np.linalg.norm(halves[0] - halves[1]) / np.linalg.norm(mean))


def compared(turn: Callable[[], np.ndarray], scene: GradientScene, true: np.ndarray, mitsuba: Projective | None, rounds: int) -> dict[str, Any]:
    """Errors and seconds of ours and of every pair of ``SAMPLES``, and the time of Mitsuba at our error over ours."""
    ours: list[tuple[float, float]] = []
    theirs: dict[tuple[int, int], list[dict[str, Any]]] = {pair: [] for pair in SAMPLES}
    turn()
    for k in range(rounds + 1):
        for pair in SAMPLES:
            began, spent = time.perf_counter(), time.process_time()
            d_pos = turn()
            if k:
                ours.append((time.perf_counter() - began, time.process_time() - spent))
            if mitsuba is not None:
                theirs[pair].append(mitsuba.gradient(*pair, seed=k))
    seconds, cpu_s = np.median(ours, 0)
    figures: dict[str, Any] = {"ours": {"error": error(scene.of_modes(d_pos), true), "seconds": seconds, "cpu_s": cpu_s, "turns": len(ours)}}
    if mitsuba is not None:
        limit = np.mean([t["d_modes"] for t in theirs[SAMPLES[-1]][1:]], 0)
        figures["ours"]["from_mitsubas_limit"] = error(scene.of_modes(d_pos), limit)
        figures["mitsuba"] = [_summary(pair, turns[1:], true, limit) for pair, turns in theirs.items()]
        figures["at_equal_error"] = _at_equal(figures, "error")
        figures["at_equal_distance_from_mitsubas_limit"] = _at_equal(figures, "from_mitsubas_limit")
    return figures


def error(d_modes: Sequence[float] | np.ndarray, true: np.ndarray) -> float:
    """How far a gradient is from ``true``, as a share of its length."""
    return float(np.linalg.norm(np.asarray(d_modes) - true) / np.linalg.norm(true))


def _at_equal(figures: dict[str, Any], measure: str) -> dict[str, Any] | None:
    """The quickest of Mitsuba's pairs that is no farther off than ours, and its times over ours; None if there is none."""
    ours = figures["ours"]
    best = min((row for row in figures["mitsuba"] if row[measure] <= ours[measure]), key=lambda row: row["cpu_s"], default=None)
    if best is None:
        return None
    return {"samples_inside": best["samples_inside"], "samples_of_outlines": best["samples_of_outlines"], "ratio": best["seconds"] / ours["seconds"],
            "ratio_of_processor_time": best["cpu_s"] / ours["cpu_s"]}


def _summary(pair: tuple[int, int], turns: list[dict[str, Any]], true: np.ndarray, limit: np.ndarray) -> dict[str, Any]:
    medians = {key: float(np.median([t[key] for t in turns])) for key in ("update_s", "picture_s", "gradient_s", "cpu_s")}
    return {"samples_inside": pair[0], "samples_of_outlines": pair[1], "error": float(np.mean([error(t["d_modes"], true) for t in turns])),
            "from_mitsubas_limit": float(np.mean([error(t["d_modes"], limit) for t in turns])),
            "error_of_the_mean_gradient": error(np.mean([t["d_modes"] for t in turns], 0), true),
            "seconds": float(np.median([t["update_s"] + t["picture_s"] + t["gradient_s"] for t in turns])), **medians}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mitsuba-python", type=Path, help="the Python of an environment that has Mitsuba 3")
    parser.add_argument("--rasterizer", choices=sorted(OURS), default="cpu", help="which of ours")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of each of the two")
    parser.add_argument("--side", type=int, default=512, help="pixels")
    parser.add_argument("--truth", type=Path, help="a file (.npy) that keeps the true gradient, which takes minutes")
    parser.add_argument("--json", type=Path)
    o = parser.parse_args()
    machine = described()
    numba.set_num_threads(o.threads)
    torch.set_num_threads(o.threads)
    scene = make_scene(o.side)
    true, spread = truth(scene, o.truth)
    turn = rasterized(scene, OURS[o.rasterizer]())
    setting = {"machine": machine, "rasterizer": o.rasterizer, "threads": o.threads, "side_px": o.side, "triangles": len(scene.t_pos_idx), "parameters": len(scene.modes),
               "truth": {"samples_a_pixel": len(SHIFTS) * SUPERSAMPLE**2, "halves_apart": spread}}
    if o.mitsuba_python is None:
        print("Mitsuba is missing: --mitsuba-python names the Python of an environment that has it (pip install mitsuba). Only ours is measured.")
        report({**setting, **compared(turn, scene, true, None, o.rounds)}, o.json)
        return
    with tempfile.TemporaryDirectory() as folder, Projective(o.mitsuba_python, scene, o.threads, Path(folder)) as mitsuba:
        report({**setting, **mitsuba.versions, **compared(turn, scene, true, mitsuba, o.rounds)}, o.json)


if __name__ == "__main__":
    main()
