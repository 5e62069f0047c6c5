"""A second pass at a higher resolution: what was painted is enlarged, drowned in noise in part, and painted once more.

The same networks see the same texts and windows, and the condition pictures enlarged. What the noise leaves of the first pass (colours,
silhouette) stays; what is finer is painted anew. (Noise up to a level, and back: Meng et al. 2022, "SDEdit".)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
import torch
from diffusers import SchedulerMixin
from torch import Tensor

from pipeline.errors import StageError
from pipeline.stage import CheckpointProtocol, StageContext
from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import to_u8
from stages.views.chunks import Chunks, kept_chunk
from stages.views.denoise import Denoiser, Frames
from stages.views.networks import Networks
from stages.views.noise import frame_noise
from stages.views.pictures import decode, encode, resized
from stages.views.preview import watched_steps
from stages.views.schedule import make_scheduler
from stages.views.settings import HiresSettings, ViewsSettings

FLAT = ("parts", "canny")  # kinds whose colours are names: one between two of them would say something else
APART = "hires-"
T = TypeVar("T")


class Enlarged(ConditionSet):
    """The pictures and cameras of a set at another size; its body and key points are as they were."""

    def __init__(self, conditions: ConditionSet, width: int, height: int) -> None:
        super().__init__(conditions.folder)
        self.frames = [replace(frame, camera=frame.camera.resized(width, height)) for frame in conditions.frames]
        self.size = width, height

    def image(self, kind: str, name: str) -> np.ndarray:
        """One condition picture at this size, float32 sRGB (H, W, 3). Raises ArtifactError if that kind was not rendered."""
        return resized(to_u8(super().image(kind, name)), *self.size, flat=kind in FLAT).astype(np.float32) / 255


@dataclass(frozen=True)
class Apart:
    """A checkpoint whose names are its own, beside those of the first pass in ``whole``."""

    whole: CheckpointProtocol

    def save(self, name: str, write: Callable[[Path], None]) -> None:
        self.whole.save(APART + name, write)

    def load(self, name: str, read: Callable[[Path], T]) -> T | None:
        return self.whole.load(APART + name, read)

    def has(self, name: str) -> bool:
        return self.whole.has(APART + name)

    def due(self, seconds: float = 5.0) -> bool:
        return self.whole.due(seconds)


def finished_size(settings: ViewsSettings, conditions: ConditionSet, networks: Networks) -> ConditionSet:
    """The conditions at the size of the pictures that the stage leaves: enlarged, if there is a second pass."""
    if settings.hires is None:
        return conditions
    camera, unit = conditions.cameras[0], networks.factor * 2 ** (len(networks.unet.config.block_out_channels) - 1)
    width, height = (int(settings.hires.scale * side / unit + 0.5) * unit for side in (camera.width, camera.height))
    if width <= camera.width or height <= camera.height:
        raise StageError(f"views.hires.scale {settings.hires.scale:g} makes {camera.width} x {camera.height} pictures {width} x {height}, as this "
                         f"model needs multiples of {unit}; a larger scale was expected")
    return Enlarged(conditions, width, height)


def shrunk(pictures: Mapping[int, np.ndarray], conditions: ConditionSet) -> dict[int, np.ndarray]:
    """Pictures of the finished size at that of the ``conditions``, for the first pass; the same if there is no second."""
    camera = conditions.cameras[0]
    return {frame: resized(picture, camera.width, camera.height) for frame, picture in pictures.items()}


def last_steps(settings: ViewsSettings, hires: HiresSettings, config: Mapping[str, object]) -> SchedulerMixin:
    """The solver with the last of its steps alone: those whose noise is at most what ``strength`` asks for, and one at least."""
    scheduler = make_scheduler(settings.scheduler, config)
    steps = hires.steps or settings.steps
    scheduler.set_timesteps(steps)
    first = steps - max(1, int(steps * hires.strength))
    scheduler.timesteps = scheduler.timesteps[first:]
    if hasattr(scheduler, "sigmas"):
        scheduler.sigmas = scheduler.sigmas[first:]
        scheduler.set_begin_index(0)  # said, since two of the last timesteps may be the same number
    return scheduler


def drowned(scheduler: SchedulerMixin, clean: Tensor, noise: Tensor) -> Tensor:
    """``clean`` latents with the ``noise`` that the solver expects at its first step."""
    return scheduler.add_noise(clean, noise, scheduler.timesteps[:1].expand(len(clean)))


@dataclass(frozen=True)
class SecondPass:
    """The sampling of the second pass, its frames, and the ``clean`` latents (frames, 4, h, w) that they begin with; ``larger``: how many
    times as large as before a picture is."""

    denoiser: Denoiser
    frames: Frames
    clean: Tensor
    larger: float

    @classmethod
    def after(
        cls, first: Denoiser, frames: Frames, latents: Tensor, given: Sequence[np.ndarray], settings: ViewsSettings, hires: HiresSettings,
        networks: Networks, finished: ConditionSet,
    ) -> Self:
        """From the ``latents`` of the ``first`` pass to pictures of the size that those of ``finished`` have, as have the ``given`` ones, of
        the first frames, which are there already. Views are not averaged again, which would undo what this is for."""
        size = finished.cameras[0].width, finished.cameras[0].height
        scheduler = last_steps(settings, hires, networks.scheduler_config)
        lead = round(settings.lead * len(scheduler.timesteps)) if first.lead else 0
        denoiser = replace(first, scheduler=scheduler, checkpoint=Apart(first.checkpoint), lead=lead, synchronizer=None, correspondence=None,
                           halve=None, evaluations=0, _windows=[])
        with networks.vae_at_work():
            pictures = [*given, *(resized(decode(networks, its), *size) for its in latents[len(given) :])]
            clean = torch.stack([encode(networks, picture) for picture in pictures])
        its = replace(frames, given=clean[: len(given)] if given else None)
        return cls(denoiser, its, clean, clean[0].numel() / latents[0].numel())

    def apart(self, context: StageContext) -> StageContext:
        """The ``context`` with this pass's own checkpoint."""
        return replace(context, checkpoint=self.denoiser.checkpoint)

    def run(self, settings: ViewsSettings, first_chunk: int, context: StageContext, watched: Sequence[int]) -> tuple[Tensor, dict[int, Tensor]]:
        """Latents of all frames and clean estimates of the ``watched`` ones, as ``Denoiser.run`` gives them.

        So many fewer frames than in the first pass go through the network at once as they are larger: memory stays what it was.
        """
        size = first_chunk if settings.window == "full" else max(1, int(first_chunk / self.larger))
        apart = self.apart(context)
        chunks = Chunks(kept_chunk(apart) or size, settings, self.denoiser, self.frames, apart, "denoising again")
        self.denoiser.halve = chunks.halve
        chunks.begin(self.denoiser.ticks_done())
        noise = frame_noise(settings.seed, [(APART + name, 0) for name in self.frames.names], tuple(self.clean.shape[1:]), settings.shared_noise)
        start = drowned(self.denoiser.scheduler, self.clean, noise)
        steps = watched_steps(self.denoiser.steps)
        return self.denoiser.run(self.frames, noise, chunks.size, context.progress.advance, watched, steps, start)
