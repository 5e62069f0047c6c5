"""How far the frames of a window look: what memory and time follow from, before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from stages.views.given import order_of
from stages.views.schemes import scheme_of
from stages.views.settings import ViewsSettings
from stages.views.windows import plan_chunks


@dataclass(frozen=True)
class Reach:
    """How many frames a frame's attention sees and how many are carried from batch to batch, at most; how many go together in the smallest
    batches; and pictures that go through the UNet for each frame and step."""

    seen: int
    carried: int
    together: int
    passes: float

    @classmethod
    def of(cls, settings: ViewsSettings, views: int) -> Self:
        """For one ring of ``views``; given pictures are looked at beside what the window names."""
        scheme = scheme_of(settings.window, [[360 * i / views for i in range(views)]])
        seen = max(map(len, scheme.windows))
        if settings.window == "joint":
            return cls(seen, 0, seen, sum(map(len, scheme.windows)) / views)
        plans = plan_chunks(order_of(scheme.windows, (), scheme.first).windows, 1)
        beside = 0 if settings.window in ("none", "full") else len(settings.references) + (settings.keep is not None)
        return cls(
            min(seen + min(2, beside), views), min(max(len(plan.carried) for plan in plans) + len(settings.references), views),
            max(len(plan.frames) for plan in plans), 1.0,
        )
