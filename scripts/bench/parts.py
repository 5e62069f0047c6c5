"""How well parts are told apart on a surface: characters with true labels, their pictures labelled, the votes laid on one closed skin.

    python -m scripts.bench.parts --models third_party/embedded --characters 6 --json docs/benchmarks/parts.json

Held-out characters, 24 views of the body and 8 of the head as the conditions stage frames them. The pictures are labelled twice: by the
truth, which leaves only what voting loses, and by GroundingDINO and SAM, asked for the words that name what is there. ``right``: share of
the surface's area with the true part; ``votes``: the same before shares are spread. ``border_mm``: mean distance between found borders and the
nearest true one, both ways, 95th percentile beside it. With ``--holes`` each character is also rigged and exported with its parts as found, and what is
seen where any one of them is hidden is counted (``scripts.bench.holes``); so it is for every ``--glb``.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from pipeline.checkpoint import Checkpoint
from pipeline.stage import StageContext
from scripts.bench.field import Watch
from scripts.bench.holes import holes
from scripts.bench.machine import described, report
from scripts.bench.rig import closed_surface
from scripts.generator import HELD_OUT, build_character
from scripts.generator.assemble import PARTS, Character
from scripts.generator.attributes import Attributes
from scripts.generator.draw import Picture, render_all
from scripts.train.batches import FACE_PARTS
from scripts.train.things import things_in, words_for
from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera
from stages.artifacts.closest import closest_points
from stages.artifacts.conditions import ConditionSet, write_body
from stages.artifacts.framing import body_ring, head_ring
from stages.artifacts.labels import write_labels
from stages.artifacts.mesh import MeshAsset, TexturedMesh
from stages.artifacts.normals import vertex_normals
from stages.artifacts.parts import Parts
from stages.artifacts.views import MaskedViews, write_view_set
from stages.conditions.body import POSES, load_base_body
from stages.conditions.software import draw
from stages.export import STAGE as EXPORT
from stages.export import ExportInputs
from stages.masks.parts import composed
from stages.mesh.labels import labelled, neighbours
from stages.mesh.observed import observe
from stages.mesh.repair import face_areas
from stages.mesh.votes import votes
from stages.rig import STAGE as RIG
from stages.rig import RigInputs

WIDTH, HEIGHT = 288, 384
THRESHOLD = 0.3
CELL_M = 0.011
OUTSIDE_M = 0.01  # before the closed skin, where the nearest of several layers is the outer one
Labeller = Callable[[np.ndarray, dict[str, np.ndarray]], np.ndarray]


def words_of(attributes: Attributes) -> dict[str, str]:
    """Thing -> the word that it is asked for by, of all that the character wears."""
    named = {thing: words_for(thing, attributes) for thing in ("hair", "face", "top", "bottom", "legwear", "shoes", "accessory")}
    return {thing: words[-1] for thing, words in named.items() if words and words[-1] != "bare legs"}


def drawn(character: Character, body: BodyModel, cameras: list[Camera]) -> list[tuple[Camera, Picture, dict[str, np.ndarray]]]:
    """What each camera sees of the character, and its things."""
    normals, views = vertex_normals(body.v_pos, body.t_pos_idx), []
    for camera in cameras:
        shown, bare = render_all(character, camera), draw(body, normals, camera)
        views.append((camera, shown, things_in((shown.part + 1).astype(np.uint8), (bare.part + 1).astype(np.uint8))))
    return views


def write_labelled(folder: Path, views: list[tuple[Camera, Picture, dict[str, np.ndarray]]], words: dict[str, str], label: Labeller) -> MaskedViews:
    """Pictures of a character, cut out and labelled."""
    pictures = []
    for camera, shown, things in views:
        a = shown.alpha[..., None]
        straight = np.where(a > 0, (shown.rgb - (1 - a)) / np.maximum(a, 1e-3), 0).clip(0, 1)
        pictures.append((camera, np.concatenate([straight, a], -1)))
        write_labels(folder / "labels" / f"{camera.name}.png", label(shown.rgb, things) * (shown.alpha > 0.5), len(words))
    write_view_set(folder, pictures, [{"ring": camera.name.split("_")[0]} for camera, _ in pictures])
    (folder / "masks.json").write_text(json.dumps({"parts": list(words.values())}))
    return MaskedViews.open(folder)


def true_labels(words: dict[str, str]) -> Labeller:
    """Labels as they are."""

    def label(_: np.ndarray, things: dict[str, np.ndarray]) -> np.ndarray:
        shape = next(iter(things.values())).shape
        return composed([np.where(things[t], 1.0, -1.0) if t in things else None for t in words], np.ones(shape, bool))

    return label


def found_labels(model: Any, words: dict[str, str]) -> Labeller:
    """Labels as GroundingDINO and SAM find them."""
    return lambda rgb, _: composed(model.find_parts(rgb, list(words.values()), THRESHOLD), np.ones(rgb.shape[:2], bool))


def true_parts(surface: tuple[np.ndarray, ...], character: Character, body: BodyModel, words: dict[str, str]) -> np.ndarray:
    """(F,) label of each triangle of a closed skin: 0 the body, k the k-th word; of the nearest true triangle that faces the same way."""
    v_pos, faces = surface
    p = v_pos[faces]
    normal = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-20)
    middle, things = p.mean(1), list(words)
    part = character.t_part[closest_points(middle + OUTSIDE_M * normal, character.v_pos, character.t_pos_idx, normal, 0.0).triangle]
    of_part = np.array([1 + things.index(name) if name in things else 0 for name in PARTS])
    on_body = body.t_part[closest_points(middle, body.v_pos, body.t_pos_idx, normal, 0.0).triangle]
    face = np.isin(on_body, [body.part_names.index(name) for name in FACE_PARTS if name in body.part_names])
    bare = np.isin(part, [PARTS.index("skin"), PARTS.index("eye")])
    return np.where(bare & face, 1 + things.index("face"), of_part[part])


def border_points(t_part: np.ndarray, v_pos: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(N, 3) middles of the edges between triangles of different parts."""
    i, j, a, b = pairs.T
    apart = t_part[i] != t_part[j]
    return (v_pos[a[apart]] + v_pos[b[apart]]) / 2


def scores(found: np.ndarray, truth: np.ndarray, v_pos: np.ndarray, faces: np.ndarray) -> dict[str, float]:
    """Share of the area that is right, and how far borders are apart."""
    area, pairs = face_areas(v_pos, faces), neighbours(faces)
    ours, true = (border_points(t, v_pos, pairs) for t in (found, truth))
    apart = np.concatenate([cKDTree(true).query(ours)[0], cKDTree(ours).query(true)[0]]) * 1000
    return {"right": float(area[found == truth].sum() / area.sum()), "border_mm": float(apart.mean()), "border_p95_mm": float(np.percentile(apart, 95))}


def exported_holes(surface: tuple[np.ndarray, ...], parts: Parts, rest: BodyModel, folder: Path) -> dict[str, dict[str, float]]:
    """Rig and export a closed skin ``(v_pos, faces)`` in A-pose with its parts; what is seen of holes in the GLB."""
    v_pos, faces = surface
    v_tex = ((v_pos - v_pos.min(0)) / np.ptp(v_pos, axis=0).max())[:, [0, 2]].astype(np.float32)  # colours are not looked at
    flat = np.broadcast_to(np.float32([0.5, 0.5, 1.0]), (4, 4, 3))
    tangents = np.tile(np.float32([1, 0, 0, 1]), (len(v_tex), 1))
    normals = vertex_normals(v_pos, faces).astype(np.float32)
    mesh = TexturedMesh(v_pos.astype(np.float32), normals, tangents, v_tex, faces.astype(np.int32), faces.astype(np.int32), flat, flat, flat)
    asset = MeshAsset.write(folder / "mesh", mesh, {}, parts)
    (folder / "conditions").mkdir()
    (folder / "conditions" / "transforms.json").write_text('{"frames": []}')
    write_body(folder / "conditions", rest, rest.skeleton.joint_transforms(POSES["a_pose"]))
    rig = RIG.run(RIG.settings(chains="none", preview_px=64), RigInputs(asset, ConditionSet.open(folder / "conditions")), _context(folder / "rig"))
    settings = EXPORT.settings(parts="separate", turntable_frames=8, turntable_px=64, viewer_px=0)
    made = EXPORT.run(settings, ExportInputs(asset, rig), _context(folder / "export"))
    return holes(made.files[0])


def _context(folder: Path) -> StageContext:
    (folder / "out").mkdir(parents=True)
    (folder / "work").mkdir()
    return StageContext(folder / "out", folder / "work", logging.getLogger("bench"), Watch(), {}, checkpoint=Checkpoint(folder / "work"))


def measure(attributes: Attributes, model: Any, with_holes: bool) -> tuple[dict[str, dict[str, float]], dict[str, tuple[float, float]]]:
    """Figures of one character for both ways of labelling; area right and area for each thing, as GroundingDINO and SAM find it."""
    body = load_base_body()
    character, posed = build_character(attributes, body).posed(POSES["a_pose"]), body.posed(POSES["a_pose"])
    words = words_of(attributes)
    v_pos, faces, _, _, v_rgb = closed_surface(character, CELL_M)
    truth, area = true_parts((v_pos, faces), character, posed, words), face_areas(v_pos, faces)
    cameras = [*body_ring(posed, 24, WIDTH, HEIGHT), *head_ring(posed, 8, WIDTH, HEIGHT)]
    seen, figures, by_thing = drawn(character, posed, cameras), {}, {}
    for way, label in (("true_labels", true_labels(words)), ("found_labels", found_labels(model, words))):
        with tempfile.TemporaryDirectory() as folder:
            views = write_labelled(Path(folder), seen, words, label)
            observed = observe(views)
            parts = labelled(v_pos, faces, v_rgb[faces].mean(1), observed, views)
            raw = votes(v_pos, faces, observed, views).argmax(1)
        figures[way] = scores(parts.t_part, truth, v_pos, faces)
        figures[way]["votes"] = float(area[raw == truth].sum() / area.sum())
        by_thing = {thing: (float(area[(truth == k) & (parts.t_part == k)].sum()), float(area[truth == k].sum()))
                    for k, thing in enumerate(("body", *words))}
    if with_holes:
        with tempfile.TemporaryDirectory() as folder:
            found = exported_holes((v_pos, faces), parts, body, Path(folder)).values()
        figures["holes"] = {"holes_px": sum(f["holes_px"] for f in found), "largest_backs_share": max(f["backs_share"] for f in found)}
    return figures, by_thing


def main() -> None:
    """Command line."""
    from third_party.grounded_sam import load

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="a folder with grounding_dino/ and sam/")
    parser.add_argument("--characters", type=int, default=6)
    parser.add_argument("--holes", action="store_true")
    parser.add_argument("--glb", type=Path, nargs="*", default=[], help="exported figures with a mesh for each part")
    parser.add_argument("--json", type=Path)
    o = parser.parse_args()
    machine, model = described(), load(o.models / "grounding_dino", o.models / "sam", "cpu")
    rows, things = [], defaultdict(list)
    for attributes in HELD_OUT[:: max(1, len(HELD_OUT) // o.characters)][: o.characters]:
        figures, by_thing = measure(attributes, model, o.holes)
        print(json.dumps(figures), flush=True)
        rows.append(figures)
        for thing, areas in by_thing.items():
            things[thing].append(areas)
    mean = {way: {key: round(float(np.mean([row[way][key] for row in rows])), 4) for key in rows[0][way]} for way in rows[0]}
    recall = {thing: round(sum(a for a, _ in its) / max(sum(b for _, b in its), 1e-12), 4) for thing, its in sorted(things.items())}
    report({"machine": machine, "characters": len(rows), **mean, "found_area_of": recall,
            "holes_of_files": {path.name: holes(path) for path in o.glb}}, o.json)


if __name__ == "__main__":
    main()
