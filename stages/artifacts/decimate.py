"""Fewer triangles, the same shape: quadric error edge collapse that keeps a closed, edge-manifold surface one.

Garland & Heckbert, Surface Simplification Using Quadric Error Metrics, 1997. An edge collapses only if its ends share exactly two
neighbours (the link condition) and no triangle turns over.
"""

from __future__ import annotations

import heapq

import numba
import numpy as np

STIFFNESS = 1e-3  # weight of "stay at the middle of the edge" beside the quadric, which decides on flat ground
LEAST_TURN = 0.2  # cosine by which a triangle's normal may turn in one collapse
GOOD_SHAPE = 0.15  # twice the area over the longest edge squared, above which a triangle may get worse
SLIVER = 0.01  # below this the normal of a triangle means nothing


def decimated(v_pos: np.ndarray, faces: np.ndarray, target: int, importance: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """At most ``target`` triangles if the surface allows it: ``v_pos`` (V', 3) float32 and ``faces`` (F', 3) int32.

    ``importance`` (V,) > 0 multiplies the error that a vertex's triangles may cause, so that detail stays where it is high. The input must
    be edge-manifold; so is the output.
    """
    weight = np.ones(len(v_pos)) if importance is None else np.asarray(importance, np.float64)
    v, f = v_pos.astype(np.float64).copy(), faces.astype(np.int64).copy()
    alive = _collapse(v, f, weight, target)
    used, index = np.unique(f[alive], return_inverse=True)
    return v[used].astype(np.float32), index.reshape(-1, 3).astype(np.int32)


@numba.njit(cache=True, nogil=True)
def quadrics(v, f, weight):
    """(V, 10) upper triangles of the sums of area-weighted plane quadrics, and (V,) sums of the areas."""
    q, mass = np.zeros((v.shape[0], 10)), np.zeros(v.shape[0])
    plane = np.empty(5)
    for t in range(f.shape[0]):
        facet(v, f[t, 0], f[t, 1], f[t, 2], plane)
        size = plane[3]
        if size < 1e-18:
            continue
        a = f[t, 0]
        plane[3] = -(plane[0] * v[a, 0] + plane[1] * v[a, 1] + plane[2] * v[a, 2])
        for k in range(3):
            i, m = f[t, k], 0
            w = 0.5 * size * weight[i]
            mass[i] += w
            for r in range(4):
                for s in range(r, 4):
                    q[i, m] += w * plane[r] * plane[s]
                    m += 1
    return q, mass


@numba.njit(cache=True, nogil=True)
def _best_point(q, mass, a, b, out):
    """Point of least error for quadric ``q`` (10,), held to the middle of a-b by ``STIFFNESS``; returns its error."""
    k = STIFFNESS * mass + 1e-18
    m0, m1, m2 = 0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1]), 0.5 * (a[2] + b[2])
    xx, xy, xz, yy, yz, zz = q[0] + k, q[1], q[2], q[4] + k, q[5], q[7] + k
    rx, ry, rz = k * m0 - q[3], k * m1 - q[6], k * m2 - q[8]
    c0, c1, c2 = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    det = xx * c0 + xy * c1 + xz * c2
    out[0] = (c0 * rx + c1 * ry + c2 * rz) / det
    out[1] = (c1 * rx + (xx * zz - xz * xz) * ry + (xy * xz - xx * yz) * rz) / det
    out[2] = (c2 * rx + (xy * xz - xx * yz) * ry + (xx * yy - xy * xy) * rz) / det
    length = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2
    away = (out[0] - m0) ** 2 + (out[1] - m1) ** 2 + (out[2] - m2) ** 2
    if not away < length:
        out[0], out[1], out[2] = m0, m1, m2
    x, y, z = out[0], out[1], out[2]
    plane = q[0] * x * x + q[4] * y * y + q[7] * z * z + 2 * (q[1] * x * y + q[2] * x * z + q[5] * y * z)
    plane += 2 * (q[3] * x + q[6] * y + q[8] * z) + q[9]
    return max(plane, 0.0) + STIFFNESS * mass * length


@numba.njit(cache=True, nogil=True)
def edge_cost(q, mass, v, a, b, out):
    """``_best_point`` of the edge a-b."""
    both = np.empty(10)
    for k in range(10):
        both[k] = q[a, k] + q[b, k]
    return _best_point(both, mass[a] + mass[b], v[a], v[b], out)


@numba.njit(cache=True, nogil=True)
def neighbours(i, f, alive, head, following, mark, stamp, out):
    """Fill ``out`` with the vertices round ``i``, each once; returns their number. ``mark`` carries ``stamp`` for them."""
    n, corner = 0, head[i]
    while corner >= 0:
        t = corner // 3
        if alive[t]:
            for k in range(3):
                j = f[t, k]
                if j != i and mark[j] != stamp:
                    mark[j] = stamp
                    out[n] = j
                    n += 1
        corner = following[corner]
    return n


@numba.njit(cache=True, nogil=True)
def closes_up(a, b, f, alive, head, following, mark, stamp, ring, ring_b):
    """The link condition: exactly two vertices are joined to both ``a`` and ``b``, and the two have others besides. The rings are scratch."""
    n_a, shared = neighbours(a, f, alive, head, following, mark, stamp, ring), 0
    n_b = neighbours(b, f, alive, head, following, mark, -2 - stamp, ring_b)
    for k in range(n_a):
        if mark[ring[k]] == -2 - stamp:
            shared += 1
    return shared == 2 and n_a + n_b >= 9


@numba.njit(cache=True, nogil=True)
def corners_of(f, count):
    """Linked lists of the corners at each of ``count`` vertices: the first of each, and what follows each corner; -1 at an end."""
    head, following = np.full(count, -1, np.int64), np.full(3 * f.shape[0], -1, np.int64)
    for corner in range(3 * f.shape[0]):
        i = f[corner // 3, corner % 3]
        following[corner] = head[i]
        head[i] = corner
    return head, following


@numba.njit(cache=True, nogil=True)
def facet(v, i, j, k, out):
    """``out`` (5,): unit normal of triangle i j k, twice its area, and its shape: that over the longest edge squared (0.87 at best)."""
    ax, ay, az = v[j, 0] - v[i, 0], v[j, 1] - v[i, 1], v[j, 2] - v[i, 2]
    bx, by, bz = v[k, 0] - v[i, 0], v[k, 1] - v[i, 1], v[k, 2] - v[i, 2]
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    size = np.sqrt(nx * nx + ny * ny + nz * nz)
    cx, cy, cz = bx - ax, by - ay, bz - az
    longest = max(ax * ax + ay * ay + az * az, bx * bx + by * by + bz * bz, cx * cx + cy * cy + cz * cz)
    safe = max(size, 1e-30)
    out[0], out[1], out[2], out[3], out[4] = nx / safe, ny / safe, nz / safe, size, size / max(longest, 1e-30)


@numba.njit(cache=True, nogil=True)
def turns_over(i, other, point, v, f, alive, head, following):
    """Whether moving vertex ``i`` to ``point`` turns over a triangle that does not hold ``other``, or makes a sliver of it."""
    before, after = np.empty(5), np.empty(5)
    old = v[i].copy()
    corner = head[i]
    while corner >= 0:
        t = corner // 3
        if alive[t] and f[t, 0] != other and f[t, 1] != other and f[t, 2] != other:
            facet(v, f[t, 0], f[t, 1], f[t, 2], before)
            v[i] = point
            facet(v, f[t, 0], f[t, 1], f[t, 2], after)
            v[i] = old
            turned = before[0] * after[0] + before[1] * after[1] + before[2] * after[2]
            if before[4] > SLIVER and (after[4] < min(GOOD_SHAPE, 0.7 * before[4]) or turned < LEAST_TURN):
                return True
        corner = following[corner]
    return False


@numba.njit(cache=True, nogil=True)
def merge(a, b, v, f, alive, head, following, point):
    """Vertex ``b`` becomes ``a`` at ``point``; returns the number of triangles that die."""
    died, corner, last = 0, head[b], np.int64(-1)
    while corner >= 0:
        t = corner // 3
        if alive[t]:
            if f[t, 0] == a or f[t, 1] == a or f[t, 2] == a:
                alive[t] = False
                died += 1
            else:
                f[t, corner % 3] = a
        last = corner
        corner = following[corner]
    if last >= 0:
        following[last] = head[a]
        head[a] = head[b]
        head[b] = -1
    v[a] = point
    return died


@numba.njit(cache=True, nogil=True)
def _collapse(v, f, weight, target):
    """Collapse in place, cheapest edge first; returns which triangles are left."""
    count, total = v.shape[0], f.shape[0]
    q, mass = quadrics(v, f, weight)
    alive = np.ones(total, np.bool_)
    head, following = corners_of(f, count)
    version, mark = np.zeros(count, np.int64), np.full(count, -1, np.int64)
    ring, ring_b = np.empty(4096, np.int64), np.empty(4096, np.int64)
    point, stamp, left = np.empty(3), np.int64(0), total
    heap = [(0.0, np.int64(0), np.int64(0), np.int64(0), np.int64(0))]
    heap.pop()
    for t in range(total):
        for k in range(3):
            a, b = f[t, k], f[t, (k + 1) % 3]
            if a < b:
                heap.append((edge_cost(q, mass, v, a, b, point), a, b, np.int64(0), np.int64(0)))
    heapq.heapify(heap)
    while left > target and len(heap) > 0:
        _, a, b, version_a, version_b = heapq.heappop(heap)
        if version[a] != version_a or version[b] != version_b or head[a] < 0 or head[b] < 0:
            continue
        stamp += 1
        if not closes_up(a, b, f, alive, head, following, mark, stamp, ring, ring_b):
            continue
        edge_cost(q, mass, v, a, b, point)
        if turns_over(a, b, point, v, f, alive, head, following) or turns_over(b, a, point, v, f, alive, head, following):
            continue
        left -= merge(a, b, v, f, alive, head, following, point)
        for k in range(10):
            q[a, k] += q[b, k]
        mass[a] += mass[b]
        version[a] += 1
        version[b] += 1
        stamp += 1
        n_a = neighbours(a, f, alive, head, following, mark, stamp, ring)
        for k in range(n_a):
            c = ring[k]
            low, high = min(a, c), max(a, c)
            cost = edge_cost(q, mass, v, a, c, point)
            heapq.heappush(heap, (cost, low, high, version[low], version[high]))
    return alive
