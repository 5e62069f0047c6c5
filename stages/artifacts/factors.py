"""Factors of sparse systems that are symmetric and positive definite: Laplacians with something on the diagonal."""

from __future__ import annotations

from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu


def factored(system: sparse.spmatrix) -> SuperLU:
    """LU factors of a symmetric matrix (N, N) whose real part is positive definite, which solve it for any right sides (N, C).

    It needs no pivots off the diagonal; looking for them costs the order that keeps the factors sparse, and with it most of the time.
    """
    return splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
