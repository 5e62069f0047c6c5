"""After subdivision: the head back onto its smooth surface, and the seams between trunk and limbs evened out."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from scripts.body.cage import Cage
from scripts.body.loft import bump
from scripts.body.skeleton import arm_point
from scripts.body.skull import surface
from scripts.body.subdivide import Refinement, interpolating_cage

# place on the left half, sizes along x, y, z, strength
SEAMS = (
    ((0.128, 0.014, 1.225), (0.040, 0.070, 0.046), 1.0),
    ((0.080, 0.010, 0.775), (0.090, 0.120, 0.030), 0.7),
    (tuple(arm_point(0.043, 0.024, -0.010)), (0.018, 0.018, 0.018), 1.0),  # root of the thumb
    ((0.080, 0.018, 1.402), (0.008, 0.010, 0.008), 0.7),  # below the ear
    ((0.000, 0.060, 1.365), (0.060, 0.050, 0.014), 0.8),
)


def on_skull(v_pos: np.ndarray, cage: Cage, refinement: Refinement) -> np.ndarray:
    """(V', 3) with every vertex whose support lies on the skull put exactly there."""
    place = np.full((len(cage.points), 3), np.nan)
    for i, (turn, height) in cage.places.items():
        place[i] = np.sin(turn), np.cos(turn), height
    known = (refinement.matrix > 0) @ np.isnan(place[:, 0]) == 0
    wanted = np.nan_to_num(place)
    fine = refinement.matrix @ interpolating_cage(wanted, refinement, only=known[: len(place)], rounds=3, strength=0.7)
    turn = np.arctan2(fine[:, 0], fine[:, 1])
    out = v_pos.copy()
    target = surface(np.abs(turn[known]), fine[known, 2])
    target[:, 0] *= np.sign(turn[known])
    target[np.abs(v_pos[known, 0]) < 1e-9, 0] = 0.0
    out[known] = target
    return out


def relaxed(v_pos: np.ndarray, quads: np.ndarray, rounds: int = 8) -> np.ndarray:
    """(V, 3) averaged with neighbours near ``SEAMS``, alternately shrinking and growing (Taubin, 1995)."""
    n = len(v_pos)
    a, b = quads.ravel(), np.roll(quads, -1, axis=1).ravel()
    link = sp.coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), (n, n)).tocsr()
    mean = sp.diags(1.0 / np.asarray(link.sum(1)).ravel()) @ link
    folded = np.abs(v_pos[:, :1]) * (1.0, 0.0, 0.0) + v_pos * (0.0, 1.0, 1.0)
    mask = np.clip(sum(s * bump(folded, c, d) for c, d, s in SEAMS), 0.0, 1.0)[:, None]
    out = v_pos.copy()
    for step in (0.6, -0.45) * rounds:
        out += step * mask * (mean @ out - out)
    out[np.abs(v_pos[:, 0]) < 1e-9, 0] = 0.0
    return out
