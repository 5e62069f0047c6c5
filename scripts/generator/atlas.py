"""The one texture of a character: named tiles on a square, each painted as a canvas of its own."""

from __future__ import annotations

import numpy as np

from scripts.generator.paint import Canvas

SIZE = 1024
PAD = 8  # texels round a tile that repeat its coordinates beyond [0, 1], so that coarser mip levels do not bleed
TILES = {  # x, y of the upper left texel, width, height
    "face": (0, 0, 512, 512),
    "hair": (512, 0, 256, 512),
    "cap": (768, 0, 256, 256),
    "accessory": (768, 256, 256, 256),
    "top": (0, 512, 512, 256),
    "bottom": (512, 512, 512, 256),
    "sleeve": (0, 768, 256, 256),
    "legwear": (256, 768, 256, 256),
    "shoes": (512, 768, 256, 256),
    "skin": (768, 768, 64, 256),
    "trim": (832, 768, 64, 256),
    "inner": (896, 768, 128, 256),
}


def place(tile: str, s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(..., 2) texture coordinates, v up, of tile coordinates ``s`` right and ``t`` up in [0, 1]."""
    x, y, w, h = TILES[tile]
    u = (x + PAD + np.asarray(s) * (w - 2 * PAD)) / SIZE
    v = 1 - (y + h - PAD - np.asarray(t) * (h - 2 * PAD)) / SIZE
    return np.stack(np.broadcast_arrays(u, v), -1)


class Atlas:
    """``kd`` (SIZE, SIZE, 3) float32 sRGB, white until painted."""

    def __init__(self) -> None:
        self.kd = np.ones((SIZE, SIZE, 3), np.float32)

    def canvas(self, tile: str, low: tuple[float, float] = (0.0, 0.0), high: tuple[float, float] = (1.0, 1.0)) -> Canvas:
        """The tile as a canvas whose unpadded part spans ``low`` to ``high`` in its own coordinates."""
        x, y, w, h = TILES[tile]
        ex = (high[0] - low[0]) * PAD / (w - 2 * PAD)
        ey = (high[1] - low[1]) * PAD / (h - 2 * PAD)
        return Canvas(self.kd[y : y + h, x : x + w], (low[0] - ex, low[1] - ey), (high[0] + ex, high[1] + ey))
