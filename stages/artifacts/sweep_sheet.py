"""One picture of what several runs came to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import ArtifactError
from stages.artifacts.images import contact_sheet, read_srgb, write_png
from stages.artifacts.thumbnails import thumbnails
from stages.artifacts.views import ViewSet


def write_sheet(rows: Sequence[tuple[str, Path]], path: Path) -> None:
    """A PNG with a row for each (label, folder of a stage); single pictures are laid out in a square. Raises ArtifactError."""
    glances = [glance(folder) for _, folder in rows]
    columns = max(map(len, glances))
    pictures, labels = [], []
    for (label, _), seen in zip(rows, glances, strict=True):
        blank = np.full_like(seen[0], 1.0)
        pictures += [*seen, *[blank] * (columns - len(seen))]
        labels += [label, *[""] * (columns - 1)]
    tiles = thumbnails(pictures, len(pictures))
    write_png(path, contact_sheet(tiles, columns if columns > 1 else math.ceil(math.sqrt(2 * len(rows))), labels))


def glance(folder: Path) -> list[np.ndarray]:
    """What one looks at first, float32 sRGB: of views the front, between, side and back and the close-up; else the stage's preview."""
    if (folder / "transforms.json").is_file():
        views = ViewSet.open(folder)
        chosen = []
        for number, members in enumerate(views.rings.values()):
            chosen += [members[len(members) * eighths // 8] for eighths in ((0, 1, 2, 4) if number == 0 else (0,))]
        return [views.image(views.names[i]) for i in dict.fromkeys(chosen)]
    pictures = sorted((folder / "preview").glob("*.png"))
    if not pictures:
        raise ArtifactError(folder, "has no preview", "A stage with pictures was expected; `--until views` is one.")
    sheet = folder / "preview" / "contact_sheet.png"
    return [read_srgb(sheet if sheet in pictures else pictures[0])]
