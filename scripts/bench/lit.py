"""Base colour and relighting from lit pictures of known surfaces: 48 views of 512 x 512 under one light learnt from, 24 others held out.

    python -m scripts.bench.lit spot.obj Knight.glb Rogue.glb --characters 0 1 2 3 --work runs/lit --json docs/benchmarks/lit.json

Default settings but for the field's video. Two meshes of the same field: with the light told apart (``environment``) and with it left in the texture
(``unlit``). Each is scored as exported and read back, in the held-out views:

- kd: drawn unlit, against the truth unlit. Nothing in the pictures tells bright paint under dim light from dark paint under bright light, so the mesh's linear base
  colour is first multiplied by one factor for each channel, that of the least squared difference from the truth over all these views. With one factor for all
  channels, a light that is not white counts as an error too.
- relit: drawn under a light that nothing has learnt from, with those three factors, against the truth under it; the same renderer, with the mesh's own roughness and shadows.

Figure PSNR as in ``stages.artifacts.scores``. Pictures, fields and meshes are kept in ``--work``; what is there is not made again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.lights import DAY, EVENING
from scripts.bench.machine import described, report
from scripts.bench.mesh import build
from scripts.bench.reconstruction import arguments, made, surfaces
from scripts.bench.truths import Truth, of_file, write_truth
from stages.artifacts.cameras import Camera
from stages.artifacts.field import FieldGrid
from stages.artifacts.images import contact_sheet, linear_to_srgb, srgb_to_linear, to_u8, write_png
from stages.artifacts.mesh import MeshAsset
from stages.artifacts.scores import figure_psnr, on_white
from stages.artifacts.views import ViewSet
from stages.field.settings import FieldSettings
from stages.field.warm import warm as warm_field
from stages.mesh.settings import MeshSettings
from stages.mesh.warm import warm as warm_mesh

SHOWN = 5  # of the held-out views
TILE_PX = 300
DARKEST = 1e-3
PARTS = {"baked": "mesh", "ours": "parted"}  # folders


def gains(truth: Sequence[np.ndarray], ours: Sequence[np.ndarray]) -> np.ndarray:
    """(3,) factors on linear light that bring straight-alpha sRGB pictures nearest to others where both are solid, least squares."""
    solid = [(t[..., 3] > 0.99) & (o[..., 3] > 0.99) for t, o in zip(truth, ours, strict=True)]
    t, o = (np.concatenate([srgb_to_linear(p[m, :3].astype(np.float64)) for p, m in zip(pictures, solid, strict=True)]) for pictures in (truth, ours))
    return (t * o).sum(0) / np.maximum((o * o).sum(0), DARKEST)


def repainted(mesh: Truth, factors: np.ndarray) -> Truth:
    """``mesh`` with its linear base colour multiplied by ``factors`` (3,)."""
    kd = linear_to_srgb(srgb_to_linear(mesh.look.kd_u8 / 255.0) * factors)
    return replace(mesh, look=replace(mesh.look, kd_u8=to_u8(kd)))


def scores(glb: Path, roughness: float, flat: ViewSet, relit: ViewSet, exposure: float) -> dict[str, Any]:
    """Figures of one exported mesh against the unlit and the relit truth."""
    mesh, truth = replace(of_file(glb), roughness=roughness), [flat.image(name) for name in flat.names]
    drawn = [mesh.picture(camera) for camera in flat.cameras]
    factors = gains(truth, drawn)
    one = np.full(3, (factors * _energy(drawn)).sum() / _energy(drawn).sum())
    out = {"gains": factors.round(4).tolist(), "kd_one_factor_db": _mean_psnr(truth, drawn, one), "kd_as_it_is_db": _mean_psnr(truth, drawn, np.ones(3)),
           "kd_db": _mean_psnr(truth, drawn, factors)}
    lit = repainted(mesh, factors).under(EVENING, exposure)
    out["relit_db"] = float(np.mean([figure_psnr(relit.image(name), lit.picture(camera)) for name, camera in zip(relit.names, relit.cameras, strict=True)]))
    return out


def _energy(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """(3,) summed squares of the linear colours of the solid pixels: what a channel weighs in least squares."""
    return sum((srgb_to_linear(p[p[..., 3] > 0.99, :3].astype(np.float64)) ** 2).sum(0) for p in pictures)


def _mean_psnr(truth: Sequence[np.ndarray], ours: Sequence[np.ndarray], factors: np.ndarray) -> float:
    scaled = [np.concatenate([linear_to_srgb(srgb_to_linear(p[..., :3]) * factors), p[..., 3:]], -1) for p in ours]
    return float(np.mean([figure_psnr(t, p) for t, p in zip(truth, scaled, strict=True)]))


def separated(truth: Truth, folder: Path, threads: int) -> dict[str, Any]:
    """All figures of one surface; those of a finished folder are read."""
    done = folder / "lit.json"
    if done.exists():
        return json.loads(done.read_text())
    baked, settings = MeshSettings(lighting="unlit"), MeshSettings(lighting="environment")
    figures = made(truth.under(DAY), folder, FieldSettings(video=False), baked, threads)
    cameras, evening = truth.cameras(between=True), truth.under(EVENING)
    flat, relit = _pictures(folder / "flat", truth, cameras), _pictures(folder / "relit", evening, cameras)
    shutil.rmtree(folder / "parted", ignore_errors=True)
    # resumes from the checkpoints that the baked mesh left beside it: light is told apart last, so all before is the same
    figures["stage_again"] = build(FieldGrid.open(folder / "field_run" / "out"), folder / "views", folder / "parted", settings, threads)
    figures["light_explains_share"] = MeshAsset.open(folder / "parted").metrics["light_explains_share"]
    for name, part in PARTS.items():
        figures[name] = scores(folder / part / "mesh.glb", settings.roughness, flat, relit, evening.lit.exposure)
    done.write_text(json.dumps(figures))
    return figures


def row(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures that are compared, of one surface."""
    compared = {f"{name}_{key}": figures[name][key] for name in PARTS for key in ("kd_db", "kd_one_factor_db", "kd_as_it_is_db", "relit_db")}
    return {"field_psnr_db": figures["field"]["held_out"]["figure_psnr_db"], "light_explains_share": figures["light_explains_share"], **compared}


def _pictures(folder: Path, truth: Truth, cameras: Sequence[Camera]) -> ViewSet:
    return ViewSet.open(folder) if (folder / "transforms.json").exists() else write_truth(folder, truth, cameras)


def beside(folder: Path, figures: dict[str, Any], truth: Truth) -> list[np.ndarray]:
    """Of one held-out view: the truth lit, the truth unlit, our base colour, the truth relit, ours relit, the baked one relit."""
    shown = ViewSet.open(folder / "between").names[SHOWN]
    camera, evening = truth.cameras(between=True)[SHOWN], truth.under(EVENING)
    ours, baked = (repainted(of_file(folder / PARTS[name] / "mesh.glb"), np.array(figures[name]["gains"])) for name in ("ours", "baked"))
    ours, baked = (replace(mesh, roughness=MeshSettings().roughness) for mesh in (ours, baked))
    lit = [ViewSet.open(folder / name).image(shown) for name in ("between", "flat")] + [ours.picture(camera), ViewSet.open(folder / "relit").image(shown)]
    return [_tile(p) for p in [*lit, *(mesh.under(EVENING, evening.lit.exposure).picture(camera) for mesh in (ours, baked))]]


def _tile(rgba: np.ndarray) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(to_u8(on_white(rgba))).resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS))


def summary(machine: dict[str, Any], threads: int, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What is kept of a run: where, each surface's row, and their mean."""
    mean = {key: float(np.mean([row[key] for row in rows.values()])) for key in next(iter(rows.values()))}
    return {"machine": machine, "threads": threads, "surfaces": rows, "mean": mean}


def main() -> None:
    """Command line."""
    o = arguments(__doc__)
    machine, rows, tiles = described(), {}, []
    warm_field()
    warm_mesh()
    for truth in surfaces(o.files, o.characters):
        figures = separated(truth, o.work / truth.name, o.threads)
        rows[truth.name] = row(figures)
        print(json.dumps({truth.name: rows[truth.name]}), flush=True)
        if o.png:
            tiles += beside(o.work / truth.name, figures, truth)
    if o.png:
        write_png(o.png, contact_sheet(tiles, columns=6))
    report(summary(machine, o.threads, rows), o.json)


if __name__ == "__main__":
    main()
