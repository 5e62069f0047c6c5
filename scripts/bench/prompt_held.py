"""Are colours and kinds of hair, clothes and accessory those of the prompt? And is the pose that of the body?

    python -m scripts.bench.prompt_held --characters 64 --json docs/benchmarks/prompt_held.json
    python -m scripts.bench.prompt_held --wide --json docs/benchmarks/prompt_held_wide.json

The 64 held-out characters that all editions of the models were judged on, or with ``--wide`` 64 drawn from everything that the second edition (``profile: wide``) learns, men among them, painted by that; front and portrait as a run paints them (the front attends to nothing but itself, the portrait to the front),
judged by a network trained on true renders, from both pictures and from the whole figure alone; the same figures of true renders of these
characters, in this pose, stand beside them: they are the most that can be asked for. Pose: share of the posed body that is covered in the raw picture (darker than white
by 2 %; true white clothes are by 3 %), beside it the share of the background that is stained by as much, and body points found by
the judge.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from scripts.bench.machine import described, report
from scripts.bench.painted import conditions, paint, prompt_of
from scripts.generator.assemble import build_character
from scripts.generator.attributes import Attributes
from scripts.generator.draw import render
from scripts.generator.split import held_out
from scripts.train.autoencoder import halve, to_tensor
from scripts.train.judge import COLOURS, KINDS, PCK_SHARE, TARGETS, Judge, labels_of, load, locate
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import contact_sheet, to_u8, write_png
from stages.artifacts.views import ViewSet
from stages.conditions.body import load_base_body
from stages.conditions.body.shape import FIGURES, shaped

WIDE = {"model": "embedded/wide", "controlnets": [{"model": "embedded/wide/controlnet-parts", "kind": "parts"}]}
FRONT, PORTRAIT = "body_00", "head_00"
WHITE = 0.98
APART_PX = 12  # from the true figure: that far off is background, whatever the hair does


def judged(judge: Judge, wholes: list[np.ndarray], portraits: list[np.ndarray] | None, attributes: list[Attributes]) -> dict[str, float]:
    """Share of right colours and kinds; the colour of a dress's bottom is not asked for."""
    with torch.no_grad():
        logits, _ = judge(as_judged(wholes), None if portraits is None else as_judged(portraits))
    truth = np.array([labels_of(a) for a in attributes])
    shares = {}
    for i, name in enumerate(TARGETS):
        known = truth[:, i] >= 0
        shares[name] = float((logits[name].argmax(1).numpy() == truth[:, i])[known].mean())
    return shares | {f"mean_{of}": float(np.mean([shares[name] for name in names])) for of, names in (("colours", COLOURS), ("kinds", KINDS))}


def as_judged(pictures: list[np.ndarray]) -> torch.Tensor:
    """Pictures (H, W, 3 or 4) in [0, 1] as the judge sees them (N, 3, H / 2, W / 2)."""
    return halve(to_tensor(np.stack([to_u8(p[..., :3]) for p in pictures])))


def pose_figures(
    judge: Judge, pictures: list[np.ndarray], bodies: list[np.ndarray], grounds: list[np.ndarray], points: list[np.ndarray]
) -> dict[str, float]:
    """Coverage of the posed body (H, W) bool, stains on the background (H, W) bool, and PCK@0.05 of visible body points (18, 3)."""
    dark = [p[..., :3].min(-1) < WHITE for p in pictures]
    covered = [float(d[b].mean()) for d, b in zip(dark, bodies, strict=True)]
    stained = [float(d[g].mean()) for d, g in zip(dark, grounds, strict=True)]
    with torch.no_grad():
        _, heat = judge(as_judged(pictures))
    found = locate(heat).numpy()
    hits, total = 0, 0
    for at, truth, body in zip(found, points, bodies, strict=True):
        seen = truth[:, 2] > 0.5
        reach = PCK_SHARE * body.any(1).sum()
        hits += int((np.linalg.norm(at - truth[:, :2], axis=1) <= reach)[seen].sum())
        total += int(seen.sum())
    return {"body_covered": float(np.mean(covered)), "body_covered_worst": float(min(covered)), "background_stained": float(np.mean(stained)),
            "pck_0.05": hits / total}


def painted(given: dict[str, ConditionSet], attributes: list[Attributes], steps: int, folder: Path, models: dict[str, Any]) -> list[ViewSet]:
    """Front and portrait of each character, on the body of its figure; ``models`` are settings of the views stage."""
    out = []
    for i, a in enumerate(attributes):
        out.append(paint(given[a.figure], folder / f"{i:02d}", prompt_of(a), steps=steps, seed=0, **models))
        print(i, prompt_of(a), flush=True)
    return out


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--characters", type=int, default=64)
    parser.add_argument("--wide", action="store_true", help="characters drawn from everything that the second edition learns, painted by it")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--judge", type=Path, default=Path("scripts/bench/judge"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--png", type=Path)
    o = parser.parse_args()
    machine, judge = described(), load(o.judge)
    some = list(held_out(o.wide)[: o.characters])
    with tempfile.TemporaryDirectory() as folder:
        given = {f: conditions(Path(folder) / f, body=1, head=1, figure=f) for f in sorted({a.figure for a in some})}
        views = painted(given, some, o.steps, Path(folder), WIDE if o.wide else {})
        shown = [[v.image(name) for v in views] for name in (FRONT, PORTRAIT)]
        built = [build_character(a, shaped(load_base_body(), FIGURES[a.figure])) for a in some]
        truth = [[render(c, given[a.figure].cameras[k])[:2] for a, c in zip(some, built, strict=True)] for k in range(2)]
        bodies = [given[a.figure].mask(FRONT) > 0.5 for a in some]
        grounds = [ndimage.distance_transform_edt(alpha == 0) > APART_PX for _, alpha in truth[0]]
        points = [given[a.figure].keypoints[FRONT].body for a in some]
    if o.png:
        write_png(o.png, contact_sheet([p for pair in zip(*shown, strict=True) for p in pair], columns=16))
    figures = {"machine": machine, "characters": len(some), "wide": o.wide, "steps": o.steps}
    for name, (wholes, portraits) in (("painted", shown), ("true", [[rgb for rgb, _ in ring] for ring in truth])):
        figures[name] = {
            "right": judged(judge, wholes, portraits, some), "right_whole_figure_alone": judged(judge, wholes, None, some),
            "pose": pose_figures(judge, wholes, bodies, grounds, points),
        }  # fmt: skip
    report(figures | {"judge": json.loads((o.judge / "judge.json").read_text())}, o.json)


if __name__ == "__main__":
    main()
