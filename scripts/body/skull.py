"""The head as a smooth surface over (turn, height): a star-shaped loft with the face's relief on its front.

``turn`` is 0 at the front's middle, pi/2 at the left ear, pi at the back; ``height`` is metres above the chin.
"""

from __future__ import annotations

import numpy as np

from scripts.body.loft import Profile, bump, signed_power
from scripts.body.skeleton import CHIN_Z, EYE

DOME_FROM, DOME_M = 0.140, 0.115  # above this height the sections shrink as an ellipsoid's
WIDTH, FRONT, BACK, MIDDLE_Y = 0.0905, 0.0985, 0.106, 0.006
BOXY = 0.88
EYE_X, EYE_HEIGHT = EYE[0], EYE[2] - CHIN_Z
# height; half width, depth in front, depth behind
SECTIONS = Profile((
    (0.000, 0.0300, 0.0690, 0.060), (0.010, 0.0430, 0.0775, 0.062), (0.025, 0.0560, 0.0830, 0.056), (0.045, 0.0685, 0.0862, 0.0635),
    (0.070, 0.0788, 0.0888, 0.078), (0.095, 0.0850, 0.0917, 0.0925), (0.115, 0.0886, 0.0951, 0.1010), (0.128, 0.0900, 0.0975, 0.1045), (DOME_FROM, WIDTH, FRONT, BACK),
))
JAW = Profile((
    (0, 0.0), (15, 0.0010), (30, 0.0050), (45, 0.0118), (60, 0.0215), (75, 0.0335), (90, 0.0440), (105, 0.0490), (120, 0.0490), (150, 0.0460), (180, 0.0450),
))


def skull(turn: np.ndarray, height: np.ndarray) -> np.ndarray:
    """(N, 3) world points without relief."""
    turn, height = np.broadcast_arrays(np.asarray(turn, float), np.asarray(height, float))
    width, front, back = np.moveaxis(SECTIONS(np.minimum(height, DOME_FROM)), -1, 0)
    shrink = np.sqrt(np.maximum(1.0 - (np.maximum(height - DOME_FROM, 0.0) / DOME_M) ** 2, 0.0))
    c = signed_power(np.cos(turn), BOXY)
    s = np.sin(turn) ** BOXY
    x = np.where((turn < 1e-9) | (turn > np.pi - 1e-9), 0.0, width * s) * shrink
    return np.stack([x, MIDDLE_Y - np.where(c > 0, front, back) * c * shrink, CHIN_Z + height], -1)


def relief(points: np.ndarray) -> np.ndarray:
    """Eye hollows, nose, cheeks, lips' mound and chin on the face's front; other points stay."""
    p = points.copy()
    ahead = points[:, 1] < -0.02
    at = lambda x, h, sx, sh: bump(points[:, [0, 2]], (x, CHIN_Z + h), (sx, sh)) * ahead  # noqa: E731
    forward = (
        -0.0040 * at(EYE_X, EYE_HEIGHT, 0.020, 0.020)
        + 0.0085 * at(0.0, 0.0720, 0.0062, 0.0058)
        + 0.0042 * at(0.0, 0.0860, 0.0075, 0.0140)
        + 0.0028 * at(0.040, 0.060, 0.020, 0.018)
        + 0.0022 * at(0.0, 0.0430, 0.016, 0.010)
        - 0.0016 * at(0.0, 0.0270, 0.014, 0.0055)
        + 0.0030 * at(0.0, 0.0110, 0.014, 0.0080)
    )
    p[:, 1] -= forward
    return p


def surface(turn: np.ndarray, height: np.ndarray) -> np.ndarray:
    """(N, 3) world points with relief."""
    return relief(skull(np.atleast_1d(turn), np.atleast_1d(height)))


def turn_of(x: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Turn in [0, pi/2] of the frontal point at ``x`` metres beside the middle."""
    width = SECTIONS(np.minimum(height, DOME_FROM))[..., 0]
    shrink = np.sqrt(np.maximum(1.0 - (np.maximum(np.asarray(height) - DOME_FROM, 0.0) / DOME_M) ** 2, 1e-9))
    return np.arcsin(np.clip(np.asarray(x) / (width * shrink), 0.0, 1.0) ** (1.0 / BOXY))


def frontal(x: np.ndarray, height: np.ndarray) -> np.ndarray:
    """(N, 3) surface points seen from the front at ``x``, ``height``."""
    return surface(turn_of(x, height), height)


def unrolled(height: np.ndarray) -> np.ndarray:
    """Height measured along the surface, so that the crown is not squeezed."""
    dome = np.clip((np.asarray(height) - DOME_FROM) / DOME_M, 0.0, 1.0)
    return np.minimum(height, DOME_FROM) + DOME_M * np.arcsin(dome)


def rolled(length: np.ndarray) -> np.ndarray:
    """Inverse of ``unrolled``."""
    return np.minimum(length, DOME_FROM) + DOME_M * np.sin(np.clip((np.asarray(length) - DOME_FROM) / DOME_M, 0.0, np.pi / 2))
