"""Cut-outs on disk: what a killed run need not make again, and need not stand in memory together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.stage import CheckpointProtocol
from stages.artifacts.images import read_png, write_png


class KeptCuts:
    """A picture and its figures for each of ``names``, kept by ``checkpoint`` under their numbers."""

    def __init__(self, checkpoint: CheckpointProtocol, names: Sequence[str]) -> None:
        self._checkpoint = checkpoint
        self._stem = {name: f"cut_{i:05d}" for i, name in enumerate(names)}

    def has(self, name: str) -> bool:
        """Whether all of ``name`` was kept."""
        return self._checkpoint.has(f"{self._stem[name]}.json")

    def keep(self, name: str, rgba_u8: np.ndarray, figures: dict[str, float]) -> None:
        """The picture first, for the figures say that it is whole."""
        self._checkpoint.save(f"{self._stem[name]}.png", lambda path: write_png(path, rgba_u8))
        self._checkpoint.save(f"{self._stem[name]}.json", lambda path: path.write_text(json.dumps(figures), encoding="utf-8") and None)

    def keep_labels(self, name: str, labels: np.ndarray) -> None:
        """Which part each pixel shows, (H, W) uint8."""
        self._checkpoint.save(f"{self._stem[name]}_labels.png", lambda path: write_png(path, labels))

    def labels(self, name: str) -> np.ndarray | None:
        """What was kept by ``keep_labels``, or None."""
        return self._checkpoint.load(f"{self._stem[name]}_labels.png", lambda path: read_png(path)[..., 0])

    def png(self, name: str) -> bytes:
        """The picture as a file."""
        return self._checkpoint.load(f"{self._stem[name]}.png", Path.read_bytes)

    def rgba_u8(self, name: str) -> np.ndarray:
        """(H, W, 4) sRGB, straight alpha."""
        return self._checkpoint.load(f"{self._stem[name]}.png", read_png)

    def figures(self, name: str) -> dict[str, float]:
        """What the cutter said of it."""
        return self._checkpoint.load(f"{self._stem[name]}.json", lambda path: json.loads(path.read_text(encoding="utf-8")))
