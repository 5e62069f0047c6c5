"""Do neighbouring views agree? Independent frames, the causal window, full attention and true renders, side by side.

The window is for what the words leave open; so each character is painted twice, from a prompt that tells everything about it
and from one that tells its hair alone. "causal" has all frames equally noisy; in "led", the default, the first frame is half of the steps ahead; "synchronized" is that with
the first half of the steps brought to agree on the body's surface.

    python -m scripts.bench.consistency --characters 2 --views 24 --json docs/benchmarks/consistency.json

PSNR between a view and its neighbour warped through the posed body's surface at points that both see, on the figure only, and
the pictures' gradient energy beside it, because blurred pictures agree for nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

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
from stages.conditions.body import load_base_body
from stages.rendering.zbuffer import rasterize

DEPTH_TOLERANCE_M = 0.004
SCHEMES = {
    "independent": {"window": "none"}, "causal": {"lead": 0.0}, "led": {}, "full": {"window": "full", "lead": 0.0},
    "synchronized": {"surface_sync": 0.5},
}
TOLD = {"everything": SAYABLE, "hair": ("hair",)}


def surface_points(body: BodyModel, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """World points (H, W, 3) of what the camera sees of the body, and where there is any (H, W)."""
    v_clip = np.c_[body.v_pos, np.ones(len(body.v_pos))] @ camera.w2clip().T
    tri_id, bary, _ = rasterize(v_clip, body.t_pos_idx, camera.height, camera.width)
    b = np.concatenate([bary, 1 - bary.sum(-1, keepdims=True)], -1)
    return (body.v_pos[body.t_pos_idx[np.maximum(tri_id, 0)]] * b[..., None]).sum(-2), tri_id >= 0


def pair_error(body: BodyModel, a: Camera, b: Camera, image_a: np.ndarray, image_b: np.ndarray) -> tuple[float, int]:
    """Summed squared sRGB error over co-visible pixels of ``a``, and how many there are."""
    points, seen = surface_points(body, a)
    other, other_seen = surface_points(body, b)
    pixel, depth = b.project(points)
    x, y = pixel[..., 0] - 0.5, pixel[..., 1] - 0.5
    column, row = np.clip(np.rint(x).astype(int), 0, b.width - 1), np.clip(np.rint(y).astype(int), 0, b.height - 1)
    depth_there = np.where(other_seen, b.project(other)[1], np.inf)
    both = seen & (np.abs(depth_there[row, column] - depth) < DEPTH_TOLERANCE_M)
    warped = np.stack([ndimage.map_coordinates(image_b[..., c], [y, x], order=1, mode="nearest") for c in range(3)], -1)
    return float(((warped - image_a) ** 2)[both].sum()), int(both.sum())


def gradient_energy(image: np.ndarray, body: np.ndarray) -> float:
    """Mean squared difference between neighbouring pixels on the body."""
    dx, dy = np.diff(image, axis=1)[:-1], np.diff(image, axis=0)[:, :-1]
    return float(((dx**2 + dy**2).sum(-1))[body[:-1, :-1]].mean())


def agreement(given: ConditionSet, pictures: list[np.ndarray]) -> dict[str, float]:
    """PSNR over all neighbouring pairs of the closed ring, dB, and gradient energy."""
    cameras, body = given.cameras, given.body_posed
    error, count = 0.0, 0
    for i in range(len(cameras)):
        k = (i + 1) % len(cameras)
        e, n = pair_error(body, cameras[i], cameras[k], pictures[i], pictures[k])
        error, count = error + e, count + n
    energy = float(np.mean([gradient_energy(p, given.mask(c.name) > 0.5) for p, c in zip(pictures, cameras, strict=True)]))
    return {"psnr": -10 * np.log10(error / (3 * count)), "gradient_energy": energy}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--characters", type=int, default=2)
    parser.add_argument("--views", type=int, default=24)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--schemes", nargs="+", choices=list(SCHEMES), default=list(SCHEMES))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--png", type=Path, help="a folder for the painted views")
    o = parser.parse_args()
    machine, rows = described(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = conditions(folder / "conditions", body=o.views, head=0)
        for attributes in HELD_OUT[: o.characters]:
            character = build_character(attributes, load_base_body())
            row = {"true": agreement(given, [render(character, c)[0] for c in given.cameras])}
            for told, about in TOLD.items():
                for label in o.schemes:
                    views = paint(given, folder / label, prompt_of(attributes, about=about), steps=o.steps, **SCHEMES[label])
                    row[f"{told}: {label}"] = agreement(given, [views.image(n) for n in views.names])
                    print(told, label, row[f"{told}: {label}"], flush=True)
                    if o.png:
                        sheet = [views.image(n) for n in views.names]
                        write_png(o.png / f"{attributes.seed}_{told}_{label}.png", contact_sheet(sheet, columns=len(sheet)))
            rows.append(row)
    mean = {k: {f: float(np.mean([r[k][f] for r in rows])) for f in ("psnr", "gradient_energy")} for k in rows[0]}
    for scheme in mean.values():
        scheme["gradient_energy_of_true"] = scheme["gradient_energy"] / mean["true"]["gradient_energy"]
    report({"machine": machine, "characters": o.characters, "views": o.views, "steps": o.steps, "mean": mean, "each": rows}, o.json)


if __name__ == "__main__":
    main()
