"""Render training pictures with the generator, shard by shard.

    python -m scripts.train.dataset --out runs/data --shards 40 --characters 40 --workers 2

Shard 0 holds characters of held-out colour combinations only, on bodies that do not vary, and is never trained on.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np

from scripts.generator.assemble import build_character
from scripts.generator.attributes import sample_attributes
from scripts.generator.draw import render_all
from scripts.generator.sampling import sample_pose, vary_body
from scripts.generator.split import held_out
from scripts.train import architecture
from scripts.train.shards import VIEWS_PER_CHARACTER, View
from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.framing import RADIUS_M, body_frame, head_frame
from stages.conditions.body import load_base_body
from stages.conditions.body.shape import FIGURES, shaped
from stages.conditions.keypoints import moved_by
from stages.conditions.pictures import draw_view
from stages.conditions.settings import ConditionsSettings
from stages.conditions.single_view import SAMPLES, fine_view
from stages.conditions.software import draw, vertex_normals

BODY_STEP_DEG, HEAD_STEP_DEG = 15.0, 45.0
CONDITIONS = ConditionsSettings(
    width=architecture.PICTURE_WIDTH, height=architecture.PICTURE_HEIGHT, kinds=("openpose", "depth", "lineart"), samples=SAMPLES
)


def group_views(rng: np.random.Generator) -> list[View]:
    """The views of one character in the order of shards.GROUP_WINDOWS: neighbours are one step of their ring apart."""
    body, head = int(rng.integers(1, 24)), int(rng.integers(0, 8))
    return [
        View("body", 0.0),
        *(View("body", (body + k) * BODY_STEP_DEG % 360) for k in range(3)),
        *(View("head", (head + k) * HEAD_STEP_DEG % 360) for k in range(2)),
    ]


def cameras_of(body_posed: BodyModel, views: list[View]) -> list[Camera]:
    """The stage's own framing of a posed body, at these azimuths."""
    width, height = architecture.PICTURE_WIDTH, architecture.PICTURE_HEIGHT
    frames = {"body": body_frame(body_posed, width, height), "head": head_frame(body_posed, height)}
    return [orbit(v.ring, frames[v.ring][0], RADIUS_M, v.azimuth_deg, 0.0, frames[v.ring][1], width, height) for v in views]


def render_shard(folder: Path, index: int, characters: int, seed: int) -> int:
    """Write shard ``index`` unless it is there; returns its number of characters."""
    target = folder / f"shard_{index:03d}"
    if (target / "meta.json").exists():
        return characters
    target.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, index])
    body = load_base_body()
    everyone = list(held_out(wide=True)) if index == 0 else [sample_attributes(rng) for _ in range(characters)]
    shape = (len(everyone), VIEWS_PER_CHARACTER, architecture.PICTURE_HEIGHT, architecture.PICTURE_WIDTH)
    arrays = {name: np.empty((*shape, 3), np.uint8) for name in ("rgb", "openpose")}
    arrays |= {name: np.empty(shape, np.uint8) for name in ("parts", "labels", "depth", "lineart")}
    arrays["keypoints"] = np.empty((*shape[:2], 18, 3), np.float32)
    all_views = []
    for i, attributes in enumerate(everyone):
        own = shaped(body, FIGURES[attributes.figure]) if index == 0 else vary_body(body, rng, attributes.figure)
        pose = {} if index == 0 else sample_pose(rng)
        character, posed = build_character(attributes, own).posed(pose), own.posed(pose)
        normals, t_joint = vertex_normals(posed.v_pos, posed.t_pos_idx), moved_by(posed)
        all_views.append(group_views(rng))
        for k, camera in enumerate(cameras_of(posed, all_views[-1])):
            painted = render_all(character, camera)
            arrays["rgb"][i, k] = np.clip(painted.rgb * 255 + 0.5, 0, 255)
            arrays["labels"][i, k] = painted.part + 1
            arrays["parts"][i, k] = draw(posed, normals, camera).part + 1
            drawn = draw_view(fine_view(posed, camera), posed, t_joint, CONDITIONS)
            arrays["openpose"][i, k] = drawn.pictures["openpose"]
            for kind in ("depth", "lineart"):
                arrays[kind][i, k] = drawn.pictures[kind][..., 0]
            arrays["keypoints"][i, k] = drawn.keypoints.body
    for name, array in arrays.items():
        np.save(target / f"{name}.npy", array)
    meta = {"attributes": [asdict(a) for a in everyone], "views": [[asdict(v) for v in views] for views in all_views]}
    (target / "meta.tmp").write_text(json.dumps(meta))
    (target / "meta.tmp").replace(target / "meta.json")
    return len(everyone)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--characters", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    with ProcessPoolExecutor(o.workers) as pool:
        jobs = [pool.submit(render_shard, o.out, i, o.characters, o.seed) for i in range(o.shards)]
        done = 0
        for job in jobs:
            done += job.result()
            print(f"{done} characters", flush=True)


if __name__ == "__main__":
    main()
