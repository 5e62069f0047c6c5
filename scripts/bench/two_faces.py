"""How often does a view of the back show a face?

    python -m scripts.bench.two_faces --models runs/cutters --characters 50 --work runs/backs --json docs/benchmarks/two_faces.json

Held-out characters are painted as a run paints them: the front, and six views from behind, at 120 to 240 degrees. A GroundingDINO (``--models``
holds ``grounding_dino/`` and ``sam/``) is asked for "face" in each. True renders of these characters from the same sides say which score tells faces from backs of heads, and stand
beside the painted ones: what it misses there at the front, and what it takes for a face at the back, is its own. Painted pictures are kept in ``--work``, where an interrupted run goes on.

The bound is one-sided, 95 % (Clopper and Pearson 1934).
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import beta

from scripts.bench.machine import described, report
from scripts.bench.painted import conditions, paint, prompt_of
from scripts.generator.assemble import build_character
from scripts.generator.attributes import Attributes
from scripts.generator.draw import render
from scripts.generator.split import HELD_OUT
from stages.artifacts.conditions import ConditionSet, write_body, write_cameras
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.thumbnails import thumbnails
from stages.artifacts.views import ViewSet
from stages.conditions.body import load_base_body
from third_party.grounded_sam import GroundedSamModel, load

RING = 24
BEHIND_DEG = (120.0, 150.0, 165.0, 180.0, 210.0, 240.0)
WORST = 16  # back views shown, those with the highest scores


def seen_from_behind(folder: Path) -> ConditionSet:
    """The front and the views from behind of the default ring, written once."""
    if not (folder / "chosen" / "transforms.json").exists():
        ring = conditions(folder / "ring", body=RING, head=0)
        chosen = [c for c in ring.cameras if round(c.azimuth_deg, 3) % 360 in (0.0, *BEHIND_DEG)]
        for kind in ("parts", "albedo", "mask"):
            shutil.copytree(ring.folder / kind, folder / "chosen" / kind, dirs_exist_ok=True)
        write_body(folder / "chosen", ring.body_rest, ring.rest2posed)
        write_cameras(folder / "chosen", {"body": chosen}, "albedo", {})
    return ConditionSet.open(folder / "chosen")


def painted(given: ConditionSet, attributes: Attributes, folder: Path) -> list[np.ndarray]:
    """The views of one character, painted unless they are there."""
    if not (folder / "transforms.json").exists():
        paint(given, folder, prompt_of(attributes))
    views = ViewSet.open(folder)
    return [views.image(name) for name in views.names]


def scores(model: GroundedSamModel, pictures: Sequence[np.ndarray]) -> list[float]:
    """How sure the detector is of a face in each picture (H, W, 3) sRGB."""
    return [float(model.boxes_of((np.clip(p, 0, 1) * 255 + 0.5).astype(np.uint8), ["face"])[1][0]) for p in pictures]


def rate(found: int, of: int) -> dict[str, float]:
    """A share with its upper bound."""
    return {"found": found, "of": of, "rate": found / of, "at_most": 1.0 if found == of else float(beta.ppf(0.95, found + 1, of - found))}


def between(fronts: Sequence[float], backs: Sequence[float]) -> float:
    """The score that tells faces from backs of heads with the fewest errors (mean of both shares), in the middle of those that do."""
    front, back = np.sort(fronts), np.sort(backs)
    candidates = np.unique([*fronts, *backs, 1.0])
    errors = [np.searchsorted(front, c) / len(front) + 1 - np.searchsorted(back, c) / len(back) for c in candidates]
    best = int(np.argmin(errors))
    return float((candidates[best] + candidates[max(best - 1, 0)]) / 2)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--characters", type=int, default=50)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--png", type=Path, help="where the back views that look most like faces are shown")
    o = parser.parse_args()
    machine, given, everyone = described(), seen_from_behind(o.work), HELD_OUT[: o.characters]
    for i, attributes in enumerate(everyone):
        painted(given, attributes, o.work / f"{i:02d}")
        print(f"{i + 1} of {len(everyone)} painted", flush=True)
    model = load(o.models / "grounding_dino", o.models / "sam", "cpu")
    found: dict[str, list[float]] = {"painted_front": [], "painted_back": [], "true_front": [], "true_back": []}
    backs: list[np.ndarray] = []
    for i, attributes in enumerate(everyone):
        pictures, character = painted(given, attributes, o.work / f"{i:02d}"), build_character(attributes, load_base_body())
        for kind, shown in (("painted", pictures), ("true", [render(character, camera)[0] for camera in given.cameras])):
            its = scores(model, shown)
            found[f"{kind}_front"] += its[:1]
            found[f"{kind}_back"] += its[1:]
        backs += pictures[1:]
    threshold = between(found["true_front"], found["true_back"])
    figures = {kind: rate(sum(s >= threshold for s in its), len(its)) for kind, its in found.items()}
    if o.png:
        worst = np.argsort(found["painted_back"])[::-1][:WORST]
        labels = [f"{found['painted_back'][k]:.2f}" for k in worst]
        write_png(o.png, contact_sheet(thumbnails((backs[k] for k in worst), len(worst)), 8, labels))
    report({"machine": machine, "threshold": round(threshold, 3), "azimuths_deg": BEHIND_DEG, "faces": figures}, o.json)


if __name__ == "__main__":
    main()
