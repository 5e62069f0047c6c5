"""Skin weights spread over a surface: kept where they are trusted, smooth everywhere, found between where they are not.

Abdrashitov et al., "Robust Skin Weights Transfer via Weight Inpainting" (SIGGRAPH Asia 2023 Technical Communications), eq. 3: the
energy tr W^T (-L + L M^-1 L) W, here with a soft data term, so that doubtful vertices pull less than good ones instead of all or not.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from stages.artifacts.factors import factored

# A cotangent above this is a sliver: clamped so that it does not stiffen everything round it.
_STEEPEST = 20.0


def edges_of(t_pos_idx: np.ndarray) -> np.ndarray:
    """(E, 2) undirected edges, each once, first index the smaller."""
    e = np.sort(np.concatenate([t_pos_idx[:, [0, 1]], t_pos_idx[:, [1, 2]], t_pos_idx[:, [2, 0]]]).astype(np.int64), axis=1)
    return np.unique(e, axis=0)


def components_of(t_pos_idx: np.ndarray, count: int) -> np.ndarray:
    """(count,) label of the connected piece of each vertex."""
    e = edges_of(t_pos_idx)
    graph = sparse.coo_matrix((np.ones(len(e)), (e[:, 0], e[:, 1])), (count, count))
    return csgraph.connected_components(graph, directed=False)[1]


def laplacian(v_pos: np.ndarray, t_pos_idx: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Positive semi-definite cotangent matrix (V, V) and lumped vertex areas (V,) in square metres.

    Cotangents are clamped to [0.01, 20]: obtuse triangles of a reconstructed mesh must not make weights repel each other.
    """
    count = len(v_pos)
    p = v_pos[t_pos_idx].astype(np.float64)
    rows, columns, values = [], [], []
    area = np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=-1) / 2
    for k in range(3):
        a, b = p[:, (k + 1) % 3] - p[:, k], p[:, (k + 2) % 3] - p[:, k]
        cotangent = (a * b).sum(-1) / np.maximum(np.linalg.norm(np.cross(a, b), axis=-1), 1e-20)
        rows.append(t_pos_idx[:, (k + 1) % 3])
        columns.append(t_pos_idx[:, (k + 2) % 3])
        values.append(np.clip(cotangent, 0.01, _STEEPEST) / 2)
    i, j, w = np.concatenate(rows), np.concatenate(columns), np.concatenate(values)
    adjacency = sparse.coo_matrix((np.r_[w, w], (np.r_[i, j], np.r_[j, i])), (count, count)).tocsr()
    matrix = sparse.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency
    mass = np.bincount(t_pos_idx.ravel(), np.repeat(area / 3, 3), count)
    return matrix.tocsr(), np.maximum(mass, 1e-12 + 1e-3 * float(mass.mean()))


def inpaint(
    v_pos: np.ndarray, t_pos_idx: np.ndarray, wanted: np.ndarray, confidence: np.ndarray, smoothing_m: float
) -> np.ndarray:
    """Weights (V, J) nearest to ``wanted`` (V, J) in the measure of ``confidence`` (V,) in [0, 1], and smooth.

    Minimises sum_v m_v c_v |w_v - wanted_v|^2 / s^4 + tr W^T (L M^-1 L + L / s_0^2) W, with s = ``smoothing_m`` and s_0 ten
    times that. Rows of the result are not negative and sum to 1.
    """
    matrix, mass = laplacian(v_pos, t_pos_idx)
    scale = smoothing_m**4
    bending = matrix @ sparse.diags(1.0 / mass) @ matrix
    data = mass * np.maximum(confidence, 1e-6)
    system = sparse.diags(data) + scale * bending + (scale / (10 * smoothing_m) ** 2) * matrix
    used = np.flatnonzero(wanted.sum(0) > 0)
    solved = np.zeros_like(wanted, dtype=np.float64)
    solved[:, used] = factored(system).solve(data[:, None] * wanted[:, used])
    return normalised(solved)


def normalised(weights: np.ndarray) -> np.ndarray:
    """Negative entries cut off, rows scaled to sum to 1."""
    weights = np.maximum(weights, 0.0)
    return weights / np.maximum(weights.sum(-1, keepdims=True), 1e-12)


def strongest(weights: np.ndarray, count: int = 4, least: float = 0.004) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` strongest influences: joints (V, count) uint16 and weights (V, count) float32, strongest first, summing to 1.

    Influences below ``least`` are dropped; a slot without weight names joint 0.
    """
    order = np.argsort(-weights, axis=-1, kind="stable")[:, :count]
    kept = np.take_along_axis(weights, order, -1)
    kept = np.where((kept < least) & (np.arange(count) > 0), 0.0, kept)
    kept = (kept / kept.sum(-1, keepdims=True)).astype(np.float32)
    kept[:, 0] = (1.0 - kept[:, 1:].astype(np.float64).sum(-1)).astype(np.float32)
    return np.where(kept > 0, order, 0).astype(np.uint16), kept
