"""No two triangles on the same texel: xatlas now and then folds a sliver over its neighbour.

The smaller of two triangles that share a texel becomes a chart of its own, in a free corner of the square.
"""

from __future__ import annotations

import numba
import numpy as np
from scipy import ndimage

LEAST_PX = 3  # legs of a moved triangle: some texel's centre lies in it, so that it has a colour
CLEAR_PX = 3  # between it and every other chart
ROUNDS = 8
EDGE = 1e-7  # px^2: a texel's centre on an edge belongs to neither side


@numba.njit(cache=True, nogil=True)
def _inside(a, b, c, x, y):
    """Whether (x, y) lies strictly in the triangle, whichever way it turns."""
    s = (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])
    t = (c[0] - b[0]) * (y - b[1]) - (c[1] - b[1]) * (x - b[0])
    u = (a[0] - c[0]) * (y - c[1]) - (a[1] - c[1]) * (x - c[0])
    return (s > EDGE and t > EDGE and u > EDGE) or (s < -EDGE and t < -EDGE and u < -EDGE)


@numba.njit(cache=True, nogil=True)
def _owners(corners, area, size):
    """(size, size) int32, the largest face on each texel's centre or -1, and (F,) bool: faces that lie on a larger one's texel."""
    owner = np.full((size, size), -1, np.int32)
    beneath = np.zeros(len(corners), np.bool_)
    for f in range(len(corners)):
        a, b, c = corners[f, 0], corners[f, 1], corners[f, 2]
        left, right = min(a[0], b[0], c[0]), max(a[0], b[0], c[0])
        top, bottom = min(a[1], b[1], c[1]), max(a[1], b[1], c[1])
        for row in range(max(int(np.floor(top - 0.5)), 0), min(int(np.ceil(bottom)) + 1, size)):
            for column in range(max(int(np.floor(left - 0.5)), 0), min(int(np.ceil(right)) + 1, size)):
                if not _inside(a, b, c, column + 0.5, row + 0.5):
                    continue
                other = owner[row, column]
                if other < 0:
                    owner[row, column] = f
                elif area[f] > area[other]:
                    beneath[other], owner[row, column] = True, f
                else:
                    beneath[f] = True
    return owner, beneath


def unfolded(v_tex: np.ndarray, t_tex_idx: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """``v_tex`` (T, 2) in [0, 1] and ``t_tex_idx`` (F, 3) with the centre of every texel of a ``size`` square in one triangle at most.

    A triangle for which the square has no room stays where it is.
    """
    v_tex, t_tex_idx = np.asarray(v_tex, np.float32), t_tex_idx.copy()
    for _ in range(ROUNDS):
        corners = v_tex.astype(np.float64)[t_tex_idx] * size
        e, g = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        owner, beneath = _owners(corners, np.abs(e[:, 0] * g[:, 1] - e[:, 1] * g[:, 0]), size)
        taken, before = owner >= 0, len(v_tex)
        for face in np.flatnonzero(beneath):
            legs = max(LEAST_PX, int(np.ceil(np.ptp(corners[face], axis=0).max())))
            place = _free_square(taken, legs) or _free_square(taken, LEAST_PX)
            if place is None:
                continue
            (row, column), side = place
            taken[row : row + side, column : column + side] = True
            t_tex_idx[face] = len(v_tex) + np.arange(3)
            at = (np.array([[0, 0], [side, 0], [0, side]]) + [column, row]) / size
            v_tex = np.concatenate([v_tex, at.astype(np.float32)])
        if len(v_tex) == before:
            break
    return v_tex, t_tex_idx


def _free_square(taken: np.ndarray, side: int) -> tuple[tuple[int, int], int] | None:
    """Row and column of the snuggest empty square that has CLEAR_PX of room on all sides, and ``side``; None if there is none."""
    half = side / 2 + CLEAR_PX
    room = ndimage.distance_transform_cdt(np.pad(~taken, 1), "chessboard")[1:-1, 1:-1]
    fits = room > half
    if not fits.any():
        return None
    row, column = np.unravel_index(int(np.argmin(np.where(fits, room, room.max() + 1))), room.shape)
    return (int(row) - side // 2, int(column) - side // 2), side
