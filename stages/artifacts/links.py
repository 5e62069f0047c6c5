"""Which vertices of a mesh are joined by an edge, as sparse matrices."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def vertex_links(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """(V, V) with 1 where an edge of the triangles (F, 3) joins two of ``count`` vertices, 0 elsewhere."""
    i, j = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).T
    link = sparse.coo_matrix((np.ones(len(i)), (i, j)), (count, count)).tocsr()
    return ((link + link.T) > 0).astype(float)


def neighbour_mean(links: sparse.csr_matrix) -> sparse.csr_matrix:
    """(V, V) that takes values at vertices to the mean over their neighbours; to 0 at a vertex that has none."""
    return sparse.diags(1 / np.maximum(np.asarray(links.sum(1)).ravel(), 1)) @ links


def graph_laplacian(links: sparse.csr_matrix) -> sparse.csr_matrix:
    """(V, V) that takes values at vertices to their differences from their neighbours, summed."""
    return (sparse.diags(np.asarray(links.sum(1)).ravel()) - links).tocsr()
