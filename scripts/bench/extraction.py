"""The first pass through tetrahedra and through cubes: its triangles as they come out, and the finished mesh.

    python -m scripts.bench.extraction Rogue.glb --characters 0 --work runs/truths --json docs/benchmarks/extraction.json

After ``scripts.bench.reconstruction``, whose pictures and fields are used. Beside the shape of both surfaces, in one run: the share of triangles with
aspect above 4, and how far triangles are from having three equal angles. Definitions stand in ``evaluate_mesh``.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numba
import numpy as np
import torch

from pipeline.checkpoint import Checkpoint
from pipeline.stage import StageContext
from scripts.bench.evaluate_mesh import evaluate, shape_scores, soundness
from scripts.bench.field import Watch
from scripts.bench.machine import described, report
from scripts.bench.mesh import build
from scripts.bench.reconstruction import arguments, surfaces
from scripts.bench.truths import Truth
from stages.artifacts.field import FieldGrid
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.normals import vertex_normals
from stages.artifacts.views import MaskedViews, ViewSet
from stages.mesh.build import GRIDS, first_pass, pictures_of
from stages.mesh.calm import fitting
from stages.mesh.settings import MeshSettings
from stages.mesh.warm import SETTINGS, make
from stages.rendering import CpuBackend
from stages.rendering.picture import Surface, draw

WHITE = np.full((1, 1, 3), 255, np.uint8)


def as_extracted(field: FieldGrid, views: Path, settings: MeshSettings, threads: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Vertices, in the unit of the cameras, and triangles of the first pass before anything mends them, and seconds,
    reading the pictures and the search for the level among them."""
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    torch.set_num_threads(threads)
    with TemporaryDirectory() as work:
        context = StageContext(Path(work), Path(work), logging.getLogger("bench"), Watch(), {}, threads=threads, checkpoint=Checkpoint(Path(work)))
        began = time.perf_counter()
        observed = pictures_of(MaskedViews.open(views), field)
        v_pos, faces, _ = first_pass(fitting(settings, field), field, observed, CpuBackend().create(), context)
    return v_pos / field.metres_per_unit, faces, round(time.perf_counter() - began, 1)


def skewness(v_pos: np.ndarray, faces: np.ndarray) -> float:
    """Mean, in degrees, of how far the smallest angle of a triangle is from 60."""
    p = v_pos[faces].astype(np.float64)
    a, b = np.roll(p, -1, 1) - p, np.roll(p, 1, 1) - p
    cosine = (a * b).sum(-1) / np.maximum(np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1), 1e-30)
    return float((60 - np.degrees(np.arccos(np.clip(cosine, -1, 1))).min(1)).mean())


def measured(truth: Truth, folder: Path, extraction: str, threads: int, out: Path) -> tuple[dict[str, Any], tuple[np.ndarray, np.ndarray]]:
    """Figures of the first pass and of the whole stage; and the first pass's surface."""
    field, settings, shape = FieldGrid.open(folder / "field_run" / "out"), MeshSettings(extraction=extraction), (truth.v_pos, truth.t_pos_idx)
    v_pos, faces, seconds = as_extracted(field, folder / "views", settings, threads)
    sound = soundness(v_pos, faces)
    first = {
        "triangles": len(faces), "wall_s": seconds, "aspect_over_4_share": sound["aspect_over_4_share"], "non_manifold_edges": sound["non_manifold_edges"],
        "skewness_deg": skewness(v_pos, faces), **shape_scores((v_pos, faces), shape, truth.head),
    }  # fmt: skip
    stage = build(field, folder / "views", out, settings, threads)
    mesh = evaluate(out / "mesh.glb", [("between", ViewSet.open(folder / "between"))], shape, truth.head)
    finished = {"wall_s": stage["wall_s"], "psnr_db": mesh["between"]["psnr_db"], "aspect_over_4_share": mesh["aspect_over_4_share"], **mesh["shape"]}
    return {"first_pass": first, "finished": finished}, (v_pos, faces)


def main() -> None:
    """Command line."""
    o = arguments(__doc__)
    machine, rows, tiles = described(), {}, []
    with TemporaryDirectory() as scratch:
        for extraction in GRIDS:
            make(Path(scratch) / "warm" / extraction, SETTINGS.model_copy(update={"extraction": extraction}))
        for truth in surfaces(o.files, o.characters):
            rows[truth.name] = {}
            camera = truth.cameras(between=True)[10].resized(512, 512)
            for extraction in GRIDS:
                out = Path(scratch) / truth.name / extraction / "mesh"
                rows[truth.name][extraction], (v_pos, faces) = measured(truth, o.work / truth.name, extraction, o.threads, out)
                surface = Surface(vertex_normals(v_pos, faces), faces.astype(np.int64), np.zeros((len(v_pos), 2)), faces.astype(np.int64), WHITE)
                tiles.append(draw(surface, v_pos, camera, "wires"))
            print(json.dumps({truth.name: rows[truth.name]}), flush=True)
    if o.png:
        write_png(o.png, contact_sheet(tiles, columns=len(GRIDS)))
    report({"machine": machine, "threads": o.threads, "surfaces": rows}, o.json)


if __name__ == "__main__":
    main()
