"""How well figures and their parts are cut out of true pictures, by the silhouette and by GroundingDINO with SAM.

    python -m scripts.bench.cutouts --models runs/cutters --characters 12 --json docs/benchmarks/cutouts.json

Characters of held-out colour combinations, six views of the body and two of the head each, on white and (for those who need no white) on
coloured backgrounds. Per thing: mean overlap (IoU) with the truth over the pictures that show it, a thing that was not found counting 0; for the
figure also boundary F at 2 px. ``false`` is the share of words for things that are not in the picture that were found all the same.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scripts.bench.machine import described, report
from scripts.generator.assemble import build_character
from scripts.generator.attributes import Attributes
from scripts.generator.draw import render_all
from scripts.generator.split import HELD_OUT
from scripts.train.dataset import cameras_of
from scripts.train.segmenter import boundary_f
from scripts.train.shards import View
from scripts.train.things import THINGS, all_words, things_in, words_for
from stages.conditions.body import load_base_body
from stages.conditions.software import draw, vertex_normals
from stages.masks.agreement import iou
from stages.masks.matting import figure
from stages.masks.parts import composed
from third_party.grounded_sam import GroundedSamModel, load

VIEWS = [*(View("body", a) for a in (0.0, 45.0, 90.0, 180.0, 240.0, 315.0)), View("head", 0.0), View("head", 135.0)]
THRESHOLD = 0.3
ABSENT = 4  # words asked for in vain beside those of the picture


def pictures(characters: int) -> Iterator[tuple[Attributes, np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]]:
    """Attributes, picture (H, W, 3) sRGB on white, its things, the posed body's silhouette, and alpha, of every view."""
    body = load_base_body()
    normals = vertex_normals(body.v_pos, body.t_pos_idx)
    for attributes in HELD_OUT[:: max(1, len(HELD_OUT) // characters)][:characters]:
        character = build_character(attributes, body)
        for camera in cameras_of(body, VIEWS):
            shown, bare = render_all(character, camera), draw(body, normals, camera)
            things = things_in((shown.part + 1).astype(np.uint8), (bare.part + 1).astype(np.uint8))
            yield attributes, shown.rgb, things, bare.covered, shown.alpha


def score_figure(found: np.ndarray, alpha: np.ndarray) -> dict[str, float]:
    """Overlap and boundary F of a figure with what is more than half covered."""
    return {"iou": iou(found, alpha > 0.5), "boundary_f": boundary_f(found, alpha > 0.5)}


def score_parts(
    model: GroundedSamModel, picture: np.ndarray, attributes: Attributes, things: dict[str, np.ndarray], rng: np.random.Generator
) -> tuple[dict[str, float], list[bool]]:
    """Overlap of each part of the picture, asked for together, with the truth; whether words for absent things found something."""
    named = {thing: words_for(thing, attributes)[-1] for thing in things if thing != "girl" and words_for(thing, attributes)}
    true = {word for thing in THINGS for word in words_for(thing, attributes)}
    absent = rng.choice([word for word in all_words() if word not in true], ABSENT, replace=False).tolist()
    found = model.find_parts(picture, [*named.values(), *absent], THRESHOLD)
    labels = composed(found[: len(named)], np.ones(picture.shape[:2], bool))
    return {thing: iou(labels == 1 + k, things[thing]) for k, thing in enumerate(named)}, [logits is not None for logits in found[len(named) :]]


def cut(model: GroundedSamModel, picture: np.ndarray, coloured: np.ndarray, body: np.ndarray) -> dict[str, tuple[np.ndarray, float]]:
    """The figure (H, W) bool by each way, and the seconds that it took."""
    ways = {
        "silhouette": lambda: figure(picture, body),
        "grounded_sam": lambda: model.segment(picture, "girl", THRESHOLD, 0.25, None)[0],
        "grounded_sam_on_colour": lambda: model.segment(coloured, "girl", THRESHOLD, 0.25, None)[0],
    }
    out = {}
    for name, way in ways.items():
        began = time.monotonic()
        out[name] = way(), time.monotonic() - began
    return out


def measure(folder: Path, characters: int) -> dict:
    """All figures, and seconds a picture."""
    model, rng = load(folder / "grounding_dino", folder / "sam", "cpu"), np.random.default_rng(0)
    figures, parts, false = defaultdict(list), defaultdict(list), []
    seconds: dict[str, float] = defaultdict(float)
    for attributes, picture, things, body, alpha in pictures(characters):
        backdrop = rng.uniform(0.1, 0.9, 3) * np.ones_like(picture)
        coloured = picture - (1 - alpha[..., None]) * (1 - backdrop)
        for name, (found, took) in cut(model, picture, coloured.astype(np.float32), body).items():
            figures[name].append(score_figure(found, alpha))
            seconds[name] += took
        began = time.monotonic()
        scores, wrong = score_parts(model, picture, attributes, things, rng)
        seconds["parts"] += time.monotonic() - began
        false += wrong
        for thing, score in scores.items():
            parts[thing].append(score)
    count = len(figures["silhouette"])
    return {
        "pictures": count,
        "figure": {name: {k: round(float(np.mean([s[k] for s in its])), 4) for k in its[0]} for name, its in figures.items()},
        "parts": {thing: {"iou": round(float(np.mean(its)), 4), "pictures": len(its)} for thing, its in sorted(parts.items())},
        "parts_mean_iou": round(float(np.mean([np.mean(its) for its in parts.values()])), 4),
        "false": round(float(np.mean(false)), 4),
        "seconds_each": {name: round(total / count, 3) for name, total in seconds.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="a folder with grounding_dino/ and sam/")
    parser.add_argument("--characters", type=int, default=12)
    parser.add_argument("--json", type=Path)
    o = parser.parse_args()
    machine = described()
    report({"machine": machine, **measure(o.models, o.characters)}, o.json)
