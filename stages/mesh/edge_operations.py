"""Splitting, collapsing and flipping edges of a closed, edge-manifold surface, and what these need to know of it.

A half-edge is 3 t + k: from corner k of triangle t to the next. Each operation is one sweep over the edges, best first, that leaves alone
whatever lies beside an edge already changed in this sweep; so neighbourhoods are looked up once a sweep.
"""

from __future__ import annotations

import numba
import numpy as np

from stages.artifacts.decimate import edge_cost, facet, quadrics

LEAST_TURN = 0.6  # cosine by which a triangle may turn in a collapse
FLAT = 0.9  # cosine between triangles across whose edge a flip is no change of shape
BETTER = 1.05  # by how much the worse of two triangles has to gain by a flip
ENOUGH = 0.3  # shape below which a collapse may make no triangle, unless there was a worse one


def twins(faces: np.ndarray) -> np.ndarray:
    """(3 F,) the half-edge that runs along the same edge the other way."""
    out = np.arange(faces.size)
    low = np.minimum(faces, np.roll(faces, -1, 1)).reshape(-1)
    _pair(faces, *_buckets(low, int(faces.max()) + 1), out)
    return out


@numba.njit(cache=True, nogil=True)
def _pair(faces, start, held, out):
    """Of the half-edges ``held`` at the lower of their ends, a few each, those that have the other end in common belong together."""
    for i in range(len(start) - 1):
        for n in range(start[i], start[i + 1]):
            h = held[n]
            if h < 0:
                continue
            for m in range(n + 1, start[i + 1]):
                g = held[m]
                if g >= 0 and max(faces[h // 3, h % 3], faces[h // 3, (h + 1) % 3]) == max(faces[g // 3, g % 3], faces[g // 3, (g + 1) % 3]):
                    out[h], out[g], held[m] = g, h, -1
                    break


def faces_round(faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles at each of ``count`` vertices: those of vertex i are ``held[start[i]:start[i + 1]]``."""
    start, held = _buckets(faces.reshape(-1), count)
    return start, held // 3


@numba.njit(cache=True, nogil=True)
def _buckets(keys, count):
    """Indices into ``keys`` sorted by key, each key's in their order: (count + 1,) where a key's begin, and all of them; without a sort."""
    start = np.zeros(count + 1, np.int64)
    for key in keys:
        start[key + 1] += 1
    for i in range(count):
        start[i + 1] += start[i]
    free, held = start[:-1].copy(), np.empty(len(keys), np.int64)
    for n in range(len(keys)):
        held[free[keys[n]]] = n
        free[keys[n]] += 1
    return start, held


def both_sides(twin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(E,), (E,) the two half-edges of each edge."""
    half = np.flatnonzero(np.arange(len(twin)) < twin)
    return half, twin[half]


def relative_lengths(v: np.ndarray, f: np.ndarray, length: np.ndarray, twin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One half-edge of every edge (E,), and its length as a share of the mean ``length`` (V,) asked for at its ends."""
    half = both_sides(twin)[0]
    a, b = f[half // 3, half % 3], f[half // 3, (half + 1) % 3]
    return half, np.linalg.norm(v[a] - v[b], axis=1) / (0.5 * (length[a] + length[b]))


def split(v: np.ndarray, f: np.ndarray, length: np.ndarray, above: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Halve edges whose relative length is more than ``above``, longest first; also the number of them."""
    twin = twins(f)
    half, ratio = relative_lengths(v, f, length, twin)
    todo = half[ratio > above][np.argsort(-ratio[ratio > above], kind="stable")]
    v, f = np.concatenate([v, np.empty((len(todo), 3))]), np.concatenate([f, np.empty((2 * len(todo), 3), f.dtype)])
    length = np.concatenate([length, np.empty(len(todo))])
    done = _split(v, f, length, twin, todo, len(v) - len(todo), len(f) - 2 * len(todo))
    spare = len(todo) - done
    return v[: len(v) - spare], f[: len(f) - 2 * spare], length[: len(length) - spare], done


@numba.njit(cache=True, nogil=True)
def _split(v, f, length, twin, todo, vertices, triangles):
    used = np.zeros(triangles, np.bool_)
    done = 0
    for h in todo:
        s, t = h // 3, twin[h] // 3
        if used[s] or used[t]:
            continue
        used[s] = used[t] = True
        a, b, c, d = f[s, h % 3], f[s, (h + 1) % 3], f[s, (h + 2) % 3], f[t, (twin[h] + 2) % 3]
        m = vertices + done
        for k in range(3):
            v[m, k] = 0.5 * (v[a, k] + v[b, k])
        length[m] = 0.5 * (length[a] + length[b])
        for row, (i, j, k) in ((s, (a, m, c)), (t, (b, m, d)), (triangles + 2 * done, (m, b, c)), (triangles + 2 * done + 1, (m, a, d))):
            f[row, 0], f[row, 1], f[row, 2] = i, j, k
        done += 1
    return done


def collapse(v: np.ndarray, f: np.ndarray, length: np.ndarray, below: float, longest: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Collapse edges whose relative length is less than ``below``, shortest first, to the point that fits the planes round them best; no edge of more
    than ``longest`` comes of it. Also the number of them."""
    half, ratio = relative_lengths(v, f, length, twins(f))
    todo = half[ratio < below][np.argsort(ratio[ratio < below], kind="stable")]
    v, f, length = v.copy(), f.copy(), length.copy()
    start, held = faces_round(f, len(v))
    alive, done = _collapse(v, f, length, todo, longest, start, held, *quadrics(v, f, np.ones(len(v))))
    used, index = np.unique(f[alive], return_inverse=True)
    return v[used], index.reshape(-1, 3), length[used], done


@numba.njit(cache=True, nogil=True)
def _collapse(v, f, length, todo, longest, start, held, q, mass):
    alive, locked, mark = np.ones(f.shape[0], np.bool_), np.zeros(v.shape[0], np.bool_), np.full(v.shape[0], -1, np.int64)
    point, done = np.empty(3), 0
    for h in todo:
        a, b = f[h // 3, h % 3], f[h // 3, (h + 1) % 3]
        if locked[a] or locked[b] or not _closes_up(a, b, f, start, held, mark):
            continue
        edge_cost(q, mass, v, a, b, point)
        if not (_stands(a, b, point, v, f, length, longest, start, held) and _stands(b, a, point, v, f, length, longest, start, held)):
            continue
        for i in (a, b):
            for n in range(start[i], start[i + 1]):
                for k in range(3):
                    locked[f[held[n], k]] = True
        v[a] = point
        length[a] = 0.5 * (length[a] + length[b])
        for n in range(start[b], start[b + 1]):
            t = held[n]
            for k in range(3):
                if f[t, k] == a:
                    alive[t] = False
            for k in range(3):
                if f[t, k] == b:
                    f[t, k] = a
        done += 1
    return alive, done


@numba.njit(cache=True, nogil=True)
def _closes_up(a, b, f, start, held, mark):
    """The link condition: exactly two vertices beside both ends, each with more than three triangles. ``mark`` (V,) is scratch, -1 at first."""
    shared = 0
    for n in range(start[a], start[a + 1]):
        for k in range(3):
            mark[f[held[n], k]] = a
    mark[a] = mark[b] = -1
    for n in range(start[b], start[b + 1]):
        for k in range(3):
            i = f[held[n], k]
            if mark[i] == a:
                mark[i] = -1
                shared += 1
                if start[i + 1] - start[i] <= 3:
                    shared = 99
    for n in range(start[a], start[a + 1]):
        for k in range(3):
            mark[f[held[n], k]] = -1
    return shared == 2


@numba.njit(cache=True, nogil=True)
def _stands(i, other, point, v, f, length, longest, start, held):
    """Whether vertex ``i`` may go to ``point``: no triangle without ``other`` turns over or loses its shape, no edge becomes too long."""
    before, after, old = np.empty(5), np.empty(5), v[i].copy()
    for n in range(start[i], start[i + 1]):
        t = held[n]
        if f[t, 0] == other or f[t, 1] == other or f[t, 2] == other:
            continue
        for k in range(3):
            j = f[t, k]
            gap = (v[j, 0] - point[0]) ** 2 + (v[j, 1] - point[1]) ** 2 + (v[j, 2] - point[2]) ** 2
            if j != i and gap > (longest * 0.5 * (length[i] + length[j])) ** 2:
                return False
        facet(v, f[t, 0], f[t, 1], f[t, 2], before)
        v[i] = point
        facet(v, f[t, 0], f[t, 1], f[t, 2], after)
        v[i] = old
        turned = before[0] * after[0] + before[1] * after[1] + before[2] * after[2]
        if after[4] < min(ENOUGH, before[4]) or turned < LEAST_TURN:
            return False
    return True


def flip(v: np.ndarray, f: np.ndarray) -> int:
    """Flip, in place, every edge on flat ground that makes the worse of its two triangles better; the number of them."""
    twin = twins(f)
    start, held = faces_round(f, len(v))
    return _flip(v, f, twin, start, held)


@numba.njit(cache=True, nogil=True)
def _flip(v, f, twin, start, held):
    locked = np.zeros(v.shape[0], np.bool_)
    p0, p1, q0, q1 = np.empty(5), np.empty(5), np.empty(5), np.empty(5)
    done = 0
    for h in range(twin.shape[0]):
        if h > twin[h]:
            continue
        s, t = h // 3, twin[h] // 3
        a, b, c, d = f[s, h % 3], f[s, (h + 1) % 3], f[s, (h + 2) % 3], f[t, (twin[h] + 2) % 3]
        if locked[a] or locked[b] or locked[c] or locked[d] or c == d:
            continue
        facet(v, a, b, c, p0)
        facet(v, b, a, d, p1)
        facet(v, a, d, c, q0)
        facet(v, d, b, c, q1)
        flat = p0[0] * p1[0] + p0[1] * p1[1] + p0[2] * p1[2]
        still = min(p0[0] * q0[0] + p0[1] * q0[1] + p0[2] * q0[2], p1[0] * q1[0] + p1[1] * q1[1] + p1[2] * q1[2])
        if flat < FLAT or still < FLAT or min(q0[4], q1[4]) < BETTER * min(p0[4], p1[4]) or _joined(c, d, f, start, held):
            continue
        if start[a + 1] - start[a] <= 3 or start[b + 1] - start[b] <= 3:
            continue
        f[s, 0], f[s, 1], f[s, 2] = a, d, c
        f[t, 0], f[t, 1], f[t, 2] = d, b, c
        locked[a] = locked[b] = locked[c] = locked[d] = True
        done += 1
    return done


@numba.njit(cache=True, nogil=True)
def _joined(c, d, f, start, held):
    """Whether there is an edge c-d already."""
    for n in range(start[c], start[c + 1]):
        t = held[n]
        if f[t, 0] == d or f[t, 1] == d or f[t, 2] == d:
            return True
    return False
