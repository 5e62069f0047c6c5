"""Training pictures on disk: shards of characters, several views each, as memory-mapped arrays that readers share.

A shard is a folder with ``rgb.npy`` (characters, views, H, W, 3) uint8, ``parts.npy`` (characters, views, H, W) uint8 (0 is
background, 1 + part of the body otherwise), ``labels.npy`` of the same shape (0 is background, 1 + what is painted there otherwise, an index
into assemble.PARTS), the condition pictures ``openpose.npy`` (..., 3), ``depth.npy`` and ``lineart.npy`` (grey) uint8, ``keypoints.npy``
(characters, views, 18, 3) float32 (x, y in pixels, visible) and ``meta.json`` (attributes, azimuths and rings). It counts once its
``meta.json`` is there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.generator.attributes import Attributes
from stages.views.windows import Windows

# One group: the body's front; three neighbours on the body ring; two neighbours on the head ring.
VIEWS_PER_CHARACTER = 6
ARRAYS = ("rgb", "parts", "labels", "openpose", "depth", "lineart", "keypoints")  # in the order of Shard's fields
GROUP_WINDOWS: Windows = ((0,), (0, 1), (0, 1, 2), (0, 2, 3), (0, 4), (0, 4, 5))
ALONE_WINDOWS: Windows = tuple((i,) for i in range(VIEWS_PER_CHARACTER))


@dataclass(frozen=True)
class View:
    """Where a picture was taken from: ring "body" or "head", azimuth in degrees."""

    ring: str
    azimuth_deg: float


@dataclass(frozen=True)
class Shard:
    """One folder of characters, opened."""

    folder: Path
    rgb: np.ndarray
    parts: np.ndarray
    labels: np.ndarray
    openpose: np.ndarray
    depth: np.ndarray
    lineart: np.ndarray
    keypoints: np.ndarray
    attributes: tuple[Attributes, ...]
    views: tuple[tuple[View, ...], ...]

    @classmethod
    def open(cls, folder: Path) -> Shard:
        """Map the arrays read-only."""
        meta = json.loads((folder / "meta.json").read_text())
        load = lambda name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)  # noqa: E731
        return cls(
            folder, *map(load, ARRAYS),
            tuple(Attributes(**a) for a in meta["attributes"]),
            tuple(tuple(View(**v) for v in views) for views in meta["views"]),
        )  # fmt: skip


def open_shards(folder: Path) -> list[Shard]:
    """All finished shards of a data set, by name."""
    return [Shard.open(meta.parent) for meta in sorted(folder.glob("shard_*/meta.json"))]
