"""A field learnt here: for how many steps, with progress, and from where a killed run stopped."""

from __future__ import annotations

import numpy as np

from pipeline.stage import StageContext
from stages.field.encoding import GridLayout
from stages.field.scene import Scene
from stages.field.settings import FieldSettings
from stages.field.training import FILE, Training

SAVE_S = 5.0
PIXELS_PER_STEP = 500
STEPS = (2000, 4000)  # fewest and most, where the user leaves it open


def lasting(settings: FieldSettings, scene: Scene) -> FieldSettings:
    """``settings`` with the number of steps filled in where it was left open: many and large pictures take longer to learn."""
    if settings.steps is not None:
        return settings
    return settings.model_copy(update={"steps": int(np.clip(len(scene.pixels) // PIXELS_PER_STEP, *STEPS))})


def learn(settings: FieldSettings, scene: Scene, context: StageContext) -> Training:
    """Begin, or go on, and train to the end."""
    training = begin(settings, scene, context)
    train(training, context)
    return training


def begin(settings: FieldSettings, scene: Scene, context: StageContext) -> Training:
    """A fresh training, or the one that a killed run left."""
    rng = np.random.default_rng(settings.seed)
    layout = GridLayout.of(settings.levels, settings.features, settings.log2_hashmap_size, settings.base_resolution,
                           settings.finest_resolution, scene.box.extent)
    field = context.backends["radiance field"].create(layout, settings, rng, context.device)
    training = Training(scene, field, settings, rng)
    context.checkpoint.load(FILE, training.restore)
    return training


def train(training: Training, context: StageContext) -> None:
    """Run the steps that are left, with progress and checkpoints."""
    context.progress.start("field", training.settings.steps)
    if training.done:
        context.progress.advance(training.done)

    def save(state: Training) -> None:
        if context.checkpoint.due(SAVE_S):
            context.checkpoint.save(FILE, state.save)

    training.run(lambda quality: context.progress.advance(1, psnr=quality), save)
    context.checkpoint.save(FILE, training.save)
