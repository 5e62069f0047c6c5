"""Cloth from the body: cut a region of its surface along a smooth field, lift it, round it, turn its edge in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from stages.artifacts.body import BodyModel


@dataclass(frozen=True)
class Surface:
    """A piece of mesh that remembers the body: ``v_pos`` (V, 3), ``tri`` (F, 3), ``weights`` (V, J), ``base`` (V, 3) the
    body's own position under each vertex, ``normal`` (V, 3) outward."""

    v_pos: np.ndarray
    tri: np.ndarray
    weights: np.ndarray
    base: np.ndarray
    normal: np.ndarray


def adjacency(tri: np.ndarray, count: int) -> sparse.csr_matrix:
    """(V, V) matrix that averages over the neighbours of each vertex."""
    i = np.concatenate([tri[:, 0], tri[:, 1], tri[:, 2]])
    j = np.concatenate([tri[:, 1], tri[:, 2], tri[:, 0]])
    a = sparse.coo_matrix((np.ones(2 * len(i)), (np.r_[i, j], np.r_[j, i])), (count, count)).tocsr()
    a.data[:] = 1.0
    return sparse.diags(1.0 / np.maximum(np.asarray(a.sum(1)).ravel(), 1.0)) @ a


def cut(tri: np.ndarray, field: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The part of a triangle mesh where ``field`` (V,) > 0, cut along field = 0.

    Returns new triangles and, per new vertex, the two old vertices and the share of the second: (F', 3), (V',), (V',), (V',).
    """
    inside = field[tri] > 0
    count = inside.sum(1)
    whole = tri[count == 3]
    out = []
    pairs = []

    def crossing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        pairs.append(np.stack([np.minimum(a, b), np.maximum(a, b)], 1))
        return -1 - (sum(len(p) for p in pairs[:-1]) + np.arange(len(a)))

    for wanted in (1, 2):
        t, m = tri[count == wanted], inside[count == wanted]
        lone = (m if wanted == 1 else ~m).argmax(1)
        a, b, c = (t[np.arange(len(t)), (lone + k) % 3] for k in range(3))
        ab, ac = crossing(a, b), crossing(a, c)
        out += [np.stack([a, ab, ac], 1)] if wanted == 1 else [np.stack([ab, b, c], 1), np.stack([ab, c, ac], 1)]
    faces = np.concatenate([whole, *out])
    edges = np.concatenate(pairs)
    unique, inverse = np.unique(edges, axis=0, return_inverse=True)
    n = len(field)
    new = faces.copy()
    new[faces < 0] = n + inverse.ravel()[-1 - faces[faces < 0]]
    used, renamed = np.unique(new, return_inverse=True)
    fa, fb = field[unique[:, 0]], field[unique[:, 1]]
    first = np.r_[np.arange(n), unique[:, 0]][used]
    second = np.r_[np.arange(n), unique[:, 1]][used]
    share = np.r_[np.zeros(n), fa / (fa - fb)][used]
    return renamed.reshape(new.shape), first, second, share


def lifted(body: BodyModel, normal: np.ndarray, field: np.ndarray, offset_m: np.ndarray | float, rounds: int = 6) -> Surface:
    """The body's surface where ``field`` > 0, ``offset_m`` (scalar or (V,)) above it, smoothed ``rounds`` times but never
    nearer to the body than half its offset. ``normal`` (V, 3) are the directions to lift along."""
    tri, a, b, t = cut(body.t_pos_idx, field)
    mix = lambda x: x[a] * (1 - t)[:, None] + x[b] * t[:, None]  # noqa: E731
    base, n, weights = mix(body.v_pos), mix(normal), mix(body.weights)
    n /= np.linalg.norm(n, axis=1, keepdims=True) + 1e-12
    offset = mix(np.broadcast_to(np.asarray(offset_m, float), (len(normal),))[:, None])
    v = base + n * offset
    if rounds:
        mean = adjacency(tri, len(v))
        edge = boundary_vertices(tri, len(v))
        for _ in range(rounds):
            step = mean @ v
            v = np.where(edge[:, None], v, 0.4 * v + 0.6 * step)
            height = ((v - base) * n).sum(1, keepdims=True)
            v = v + n * np.maximum(0.5 * offset - height, 0)
    return Surface(v, tri, weights, base, n)


def boundary_edges(tri: np.ndarray) -> np.ndarray:
    """(E, 2) directed edges that belong to one triangle only."""
    e = np.concatenate([tri[:, [0, 1]], tri[:, [1, 2]], tri[:, [2, 0]]])
    key = np.minimum(e[:, 0], e[:, 1]) * (tri.max() + 1) + np.maximum(e[:, 0], e[:, 1])
    _, index, count = np.unique(key, return_index=True, return_counts=True)
    return e[index[count == 1]]


def boundary_vertices(tri: np.ndarray, count: int) -> np.ndarray:
    """(V,) bool."""
    out = np.zeros(count, bool)
    out[boundary_edges(tri).ravel()] = True
    return out


def rim(surface: Surface, depth_m: float = 0.004) -> tuple[np.ndarray, np.ndarray]:
    """Indices that turn the surface's edges in to the body: new vertices copy ``copied`` (N,) and lie ``depth_m`` under the
    skin at their ``base``; returns (copied, triangles (M, 3) over [surface vertices, copies])."""
    e = boundary_edges(surface.tri)
    copied, local = np.unique(e, return_inverse=True)
    local = local.reshape(e.shape) + len(surface.v_pos)
    a, b, c, d = e[:, 0], e[:, 1], local[:, 0], local[:, 1]
    return copied, np.concatenate([np.stack([b, a, c], 1), np.stack([b, c, d], 1)])


def hemmed(surface: Surface, depth_m: float = 0.004) -> tuple[Surface, np.ndarray]:
    """The surface with its rims closed towards the body; also (F,) bool, which triangles are rims."""
    copied, extra = rim(surface, depth_m)
    inner = surface.base[copied] - depth_m * surface.normal[copied]
    grow = lambda x: np.concatenate([x, x[copied]])  # noqa: E731
    out = Surface(
        np.concatenate([surface.v_pos, inner]), np.concatenate([surface.tri, extra]),
        grow(surface.weights), grow(surface.base), grow(surface.normal),
    )
    return out, np.arange(len(out.tri)) >= len(surface.tri)
