"""Closest points on a triangle mesh, optionally only on triangles that face the same way as the query.

A bounding-volume tree over triangles, split at the median of the longest axis; point-to-triangle distance after Ericson, "Real-Time
Collision Detection" (2005), section 5.1.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numba
import numpy as np

_LEAF = 8
_TINY = 1e-300  # a side of no length is its own closest point


@dataclass(frozen=True)
class Closest:
    """For each query: ``triangle`` (N,) int64, -1 where none was allowed; ``bary`` (N, 3); ``point`` (N, 3); ``distance`` (N,) metres,
    inf where there is none."""

    triangle: np.ndarray
    bary: np.ndarray
    point: np.ndarray
    distance: np.ndarray

    def interpolate(self, attributes: np.ndarray, t_pos_idx: np.ndarray) -> np.ndarray:
        """Vertex attributes (V, C) at the closest points, (N, C); 0 where there is none."""
        corners = attributes[t_pos_idx[np.maximum(self.triangle, 0)]]
        value = np.einsum("nk,nkc->nc", self.bary, corners)
        return np.where((self.triangle >= 0)[:, None], value, 0.0)


@dataclass(frozen=True)
class SurfaceTree:
    """A mesh laid out for questions: ``corners`` (F, 3, 3) and unit ``normals`` (F, 3) of its triangles, ``boxes`` (B, 6), ``spans`` (B, 4) of (first,
    last, left child, right child; -1 in a leaf) of the triangles in ``order`` (F,)."""

    corners: np.ndarray
    normals: np.ndarray
    boxes: np.ndarray
    spans: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, v_pos: np.ndarray, t_pos_idx: np.ndarray) -> Self:
        """For the mesh ``v_pos`` (V, 3), ``t_pos_idx`` (F, 3)."""
        corners = np.ascontiguousarray(v_pos[t_pos_idx], np.float64)
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30)
        order = np.arange(len(corners))
        room = 4 * max(1, -(-len(corners) // _LEAF)) + 1
        boxes, spans = np.empty((room, 6)), np.full((room, 4), -1, np.int64)
        count = _build(corners.min(1), corners.max(1), order, boxes, spans)
        return cls(corners, normals, boxes[:count].copy(), spans[:count].copy(), order)

    def closest(self, queries: np.ndarray, directions: np.ndarray | None = None, least_cosine: float = -2.0) -> Closest:
        """As ``closest_points``."""
        if directions is None:
            directions, least_cosine = np.zeros((len(queries), 3)), -2.0
        triangle = np.full(len(queries), -1, np.int64)
        bary, distance = np.zeros((len(queries), 3)), np.full(len(queries), np.inf)
        _search(np.ascontiguousarray(queries, np.float64), np.ascontiguousarray(directions, np.float64), least_cosine,
                self.corners, self.normals, self.boxes, self.spans, self.order, triangle, bary, distance)
        point = np.einsum("nk,nkc->nc", bary, self.corners[np.maximum(triangle, 0)])
        return Closest(triangle, bary, point, np.sqrt(distance))


def closest_points(
    queries: np.ndarray, v_pos: np.ndarray, t_pos_idx: np.ndarray, directions: np.ndarray | None = None, least_cosine: float = -2.0
) -> Closest:
    """Closest points of (N, 3) ``queries`` on the mesh ``v_pos`` (V, 3), ``t_pos_idx`` (F, 3).

    With unit ``directions`` (N, 3), only triangles whose normal's dot product with the query's is at least ``least_cosine`` count.
    """
    return SurfaceTree.of(v_pos, t_pos_idx).closest(queries, directions, least_cosine)


@numba.njit(cache=True, nogil=True)
def _build(low, high, order, boxes, spans):
    """Fill the tree, whose leaves hold up to _LEAF triangles, and put ``order`` into its order; returns the number of boxes."""
    stack = np.empty((128, 4), np.int64)
    stack[0] = (0, len(order), -1, 0)
    size, count = 1, 0
    while size > 0:
        size -= 1
        first, last, parent, side = stack[size]
        if parent >= 0:
            spans[parent, 2 + side] = count
        here, widest, axis = count, -1.0, 0
        count += 1
        spans[here, 0], spans[here, 1] = first, last
        for c in range(3):
            least, most, left, right = np.inf, -np.inf, np.inf, -np.inf
            for k in range(first, last):
                t = order[k]
                least, most = min(least, low[t, c]), max(most, high[t, c])
                middle = low[t, c] + high[t, c]
                left, right = min(left, middle), max(right, middle)
            boxes[here, c], boxes[here, 3 + c] = least, most
            if right - left > widest:
                widest, axis = right - left, c
        if last - first <= _LEAF:
            continue
        mine = order[first:last].copy()
        middles = np.empty(last - first)
        for k in range(last - first):
            middles[k] = low[mine[k], axis] + high[mine[k], axis]
        order[first:last] = mine[np.argsort(middles, kind="mergesort")]
        half = (first + last) // 2
        stack[size] = (half, last, here, 1)
        stack[size + 1] = (first, half, here, 0)
        size += 2
    return count


@numba.njit(cache=True, nogil=True)
def _box_distance(p, box):
    total = 0.0
    for c in range(3):
        d = max(box[c] - p[c], 0.0, p[c] - box[3 + c])
        total += d * d
    return total


@numba.njit(cache=True, nogil=True)
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(cache=True, nogil=True)
def _triangle_bary(p, tri):
    """Barycentrics of the point of a triangle (3, 3) that is closest to ``p``."""
    a, b, c = tri[0], tri[1], tri[2]
    ab, ac, ap = b - a, c - a, p - a
    d1, d2 = _dot(ab, ap), _dot(ac, ap)
    if d1 <= 0.0 and d2 <= 0.0:
        return 1.0, 0.0, 0.0
    bp = p - b
    d3, d4 = _dot(ab, bp), _dot(ac, bp)
    if d3 >= 0.0 and d4 <= d3:
        return 0.0, 1.0, 0.0
    vc = d1 * d4 - d3 * d2
    if vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        t = d1 / max(d1 - d3, _TINY)
        return 1.0 - t, t, 0.0
    cp = p - c
    d5, d6 = _dot(ab, cp), _dot(ac, cp)
    if d6 >= 0.0 and d5 <= d6:
        return 0.0, 0.0, 1.0
    vb = d5 * d2 - d1 * d6
    if vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        t = d2 / max(d2 - d6, _TINY)
        return 1.0 - t, 0.0, t
    va = d3 * d6 - d5 * d4
    if va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0:
        t = (d4 - d3) / max((d4 - d3) + (d5 - d6), _TINY)
        return 0.0, 1.0 - t, t
    total = va + vb + vc
    if total <= 0.0:
        return 1.0, 0.0, 0.0
    return va / total, vb / total, vc / total


@numba.njit(cache=True, nogil=True, parallel=True)
def _search(queries, directions, least, corners, normals, boxes, spans, order, triangle, bary, distance):
    for i in numba.prange(len(queries)):
        p, d = queries[i], directions[i]
        stack = np.empty(128, np.int64)
        stack[0] = 0
        size, best = 1, np.inf
        while size > 0:
            size -= 1
            node = stack[size]
            if _box_distance(p, boxes[node]) >= best:
                continue
            left, right = spans[node, 2], spans[node, 3]
            if left >= 0:
                near_first = _box_distance(p, boxes[left]) <= _box_distance(p, boxes[right])
                stack[size] = right if near_first else left
                stack[size + 1] = left if near_first else right
                size += 2
                continue
            for k in range(spans[node, 0], spans[node, 1]):
                f = order[k]
                if _dot(normals[f], d) < least:
                    continue
                u, v, w = _triangle_bary(p, corners[f])
                gap = u * corners[f, 0] + v * corners[f, 1] + w * corners[f, 2] - p
                squared = _dot(gap, gap)
                if squared < best:
                    best = squared
                    triangle[i] = f
                    bary[i, 0], bary[i, 1], bary[i, 2] = u, v, w
        distance[i] = best
