"""What the two passes minimise."""

from __future__ import annotations

from collections.abc import Callable

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


def bilaplacian(edges: np.ndarray, inner: np.ndarray, factor: float = 1.0) -> Callable[[np.ndarray], np.ndarray]:
    """x (N,) -> ``factor`` times the gradient of half the summed squared Laplacians of x at the ``inner`` (N,) vertices of a graph.

    The Laplacian is the difference from the mean of the neighbours along ``edges`` (E, 2). A true signed distance to a smooth surface
    costs almost nothing; ripples cost much.
    """
    count = len(inner)
    i, j = np.concatenate([edges, edges[:, ::-1]]).T
    neighbours = sparse.csr_matrix((np.ones(len(i), np.float32), (i, j)), (count, count))
    degree = np.maximum(np.asarray(neighbours.sum(1)).ravel(), 1)
    rows = sparse.diags(inner.astype(np.float32))
    forward = (rows @ (sparse.identity(count, np.float32) - sparse.diags(1 / degree) @ neighbours)).tocsr().astype(np.float32)
    back = (np.float32(factor) * forward.T).tocsr()
    return lambda x: back @ (forward @ x)


def triangle_pairs(faces: np.ndarray) -> np.ndarray:
    """Undirected edges (E, 2) of triangles (F, 3), each once."""
    e = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64), 1)
    count = int(faces.max()) + 1
    keys = np.unique(e[:, 0] * count + e[:, 1])
    return np.stack([keys // count, keys % count], 1)
