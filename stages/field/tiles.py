"""Where the training looks: half of a batch anywhere, half where the field still errs.

A pixel into a crevice is one of thousands, and drawn evenly it comes up once or twice in a whole training. Instant-NGP keeps a map of errors for this;
here every square of a picture remembers how far the field was off when it was last looked at.
"""

from __future__ import annotations

import numpy as np

SIDE_PX = 8
UNKNOWN = 0.05  # error of a tile that nobody has looked at
PACE = 0.3  # share of the newest error in the running mean


class Tiles:
    """Squares of ``SIDE_PX`` pixels of all training views, ``count`` of them, and the field's root mean square error in each, sRGB.

    ``tile`` (N,) says to which of them each pixel belongs.
    """

    def __init__(self, tile: np.ndarray, count: int) -> None:
        self.error = np.full(count, UNKNOWN, np.float32)
        self._tile = tile.astype(np.int32)
        self._order = np.argsort(tile, kind="stable").astype(np.int32)
        self._start = np.searchsorted(tile[self._order], np.arange(count + 1))

    def draw(self, rng: np.random.Generator, rays: int, by_error: int) -> np.ndarray:
        """(rays,) indices of pixels, with replacement: first those drawn evenly, then ``by_error`` of them by the error of their tiles."""
        even = rng.integers(0, len(self._tile), rays - by_error)
        if not by_error:
            return even
        size = np.diff(self._start)
        total = np.cumsum(size * self.error.astype(np.float64))
        tile = np.searchsorted(total, rng.random(by_error) * total[-1], "right").clip(0, len(size) - 1)
        within = (rng.random(by_error) * size[tile]).astype(np.int64)
        return np.concatenate([even, self._order[self._start[tile] + within]])

    def learn(self, pick: np.ndarray, squared_error: np.ndarray) -> None:
        """Remember the errors (R,) of the pixels ``pick`` (R,)."""
        tile = self._tile[pick]
        count = np.bincount(tile, minlength=len(self.error))
        found = np.bincount(tile, np.sqrt(squared_error), len(self.error)) / np.maximum(count, 1)
        self.error = np.where(count > 0, (1 - PACE) * self.error + PACE * found, self.error).astype(np.float32)


def tile_numbers(height: int, width: int) -> tuple[np.ndarray, int]:
    """The tile of each pixel of a picture, row by row (H * W,), and how many there are."""
    rows, columns = -(-height // SIDE_PX), -(-width // SIDE_PX)
    at = (np.arange(height) // SIDE_PX)[:, None] * columns + np.arange(width) // SIDE_PX
    return at.reshape(-1), rows * columns
