"""Smooth curves through a few numbers, and rings of points along them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator


class Profile:
    """Columns of a table as monotone cubic curves of its first column (Fritsch and Carlson, 1980)."""

    def __init__(self, rows: Sequence[Sequence[float]]) -> None:
        table = np.array(sorted(map(tuple, rows)))
        self._curve = PchipInterpolator(table[:, 0], table[:, 1:], axis=0)
        self._low, self._high = table[0, 0], table[-1, 0]

    def __call__(self, at: float | np.ndarray) -> np.ndarray:
        """(..., columns) values; constant beyond both ends."""
        return self._curve(np.clip(at, self._low, self._high))


def bump(points: np.ndarray, centre: Sequence[float], sizes: Sequence[float]) -> np.ndarray:
    """(N,) Gaussian of the distance to ``centre`` measured in ``sizes`` along x, y, z."""
    d = (np.asarray(points) - np.asarray(centre, float)) / np.asarray(sizes, float)
    return np.exp(-0.5 * (d * d).sum(-1))


def signed_power(x: np.ndarray, exponent: float) -> np.ndarray:
    """``x`` raised in magnitude: below 1 makes an ellipse boxy."""
    return np.sign(x) * np.abs(x) ** exponent
