"""What the two passes minimise."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor


def image_loss(rendered: Tensor, observed: Tensor) -> Tensor:
    """Mean of log(1 + |difference|) over the pixels: close to L1, forgiving to views that disagree (nvdiffrec's log-L1)."""
    return torch.log1p((rendered - observed).abs()).mean()


def mask_loss(rendered: Tensor, observed: Tensor) -> Tensor:
    """Mean squared difference of alpha."""
    return torch.mean((rendered - observed) ** 2)


def sign_entropy(sdf: Tensor, edges: Tensor) -> Tensor:
    """nvdiffrec's SDF regulariser (Munkberg et al. 2022, eq. 2) on grid ``edges`` (E, 2) that cross the surface.

    Cross-entropy of one end's distance, as a logit, with the other end's sign: shrinks surfaces that nothing asks for.
    """
    ends = sdf[edges.reshape(-1)].reshape(-1, 2)
    target = (ends > 0).float()
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    return loss(ends[:, 0], target[:, 1]) + loss(ends[:, 1], target[:, 0])


def adjacency(pairs: np.ndarray, count: int) -> sparse.csr_matrix:
    """(count, count) symmetric 0/1 matrix of undirected ``pairs`` (E, 2)."""
    i, j = np.concatenate([pairs, pairs[:, ::-1]]).T
    matrix = sparse.csr_matrix((np.ones(len(i), np.float32), (i, j)), (count, count))
    matrix.data[:] = 1.0
    return matrix


def triangle_pairs(faces: np.ndarray) -> np.ndarray:
    """Undirected edges (E, 2) of triangles (F, 3), each once."""
    e = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64), 1)
    count = int(faces.max()) + 1
    keys = np.unique(e[:, 0] * count + e[:, 1])
    return np.stack([keys // count, keys % count], 1)


def mean_of_neighbours(pairs: np.ndarray, count: int) -> Tensor:
    """(count, count) sparse tensor that averages over neighbours; zero rows where there are none."""
    matrix = adjacency(pairs, count)
    degree = np.maximum(np.asarray(matrix.sum(1)).ravel(), 1)
    matrix = sparse.diags(1.0 / degree).astype(np.float32) @ matrix
    csr = matrix.tocsr()
    return torch.sparse_csr_tensor(
        torch.from_numpy(csr.indptr.astype(np.int64)), torch.from_numpy(csr.indices.astype(np.int64)),
        torch.from_numpy(csr.data.astype(np.float32)), (count, count),
    )
