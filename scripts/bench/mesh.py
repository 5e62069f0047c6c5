"""The exported mesh on the generator's truth: figure PSNR, Chamfer, F-score, what refinement gains, soundness, time, memory.

    python -m scripts.bench.mesh --json docs/benchmarks/mesh.json

36 views of 288 x 384 (24 round the body, 12 close-ups of the head; ``--ring`` takes 36 round the body), all of them learnt from by the mesh;
the field comes from its own stage with default settings. Scored on the same views and on views half a step between them, which
nothing has learnt from. The comparison is the field's own surface (marching tetrahedra at the level that fits the masks best) with the
field's colours, drawn from the same cameras. Kernels are compiled before the clock starts, as ``setup`` does.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.checkpoint import Checkpoint
from pipeline.memory import high_water_bytes
from pipeline.stage import StageContext
from scripts.bench.evaluate_mesh import add_scores, coverage, evaluate, shape_scores
from scripts.bench.field import HEIGHT, WIDTH, Watch, measure, straight
from scripts.bench.machine import described, report
from scripts.generator import DEFAULT, HELD_OUT, build_character, render
from scripts.generator.assemble import Character
from stages.artifacts.cameras import Camera
from stages.artifacts.field import FieldGrid
from stages.artifacts.framing import body_ring, head_ring
from stages.artifacts.views import MaskedViews, ViewSet, write_view_set
from stages.conditions.body import POSES, load_base_body
from stages.field.settings import FieldSettings
from stages.mesh import STAGE, MeshInputs
from stages.mesh.field_surface import lattice_distance
from stages.mesh.level import best_level
from stages.mesh.marching import extract
from stages.mesh.observed import observe
from stages.mesh.settings import MeshSettings
from stages.mesh.tetrahedra import band_grid
from stages.mesh.warm import warm
from stages.rendering import CpuBackend
from stages.rendering.cpu import CpuRasterizer
from stages.rendering.picture import draw_colours


def cameras_of(ring_only: bool) -> tuple[list[Camera], list[Camera]]:
    """Those to learn from, and a third as many between them."""
    body = load_base_body().posed(POSES["a_pose"])
    sizes = (36, 0) if ring_only else (24, 12)
    learnt = [*body_ring(body, sizes[0], WIDTH, HEIGHT), *(head_ring(body, sizes[1], WIDTH, HEIGHT) if sizes[1] else ())]
    between = body_ring(body, 2 * sizes[0], WIDTH, HEIGHT)[1::6]
    return learnt, [*between, *(head_ring(body, 2 * sizes[1], WIDTH, HEIGHT)[1::6] if sizes[1] else ())]


def write_views(folder: Path, character: Character, cameras: list[Camera]) -> ViewSet:
    """RGBA renders with cameras."""
    pictures = ((c, straight(*render(character, c))) for c in cameras)
    write_view_set(folder, pictures, [{"ring": c.name.split("_")[0]} for c in cameras])
    return ViewSet.open(folder)


def field_mesh_scores(field: FieldGrid, views: Path, sets: dict[str, ViewSet], truth: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """The same figures for the field's own surface and colours."""
    level = best_level(field, observe(MaskedViews.open(views))[0], CpuRasterizer(), max(field.resolution))
    sdf, origin, cell = lattice_distance(field, level, max(field.resolution))
    grid, values = band_grid(sdf, origin, cell, 1.0)
    active, faces = extract(grid, values)
    a, b = grid.edges[active].T
    w = (values[a] / (values[a] - values[b]))[:, None]
    v_pos = grid.v_pos[a] * (1 - w) + grid.v_pos[b] * w
    _, colour = field.sample(v_pos.astype(np.float64))
    out: dict[str, Any] = {"level": level, "triangles": len(faces), "shape": shape_scores((v_pos, faces), truth)}
    for name, view_set in sets.items():
        scores: dict[str, list[float]] = {}
        for view, camera in zip(view_set.names, view_set.cameras, strict=True):
            drawn = draw_colours(v_pos, faces.astype(np.int64), colour, camera, 4) / 255.0
            add_scores(scores, view, view_set.image(view), drawn, coverage(v_pos, faces, camera))
        out[name] = {key: float(np.mean(value)) for key, value in scores.items()}
    return out


def build(field: FieldGrid, views: Path, folder: Path, settings: MeshSettings, threads: int) -> dict[str, Any]:
    """Run the stage once; what it took."""
    folder.mkdir(parents=True)
    context = StageContext(folder, folder.parent / "scratch_mesh", logging.getLogger("bench"), Watch(), {"rasterizer": CpuBackend()},
                           threads=threads, checkpoint=Checkpoint(folder.parent / "scratch_mesh"))
    wall, cpu = time.perf_counter(), time.process_time()
    STAGE.run(settings, MeshInputs(field, MaskedViews.open(views)), context).validate()
    return {"wall_s": round(time.perf_counter() - wall, 1), "cpu_s": round(time.process_time() - cpu, 1),
            "peak_memory_gib": round(high_water_bytes() / 2**30, 2)}


def main() -> None:
    """Parse, build, score, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--character", type=int, default=-1, help="index of a held-out combination; -1 is the default character")
    parser.add_argument("--ring", action="store_true", help="36 cameras round the body and no close-ups")
    parser.add_argument("--field", type=Path, help="a field folder made of these very views, instead of training one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="leave views, field and mesh in this folder")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    machine, settings = described(), MeshSettings()
    warm()
    character = build_character(DEFAULT if given.character < 0 else HELD_OUT[given.character], load_base_body()).posed(POSES["a_pose"])
    truth = character.v_pos, character.t_pos_idx
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        learnt, between = cameras_of(given.ring)
        sets = {"views": write_views(folder / "views", character, learnt), "between": write_views(folder / "between", character, between)}
        figures: dict[str, Any] = {}
        if given.field is None:
            figures["field"] = measure(folder / "views", folder / "field_run", FieldSettings(held_out=6), given.threads)
        field = FieldGrid.open(given.field or folder / "field_run" / "out")
        figures["stage"] = build(field, folder / "views", folder / "mesh", settings, given.threads)
        figures["mesh"] = evaluate(folder / "mesh" / "mesh.glb", list(sets.items()), truth)
        figures["field_mesh"] = field_mesh_scores(field, folder / "views", sets, truth)
    for name in sets:
        figures[f"gain_over_field_mesh_{name}_db"] = figures["mesh"][name]["psnr_db"] - figures["field_mesh"][name]["psnr_db"]
    report({"machine": machine, "threads": given.threads, "settings": settings.model_dump(), "figures": figures}, given.json)


if __name__ == "__main__":
    main()
