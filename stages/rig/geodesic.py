"""Distances along a surface, edge by edge."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from stages.rig.inpaint import edges_of


def geodesic_m(v_pos: np.ndarray, t_pos_idx: np.ndarray, start: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """(V,) metres from the nearest vertex of ``start`` (V,) bool along edges between ``allowed`` (V,) ones; inf where none leads.

    Dijkstra's shortest paths over edges: never less than the true geodesic, on an even mesh up to about a tenth more.
    """
    out = np.full(len(v_pos), np.inf)
    sources = np.flatnonzero(start & allowed)
    if not len(sources):
        return out
    e = edges_of(t_pos_idx)
    e = e[allowed[e].all(-1)]
    length = np.maximum(np.linalg.norm(v_pos[e[:, 0]] - v_pos[e[:, 1]], axis=-1), 1e-9)
    graph = sparse.coo_matrix((length, (e[:, 0], e[:, 1])), (len(v_pos),) * 2).tocsr()
    return csgraph.dijkstra(graph, directed=False, indices=sources, min_only=True)


def vertex_areas(v_pos: np.ndarray, t_pos_idx: np.ndarray) -> np.ndarray:
    """(V,) square metres: a third of each triangle round a vertex."""
    p = v_pos[t_pos_idx].astype(np.float64)
    area = np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=-1) / 2
    return np.bincount(t_pos_idx.ravel(), np.repeat(area / 3, 3), len(v_pos))
