"""How well the body is followed through each embedded ControlNet, and through two together.

    python -m scripts.bench.controls --characters 8 --json docs/benchmarks/controls.json --png controls.png

Fronts of held-out characters in the default pose, painted through each kind of condition picture. Overlap: of the painted figure (darker than white
by 2 %) with that of the true render of the character; the share of the posed body that is covered; beside them the same without any ControlNet. Two together
have half the scale each: all were taught to give what ``parts`` gives alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.machine import described, report
from scripts.bench.painted import conditions, paint, prompt_of
from scripts.generator.assemble import build_character
from scripts.generator.draw import render
from scripts.generator.split import HELD_OUT
from stages.artifacts.images import contact_sheet, write_png
from stages.conditions.body import POSES, load_base_body
from stages.masks.agreement import iou

WHITE = 0.98
POSE = "t_pose"  # not the default: what is painted without a ControlNet must not fit by habit
WAYS: dict[str, tuple[str, ...]] = {
    "none": (), "parts": ("parts",), "openpose": ("openpose",), "depth": ("depth",), "lineart": ("lineart",),
    "openpose, depth": ("openpose", "depth"), "depth, lineart": ("depth", "lineart"), "all four": ("parts", "openpose", "depth", "lineart"),
}  # fmt: skip


def controls(kinds: Sequence[str], models: Path) -> list[dict[str, Any]]:
    """Settings of ``views.controlnets`` for these kinds together."""
    return [{"model": str(models / f"controlnet-{kind}"), "kind": kind, "scale": 1 / len(kinds)} for kind in kinds]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--characters", type=int, default=8)
    parser.add_argument("--models", type=Path, default=Path("third_party/embedded"), help="folder with controlnet-<kind>")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--png", type=Path)
    o = parser.parse_args()
    machine, everyone, tiles, rows = described(), HELD_OUT[: o.characters], [], {}
    with tempfile.TemporaryDirectory() as folder:
        given = conditions(Path(folder) / "conditions", body=1, head=0, kinds=("parts", "openpose", "depth", "lineart", "albedo"), pose=POSE)
        body, camera = given.mask("body_00") > 0.5, given.cameras[0]
        truths = [render(build_character(a, load_base_body()).posed(POSES[POSE]), camera)[1] > 0.5 for a in everyone]
        for name, kinds in WAYS.items():
            figures = []
            for i, (attributes, truth) in enumerate(zip(everyone, truths, strict=True)):
                views = paint(given, Path(folder) / name / str(i), prompt_of(attributes), window="none", controlnets=controls(kinds, o.models))
                picture = views.image("body_00")
                dark = picture[..., :3].min(-1) < WHITE
                figures.append((iou(dark, truth), float(dark[body].mean())))
                tiles.append(picture)
            rows[name] = {key: round(float(np.mean(its)), 4) for key, its in zip(("overlap", "body_covered"), zip(*figures, strict=True), strict=True)}
            print(name, rows[name], flush=True)
    if o.png:
        write_png(o.png, contact_sheet(tiles, columns=len(everyone)))
    report({"machine": machine, "characters": len(everyone), "pose": POSE, "controlnets": rows}, o.json)


if __name__ == "__main__":
    main()
