"""What the report shows of the views stage: all views, and how some of them came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import contact_sheet, write_png
from stages.artifacts.thumbnails import thumbnails
from stages.artifacts.views import ViewSet
from stages.views.given import Order
from stages.views.networks import Networks
from stages.views.pictures import decode

GLIMPSE_STEPS = 6


def watched_rows(conditions: ConditionSet, order: Order) -> list[int]:
    """Rows for the strip that shows the denoising: each ring's front, the body's side and back, as far as they are worked on.

    A view that is painted by itself, as for a first impression, has none: the strip would take more decoding than the picture.
    """
    if len(order.frames) == 1:
        return []
    frames: list[int] = []
    for members in conditions.rings.values():
        frames += [members[0]] if frames else [members[i * len(members) // 4] for i in range(3)]
    return [order.frames.index(i) for i in dict.fromkeys(frames) if i in order.frames]


def watched_steps(steps: int) -> list[int]:
    """At most ``GLIMPSE_STEPS`` of them, the first and the last among them."""
    count = min(GLIMPSE_STEPS, steps)
    return sorted({round(i * (steps - 1) / max(1, count - 1)) for i in range(count)})


def write_preview(views: ViewSet, passes: Mapping[str, Mapping[int, Tensor]], networks: Networks, preview: Path) -> None:
    """``contact_sheet.png``, and a strip for each of ``passes``: name of its file -> step -> clean estimates of the watched rows."""
    write_png(preview / "contact_sheet.png", contact_sheet(thumbnails(map(views.image, views.names), len(views.names)), 8, views.names))
    for name, glimpses in passes.items():
        if glimpses:
            write_png(preview / f"{name}.png", contact_sheet(*_strip(glimpses, networks)))


def _strip(glimpses: Mapping[int, Tensor], networks: Networks) -> tuple[list, int, Sequence[str]]:
    """Pictures, columns and labels: a row for each view, a column for each step."""
    steps = sorted(glimpses)
    rows = len(glimpses[steps[0]])
    pictures = (decode(networks, glimpses[step][row]) for row in range(rows) for step in steps)
    return thumbnails(pictures, rows * len(steps)), len(steps), [f"step {step + 1}" for step in steps] * rows
