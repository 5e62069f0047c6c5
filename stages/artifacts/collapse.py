"""Fewer triangles of a textured surface: vertices are only left out, so that what is at those that stay - weights, morphs, normals - stays as it is.

Half-edge collapses by quadric error (Garland & Heckbert 1997). Texture coordinates stay too: a vertex inside a chart goes to any neighbour, one on a seam
only along it, where the charts on both sides know what becomes of their corner, and one where more charts meet stays. Borders of the surface stay.
"""

from __future__ import annotations

import heapq

import numba
import numpy as np

from stages.artifacts.decimate import closes_up, corners_of, merge, neighbours, quadrics, turns_over

KEPT_TURN = 0.05  # share of its area that a triangle has to keep in the texture


def thinned(
    v_pos: np.ndarray, t_pos_idx: np.ndarray, v_tex: np.ndarray, t_tex_idx: np.ndarray, target: int, importance: np.ndarray | None = None,
    t_part: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most ``target`` triangles if the surface allows it: ``t_pos_idx`` (F', 3) and ``t_tex_idx`` (F', 3) into the vertices that were given, and which
    triangle (F',) each was.

    ``importance`` (V,) > 0 multiplies the error at a vertex. Borders between the parts ``t_part`` (F,) are seams as well.
    """
    part = np.zeros(len(t_pos_idx), np.int64) if t_part is None else t_part.astype(np.int64)
    keys, wedge = np.unique(t_tex_idx.astype(np.int64) * (int(part.max()) + 1) + part[:, None], return_inverse=True)
    of_wedge = keys // (int(part.max()) + 1)
    faces, wedge = t_pos_idx.astype(np.int64).copy(), wedge.reshape(-1, 3).astype(np.int64)
    weight = np.ones(len(v_pos)) if importance is None else np.asarray(importance, np.float64)
    alive = _collapse(v_pos.astype(np.float64), faces, wedge, v_tex.astype(np.float64)[of_wedge], weight, _border(faces, len(v_pos)), target)
    return faces[alive].astype(np.int32), of_wedge[wedge[alive]].astype(np.int32), np.flatnonzero(alive)


def _border(faces: np.ndarray, count: int) -> np.ndarray:
    """(V,) bool: vertices on edges that have not just two triangles."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    keys, use = np.unique(edges[:, 0] * count + edges[:, 1], return_counts=True)
    out = np.zeros(count, np.bool_)
    out[np.stack([keys[use != 2] // count, keys[use != 2] % count])] = True
    return out


@numba.njit(cache=True, nogil=True)
def _cost(q, v, b, a):
    """Squared distance of ``a`` from the planes round ``b`` and ``a``."""
    x, y, z = v[a, 0], v[a, 1], v[a, 2]
    s = q[a] + q[b]
    error = s[0] * x * x + s[4] * y * y + s[7] * z * z + 2 * (s[1] * x * y + s[2] * x * z + s[5] * y * z) + 2 * (s[3] * x + s[6] * y + s[8] * z) + s[9]
    return max(error, 0.0)


@numba.njit(cache=True, nogil=True)
def _wedges(b, a, f, wedge, alive, head, following, out):
    """What becomes of the corners at ``b`` when it goes to ``a``: ``out`` (4,) holds up to two wedges at ``b`` and those at ``a`` that they become.

    Returns their number, 0 if it may not go.
    """
    first, second, found = np.int64(-1), np.int64(-1), 0
    corner = head[b]
    while corner >= 0:
        t = corner // 3
        if alive[t]:
            w = wedge[t, corner % 3]
            if first < 0 or w == first:
                first = w
            elif second < 0 or w == second:
                second = w
            else:
                return 0
            for k in range(3):
                if f[t, k] == a:
                    if found == 2:
                        return 0
                    out[2 * found], out[2 * found + 1] = w, wedge[t, k]
                    found += 1
        corner = following[corner]
    if found != 2:
        return 0
    if second < 0:
        return 1 if out[1] == out[3] else 0
    return 2 if out[0] != out[2] and out[1] != out[3] else 0


@numba.njit(cache=True, nogil=True)
def _folds(b, a, f, wedge, uv, alive, head, following, change, count):
    """Whether a triangle of ``b`` without ``a`` turns over in the texture, or nearly vanishes there, when its corner changes."""
    corner = head[b]
    while corner >= 0:
        t, k = corner // 3, corner % 3
        if alive[t] and f[t, 0] != a and f[t, 1] != a and f[t, 2] != a:
            w = wedge[t, k]
            new = change[1] if count == 1 or change[0] == w else change[3]
            p, q = uv[wedge[t, (k + 1) % 3]], uv[wedge[t, (k + 2) % 3]]
            ex, ey = q[0] - p[0], q[1] - p[1]
            before = ex * (uv[w, 1] - p[1]) - ey * (uv[w, 0] - p[0])
            after = ex * (uv[new, 1] - p[1]) - ey * (uv[new, 0] - p[0])
            if after * before <= 0.0 or abs(after) < KEPT_TURN * abs(before):
                return True
        corner = following[corner]
    return False


@numba.njit(cache=True, nogil=True)
def _retexture(b, a, f, wedge, alive, head, following, change, count):
    """Give the corners at ``b`` of triangles without ``a`` their new wedges."""
    corner = head[b]
    while corner >= 0:
        t, k = corner // 3, corner % 3
        if alive[t] and f[t, 0] != a and f[t, 1] != a and f[t, 2] != a:
            wedge[t, k] = change[1] if count == 1 or change[0] == wedge[t, k] else change[3]
        corner = following[corner]


@numba.njit(cache=True, nogil=True)
def _collapse(v, f, wedge, uv, weight, fixed, target):
    """Collapse in place, cheapest first; returns which triangles are left."""
    count, total = v.shape[0], f.shape[0]
    q, mass = quadrics(v, f, weight)
    alive = np.ones(total, np.bool_)
    head, following = corners_of(f, count)
    version, mark = np.zeros(count, np.int64), np.full(count, -1, np.int64)
    ring, ring_b, change = np.empty(4096, np.int64), np.empty(4096, np.int64), np.empty(4, np.int64)
    stamp, left = np.int64(0), total
    heap = [(0.0, np.int64(0), np.int64(0), np.int64(0), np.int64(0))]
    heap.pop()
    for t in range(total):
        for k in range(3):
            for b, a in ((f[t, k], f[t, (k + 1) % 3]), (f[t, (k + 1) % 3], f[t, k])):
                if not fixed[b] and f[t, k] < f[t, (k + 1) % 3]:
                    heap.append((_cost(q, v, b, a), b, a, np.int64(0), np.int64(0)))
    heapq.heapify(heap)
    while left > target and len(heap) > 0:
        _, b, a, version_b, version_a = heapq.heappop(heap)
        if version[b] != version_b or version[a] != version_a or head[a] < 0 or head[b] < 0:
            continue
        stamp += 1
        if not closes_up(a, b, f, alive, head, following, mark, stamp, ring, ring_b):
            continue
        ways = _wedges(b, a, f, wedge, alive, head, following, change)
        if ways == 0 or turns_over(b, a, v[a], v, f, alive, head, following):
            continue
        if _folds(b, a, f, wedge, uv, alive, head, following, change, ways):
            continue
        _retexture(b, a, f, wedge, alive, head, following, change, ways)
        left -= merge(a, b, v, f, alive, head, following, v[a].copy())
        for k in range(10):
            q[a, k] += q[b, k]
        version[a] += 1
        version[b] += 1
        stamp += 1
        n_a = neighbours(a, f, alive, head, following, mark, stamp, ring)
        for k in range(n_a):
            c = ring[k]
            if not fixed[c]:
                heapq.heappush(heap, (_cost(q, v, c, a), c, a, version[c], version[a]))
            if not fixed[a]:
                heapq.heappush(heap, (_cost(q, v, a, c), a, c, version[a], version[c]))
    return alive
