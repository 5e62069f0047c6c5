"""Frames that take their steps together: all at once, or the first frame some steps ahead of the rest.

A first frame that is ahead is clearer than the frames that look at it. So it decides what the words leave open, and the others
find it decided, where frames that are equally noisy decide each for itself. (One noise level for each frame: Chen et al. 2024,
"Diffusion Forcing".)
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import SchedulerMixin
from torch import Tensor

from stages.views.schedule import noised
from stages.views.windows import Windows

CLEAN = 0  # the timestep of a frame that is done, for those that still look at it


@dataclass
class Strand:
    """Frame numbers ``rows`` with a solver of their own, which begin ``delay`` ticks after the start, or which are ``given``: clean
    from the start, and looked at so, or without a delay as noisy as the rest."""

    rows: tuple[int, ...]
    delay: int
    scheduler: SchedulerMixin
    given: bool = False

    @property
    def steps(self) -> int:
        """How many it takes."""
        return len(self.scheduler.timesteps)

    def begun(self, tick: int) -> bool:
        """Is it looked at by ``tick``?"""
        return tick >= self.delay

    def works(self, tick: int) -> bool:
        """Does it take a step at ``tick``?"""
        return not self.given and self._under_way(tick)

    def drowned(self, tick: int) -> bool:
        """Is it given, and shown with noise on it at ``tick``?"""
        return self.given and self._under_way(tick)

    def done(self, tick: int) -> bool:
        """Is it finished, and looked at so, when ``tick`` begins?"""
        return tick >= self.delay + self.steps

    def step(self, tick: int) -> int:
        """Number of its step at ``tick``, from 0; once it is done, the last."""
        return min(tick - self.delay, self.steps - 1)

    def timestep(self, tick: int) -> Tensor:
        """The noise level that its frames have when ``tick`` begins."""
        return self.scheduler.timesteps[tick - self.delay] if self._under_way(tick) else torch.tensor(CLEAN)

    def _under_way(self, tick: int) -> bool:
        return self.delay <= tick < self.delay + self.steps


def make_strands(scheduler: SchedulerMixin, frames: int, lead: int, given: int = 0) -> tuple[Strand, ...]:
    """All ``frames`` in one strand, or frame 0 ``lead`` steps ahead, or the first ``given`` of them there already.

    ``scheduler`` must have its timesteps set.
    """
    if given:
        first = Strand(tuple(range(given)), -len(scheduler.timesteps) if lead else 0, scheduler, given=True)
        if frames == given:
            return (first,)
        return (first, Strand(tuple(range(given, frames)), 0, copy.deepcopy(scheduler)))
    lead = min(lead, len(scheduler.timesteps))
    if lead == 0 or frames == 1:
        return (Strand(tuple(range(frames)), 0, scheduler),)
    return (Strand((0,), 0, scheduler), Strand(tuple(range(1, frames)), lead, copy.deepcopy(scheduler)))


def ticks_of(strands: Sequence[Strand]) -> int:
    """How many until all are done."""
    return max(strand.delay + strand.steps for strand in strands)


def windows_at(windows: Windows, begun: int) -> Windows:
    """Whom the first ``begun`` frames can look at: those of their window that have begun."""
    return tuple(tuple(frame for frame in window if frame < begun) for window in windows[:begun])


def frames_begun(strands: Sequence[Strand], tick: int) -> int:
    """Frames that have begun by ``tick``: always the first ones."""
    return sum(len(strand.rows) for strand in strands if strand.begun(tick))


def frames_done(strands: Sequence[Strand], tick: int) -> int:
    """Frames, of the first ones, that are finished when ``tick`` begins."""
    return sum(len(strand.rows) for strand in itertools.takewhile(lambda strand: strand.done(tick), strands))


def shown(strands: Sequence[Strand], latents: Tensor, noise: Tensor, tick: int) -> tuple[Tensor, Tensor, list[int]]:
    """What the networks see at ``tick`` of the frames that have begun: latents (begun, 4, h, w), timesteps (begun,) and each frame's step.

    ``latents`` and unit ``noise`` are of all frames.
    """
    begun = frames_begun(strands, tick)
    timesteps, steps = torch.zeros(begun, dtype=torch.int64), [0] * begun
    noisy = latents[:begun].clone()
    for strand in strands:
        if strand.begun(tick):
            rows, here = list(strand.rows), strand.timestep(tick)
            timesteps[rows] = here.to(timesteps)
            if strand.drowned(tick):
                noisy[rows] = noised(strand.scheduler, noisy[rows], noise[rows], here)
            noisy[rows] = strand.scheduler.scale_model_input(noisy[rows], here)
            for row in rows:
                steps[row] = strand.step(tick)
    return noisy, timesteps, steps
