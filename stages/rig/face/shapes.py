"""What expressions do to a face, as a table: mouth, brows, the opening of the eyes. Lids have theirs in ``lids``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MouthShape:
    """Lips in one expression. ``wide``: way of the corners outwards in half widths of the mouth. In heights, which are half a usual mouth's width:
    ``corners`` up, ``upper`` lip up and ``lower`` lip down in the middle, ``teeth`` that show below the upper lip. ``round`` from 0 (a bow) to 1 (a ring)."""

    wide: float = 0.0
    corners: float = 0.0
    upper: float = 0.0
    lower: float = 0.0
    teeth: float = 0.0
    round: float = 0.5

    def lips(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) heights that the upper and the lower lip move up by, at ``s`` in [-1, 1]."""
        s = np.clip(s, -1, 1)
        bow = (1 - s**2) ** (0.95 - 0.35 * self.round)
        ends = self.corners * (s**2 - 0.35)
        return ends + self.upper * bow, ends - self.lower * bow


MOUTHS: Mapping[str, MouthShape] = {
    "aa": MouthShape(-0.05, 0.0, 0.20, 0.84, 0.26, 0.55),
    "ih": MouthShape(0.06, 0.06, 0.10, 0.34, 0.20, 0.3),
    "ou": MouthShape(-0.48, 0.0, 0.16, 0.36, 0.0, 0.8),
    "ee": MouthShape(0.14, 0.14, 0.10, 0.46, 0.24, 0.4),
    "oh": MouthShape(-0.30, 0.0, 0.24, 0.62, 0.0, 0.8),
    "happy": MouthShape(0.22, 0.34, 0.04, 0.66, 0.22, 0.5),
    "angry": MouthShape(0.02, -0.26, 0.04, 0.20, 0.14, 0.2),
    "sad": MouthShape(-0.14, -0.30, 0.02, 0.06, 0.0, 0.4),
    "relaxed": MouthShape(0.10, 0.24, 0.0, 0.0, 0.0, 0.5),
    "surprised": MouthShape(-0.42, 0.0, 0.28, 0.52, 0.0, 0.8),
}


@dataclass(frozen=True)
class EyeShape:
    """What is painted round an eye in one expression: the ends of the brow up, in thousandths of a usual face's metre, and the eye grown by shares."""

    brow_inner_mm: float = 0.0
    brow_outer_mm: float = 0.0
    taller: float = 0.0
    wider: float = 0.0


EYES: Mapping[str, EyeShape] = {
    "happy": EyeShape(1.5, 1.5),
    "angry": EyeShape(-4.5, 1.5),
    "sad": EyeShape(4.5, -2.0),
    "relaxed": EyeShape(0.8, 0.8),
    "surprised": EyeShape(5.0, 5.0, 0.10, 0.05),
}
