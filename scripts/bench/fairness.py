"""How closely the surface should follow painted views: the mesh stage of finished runs, close, calm and fair, beside the views.

    python -m scripts.bench.fairness outputs/mika outputs/gallery/rin --json docs/benchmarks/fairness.json --png fair.png

``close`` asks the implicit surface for what true views allow, ``calm`` for a smooth distance, ``fair`` is the default: calm, and ripples taken out before the
second pass. Of each: figure PSNR against the views that it was made of, overlap of its outlines with theirs (IoU), roughness (mean angle between
triangles that share an edge, by the edge's length, degrees). The picture is clay under a lamp: what an engine's light would show.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.evaluate_mesh import coverage, face_normals, picture_scores
from scripts.bench.machine import described, report
from scripts.bench.mesh import build
from stages.artifacts.field import FieldGrid
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.normals import vertex_normals
from stages.artifacts.views import MaskedViews
from stages.mesh.edge_operations import both_sides, twins
from stages.mesh.settings import MeshSettings
from stages.rendering.picture import draw_colours
from stages.rendering.viewpoint import looking_at

RECIPES: dict[str, dict[str, Any]] = {
    "close": {"sdf_smoothness": 3e-6, "sdf_rate": 0.06, "fairing": 0.0},
    "calm": {"fairing": 0.0},
    "fair": {},
}
LAMP = np.array([-0.5, 0.5, 0.7])  # in the camera's axes
AMBIENT, CLAY = 0.25, 0.92
SIDES, UPPER = (20.0, 160.0), 0.5  # degrees; the picture shows what is above this share of the height


def roughness_deg(v_pos: np.ndarray, faces: np.ndarray) -> float:
    """Mean angle between the normals of two triangles (F, 3) on either side of an edge, by its length."""
    normal = face_normals(v_pos, faces)
    one, other = both_sides(twins(faces))
    length = np.linalg.norm(v_pos[faces.reshape(-1)[one]] - v_pos[np.roll(faces, -1, 1).reshape(-1)[one]], axis=-1)
    angle = np.degrees(np.arccos(np.clip((normal[one // 3] * normal[other // 3]).sum(-1), -1, 1)))
    return float((angle * length).sum() / length.sum())


def outline_overlap(v_pos: np.ndarray, faces: np.ndarray, views: MaskedViews) -> float:
    """Mean over the views of the intersection over union of the mesh's outline with the figure's."""
    shares = []
    for name, camera in zip(views.names, views.cameras, strict=True):
        ours, theirs = coverage(v_pos, faces, camera), views.image(name)[..., 3] > 0.5
        shares.append((ours & theirs).sum() / (ours | theirs).sum())
    return float(np.mean(shares))


def clay(v_pos: np.ndarray, faces: np.ndarray, height_px: int) -> list[np.ndarray]:
    """Pictures (height_px, height_px, 3) of the upper half, from the front and from behind, under a lamp beside the camera."""
    normal, pictures = vertex_normals(v_pos, faces), []
    upper = v_pos[v_pos[:, 2] >= v_pos[:, 2].min() + UPPER * np.ptp(v_pos[:, 2])]
    for azimuth in SIDES:
        camera = looking_at(upper, azimuth, height_px, height_px)
        lamp = camera.c2w[:3, :3] @ (LAMP / np.linalg.norm(LAMP))
        shade = CLAY * (AMBIENT + (1 - AMBIENT) * np.maximum(normal @ lamp, 0))
        pictures.append(draw_colours(v_pos, faces, np.repeat(shade[:, None], 3, 1), camera))
    return pictures


def figures_of(run: Path, folder: Path, threads: int, height_px: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Each recipe's figures, and its pictures, for the run in ``run``."""
    field, views = FieldGrid.open(run / "stages" / "field"), MaskedViews.open(run / "stages" / "masks")
    out: dict[str, Any] = {"training_psnr_db": field.metrics["training_psnr_db"]}
    pictures = []
    for name, recipe in RECIPES.items():
        stage = build(field, views.folder, folder / name / "mesh", MeshSettings(**recipe), threads)
        mesh = MeshAsset.open(folder / name / "mesh").mesh
        v_pos, faces = mesh.v_pos.astype(np.float64), mesh.t_pos_idx.astype(np.int64)
        out[name] = {
            "psnr_db": picture_scores(folder / name / "mesh" / "mesh.glb", views)["psnr_db"], "outline_iou": outline_overlap(v_pos, faces, views),
            "roughness_deg": roughness_deg(v_pos, faces), "wall_s": stage["wall_s"],
        }  # fmt: skip
        pictures += clay(v_pos, faces, height_px)
    return out, pictures


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--height", type=int, default=420, help="of each picture, pixels")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--png", type=Path)
    o = parser.parse_args()
    machine, runs, sheet = described(), {}, []
    with tempfile.TemporaryDirectory() as folder:
        for run in o.runs:
            runs[run.name], pictures = figures_of(run, Path(folder) / run.name, o.threads, o.height)
            sheet += pictures
    if o.png:
        write_png(o.png, contact_sheet(sheet, columns=2 * len(RECIPES)))
    report({"machine": machine, "recipes": RECIPES, "runs": runs}, o.json)


if __name__ == "__main__":
    main()
