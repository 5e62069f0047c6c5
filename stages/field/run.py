"""The field stage: train, score, bake, film."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numba
import numpy as np

from pipeline.stage import StageContext
from stages.artifacts.field import METRICS, FieldGrid
from stages.artifacts.images import contact_sheet, to_u8, write_png
from stages.artifacts.scores import figure_psnr, gradient_energy_ratio, on_white, psnr
from stages.artifacts.video import write_mp4
from stages.artifacts.views import ViewSet
from stages.field.bake import bake
from stages.field.learn import lasting
from stages.field.render import Rendering, novel_cameras, render
from stages.field.scene import Scene, make_scene
from stages.field.settings import FieldSettings
from stages.field.training import Training

PAIRS_SHOWN = 6
FPS = 16


def run(settings: FieldSettings, views: ViewSet, context: StageContext) -> FieldGrid:
    """Train a field on ``views`` and fill ``context.out``."""
    numba.set_num_threads(max(1, min(context.threads, numba.config.NUMBA_NUM_THREADS)))
    scene = make_scene(views, settings)
    context.log.info("field: %d views to learn from, %d held out, box %.2f m, %d cells in the hull", len(scene.training),
                     len(scene.held_out), scene.box.size_m, int(scene.occupancy.hull.sum()))
    if scene.metres_per_unit != 1:
        context.warn(other_unit(scene))
    training = context.backends["radiance field"].learn(lasting(settings, scene), scene, context)
    shown = [render(training.field, scene, v.camera) for v in (scene.held_out or scene.training[:1])]
    metrics = score(training, shown if scene.held_out else [])
    (context.out / METRICS).write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    baked = bake(training.field, scene, settings.grid_resolution, settings.fill)
    grid = FieldGrid.write(context.out, baked.density, baked.rgb, baked.grid2world, scene.metres_per_unit)
    training.corrections.write(context.out)
    _write_network(training, context.out / "network.safetensors")
    write_previews(training, shown, context.out / "preview")
    if settings.video:
        write_video(training, context)
    return grid


def other_unit(scene: Scene) -> str:
    """What the user has to know where cameras are not in metres."""
    return (
        f"the figure's box is {scene.box.size_m / scene.metres_per_unit:.4g} units of the cameras long, which is no figure's size in metres: "
        f"one unit is taken for {scene.metres_per_unit:.4g} m, and the mesh is given back in units of the cameras"
    )


def score(training: Training, held_out: list[Rendering]) -> dict:
    """Figures of ``metrics.json``: nothing in it depends on how long things took."""
    scene, s = training.scene, training.settings
    views = {}
    for view, picture in zip(scene.held_out, held_out):
        truth = view.rgba
        views[view.camera.name] = {
            "figure_psnr_db": round(figure_psnr(truth, picture.rgba), 3),
            "whole_image_psnr_db": round(psnr(on_white(truth), on_white(picture.rgba)), 3),
            "gradient_energy_ratio": round(gradient_energy_ratio(truth, picture.rgba), 3),
        }
    mean = {k: round(float(np.mean([v[k] for v in views.values()])), 3) for k in next(iter(views.values()), {})}
    return {
        "held_out": mean, "held_out_views": views, "steps": training.done, "training_views": len(scene.training),
        "training_psnr_db": round(float(np.mean([row[2] for row in training.history[-10:]])), 3),
        "box_m": {"low": scene.box.low.tolist(), "size": (scene.box.extent * scene.box.size_m).tolist()},
        "metres_per_unit": scene.metres_per_unit,
        "corrections": corrected(training),
        "hull_cells": int(scene.occupancy.hull.sum()), "occupied_cells": int(scene.occupancy.occupied.sum()), "seed": s.seed,
    }


def corrected(training: Training) -> dict[str, float]:
    """Root mean squares of what was corrected in the training views; empty if nothing was."""
    if not training.corrections.by_name:
        return {}
    a, size = training.corrections.arrays(), lambda x: float(np.sqrt((x**2).mean()))
    focal_px = np.array([v.camera.fx for v in training.scene.training])
    return {
        "moved_px": round(size(a["look"][:, :2] * focal_px[:, None]), 3), "turned_deg": round(float(np.degrees(size(a["look"][:, 2]))), 4),
        "enlarged": round(size(a["look"][:, 3]), 5), "gain": round(size(a["gain"] - 1), 4), "offset": round(size(a["offset"]), 4),
    }


def write_previews(training: Training, shown: list[Rendering], folder: Path) -> None:
    """Truth beside rendering, depth of the same views, and the curve of the training."""
    scene = training.scene
    truths = scene.held_out or scene.training[:1]
    pictures, labels = [], []
    for view, picture in list(zip(truths, shown))[:PAIRS_SHOWN]:
        difference = np.abs(on_white(view.rgba) - on_white(picture.rgba))
        pictures += [on_white(view.rgba), on_white(picture.rgba), 1 - np.clip(4 * difference, 0, 1), _grey_depth(picture)]
        labels += [f"{view.camera.name} truth", f"field {figure_psnr(view.rgba, picture.rgba):.1f} dB", "error x 4", "depth"]
    write_png(folder / "held_out.png", contact_sheet(pictures, 8 if len(pictures) > 4 else 4, labels))
    curve = {"title": "field: training", "x_label": "step", "x": [int(row[0]) for row in training.history],
             "series": {"PSNR of the batch (dB)": [round(row[2], 3) for row in training.history]}}
    (folder / "training.json").write_text(json.dumps(curve), encoding="utf-8")


def write_video(training: Training, context: StageContext) -> None:
    """A turn round the figure, on white."""
    scene = training.scene
    centre = scene.box.low + scene.box.extent * scene.box.size_m / 2
    cameras = novel_cameras([v.camera for v in scene.training], centre, training.settings.video_frames)
    context.progress.start("film", len(cameras))

    def frames():
        for camera in cameras:
            yield to_u8(on_white(render(training.field, scene, camera).rgba))
            context.progress.advance()

    video = write_mp4(context.out / "novel_views.mp4", frames(), FPS)
    shutil.copyfile(video, context.out / "preview" / "novel_views.mp4")


def _grey_depth(picture: Rendering) -> np.ndarray:
    """Near is dark, far is light, nothing is white."""
    depth = picture.depth_m
    known = np.isfinite(depth)
    if not known.any():
        return np.ones((*depth.shape, 3), np.float32)
    near, far = depth[known].min(), depth[known].max()
    grey = np.where(known, 0.1 + 0.75 * (np.where(known, depth, far) - near) / max(far - near, 1e-6), 1.0)
    return np.repeat(grey[..., None], 3, -1).astype(np.float32)


def _write_network(training: Training, path: Path) -> None:
    """Weights of the field's networks, private to this stage; none where another program keeps them."""
    from safetensors.numpy import save_file

    weights = {k.removeprefix("weight."): np.ascontiguousarray(v) for k, v in training.field.state().items() if k.startswith("weight.")}
    if weights:
        save_file(weights, str(path))
