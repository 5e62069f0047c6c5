"""Do views agree? Every way in which they can hang together, and true renders, side by side.

The window is for what the words leave open; so each character is painted twice, from a prompt that tells everything about it
and from one that tells its hair alone.

    python -m scripts.bench.consistency --characters 1 --views 12 --json docs/benchmarks/consistency.json

PSNR between a view and another warped through the posed body's surface at points that both see, on the figure only: of neighbours, of
the pair where the ring closes, and of views a quarter and half of the ring apart, as far as they see the same; and the pictures'
gradient energy beside it, because blurred pictures agree for nothing. Figures that the JSON file holds already are not measured again;
`python -m scripts.write_docs` puts them into docs/views.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from scripts.bench.machine import described, report
from scripts.bench.painted import conditions, paint, prompt_of
from scripts.generator.assemble import build_character
from scripts.generator.captions import SAYABLE
from scripts.generator.draw import render
from scripts.generator.split import HELD_OUT
from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.views import ViewSet
from stages.conditions.body import load_base_body
from stages.rendering.zbuffer import rasterize

DEPTH_TOLERANCE_M = 0.004
LEAST_PIXELS = 500  # fewer that both see are no figure
SCHEMES: Mapping[str, Mapping[str, Any]] = {
    "none": {"window": "none"},
    "causal": {"window": "causal", "lead": 0.0},
    "causal, led": {"window": "causal"},
    "joint": {"window": "joint", "lead": 0.0},
    "keyframes": {"window": "keyframes", "lead": 0.0},
    "keyframes, led": {"window": "keyframes"},
    "anchors": {"window": "anchors", "lead": 0.0},
    "anchors, led": {"window": "anchors"},
    "full": {"window": "full", "lead": 0.0},
    "causal, led, ControlNet too": {"window": "causal", "controlnet_window": True},
    "causal, led, correspondence 2": {"window": "causal", "correspondence": 2.0},
    "causal, led, synchronized": {"window": "causal", "surface_sync": 0.5},
}
TOLD = {"hair": ("hair",), "everything": SAYABLE}
Warp = tuple[np.ndarray, np.ndarray, np.ndarray]  # where two views see the same (H, W), and the column and row of it in the other


def pairs(count: int) -> dict[str, list[tuple[int, int]]]:
    """Pairs of ``count`` views of a closed ring, by how they lie to one another."""
    apart = lambda steps: [(i, (i + steps) % count) for i in range(count)]  # noqa: E731
    return {"neighbours": apart(1)[:-1], "closure": apart(1)[-1:], "quarter": apart(count // 4), "half": apart(count // 2)}


def surface_points(body: BodyModel, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """World points (H, W, 3) of what the camera sees of the body, and where there is any (H, W)."""
    v_clip = np.c_[body.v_pos, np.ones(len(body.v_pos))] @ camera.w2clip().T
    tri_id, bary, _ = rasterize(v_clip, body.t_pos_idx, camera.height, camera.width)
    b = np.concatenate([bary, 1 - bary.sum(-1, keepdims=True)], -1)
    return (body.v_pos[body.t_pos_idx[np.maximum(tri_id, 0)]] * b[..., None]).sum(-2), tri_id >= 0


def warp(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray], camera_b: Camera) -> Warp:
    """Where the view with surface points ``a`` and the one with ``b``, from ``camera_b``, see the same point."""
    pixel, depth = camera_b.project(a[0])
    x, y = pixel[..., 0] - 0.5, pixel[..., 1] - 0.5
    column, row = np.clip(np.rint(x).astype(int), 0, camera_b.width - 1), np.clip(np.rint(y).astype(int), 0, camera_b.height - 1)
    depth_there = np.where(b[1], camera_b.project(b[0])[1], np.inf)
    return a[1] & (np.abs(depth_there[row, column] - depth) < DEPTH_TOLERANCE_M), x, y


def warps(given: ConditionSet) -> dict[str, list[tuple[int, int, Warp]]]:
    """For each way in which views lie to one another, the pairs and what they see in common."""
    points = [surface_points(given.body_posed, camera) for camera in given.cameras]
    return {
        kind: [(i, k, warp(points[i], points[k], given.cameras[k])) for i, k in members]
        for kind, members in pairs(len(points)).items()
    }


def psnr(pictures: Sequence[np.ndarray], seen: Sequence[tuple[int, int, Warp]]) -> float | None:
    """PSNR over all pixels that the pairs see in common, dB, sRGB; None where they see next to nothing in common."""
    error, count = 0.0, 0
    for i, k, (both, x, y) in seen:
        there = np.stack([ndimage.map_coordinates(pictures[k][..., c], [y[both], x[both]], order=1, mode="nearest") for c in range(3)], -1)
        error, count = error + float(((there - pictures[i][both]) ** 2).sum()), count + int(both.sum())
    return None if count < LEAST_PIXELS else float(-10 * np.log10(error / (3 * count)))


def gradient_energy(image: np.ndarray, body: np.ndarray) -> float:
    """Mean squared difference between neighbouring pixels on the body."""
    dx, dy = np.diff(image, axis=1)[:-1], np.diff(image, axis=0)[:, :-1]
    return float(((dx**2 + dy**2).sum(-1))[body[:-1, :-1]].mean())


def agreement(given: ConditionSet, seen: Mapping[str, Any], pictures: list[np.ndarray]) -> dict[str, float | None]:
    """PSNR of each kind of pairs, and gradient energy."""
    energy = [gradient_energy(p, given.mask(c.name) > 0.5) for p, c in zip(pictures, given.cameras, strict=True)]
    return {kind: psnr(pictures, members) for kind, members in seen.items()} | {"gradient_energy": float(np.mean(energy))}


def measured(given: ConditionSet, seen: Mapping[str, Any], out: Path, prompt: str, **settings: Any) -> tuple[dict[str, Any], ViewSet]:
    """Paint, and measure what was painted and what it took; seconds are the processor's, which other work on it does not lengthen."""
    began = time.process_time()
    views = paint(given, out, prompt, **settings)
    cost = {"cpu_seconds": round(time.process_time() - began, 1), "evaluations": views.description["evaluations_per_view_and_step"]}
    return agreement(given, seen, [views.image(name) for name in views.names]) | cost, views


def mean(rows: Sequence[Mapping[str, Mapping[str, float | None]]]) -> dict[str, dict[str, float | None]]:
    """Of the characters' figures, and the gradient energy as a share of the true pictures'."""
    over = lambda values: None if None in values else float(np.mean(values))  # noqa: E731
    names = ["true", *(f"{told}: {label}" for told in TOLD for label in SCHEMES)]
    out = {
        name: {figure: over([row[name][figure] for row in rows]) for figure in rows[0][name]}
        for name in names if all(name in row for row in rows)
    }
    for figures in out.values():
        figures["gradient_energy_of_true"] = figures["gradient_energy"] / out["true"]["gradient_energy"]
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--characters", type=int, default=1)
    parser.add_argument("--views", type=int, default=12)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--schemes", nargs="+", choices=list(SCHEMES), default=list(SCHEMES))
    parser.add_argument("--told", nargs="+", choices=list(TOLD), default=list(TOLD))
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--png", type=Path, help="a folder for the painted views")
    o = parser.parse_args()
    setup = {"characters": o.characters, "views": o.views, "steps": o.steps}
    known = json.loads(o.json.read_text(encoding="utf-8")) if o.json.is_file() else {}
    rows = known["each"] if all(known.get(k) == v for k, v in setup.items()) else [{} for _ in range(o.characters)]
    machine = described()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = conditions(folder / "conditions", body=o.views, head=0)
        seen = warps(given)
        for row, attributes in zip(rows, HELD_OUT, strict=False):
            if "true" not in row:
                character = build_character(attributes, load_base_body())
                row["true"] = agreement(given, seen, [render(character, c)[0] for c in given.cameras])
            for told, label in ((told, label) for told in o.told for label in o.schemes):
                if f"{told}: {label}" in row:
                    continue
                figures, views = measured(given, seen, folder / label, prompt_of(attributes, about=TOLD[told]), steps=o.steps, **SCHEMES[label])
                row[f"{told}: {label}"] = figures
                report({"machine": machine, **setup, "mean": mean(rows), "each": rows}, o.json)
                if o.png:
                    sheet = [views.image(n) for n in views.names]
                    write_png(o.png / f"{attributes.seed}_{told}_{label}.png", contact_sheet(sheet, columns=len(sheet)))


if __name__ == "__main__":
    main()
