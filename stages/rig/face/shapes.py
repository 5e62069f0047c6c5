"""What expressions do to a face, as a table: mouth, brows, the opening of the eyes. Lids have theirs in ``lids``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from stages.rig.easing import smoothstep


@dataclass(frozen=True)
class MouthShape:
    """Lips in one expression. ``wide``: way of the corners outwards in half widths of the mouth. In heights, which are half a usual mouth's width:
    ``corners`` up, ``upper`` lip up and ``lower`` lip down in the middle, ``teeth`` that show below the upper lip. ``round`` from 0 (a bow) to 1 (a ring).

    ``side``: +1 for the character's left half alone, -1 for the right one, 0 for both. ``aside`` of the upper and the lower lip towards the left in half
    widths, ``forward`` of both in heights. ``reach``: share of the way that skin usually gives way round a mouth.
    """

    wide: float = 0.0
    corners: float = 0.0
    upper: float = 0.0
    lower: float = 0.0
    teeth: float = 0.0
    round: float = 0.5
    side: int = 0
    aside: tuple[float, float] = (0.0, 0.0)
    forward: tuple[float, float] = (0.0, 0.0)
    reach: float = 1.0

    def lips(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) heights that the upper and the lower lip move up by, at ``s`` in [-1, 1]."""
        s = np.clip(s, -1, 1)
        bow = (1 - s**2) ** (0.95 - 0.35 * self.round)
        ends = self.corners * (s**2 - 0.35)
        return (ends + self.upper * bow) * self.share(s), (ends - self.lower * bow) * self.share(s)

    def share(self, s: np.ndarray) -> np.ndarray:
        """(N,) from 0 to 1: how much of a one-sided shape there is at ``s``; those of both sides make a whole."""
        if not self.side:
            return np.ones_like(s)
        return smoothstep(0.5 + self.side * s)

    def sideways(self, s: np.ndarray, below: np.ndarray) -> np.ndarray:
        """(N,) half widths that lips move towards the character's left; ``below`` (N,) of the lower one."""
        return self.wide * np.clip(s, -1, 1) * self.share(s) + _either(self.aside, s, below)

    def out(self, s: np.ndarray, below: np.ndarray) -> np.ndarray:
        """(N,) heights that lips move forward."""
        return _either(self.forward, s, below) * self.share(s)


def _either(lips: tuple[float, float], s: np.ndarray, below: np.ndarray) -> np.ndarray:
    """(N,) what the upper and the lower lip do, without a step at the corners that they share."""
    upper, lower = lips
    return upper + np.where(below, np.sqrt(1 - np.clip(s, -1, 1) ** 2), 0.0) * (lower - upper)


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
    """What is painted of an eye and round it in one expression: the ends of the brow up, in thousandths of a usual face's metre, the eye grown by shares.

    ``gaze``: towards the character's left and up, from -1 to 1. ``side``: left or right for one eye alone.
    """

    brow_inner_mm: float = 0.0
    brow_outer_mm: float = 0.0
    taller: float = 0.0
    wider: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    side: str | None = None


EYES: Mapping[str, EyeShape] = {
    "happy": EyeShape(1.5, 1.5),
    "angry": EyeShape(-4.5, 1.5),
    "sad": EyeShape(4.5, -2.0),
    "relaxed": EyeShape(0.8, 0.8),
    "surprised": EyeShape(5.0, 5.0, 0.10, 0.05),
    "lookUp": EyeShape(gaze=(0, 1)),
    "lookDown": EyeShape(gaze=(0, -1)),
    "lookLeft": EyeShape(gaze=(1, 0)),
    "lookRight": EyeShape(gaze=(-1, 0)),
}


@dataclass(frozen=True)
class SkinShape:
    """Skin that is neither lip nor eye, round a middle: ``at`` in half distances of the eyes to the left, and from the mouth (0) to the eyes (1) in height.

    ``shift_mm`` to the left, forward and up in thousandths of a usual face's metre; what lies ``radius_m`` away stays.
    """

    at: tuple[float, float]
    radius_m: float
    shift_mm: tuple[float, float, float]


@dataclass(frozen=True)
class Shapes:
    """All expressions of a face by their names; one may be of several kinds."""

    mouths: Mapping[str, MouthShape]
    eyes: Mapping[str, EyeShape]
    skin: Mapping[str, tuple[SkinShape, ...]] = field(default_factory=dict)


VRM = Shapes(MOUTHS, EYES)
