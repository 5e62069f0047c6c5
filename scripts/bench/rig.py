"""Skin weights carried from the bare body to generated characters, against the weights that they were made with.

``python -m scripts.bench.rig --characters 8``. For each held-out character twice: on its own mesh as built (separate pieces), and on
one closed skin round it, as a reconstruction would give. The figure is the distance between the surface posed by carried and by
true weights, as a share of the character's height, over twelve preset poses. Target: p95 <= 3 %.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.machine import described, report
from scripts.bench.surface_nets import outer_skin
from scripts.generator.assemble import Character, build_character, character_mesh
from scripts.generator.split import HELD_OUT
from stages.artifacts.body import BodyModel, skin
from stages.artifacts.closest import closest_points
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.normals import vertex_normals
from stages.conditions.body import POSES, load_base_body
from stages.rendering.picture import draw_colours
from stages.rendering.viewpoint import looking_at
from stages.rig.bind import bind
from stages.rig.preview import joint_colours
from stages.rig.settings import RigSettings

TWELVE = ("t_pose", "relaxed", "arms_up", "arms_forward", "hands_on_hips", "walk", "run", "squat", "sit", "kick", "twist", "bow")
SHOWN = ("arms_up", "walk", "sit")


def true_surface(character: Character) -> tuple[np.ndarray, ...]:
    """(v_pos, t_pos_idx, weights, part of each vertex, colour of each vertex) as built."""
    part = np.zeros(len(character.v_pos), int)
    part[character.t_pos_idx.ravel()] = np.repeat(character.t_part, 3)
    return character.v_pos, character.t_pos_idx, character.weights, part, character_mesh(character)[2]


def closed_surface(character: Character, cell_m: float) -> tuple[np.ndarray, ...]:
    """The same of one closed skin, with weights, parts and colours of the closest true point that faces the same way."""
    v_pos, triangles = outer_skin(character.v_pos, character.t_pos_idx, cell_m)
    near = closest_points(v_pos, character.v_pos, character.t_pos_idx, vertex_normals(v_pos, triangles), 0.0)
    weights, colours = (near.interpolate(a, character.t_pos_idx) for a in (character.weights, character_mesh(character)[2]))
    return v_pos, triangles, weights, character.t_part[near.triangle], colours


def errors_of(surface: tuple[np.ndarray, ...], body: BodyModel, settings: RigSettings) -> tuple[np.ndarray, Any, float]:
    """(12, V) errors as shares of the height, the binding, and the seconds of processor time that it took."""
    v_pos, triangles, truth, _, colours = surface
    started = time.process_time()
    still = np.tile(np.eye(4), (len(body.skeleton.names), 1, 1))
    skinning, transfer = bind(v_pos, triangles, body, body, still, settings, colours)
    seconds = time.process_time() - started
    height = float(np.ptp(v_pos[:, 2]))
    errors = []
    for pose in TWELVE:
        transforms = body.skeleton.joint_transforms(POSES[pose])
        errors.append(np.linalg.norm(skinning.posed(transforms) - skin(v_pos, truth, transforms), axis=-1) / height)
    return np.array(errors), (skinning, transfer), seconds


def pictures(surface: tuple[np.ndarray, ...], bound: Any, body: BodyModel) -> list[np.ndarray]:
    """Weights as colours: carried and true, in a few poses, and the error of the worst pose in red."""
    v_pos, triangles, truth = surface[:3]
    skinning = bound[0]
    colours = joint_colours(body.skeleton.names)
    mixed = {"carried": np.einsum("vk,vkc->vc", skinning.weights, colours[skinning.joints]), "true": truth @ colours}
    tiles = []
    for pose in SHOWN:
        transforms = body.skeleton.joint_transforms(POSES[pose])
        posed = {"carried": skinning.posed(transforms), "true": skin(v_pos, truth, transforms)}
        for kind, points in posed.items():
            camera = looking_at(posed["true"], 30.0, 300, 400)
            shade = 0.45 + 0.55 * np.maximum(vertex_normals(points, triangles) @ camera.c2w[:3, 2], 0)[:, None]
            tiles.append(draw_colours(points, triangles, mixed[kind] * shade, camera))
    return tiles


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--characters", type=int, default=8)
    parser.add_argument("--cell-m", type=float, default=0.011, help="grid of the closed skin; 0.011 gives about 30,000 triangles")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the figures; a sheet of pictures is put beside it")
    arguments = parser.parse_args()
    body, settings = load_base_body(), RigSettings()
    errors: dict[str, list[np.ndarray]] = {"as built": [], "closed skin": []}
    parts: dict[str, list[np.ndarray]] = {"as built": [], "closed skin": []}
    seconds, triangles, tiles = [], [], []
    names: tuple[str, ...] = ()
    for attributes in HELD_OUT[: arguments.characters]:
        character = build_character(attributes, body)
        names = character.part_names
        for kind, surface in (("as built", true_surface(character)), ("closed skin", closed_surface(character, arguments.cell_m))):
            error, bound, took = errors_of(surface, body, settings)
            errors[kind].append(error)
            parts[kind].append(surface[3])
        seconds.append(took)
        triangles.append(len(surface[1]))
        tiles += pictures(surface, bound, body)
    figures = {kind: summary(errors[kind], parts[kind], names) for kind in errors}
    figures |= {"cpu_seconds": round(float(np.mean(seconds)), 2), "triangles": int(np.mean(triangles)), "machine": described()}
    report(figures, arguments.output)
    if arguments.output is not None:
        labels = [f"{kind} {pose}" for pose in SHOWN for kind in ("carried", "true")] * len(triangles)
        write_png(arguments.output.with_suffix(".png"), contact_sheet(tiles, 6, labels))


def summary(errors: list[np.ndarray], parts: list[np.ndarray], names: tuple[str, ...]) -> dict[str, Any]:
    """p50, p95 and largest in percent of the height: over everything, the worst pose, the worst character, and by part."""
    everything, part = np.concatenate(errors, 1), np.concatenate(parts)
    p95 = lambda x: round(100 * float(np.percentile(x, 95)), 3)  # noqa: E731
    return {
        "p50": round(100 * float(np.median(everything)), 3), "p95": p95(everything), "max": round(100 * float(everything.max()), 2),
        "worst_pose_p95": max((p95(e), pose) for e, pose in zip(everything, TWELVE, strict=True)),
        "worst_character_p95": max((p95(e), i) for i, e in enumerate(errors)),
        "p95_by_part": {name: p95(everything[:, part == k]) for k, name in enumerate(names) if (part == k).any()},
    }


if __name__ == "__main__":
    main()
