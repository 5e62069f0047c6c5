"""Analytic antialiasing of silhouettes: where an outline crosses between two pixel centres, they are blended by coverage.

As in nvdiffrast (Laine et al. 2020, section 3.5) the blend is by the crossing's place on the line between the two centres,
edges closer to vertical act on horizontal pairs and the others on vertical pairs. Unlike there, outlines are walked edge by edge and
not looked up from the triangle under a pixel, so meshes whose triangles are smaller than a pixel get their gradients too.
"""

from __future__ import annotations

import numba
import numpy as np

from stages.rendering.cpu.rasterize import screen

BEHIND = 1.005  # an outline counts for a pixel's surface if it is not nearer than this share of the distance


def edge_topology(tri: np.ndarray) -> np.ndarray:
    """Undirected edges of ``tri`` (F, 3): (E, 4) int32 rows (a, b, corner across on one face, on the other or -1), sorted by (a, b).

    Of an edge with more than two faces the first two are kept.
    """
    t = tri.astype(np.int64)
    a, b, c = (t[:, [0, 1, 2]].ravel(), t[:, [1, 2, 0]].ravel(), t[:, [2, 0, 1]].ravel())
    low, high = np.minimum(a, b), np.maximum(a, b)
    order = np.argsort(low * (t.max(initial=0) + 1) + high, kind="stable")
    low, high, c = low[order], high[order], c[order]
    first = np.ones(len(low), bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    start = np.flatnonzero(first)
    count = np.diff(np.append(start, len(low)))
    across = np.where(count > 1, c[np.minimum(start + 1, len(c) - 1)], -1)
    return np.stack([low[start], high[start], c[start], across], -1).astype(np.int32)


@numba.njit(cache=True, nogil=True)
def _distances(pos, tri, rast, out):
    """View depth w of one view's pixels, +inf where empty."""
    for y in range(rast.shape[0]):
        for x in range(rast.shape[1]):
            f = int(rast[y, x, 3]) - 1
            if f < 0:
                out[y, x] = np.inf
                continue
            u, v = rast[y, x, 0], rast[y, x, 1]
            out[y, x] = u * pos[tri[f, 0], 3] + v * pos[tri[f, 1], 3] + (1 - u - v) * pos[tri[f, 2], 3]


@numba.njit(cache=True, nogil=True, inline="always")
def _inside_sign(s, a, b, opposite, other):
    """+1 or -1: the side of a->b on which the faces lie if this edge is an outline, else 0."""
    dx, dy = s[b, 0] - s[a, 0], s[b, 1] - s[a, 1]
    side = dx * (s[opposite, 1] - s[a, 1]) - dy * (s[opposite, 0] - s[a, 0])
    if other >= 0:
        side_2 = dx * (s[other, 1] - s[a, 1]) - dy * (s[other, 0] - s[a, 0])
        if side * side_2 <= 0.0:
            return 0.0
    return 1.0 if side > 0 else (-1.0 if side < 0 else 0.0)


@numba.njit(cache=True, nogil=True)
def _walk(s, edge, e, sign, w, reach, owner):
    """Enter edge ``e`` into the pairs that it crosses. ``reach`` and ``owner`` (2, H, W): axis 0 pairs (x, x+1), axis 1 pairs (y, y+1)."""
    a, b = edge[e, 0], edge[e, 1]
    height, width = w.shape
    axis = 0 if abs(s[b, 1] - s[a, 1]) >= abs(s[b, 0] - s[a, 0]) else 1
    along, across = 1 - axis, axis  # columns of s: the scan line's coordinate, the crossing's coordinate
    lines, last = (height, width - 2) if axis == 0 else (width, height - 2)
    if s[a, along] > s[b, along]:
        a, b, sign = b, a, -sign
    la, lb, ca, cb = s[a, along], s[b, along], s[a, across], s[b, across]
    # walking up the line coordinate, faces at sign > 0 lie towards lower x (axis 0) or towards higher y (axis 1)
    towards_low = (sign > 0) == (axis == 0)
    for line in range(max(int(np.ceil(la - 0.5)), 0), min(int(np.ceil(lb - 0.5)), lines)):
        r = (line + 0.5 - la) / (lb - la)
        crossing = ca + r * (cb - ca)
        k = int(np.floor(crossing - 0.5))
        if k < 0 or k > last:
            continue
        near_low, near_high = (w[line, k], w[line, k + 1]) if axis == 0 else (w[k, line], w[k + 1, line])
        inside, outside = (near_low, near_high) if towards_low else (near_high, near_low)
        depth = 1.0 / (s[a, 3] + r * (s[b, 3] - s[a, 3]))
        if not (inside < outside and depth < outside and inside <= depth * BEHIND):
            continue
        t = crossing - (k + 0.5)
        t = t if towards_low else 1.0 - t
        y, x = (line, k) if axis == 0 else (k, line)
        if t > reach[axis, y, x]:
            reach[axis, y, x] = t
            owner[axis, y, x] = e + 1 if towards_low else -(e + 1)


@numba.njit(cache=True, nogil=True, parallel=True)
def find(pos, tri, rast, edge, reach, owner):
    """Outermost visible outline of every pair of neighbours.

    ``reach`` (B, 2, H, W), -1 at the start: how far the nearer pixel's surface reaches towards the other centre, in [0, 1].
    ``owner`` (B, 2, H, W), 0 at the start: edge + 1, negative if the nearer pixel is the pair's second.
    """
    views, height, width = rast.shape[0], rast.shape[1], rast.shape[2]
    s = np.zeros((views, pos.shape[1], 4), np.float64)
    w = np.empty((views, height, width), np.float64)
    for b in numba.prange(views):
        screen(pos[b], height, width, s[b])
        _distances(pos[b], tri, rast[b], w[b])
        for e in range(edge.shape[0]):
            if s[b, edge[e, 0], 3] == 0.0 or s[b, edge[e, 1], 3] == 0.0:
                continue
            sign = _inside_sign(s[b], edge[e, 0], edge[e, 1], edge[e, 2], edge[e, 3])
            if sign != 0.0:
                _walk(s[b], edge, e, sign, w[b], reach[b], owner[b])


@numba.njit(cache=True, nogil=True, parallel=True)
def blend(color, reach, owner, out):
    """``out`` (B, H, W, C), a copy of ``color`` at the start."""
    views, height, width = color.shape[0], color.shape[1], color.shape[2]
    for b in numba.prange(views):
        for axis in range(2):
            for y in range(height - axis):
                for x in range(width - 1 + axis):
                    e = owner[b, axis, y, x]
                    if e == 0:
                        continue
                    y2, x2 = y + axis, x + 1 - axis
                    ya, xa, yb, xb = (y, x, y2, x2) if e > 0 else (y2, x2, y, x)
                    t = reach[b, axis, y, x] - np.float32(0.5)
                    for c in range(color.shape[3]):
                        step = t * (color[b, ya, xa, c] - color[b, yb, xb, c])
                        if t < 0:
                            out[b, ya, xa, c] += step
                        else:
                            out[b, yb, xb, c] += step


@numba.njit(cache=True, nogil=True, inline="always")
def _to_clip(p, g, i, gx, gy, height, width):
    """Gradient of vertex ``i`` in pixels to clip space."""
    w = p[i, 3]
    cx, cy = gx * 0.5 * width / w, gy * 0.5 * height / w
    g[i, 0] += cx
    g[i, 1] += cy
    g[i, 3] -= (cx * p[i, 0] + cy * p[i, 1]) / w


@numba.njit(cache=True, nogil=True)
def _move_edge(p, g, edge, e, axis, line, grad_crossing, height, width):
    """Gradient of a crossing's coordinate to the ends of edge ``e``: c = ca + (line - la) (cb - ca) / (lb - la)."""
    a, b = edge[e, 0], edge[e, 1]
    ax, ay = (p[a, 0] / p[a, 3] * 0.5 + 0.5) * width, (p[a, 1] / p[a, 3] * 0.5 + 0.5) * height
    bx, by = (p[b, 0] / p[b, 3] * 0.5 + 0.5) * width, (p[b, 1] / p[b, 3] * 0.5 + 0.5) * height
    la, ca, lb, cb = (ay, ax, by, bx) if axis == 0 else (ax, ay, bx, by)
    r = (line + 0.5 - la) / (lb - la)
    slope = (cb - ca) / (lb - la)
    gca, gcb = grad_crossing * (1 - r), grad_crossing * r
    gla, glb = -gca * slope, -gcb * slope
    if axis == 0:
        _to_clip(p, g, a, gca, gla, height, width)
        _to_clip(p, g, b, gcb, glb, height, width)
    else:
        _to_clip(p, g, a, gla, gca, height, width)
        _to_clip(p, g, b, glb, gcb, height, width)


@numba.njit(cache=True, nogil=True, parallel=True)
def backward(color, pos, edge, reach, owner, grad, grad_color, grad_pos):
    """``grad`` (B, H, W, C) of the blended image to ``grad_color``, a copy of ``grad`` at the start, and ``grad_pos``, zeros."""
    views, height, width = color.shape[0], color.shape[1], color.shape[2]
    for b in numba.prange(views):
        for axis in range(2):
            for y in range(height - axis):
                for x in range(width - 1 + axis):
                    e = owner[b, axis, y, x]
                    if e == 0:
                        continue
                    y2, x2 = y + axis, x + 1 - axis
                    ya, xa, yb, xb = (y, x, y2, x2) if e > 0 else (y2, x2, y, x)
                    t = reach[b, axis, y, x] - np.float32(0.5)
                    yg, xg = (ya, xa) if t < 0 else (yb, xb)
                    gt = 0.0
                    for c in range(color.shape[3]):
                        g = grad[b, yg, xg, c]
                        gt += g * (color[b, ya, xa, c] - color[b, yb, xb, c])
                        grad_color[b, ya, xa, c] += t * g
                        grad_color[b, yb, xb, c] -= t * g
                    if gt != 0.0:
                        line = y if axis == 0 else x
                        _move_edge(pos[b], grad_pos[b], edge, abs(e) - 1, axis, line, gt if e > 0 else -gt, height, width)
