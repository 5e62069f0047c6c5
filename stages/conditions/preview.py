"""What a person looks at: every kind for eight views, and the turn of the body."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.artifacts.conditions import ConditionSet
from stages.artifacts.images import contact_sheet, write_png

SHEET_VIEWS, TILE_HEIGHT_PX = 8, 256


def write_preview(conditions: ConditionSet, folder: Path) -> None:
    """``contact_sheet.png`` (a row for each kind, eight views) and ``rings.png`` (one kind, all views)."""
    chosen = _chosen(conditions)
    tiles = [_small(conditions.image(kind, name)) for kind in conditions.kinds for name in chosen]
    labels = [f"{kind} {name}" for kind in conditions.kinds for name in chosen]
    write_png(folder / "contact_sheet.png", contact_sheet(tiles, len(chosen), labels, background=40))
    kind = next(k for k in ("openpose", *conditions.kinds) if k in conditions.kinds)
    write_png(folder / "rings.png", contact_sheet([_small(conditions.image(kind, n)) for n in conditions.names], 8, conditions.names, background=40))


def _chosen(conditions: ConditionSet) -> list[str]:
    """Front, angle, side, back and the other side of the first ring, then front, angle and side of the second, as far as there are such."""
    rings = list(conditions.rings.values())
    turns = [tuple(i / SHEET_VIEWS for i in range(SHEET_VIEWS))] if len(rings) == 1 else [(0, 1 / 8, 1 / 4, 1 / 2, 3 / 4), (0, 1 / 8, 1 / 4)]
    chosen = [ring[int(len(ring) * turn)] for ring, shares in zip(rings, turns, strict=False) for turn in shares]
    return [conditions.names[i] for i in dict.fromkeys(chosen)]


def _small(image: np.ndarray) -> np.ndarray:
    """At most ``TILE_HEIGHT_PX`` tall, by area."""
    from PIL import Image

    from stages.artifacts.images import to_u8

    height, width = image.shape[:2]
    if height <= TILE_HEIGHT_PX:
        return to_u8(image)
    size = (max(1, round(width * TILE_HEIGHT_PX / height)), TILE_HEIGHT_PX)
    return np.asarray(Image.fromarray(to_u8(image)).resize(size, Image.Resampling.BOX))
