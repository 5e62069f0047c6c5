"""A field learnt by nerfstudio: our views out as a data set, its density and colours back as a grid in our box."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from pipeline.errors import MissingError
from pipeline.stage import StageContext
from stages.artifacts.cameras import Camera
from stages.artifacts.images import to_u8
from stages.artifacts.views import write_view_set
from stages.field.grid_field import GridField
from stages.field.march import TURNS
from stages.field.pixels import View
from stages.field.scene import Scene
from stages.field.settings import FieldSettings
from stages.field.training import Training

if TYPE_CHECKING:
    from third_party.nerfstudio import NerfstudioProgram

SPAN = 1.6  # of the box's longest side in the data set; its own box is 2 wide
ALONG_LONGEST = 256  # cells of the grid that is read back
VISITS = 12  # to every cell of the occupancy grid
RAYS_SCORED = 4096
DONE = "nerfstudio.json"


def learn(settings: FieldSettings, scene: Scene, context: StageContext) -> Training:
    """Train by nerfstudio, or take what a killed run had trained, and read it back. Raises MissingError, StageError."""
    from third_party.nerfstudio import NerfstudioProgram, find_nerfstudio
    from third_party.nerfstudio.process import read_field

    program = find_nerfstudio(settings.nerfstudio_python)
    if not isinstance(program, NerfstudioProgram):
        raise MissingError(program)
    if settings.nerfstudio_method == "instant-ngp" and context.device == "cpu":
        raise MissingError("nerfstudio's instant-ngp marches rays on CUDA alone and this run's device is the CPU; "
                           "field.nerfstudio_method: nerfacto runs on both")
    folder = context.work / "nerfstudio"
    config = context.checkpoint.load(DONE, lambda path: Path(json.loads(path.read_text(encoding="utf-8"))["config"]))
    if config is None or not config.is_file():
        config = _train(program, settings, scene, context, folder)
    low = -np.asarray(scene.box.extent) * SPAN / 2
    density, rgb, coloured = read_field(program, config, low.tolist(), SPAN / ALONG_LONGEST, _asked(scene), folder / "back")
    per_metre = SPAN / scene.box.size_m
    return _trained(GridField(density * per_metre, rgb, coloured, ALONG_LONGEST), scene, settings)


def in_span(camera: Camera, scene: Scene) -> Camera:
    """``camera`` in the data set's frame: the box's middle at the origin, its longest side ``SPAN``."""
    c2w = camera.c2w.copy()
    c2w[:3, 3] = (c2w[:3, 3] - scene.box.low - np.asarray(scene.box.extent) * scene.box.size_m / 2) * SPAN / scene.box.size_m
    return replace(camera, c2w=c2w)


def write_data(folder: Path, scene: Scene) -> None:
    """Pictures and cameras as nerfstudio takes them; views held out, or else one, are those that it may look at and not learn from."""
    held_out: Sequence[View] = scene.held_out or scene.training[:1]
    names = {v.camera.name for v in scene.held_out}
    learnt = [v for v in scene.training if v.camera.name not in names]
    pictures = [*learnt, *(replace(v, camera=replace(v.camera, name=f"held_out_{v.camera.name}")) for v in held_out)]
    write_view_set(folder, ((in_span(v.camera, scene), to_u8(v.rgba)) for v in pictures),
                   [{"split": "train"}] * len(learnt) + [{"split": "test"}] * len(held_out))


def _train(program: NerfstudioProgram, settings: FieldSettings, scene: Scene, context: StageContext, folder: Path) -> Path:
    from third_party.nerfstudio.process import Order, train

    write_data(folder / "data", scene)
    context.log.info("field: %s of nerfstudio %s, %d steps; it speaks in %s", settings.nerfstudio_method, program.version, settings.steps,
                     folder / "out" / "ns-train.txt")
    context.progress.start("nerfstudio", settings.steps)
    heard = 0

    def tell(step: int) -> None:
        nonlocal heard
        context.progress.advance(max(step - heard, 0))
        heard = max(step, heard)

    order = Order(folder / "data", settings.nerfstudio_method, settings.steps, settings.rays_per_batch, settings.seed, context.device)
    config = train(program, order, folder / "out", tell)
    tell(settings.steps)
    context.checkpoint.save(DONE, lambda path: path.write_text(json.dumps({"config": str(config)}), encoding="utf-8") and None)
    return config


def _asked(scene: Scene) -> np.ndarray:
    """Grid points in the visual hull or within a cell of it: the grid read back holds one at each end of the box."""
    hull = ndimage.binary_dilation(scene.occupancy.hull)
    shape = [int(np.ceil(e * ALONG_LONGEST - 1e-6)) + 1 for e in scene.box.extent]
    at = [(np.arange(n) * scene.occupancy.resolution // ALONG_LONGEST).clip(0, hull.shape[a] - 1) for a, n in enumerate(shape)]
    return hull[np.ix_(*at)]


def _trained(field: GridField, scene: Scene, settings: FieldSettings) -> Training:
    """The end of a training whose field is ``field``: occupancy known, and the PSNR of some training pixels as its only history."""
    rng = np.random.default_rng(settings.seed)
    for turn in range(VISITS * TURNS):
        scene.occupancy.update(field.density, rng, turn)
    batch, _ = scene.pixels.draw(rng, RAYS_SCORED, settings.random_background)
    samples = scene.occupancy.sample(batch.origins, batch.directions, batch.jitter)
    out = field.render(batch.unit, samples, scene.occupancy.step_m)
    alpha = batch.rgba[:, 3:]
    truth = alpha * batch.rgba[:, :3] + (1 - alpha) * batch.background
    error = float(((out[:, :3] + (1 - out[:, 3:4]) * batch.background - truth) ** 2).mean())
    training = Training(scene, field, settings, rng)
    training.done = settings.steps
    training.history.append((settings.steps - 1, error, -10 * float(np.log10(max(error, 1e-10)))))
    return training
