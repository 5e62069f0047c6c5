"""Field and mesh on pictures of known surfaces: 48 views of 512 x 512 learnt from, 24 others held out.

    python -m scripts.bench.reconstruction spot.obj Knight.glb Rogue.glb --characters 0 1 2 3 --work runs/truths --json docs/benchmarks/reconstruction.json

Default settings. The field is scored by its own pictures of the held-out views, the mesh as exported and read back. Definitions stand in ``evaluate_mesh``.
Pictures, results and figures are kept in ``--work``, a folder for each surface; what is there is not made again. ``--png``: truth beside result.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.evaluate_mesh import evaluate, imported
from scripts.bench.field import measure
from scripts.bench.machine import described, report
from scripts.bench.mesh import build
from scripts.bench.truths import BETWEEN, LEARNT, Truth, of_file, of_generator, part_of, write_truth
from stages.artifacts.field import FieldGrid
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.normals import vertex_normals
from stages.artifacts.views import ViewSet
from stages.field.settings import FieldSettings
from stages.field.warm import warm as warm_field
from stages.mesh.settings import MeshSettings
from stages.mesh.warm import warm as warm_mesh
from stages.rendering.picture import Surface, draw

SHOWN = (10, 5, 16)  # of the held-out views
CLOSE_PX = 288


def made(truth: Truth, folder: Path, field: FieldSettings, mesh: MeshSettings, threads: int) -> dict[str, Any]:
    """Pictures of one surface (``views`` to learn from, ``between`` held out), field and mesh; what a finished folder took is read."""
    done = folder / "made.json"
    if done.exists():
        return json.loads(done.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    learnt, between = truth.cameras(), truth.cameras(between=True)
    pictures = write_truth(folder / "all", truth, [*learnt, *between])
    for name, cameras in (("views", learnt), ("between", between)):
        part_of(pictures, folder / name, cameras)
    for half_made in ("field_run", "mesh", "scratch_mesh"):
        shutil.rmtree(folder / half_made, ignore_errors=True)
    held = tuple(range(LEARNT, LEARNT + BETWEEN))
    figures = {"field": measure(folder / "all", folder / "field_run", field.model_copy(update={"held_out": held}), threads)}
    figures["stage"] = build(FieldGrid.open(folder / "field_run" / "out"), folder / "views", folder / "mesh", mesh, threads)
    done.write_text(json.dumps(figures))
    return figures


def reconstructed(truth: Truth, folder: Path, field: FieldSettings, mesh: MeshSettings, threads: int) -> dict[str, Any]:
    """All figures of one surface; those of a finished folder are read."""
    done = folder / "figures.json"
    if done.exists():
        return json.loads(done.read_text())
    figures = made(truth, folder, field, mesh, threads)
    sets = [(name, ViewSet.open(folder / name)) for name in ("views", "between")]
    figures["mesh"] = evaluate(folder / "mesh" / "mesh.glb", sets, (truth.v_pos, truth.t_pos_idx), truth.head)
    done.write_text(json.dumps(figures))
    return figures


def row(figures: dict[str, Any]) -> dict[str, float]:
    """The figures that are compared, of one surface."""
    mesh, shape = figures["mesh"], figures["mesh"]["shape"]
    return {
        "field_psnr_db": figures["field"]["held_out"]["figure_psnr_db"], "mesh_psnr_db": mesh["between"]["psnr_db"],
        "chamfer_percent": shape["chamfer_percent"], "f_score": shape["f_score"], "f_score_head_quarter": shape.get("f_score_head_quarter"),
        "normal_consistency": shape["normal_consistency"], "aspect_over_4_share": mesh["aspect_over_4_share"], "border_edges": mesh["border_edges"],
        "non_manifold_edges": mesh["non_manifold_edges"], "pieces": mesh["pieces"], "chart_use_share": mesh["chart_use_share"],
        "chart_overlap_share": mesh["chart_overlap_share"], "triangles": mesh["triangles"], "seconds": figures["field"]["wall_s"] + figures["stage"]["wall_s"],
        "peak_memory_gib": max(figures["field"]["peak_memory_gib"], figures["stage"]["peak_memory_gib"]),
    }  # fmt: skip


def beside(folder: Path) -> list[np.ndarray]:
    """Truth, result and the result in clay, of the held-out views SHOWN."""
    v_pos, faces, v_tex, kd = imported(folder / "mesh" / "mesh.glb")
    normals = _smooth_normals(v_pos, faces)
    surface, views, tiles = Surface(normals, faces.astype(np.int64), v_tex, faces.astype(np.int64), kd), ViewSet.open(folder / "between"), []
    for i in SHOWN:
        camera, truth = views.cameras[i].resized(CLOSE_PX, CLOSE_PX), views.image(views.names[i])
        tiles.append(_resized(truth[..., :3] * truth[..., 3:] + 1 - truth[..., 3:]))
        tiles += [draw(surface, v_pos, camera, look, supersample=3).astype(np.float32) / 255 for look in ("texture", "clay")]
    return tiles


def _smooth_normals(v_pos: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3), smooth over what lies at the same place, whatever the charts."""
    welded, place = np.unique(v_pos.round(6), axis=0, return_inverse=True)
    return vertex_normals(welded, place.reshape(-1)[faces])[place.reshape(-1)]


def _resized(picture: np.ndarray) -> np.ndarray:
    from PIL import Image

    small = Image.fromarray((picture * 255 + 0.5).astype(np.uint8)).resize((CLOSE_PX, CLOSE_PX), Image.Resampling.LANCZOS)
    return np.asarray(small, np.float32) / 255


def surfaces(files: Sequence[Path], characters: Sequence[int]) -> list[Truth]:
    """All that is to be reconstructed."""
    return [*map(of_file, files), *map(of_generator, characters)]


def arguments(description: str | None) -> argparse.Namespace:
    """What the benchmarks on known surfaces are told: which ones, where to work, where answers go."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="OBJ or GLB")
    parser.add_argument("--characters", type=int, nargs="*", default=[], help="indices of held-out combinations of the generator")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--png", type=Path)
    return parser.parse_args()


def main() -> None:
    """Command line."""
    o = arguments(__doc__)
    machine, field, mesh = described(), FieldSettings(), MeshSettings()
    warm_field()
    warm_mesh()
    rows = {}
    for truth in surfaces(o.files, o.characters):
        rows[truth.name] = row(reconstructed(truth, o.work / truth.name, field, mesh, o.threads))
        print(json.dumps({truth.name: rows[truth.name]}), flush=True)
    if o.png:
        write_png(o.png, contact_sheet([tile for name in rows for tile in beside(o.work / name)], columns=9))
    mean = {key: float(np.mean(values)) for key in next(iter(rows.values())) if None not in (values := [r[key] for r in rows.values()])}
    report({"machine": machine, "threads": o.threads, "settings": {"field": field.model_dump(), "mesh": mesh.model_dump()}, "surfaces": rows, "mean": mean}, o.json)


if __name__ == "__main__":
    main()
