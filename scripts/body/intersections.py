"""Where a triangle mesh runs through itself."""

from __future__ import annotations

import numba
import numpy as np


def crossing_pairs(v_pos: np.ndarray, t_pos_idx: np.ndarray) -> np.ndarray:
    """(N, 2) triangles that share no vertex and of which an edge of one pierces the other.

    Sweep along x over bounding boxes, then Moller and Trumbore's test (1997) of the six edges.
    """
    corners = v_pos[t_pos_idx]
    order = np.argsort(corners[:, :, 0].min(1), kind="stable")
    found = _sweep(np.ascontiguousarray(corners[order]), np.ascontiguousarray(t_pos_idx[order]))
    return order[np.array(found, np.int64).reshape(-1, 2)]


@numba.njit(cache=True)
def _pierces(p, q, a, b, c):
    dx, dy, dz = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    wx, wy, wz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    hx, hy, hz = dy * wz - dz * wy, dz * wx - dx * wz, dx * wy - dy * wx
    det = ux * hx + uy * hy + uz * hz
    if abs(det) < 1e-18:
        return False
    sx, sy, sz = p[0] - a[0], p[1] - a[1], p[2] - a[2]
    s = (sx * hx + sy * hy + sz * hz) / det
    if s < 0.0 or s > 1.0:
        return False
    gx, gy, gz = sy * uz - sz * uy, sz * ux - sx * uz, sx * uy - sy * ux
    t = (dx * gx + dy * gy + dz * gz) / det
    if t < 0.0 or s + t > 1.0:
        return False
    along = (wx * gx + wy * gy + wz * gz) / det
    return 0.0 <= along <= 1.0


@numba.njit(cache=True)
def _sweep(corners, tri):
    n = len(tri)
    low, high = np.empty((n, 3)), np.empty((n, 3))
    for i in range(n):
        for k in range(3):
            low[i, k] = min(corners[i, 0, k], corners[i, 1, k], corners[i, 2, k])
            high[i, k] = max(corners[i, 0, k], corners[i, 1, k], corners[i, 2, k])
    found = [(0, 0) for _ in range(0)]
    for i in range(n):
        for j in range(i + 1, n):
            if low[j, 0] > high[i, 0]:
                break
            if low[j, 1] > high[i, 1] or high[j, 1] < low[i, 1] or low[j, 2] > high[i, 2] or high[j, 2] < low[i, 2]:
                continue
            shared = False
            for a in range(3):
                for b in range(3):
                    shared = shared or tri[i, a] == tri[j, b]
            if shared:
                continue
            for k in range(3):
                m = (k + 1) % 3
                if _pierces(corners[i, k], corners[i, m], corners[j, 0], corners[j, 1], corners[j, 2]) or _pierces(
                    corners[j, k], corners[j, m], corners[i, 0], corners[i, 1], corners[i, 2]
                ):
                    found.append((i, j))
                    break
    return found
