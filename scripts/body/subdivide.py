"""Catmull-Clark subdivision, and the cage whose subdivision passes through given points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class Refinement:
    """One step of subdivision as a linear map.

    ``matrix`` (V', V) takes coarse to fine vertices, of which the first V are the coarse ones moved; ``quads`` (Q, 4) fine
    faces; ``parents`` (Q,) the coarse polygon of each.
    """

    matrix: sp.csr_matrix
    quads: np.ndarray
    parents: np.ndarray


def catmull_clark(faces: list[tuple[int, ...]], count: int) -> Refinement:
    """Rules of Catmull and Clark (1978) for a closed polygon mesh with ``count`` vertices."""
    edges: dict[tuple[int, int], int] = {}
    sides: list[list[int]] = []
    for f, corners in enumerate(faces):
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            e = edges.setdefault((min(a, b), max(a, b)), len(edges))
            if e == len(sides):
                sides.append([])
            sides[e].append(f)
    n_faces, n_edges = len(faces), len(edges)
    face_rows = [f for f, c in enumerate(faces) for _ in c]
    face_cols = [v for c in faces for v in c]
    face_vals = [1.0 / len(c) for c in faces for _ in c]
    face_points = sp.csr_matrix((face_vals, (face_rows, face_cols)), (n_faces, count))
    ends = np.array(list(edges))
    pair = np.array(sides)
    if pair.ndim != 2 or pair.shape[1] != 2:
        raise ValueError("the cage is not a closed manifold: an edge has not exactly two faces")
    rows = np.arange(n_edges)
    pick = lambda cols, n: sp.csr_matrix((np.ones(n_edges), (rows, cols)), (n_edges, n))  # noqa: E731
    middles = 0.5 * (pick(ends[:, 0], count) + pick(ends[:, 1], count))
    edge_points = 0.5 * middles + 0.25 * (pick(pair[:, 0], n_faces) + pick(pair[:, 1], n_faces)) @ face_points
    moved = _vertex_points(face_points, middles, ends, count)
    quads, parents = _split(faces, edges, count)
    return Refinement(sp.vstack([moved, edge_points, face_points]).tocsr(), quads, parents)


def _vertex_points(face_points: sp.csr_matrix, middles: sp.csr_matrix, ends: np.ndarray, count: int) -> sp.csr_matrix:
    """(V, V) rule (F + 2 R + (n - 3) P) / n."""
    touch_f = (face_points > 0).T.astype(float)
    touch_e = sp.csr_matrix(
        (np.ones(2 * len(ends)), (ends.T.ravel(), np.tile(np.arange(len(ends)), 2))), (count, len(ends))
    )
    n = np.maximum(np.asarray(touch_e.sum(1)).ravel(), 1.0)
    inv = sp.diags(1.0 / n)
    return inv @ (inv @ touch_f @ face_points + 2.0 * inv @ touch_e @ middles + sp.diags(n - 3.0))


def _split(faces: list[tuple[int, ...]], edges: dict[tuple[int, int], int], count: int) -> tuple[np.ndarray, np.ndarray]:
    quads, parents = [], []
    for f, c in enumerate(faces):
        n = len(c)
        e = [count + edges[(min(c[i], c[(i + 1) % n]), max(c[i], c[(i + 1) % n]))] for i in range(n)]
        for i in range(n):
            quads.append((c[i], e[i], count + len(edges) + f, e[i - 1]))
            parents.append(f)
    return np.array(quads), np.array(parents)


def interpolating_cage(
    points: np.ndarray, refinement: Refinement, only: np.ndarray | None = None, rounds: int = 6, strength: float = 0.9
) -> np.ndarray:
    """Cage (V, 3) whose subdivided vertices come close to ``points`` (V, 3): damped fixed-point iteration.

    ``only`` (V,) bool leaves the others where they are.
    """
    cage = points.copy()
    rule = refinement.matrix[: len(points)]
    for _ in range(rounds):
        step = strength * (points - rule @ cage)
        cage += step if only is None else step * only[:, None]
    return cage
