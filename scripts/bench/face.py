"""Faces fitted to heads whose eyes and mouth are known to be there: what is found, what lids hide, what a mouth shows, how far the texture is drawn out.

``python -m scripts.bench.face --characters 0 3 5 6 [--run outputs/mika] -o face.json``. Held-out characters of the generator are meshed as one closed skin with
their own drawn front for a texture, as a reconstruction would give them; ``--run`` takes a finished run of the pipeline. Iris pixels are those whose
colour stands out of skin and white inside what was found to be an eye; for the generator's characters the whole eye between its lids, white and all.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.machine import described, report
from scripts.bench.rig import closed_surface
from scripts.generator import HELD_OUT, build_character, render
from scripts.generator.draw import render_all
from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.mesh import MeshAsset, TexturedMesh
from stages.artifacts.morphs import GAZES
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Rig, Skinning
from stages.conditions.body import load_base_body
from stages.rendering.joined import Joined
from stages.rendering.zbuffer import rasterize
from stages.rig.bind import bind
from stages.rig.face.colours import lab_of
from stages.rig.face.find import skin_lab
from stages.rig.face.fit import Face, fit_face, landmarks_of
from stages.rig.face.preview import close_up, expression_picture
from stages.rig.settings import RigSettings

FRONT_M, FRONT_PX, PIXEL_M = 40.0, 2048, 0.0008
SIDE_PX = 640
STRETCHED = ("aa", "oh", "happy", "angry", "sad", "surprised")
SHOWN = ("rest", "blink", "aa", "ih", "ou", "ee", "oh", "happy", "angry", "sad", "relaxed", "surprised", *GAZES)


@dataclass(frozen=True)
class Head:
    """A bound figure and its body; ``irises``: camera -> (H, W) bool of what lids should hide, None if nobody knows."""

    name: str
    mesh: TexturedMesh
    skinning: Skinning
    body: BodyModel
    irises: Any = None


def of_generator(index: int, body: BodyModel, cell_m: float) -> Head:
    """A held-out character at rest."""
    character = build_character(HELD_OUT[index], body)
    v_pos, triangles, _, _, colours = closed_surface(character, cell_m)
    middle = np.array([0.0, 0.0, (v_pos[:, 2].max() + v_pos[:, 2].min()) / 2])
    front = orbit("front", middle, FRONT_M, 0.0, 0.0, FRONT_M / PIXEL_M, FRONT_PX, FRONT_PX)
    pixels, _ = front.project(v_pos.astype(np.float64))
    v_tex = np.stack([pixels[:, 0], FRONT_PX - pixels[:, 1]], -1).astype(np.float32) / FRONT_PX
    kd = np.asarray(render(character, front)[0], np.float32)
    mesh = TexturedMesh(v_pos.astype(np.float32), vertex_normals(v_pos, triangles).astype(np.float32), np.zeros((len(v_pos), 4), np.float32), v_tex,
                        triangles.astype(np.int32), triangles.astype(np.int32), kd, kd, kd)
    still = np.tile(np.eye(4), (len(body.skeleton.names), 1, 1))
    skinning, _ = bind(v_pos, triangles, body, body, still, RigSettings(), colours)
    eye = character.part_names.index("eye")
    return Head(f"character_{index:02d}", mesh, skinning, body, lambda camera: render_all(character, camera).part == eye)


def of_run(folder: Path) -> Head:
    """A finished run."""
    stages = folder / "stages"
    mesh, rig, conditions = MeshAsset.open(stages / "mesh"), Rig.open(stages / "rig"), ConditionSet.open(stages / "conditions")
    return Head(folder.name, mesh.mesh, rig.skinning, conditions.body_rest)


def figures_of(head: Head) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The figures of one head, and its pictures."""
    face = fit_face(head.mesh, head.skinning, head.body)
    joined = Joined(head.mesh, head.skinning, face.attachments, face.morphs, face.hidden)
    camera = close_up(landmarks_of(head.body), 0.0, SIDE_PX)
    out: dict[str, Any] = {"eyes": len(face.eyes), "mouth": face.mouth is not None, "refused": list(face.refused), "triangles": face.metrics["face_triangles"]}
    own = len(head.mesh.v_pos)
    if face.eyes:
        irises = _painted_irises(head, face, camera) if head.irises is None else head.irises(camera)
        irises &= _seen(joined, {}, camera) < own  # nothing stands before them
        for name in ("blink", "blinkLeft", "blinkRight"):
            covered = irises & (_seen(joined, {name: 1.0}, camera) >= own)
            sides = _left_half(camera, landmarks_of(head.body).middle_x)
            part = irises if name == "blink" else irises & (sides if name == "blinkLeft" else ~sides)
            out[f"iris_hidden_{name}"] = round(float(covered[part].mean()), 4)
            out["iris_pixels"] = int(irises.sum())
        out["look_mm"] = {name: _look_mm(joined, face, name) for name in GAZES}
    if face.mouth is not None:
        pocket = _pocket(face, own)
        for name in ("rest", "aa", "oh", "happy"):
            seen = _seen(joined, {} if name == "rest" else {name: 1.0}, camera)
            out[f"inside_seen_px_{name}"] = int(np.isin(seen, pocket).sum())
    if joined.names:
        out["stretch"] = {name: _stretch(joined, face, name) for name in STRETCHED if name in joined.names}
    small = close_up(landmarks_of(head.body), 0.0, 200)
    return out, [expression_picture(joined, {name: 1.0} if name in joined.names else {}, small) for name in SHOWN]


def _seen(joined: Joined, weights: dict[str, float], camera: Camera) -> np.ndarray:
    """(H, W) the least vertex index of the triangle seen at each pixel, -1 for none."""
    v_pos = joined.v_pos + joined.offset(weights)
    clip = np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1) @ camera.w2clip().T
    triangle, _, _ = rasterize(clip, joined.t_pos_idx, camera.height, camera.width)
    return np.where(triangle < 0, -1, joined.t_pos_idx[np.maximum(triangle, 0)].min(-1))


def _look_mm(joined: Joined, face: Face, name: str) -> float:
    """How far a look carries the surface in the middle of the eyes, where irises are: the least of both, in millimetres."""
    start, way = joined.v_pos[: len(joined.mesh.v_pos)], np.linalg.norm(joined.offset({name: 1.0})[: len(joined.mesh.v_pos)], axis=-1)
    inside = [np.hypot((start[:, 0] - eye.middle[0]) / eye.width, (start[:, 2] - eye.middle[1]) / eye.height) < 0.2 for eye in face.eyes]
    return round(1000 * float(min(np.median(way[near & (way > 0)]) for near in inside)), 2)


def _left_half(camera: Camera, middle_x: float) -> np.ndarray:
    """(H, W) bool: on the character's left, which is to the right of the picture."""
    column = camera.project(np.array([[middle_x, -0.08, 1.4]]))[0][0, 0]
    return np.broadcast_to(np.arange(camera.width) > column, (camera.height, camera.width))


def _pocket(face: Face, own: int) -> np.ndarray:
    """Vertices, among all, of what lies inside the mouth: those that show another place of the texture than the front of the face."""
    attachment = face.attachments[0]
    strip = 64 / attachment.kd.shape[0]
    inside = (attachment.v_tex[:, 1] < strip) & ~_lashes(face)
    return own + np.flatnonzero(inside)


def _lashes(face: Face) -> np.ndarray:
    """(V,) bool of the attachment's vertices on the cell of lashes."""
    attachment = face.attachments[0]
    return (attachment.v_tex[:, 1] < 64 / attachment.kd.shape[0]) & (attachment.v_tex[:, 0] < 64 / attachment.kd.shape[1])


def _painted_irises(head: Head, face: Face, camera: Camera) -> np.ndarray:
    """(H, W) bool: strongly coloured pixels inside what was found to be an eye, drawn as a texture and looked at."""
    view = face.view
    lab, skin = lab_of(view.rgb), skin_lab(view, landmarks_of(head.body))
    colourful = np.linalg.norm((lab - skin)[..., 1:], axis=-1) > 25
    out = np.zeros((camera.height, camera.width), bool)
    for eye in face.eyes:
        row, column = np.nonzero(colourful & eye.mask)
        x, z = view.places(row.astype(float), column.astype(float))
        pixels = np.floor(camera.project(np.stack([x, view.y[row, column], z], -1))[0]).astype(int)
        out[np.clip(pixels[:, 1], 0, camera.height - 1), np.clip(pixels[:, 0], 0, camera.width - 1)] = True
    return out


def _stretch(joined: Joined, face: Face, name: str) -> dict[str, float]:
    """How far an expression draws out or squeezes the skin's triangles that it moves: p95 and p99, as factors, by area."""
    own = len(joined.mesh.v_pos)
    attachment = face.attachments[0]
    strip = 64 / attachment.kd.shape[0]
    skin = np.concatenate([np.ones(own, bool), attachment.v_tex[:, 1] >= strip])
    before, after = joined.v_pos, joined.v_pos + joined.offset({name: 1.0})
    t = joined.t_pos_idx
    moved = (np.linalg.norm(after - before, axis=-1) > 1e-5)[t].any(-1) & skin[t].all(-1)
    area = np.linalg.norm(np.cross(before[t[:, 1]] - before[t[:, 0]], before[t[:, 2]] - before[t[:, 0]]), axis=-1)
    t, area = t[moved & (area > 1e-9)], area[moved & (area > 1e-9)]
    if not len(t):
        return {"p95": 1.0, "p99": 1.0}
    factor = _largest_stretch(before[t], after[t])
    order = np.argsort(factor)
    share = np.cumsum(area[order]) / area.sum()
    return {f"p{p}": round(float(factor[order][np.searchsorted(share, p / 100)]), 3) for p in (95, 99)}


def _largest_stretch(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(F,) largest singular value of the map that takes triangles (F, 3, 3) to others."""
    e1, e2 = before[:, 1] - before[:, 0], before[:, 2] - before[:, 0]
    x = np.linalg.norm(e1, axis=-1)
    along = (e1 * e2).sum(-1) / x
    up = np.sqrt(np.maximum((e2 * e2).sum(-1) - along**2, 1e-18))
    d1 = (after[:, 1] - after[:, 0]) / x[:, None]
    d2 = ((after[:, 2] - after[:, 0]) - along[:, None] * d1) / up[:, None]
    return np.linalg.svd(np.stack([d1, d2], -1), compute_uv=False)[:, 0]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--characters", type=int, nargs="*", default=list(range(8)), help="numbers of held-out characters of the generator")
    parser.add_argument("--run", type=Path, action="append", default=[], help="folder of a finished run")
    parser.add_argument("--cell-m", type=float, default=0.008, help="grid of the closed skin; 0.008 gives some 60,000 to 100,000 triangles")
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the figures; a sheet of pictures is put beside it")
    arguments = parser.parse_args()
    body = load_base_body()
    figures: dict[str, Any] = {}
    tiles: list[np.ndarray] = []
    for head in (*(of_run(folder) for folder in arguments.run), *(of_generator(k, body, arguments.cell_m) for k in arguments.characters)):
        figures[head.name], pictures = figures_of(head)
        tiles += pictures
    report(figures | {"machine": described()}, arguments.output)
    if arguments.output is not None:
        write_png(arguments.output.with_suffix(".png"), contact_sheet(tiles, len(SHOWN), list(SHOWN) * (len(tiles) // len(SHOWN))))


if __name__ == "__main__":
    main()
