"""Borders of open surfaces: finding the one loop that bounds a patch, and closing the gap between two loops with triangles."""

from __future__ import annotations

import numpy as np


def border_loops(t_pos_idx: np.ndarray) -> list[np.ndarray]:
    """Closed loops of vertices along the border of ``t_pos_idx`` (F, 3), each in the direction of its triangles' edges.

    A border that meets itself at a vertex gives no loop through that vertex.
    """
    edges = t_pos_idx[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    count = int(t_pos_idx.max()) + 1
    keys, back = edges[:, 0] * count + edges[:, 1], edges[:, 1] * count + edges[:, 0]
    open_edges = edges[~np.isin(keys, back)]
    starts, times = np.unique(open_edges[:, 0], return_counts=True)
    following = {int(a): int(b) for a, b in open_edges if times[np.searchsorted(starts, a)] == 1}
    loops = []
    while following:
        first, nxt = following.popitem()
        loop = [first]
        while nxt != first and nxt in following:
            loop.append(nxt)
            nxt = following.pop(nxt)
        if nxt == first and len(loop) >= 3:
            loops.append(np.array(loop))
    return loops


def bridge(first: np.ndarray, second: np.ndarray, v_pos: np.ndarray) -> np.ndarray:
    """Triangles (N, 3) between two loops of vertices that run the same way round, ``first`` along the triangles' own direction.

    Starts at the closest pair and always takes the shorter of the two diagonals, so that it goes once round both.
    """
    apart = np.linalg.norm(v_pos[first][:, None] - v_pos[second][None], axis=-1)
    i, j = np.unravel_index(int(apart.argmin()), apart.shape)
    a, b = np.roll(first, -i), np.roll(second, -j)
    a, b = np.append(a, a[0]), np.append(b, b[0])
    out, m, n = [], 0, 0
    while m < len(a) - 1 or n < len(b) - 1:
        ahead_a = np.inf if m == len(a) - 1 else np.linalg.norm(v_pos[a[m + 1]] - v_pos[b[n]])
        ahead_b = np.inf if n == len(b) - 1 else np.linalg.norm(v_pos[b[n + 1]] - v_pos[a[m]])
        if ahead_a <= ahead_b:
            out.append((a[m], a[m + 1], b[n]))
            m += 1
        else:
            out.append((b[n + 1], b[n], a[m]))
            n += 1
    return np.array(out, np.int64)
