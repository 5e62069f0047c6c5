"""What a batch of groups of views is to teach: who looks at whom, what the captions tell, how noisy each view is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.train.shards import VIEWS_PER_CHARACTER

NO_WINDOW = 0.65
HUSHED = 0.5  # share of the batches with a window that are not led whose captions leave things out
LEAD = 0.6  # the most that a leading view has of the others' timestep; ``views.lead`` of a half stays below in all steps


@dataclass(frozen=True)
class Lesson:
    """``alone``: every view sees itself only, and is of a character of its own. ``led``: the first view is clearer than the rest, and no caption tells what the
    character looks like. ``told``: the share of that which captions tell, None to draw one for each group."""

    alone: bool
    led: bool
    told: float | None

    @property
    def asks_attention(self) -> bool:
        """Is there something that other views, or other places of the same one, tell and the caption does not?"""
        return not self.alone and self.told != 1.0


def draw_lesson(led: float, rng: np.random.Generator) -> Lesson:
    """``led`` is the share of the lessons with a window that are led; without any, and where every view is alone, captions tell
    everything."""
    alone = rng.random() < NO_WINDOW
    leads = not alone and rng.random() < led
    hushed = led > 0 and not alone and rng.random() < HUSHED
    return Lesson(alone, leads, 0.0 if leads else None if hushed else 1.0)


def noisy_first(count: int, steps: int, lean: float, rng: np.random.Generator) -> np.ndarray:
    """``count`` timesteps (int64), one from each of as many equal shares of a distribution that leans to the noisy end (at 1.5,
    40 % of it is above 3/4 of ``steps``): what is decided there, colours and garments, is what a small network learns last."""
    u = (rng.permutation(count) + rng.random(count)) / count
    return np.minimum((steps * (1 - u**lean)).astype(np.int64), steps - 1)


def timesteps_of(groups: int, steps: int, lean: float, lesson: Lesson, rng: np.random.Generator) -> np.ndarray:
    """(groups * VIEWS_PER_CHARACTER,) int64: one for all views of a group; one each where every view is alone; where the first leads at
    most LEAD of it for that."""
    if lesson.alone:
        return noisy_first(groups * VIEWS_PER_CHARACTER, steps, lean, rng)
    timesteps = np.repeat(noisy_first(groups, steps, lean, rng)[:, None], VIEWS_PER_CHARACTER, 1)
    if lesson.led:
        timesteps[:, 0] = timesteps[:, 0] * LEAD * rng.random(groups)
    return timesteps.reshape(-1)
