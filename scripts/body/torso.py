"""Trunk from the crotch to the top of the neck: half rings from the front's middle over the left side to the back's middle."""

from __future__ import annotations

import numpy as np

from scripts.body.cage import Cage
from scripts.body.loft import bump, signed_power

COLUMNS = 10  # quads of a half ring
ARM_COLUMNS = range(3, 7)  # columns that the arm's hole takes, of rows ARM_ROWS
# z of the side, then half width, depth in front, depth behind, y of the middle, lift of the front's and of the back's middle
RINGS = (
    (0.800, 0.154, 0.074, 0.094, 0.010, -0.022, -0.034),
    (0.830, 0.157, 0.084, 0.100, 0.010, -0.008, -0.014),
    (0.865, 0.153, 0.090, 0.099, 0.010, 0.000, 0.000),
    (0.908, 0.138, 0.090, 0.088, 0.010, 0.0, 0.0),
    (0.950, 0.114, 0.085, 0.068, 0.010, 0.0, 0.0),
    (0.992, 0.103, 0.080, 0.060, 0.010, 0.0, 0.0),
    (1.034, 0.107, 0.080, 0.064, 0.010, 0.0, 0.0),
    (1.074, 0.116, 0.082, 0.074, 0.010, 0.0, 0.0),
    (1.112, 0.123, 0.086, 0.082, 0.011, 0.0, 0.0),
    (1.150, 0.125, 0.086, 0.087, 0.013, 0.0, 0.004),
    (1.198, 0.122, 0.074, 0.082, 0.016, 0.0, 0.010),
    (1.257, 0.112, 0.054, 0.056, 0.018, -0.030, -0.002),
    (1.276, 0.068, 0.043, 0.046, 0.020, -0.030, -0.002),
    (1.291, 0.0425, 0.036, 0.042, 0.020, -0.018, 0.002),
    (1.314, 0.0355, 0.035, 0.039, 0.018, -0.006, 0.004),
    (1.342, 0.0355, 0.036, 0.041, 0.016, -0.006, 0.010),
)
ARM_ROWS = (9, 10)
NECK_ROW = 12  # rings from here on are neck
PARTS = (("pelvis_front", "pelvis_back"),) * 3 + (("abdomen", "lower_back"),) * 4 + (("chest", "upper_back"),) * 5


def ring_points(row: tuple[float, ...], columns: int = COLUMNS) -> np.ndarray:
    """(columns + 1, 3) points of one half ring."""
    z, width, front, back, y, lift_f, lift_b = row
    t = np.linspace(0.0, np.pi, columns + 1)
    c, s = signed_power(np.cos(t), 0.92), np.sin(t) ** 0.88
    depth = np.where(c > 0, front, back)
    out = np.stack([width * s, y - depth * c, z + np.where(c > 0, lift_f, lift_b) * np.cos(t) ** 2], 1)
    out[[0, -1], 0] = 0.0
    return out


def shaped(points: np.ndarray) -> np.ndarray:
    """Bust, spine, buttocks, collar bones and belly pushed out of the plain loft."""
    p = points.copy()
    bust = bump(points, (0.060, -0.085, 1.128), (0.036, 0.05, 0.036)) * (points[:, 1] < 0)
    p[:, 1] -= 0.040 * bust
    p[:, 2] -= 0.008 * bust
    valley = bump(points, (0.0, -0.085, 1.125), (0.018, 0.05, 0.045))
    p[:, 1] += 0.008 * valley
    seat = bump(points, (0.066, 0.110, 0.838), (0.046, 0.06, 0.038)) * (points[:, 1] > 0)
    p[:, 1] += 0.022 * seat
    p[:, 1] -= 0.012 * bump(points, (0.0, 0.11, 0.835), (0.016, 0.05, 0.040))
    p[:, 1] -= 0.007 * bump(points, (0.0, 0.075, 1.05), (0.016, 0.05, 0.12))
    p[:, 1] += 0.007 * bump(points, (0.072, 0.095, 1.185), (0.034, 0.05, 0.045))
    p[:, 1] -= 0.006 * bump(points, (0.0, -0.08, 0.925), (0.06, 0.05, 0.045))
    p[:, 1] += 0.006 * bump(points, (0.085, -0.03, 1.238), (0.030, 0.04, 0.012))
    return p


def build_torso(cage: Cage) -> tuple[list[list[int]], list[int], list[int]]:
    """Adds the trunk. Returns its rings, the arm hole's loop (counter-clockwise from outside) and the leg's first loop."""
    rings = [cage.add_many(shaped(ring_points(row)), "trunk") for row in RINGS]
    for k in range(len(rings) - 1):
        front, back = PARTS[k] if k < NECK_ROW else ("neck", "neck")
        for i in range(COLUMNS):
            if k in ARM_ROWS and i in ARM_COLUMNS:
                continue
            cage.face(front if i < COLUMNS // 2 else back, rings[k][i], rings[k][i + 1], rings[k + 1][i + 1], rings[k + 1][i])
    a, b = ARM_COLUMNS[0], ARM_COLUMNS[-1] + 1
    low, mid, top = (rings[ARM_ROWS[0] + k] for k in range(3))
    hole = [mid[b], *(top[i] for i in range(b, a - 1, -1)), mid[a], *(low[i] for i in range(a, b + 1))]
    crotch = cage.add((0.0, 0.012, 0.757), "trunk")
    return rings, hole, [*rings[0], crotch]
