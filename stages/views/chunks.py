"""How many frames go through the network at once: chosen for the free memory, kept for a resumed run, halved when they were too many.

The result does not depend on it but for the last digits, so a smaller chunk is what there is to give when memory is short.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import StageError
from pipeline.stage import StageContext
from stages.views.estimate import MOST_AT_ONCE, Estimate
from stages.views.settings import ViewsSettings

if TYPE_CHECKING:
    from stages.views.denoise import Denoiser, Frames

KEPT = "chunk.json"
SPARE = 0.9  # of what is free: the rest is for others, and for what the estimate does not see
REMEDY = "smaller pictures (conditions.width, conditions.height), fewer views.controlnets, views.dtype: float16 on a GPU, or device: cpu"


def chunk_for(settings: ViewsSettings, expected: Estimate, free: float | None) -> int:
    """The chunk that the settings ask for, or the one that fits into ``free`` bytes (None: nobody knows); never more than there are views."""
    if settings.window == "full":
        return expected.views
    most = min(expected.views, settings.chunk or MOST_AT_ONCE[expected.device])
    return most if settings.chunk else expected.fitting(None if free is None else SPARE * free, most)


def choose_chunk(settings: ViewsSettings, expected: Estimate, free: Callable[[], float | None], context: StageContext) -> int:
    """``chunk_for`` what is ``free`` now; chosen once, so that a resumed run cuts as it began."""
    kept = kept_chunk(context)
    if kept is not None:
        return kept
    chunk = chunk_for(settings, expected, free())
    _keep(chunk, context)
    return chunk


def kept_chunk(context: StageContext) -> int | None:
    """The chunk that an interrupted run worked with."""
    return context.checkpoint.load(KEPT, lambda path: int(json.loads(path.read_text(encoding="utf-8"))))


@dataclass
class Chunks:
    """The chunk of a denoising under way, and its progress."""

    size: int
    settings: ViewsSettings
    denoiser: Denoiser
    frames: Frames
    context: StageContext
    called: str = "denoising"

    def begin(self, done: int) -> None:
        """Show the progress of a denoising that has ``done`` ticks behind it."""
        counts = self.denoiser.chunks_at(self.frames, self.size, done)
        self.context.progress.start(self.called, sum(counts))
        self.context.progress.advance(sum(counts[:done]))

    def halve(self, chunk: int, tick: int) -> int:
        """Half of a ``chunk`` that did not fit at ``tick``. Raises StageError where there is nothing to halve."""
        self.size = halved(self.settings, chunk, self.context)
        self.begin(tick)
        return self.size


def halved(settings: ViewsSettings, chunk: int, context: StageContext) -> int:
    """Half of a ``chunk`` that did not fit, which a resumed run keeps to. Raises StageError where there is nothing to halve."""
    if settings.window == "full":
        raise StageError(f"the memory does not hold {chunk} views at once, and window: full looks at all of them together; write "
                         f"window: causal, or take {REMEDY}")
    if chunk == 1:
        raise StageError(f"the memory does not hold a single view; take {REMEDY}")
    _keep(chunk // 2, context)
    context.warn(f"the memory did not hold {chunk} views at once; it goes on with {chunk // 2}")
    return chunk // 2


def _keep(chunk: int, context: StageContext) -> None:
    context.checkpoint.save(KEPT, lambda path: path.write_text(json.dumps(chunk), encoding="utf-8") and None)
