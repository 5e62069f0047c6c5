"""Views that disagree: true views with known faults, field and mesh made of them with each remedy on and off.

    python -m scripts.bench.imperfect --character 0 --work runs/imperfect --json docs/benchmarks/imperfect.json

24 views round the body and 8 close-ups of the head, 288 x 384, with one of ``scripts.bench.faults.FAULTS`` each; scored on views between them that have no
fault, and on the true surface. ``RECIPES`` names what is switched; ``--faults`` and ``--recipes`` choose. What is in ``--work`` is not made again.
The field takes ``QUICK`` settings, a twentieth of a run's work; ``--no-mesh`` stops there. ``--mesh`` is a finished mesh of the same character: its texture is
painted anew from the faulty views, once for each of ``PAINTINGS``, with nothing else in play.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.evaluate_mesh import add_scores, coverage, evaluate
from scripts.bench.faults import FAULTS, spoilt
from scripts.bench.field import HEIGHT, WIDTH, measure
from scripts.bench.machine import described, report
from scripts.bench.mesh import build
from scripts.bench.truths import Truth, of_generator
from stages.artifacts.cameras import Camera
from stages.artifacts.field import FieldGrid
from stages.artifacts.framing import body_ring, head_ring
from stages.artifacts.images import to_u8
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.normals import vertex_normals
from stages.artifacts.views import MaskedViews, ViewSet, write_view_set
from stages.conditions.body import POSES, load_base_body
from stages.field.settings import FieldSettings
from stages.mesh.observed import observe
from stages.mesh.paint import painted
from stages.mesh.settings import MeshSettings
from stages.mesh.texels import texels_of
from stages.rendering.picture import Surface, draw

BODY, HEAD, SPACING = 24, 8, 4  # views on the rings; every so many-th place between two of them is scored
OFF = {"align_views": False, "balance_colours": False}
BOTH = {"align_views": True, "balance_colours": True}
PAINTINGS = {"projected": False, "outvoted": True}
QUICK = {"steps": 400, "samples_per_batch": 8192, "video": False}  # of the field: a twentieth of a run's work
PLAIN = {"final_colours": "fitted", "outvote": False}
RECIPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "off": (OFF, PLAIN), "views": (OFF | {"align_views": True}, PLAIN), "colours": (OFF | {"balance_colours": True}, PLAIN), "both": (BOTH, PLAIN),
    "all on": (BOTH, {}), "default": ({}, {}), "off, squared loss": (OFF | {"loss": "l2"}, PLAIN),
}  # fmt: skip


def cameras() -> tuple[list[Camera], list[Camera]]:
    """Those of a run, and some half-way between them."""
    body = load_base_body().posed(POSES["a_pose"])
    learnt = [*body_ring(body, BODY, WIDTH, HEIGHT), *head_ring(body, HEAD, WIDTH, HEIGHT)]
    between = [*body_ring(body, 2 * BODY, WIDTH, HEIGHT)[1 :: 2 * SPACING], *head_ring(body, 2 * HEAD, WIDTH, HEIGHT)[1::4]]
    return learnt, between


def write_views(folder: Path, truth: Truth, fault: str) -> None:
    """``views`` with the fault, ``between`` without, and ``all`` of them."""
    if (folder / "all" / "transforms.json").exists():
        return
    learnt, between = cameras()
    pictures = [(c, spoilt(truth, c, fault, i)) for i, c in enumerate(learnt)], [(c, truth.picture(c)) for c in between]
    ring = lambda pairs: [{"ring": c.name.split("_")[0]} for c, _ in pairs]  # noqa: E731
    renamed = [(Camera(**{**vars(c), "name": f"{c.name}_between"}), x) for c, x in pictures[1]]
    for name, pairs in (("views", pictures[0]), ("between", renamed), ("all", pictures[0] + renamed)):
        write_view_set(folder / name, pairs, ring(pairs))


def field_of(folder: Path, recipe: str, threads: int) -> dict[str, Any]:
    """The field's figures; the folder's own where it has them."""
    own = folder / recipe
    done = own / "field.json"
    if not done.exists():
        shutil.rmtree(own, ignore_errors=True)
        held = tuple(range(BODY + HEAD, len(ViewSet.open(folder / "all").names)))
        settings = FieldSettings(held_out=held, **QUICK, **RECIPES[recipe][0])
        figures = measure(folder / "all", own / "field_run", settings, threads)
        done.write_text(json.dumps(figures))
    return json.loads(done.read_text())


def mesh_of(folder: Path, recipe: str, truth: Truth, threads: int) -> dict[str, Any]:
    """The mesh's figures, likewise."""
    own = folder / recipe
    done = own / "mesh.json"
    if not done.exists():
        for name in ("mesh", "scratch_mesh"):
            shutil.rmtree(own / name, ignore_errors=True)
        stage = build(FieldGrid.open(own / "field_run" / "out"), folder / "views", own / "mesh", MeshSettings(**RECIPES[recipe][1]), threads)
        figures = evaluate(own / "mesh" / "mesh.glb", [("between", ViewSet.open(folder / "between"))], (truth.v_pos, truth.t_pos_idx), truth.head)
        done.write_text(json.dumps({"stage": stage, **figures}))
    return json.loads(done.read_text())


def paintings_of(folder: Path, given: MeshAsset) -> dict[str, dict[str, float]]:
    """Figures of the surface ``given``, its texture projected from the faulty views, on those between them."""
    mesh, observed, between = given.mesh, observe(MaskedViews.open(folder / "views")), ViewSet.open(folder / "between")
    v_pos, faces, settings = mesh.v_pos, mesh.t_pos_idx.astype(np.int64), MeshSettings()
    texels, normals, out = texels_of(mesh.v_tex, mesh.t_tex_idx, mesh.kd.shape[0]), vertex_normals(v_pos, faces), {}
    for name, outvote in PAINTINGS.items():
        colour, _ = painted(texels, v_pos, mesh.t_pos_idx, observed, settings.view_sharpness, settings.portrait_lead_deg, outvote)
        surface = Surface(normals, faces, mesh.v_tex, mesh.t_tex_idx.astype(np.int64), to_u8(texels.picture(colour)))
        scores: dict[str, list[float]] = {}
        for view, camera in zip(between.names, between.cameras, strict=True):
            add_scores(scores, view, between.image(view), draw(surface, v_pos, camera, supersample=3) / 255.0, coverage(v_pos, faces, camera))
        out[name] = {key: float(np.mean(scores[key])) for key in ("psnr_db", "psnr_head_db", "gradient_energy_ratio")}
    return out


def row(field: dict[str, Any], mesh: dict[str, Any] | None) -> dict[str, float]:
    """What is compared."""
    out = {"field_psnr_db": field["held_out"]["figure_psnr_db"], "field_sharpness": field["held_out"]["gradient_energy_ratio"], "field_s": field["wall_s"]}
    if mesh is None:
        return out
    seen, shape = mesh["between"], mesh["shape"]
    return out | {
        "mesh_psnr_db": seen["psnr_db"], "head_psnr_db": seen["psnr_head_db"], "sharpness": seen["gradient_energy_ratio"],
        "chamfer_percent": shape["chamfer_percent"], "f_score": shape["f_score"], "f_score_head_quarter": shape["f_score_head_quarter"],
        "mesh_s": mesh["stage"]["wall_s"],
    }  # fmt: skip


def table(rows: dict[str, dict[str, dict[str, float]]]) -> str:
    """Faults and recipes down, figures across, in Markdown."""
    keys = list(max((r for f in rows.values() for r in f.values()), key=len))
    lines = ["| fault | recipe | " + " | ".join(keys) + " |", "|---" * (len(keys) + 2) + "|"]
    for fault, recipes in rows.items():
        lines += [f"| {fault} | {name} | " + " | ".join(f"{r[k]:.3f}" if k in r else "" for k in keys) + " |" for name, r in recipes.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--character", type=int, default=0, help="index of a held-out combination of the generator")
    parser.add_argument("--faults", nargs="*", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--no-mesh", action="store_true", help="the field alone")
    parser.add_argument("--mesh", type=Path, help="folder of a finished mesh of the character; only its texture is made")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    o = parser.parse_args(arguments)
    machine, truth, rows = described(), of_generator(o.character), {}
    for fault in o.faults:
        folder = o.work / truth.name / fault
        write_views(folder, truth, fault)
        if o.mesh:
            rows[fault] = paintings_of(folder, MeshAsset.open(o.mesh))
            print(json.dumps({fault: rows[fault]}), flush=True)
            continue
        for recipe in o.recipes:
            field = field_of(folder, recipe, o.threads)
            mesh = None if o.no_mesh else mesh_of(folder, recipe, truth, o.threads)
            rows.setdefault(fault, {})[recipe] = row(field, mesh)
            print(json.dumps({fault: {recipe: rows[fault][recipe]}}), flush=True)
    print(table(rows))
    report({"machine": machine, "threads": o.threads, "surface": truth.name, "rows": rows}, o.json)


if __name__ == "__main__":
    main()
