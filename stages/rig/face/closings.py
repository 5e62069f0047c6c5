"""How far lids are drawn over an eye, as a table of expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Closing:
    """How far the lids of an eye are drawn in one expression, as functions of u in [-1, 1], +1 to the outer corner, in heights of the eye.

    ``upper`` and ``lower``: height of the lids' edges above the eye's middle, None where the lower one stays open; ``line``: how thick lashes are.
    """

    upper: Callable[[np.ndarray], np.ndarray]
    lower: Callable[[np.ndarray], np.ndarray] | None = None
    line: float = 1.0


def _blink(u: np.ndarray) -> np.ndarray:
    return -0.13 - 0.15 * (1 - u**2)


def _smile(u: np.ndarray) -> np.ndarray:
    return -0.20 + 0.27 * (1 - u**2)


BLINK = Closing(upper=_blink, lower=_blink)
SQUINT = Closing(upper=lambda u: 0.20 + 0.06 * (1 - u**2), lower=lambda u: -0.34 + 0.10 * (1 - u**2), line=0.8)
CLOSINGS: Mapping[str, Closing] = {
    "happy": Closing(upper=_smile, lower=_smile),
    "angry": Closing(upper=lambda u: 0.24 + 0.17 * u),
    "sad": Closing(upper=lambda u: 0.24 - 0.15 * u, line=0.8),
    "relaxed": Closing(upper=lambda u: 0.06 + 0.15 * (1 - u**2)),
    "blink": BLINK,
}


def closings_of(side: str) -> dict[str, Closing]:
    """VRM's expressions that move the lids on a side."""
    return CLOSINGS | {"blinkLeft" if side == "left" else "blinkRight": BLINK}


def arkit_closings_of(side: str) -> dict[str, Closing]:
    """These and ARKit's."""
    end = "Left" if side == "left" else "Right"
    return closings_of(side) | {f"eyeBlink{end}": BLINK, f"eyeSquint{end}": SQUINT}
