"""The cubes of a regular lattice that lie near a surface, numbered."""

from __future__ import annotations

import numpy as np

CORNERS = np.array([[c & 1, c >> 1 & 1, c >> 2] for c in range(8)])  # of a cube: corner x + 2 y + 4 z


def near_cubes(sdf: np.ndarray, reach_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Cubes with a corner within ``reach_m`` of the zero level of ``sdf`` (X, Y, Z) metres.

    Returns the flat indices into ``sdf`` of the lattice points that they use (N,), in order, and their corners (C, 8) as indices into those.
    """
    near = np.abs(sdf) < reach_m
    flat = np.ravel_multi_index(tuple(np.moveaxis(np.argwhere(_any_corner(near))[:, None] + CORNERS, -1, 0)), sdf.shape)
    return numbered(flat, sdf.size)


def positions(lattice: np.ndarray, shape: tuple[int, ...], origin: np.ndarray, cell_m: float) -> np.ndarray:
    """(N, 3) float32 metres of flat indices into a lattice whose point (i, j, k) lies at ``origin`` + ``cell_m`` (i, j, k)."""
    return (origin + cell_m * np.stack(np.unravel_index(lattice, shape), -1)).astype(np.float32)


def steps_of(shape: tuple[int, ...]) -> np.ndarray:
    """(3,) what one step along each axis adds to a flat index."""
    return np.array([shape[1] * shape[2], shape[2], 1])


def rim_of(corners: np.ndarray, count: int) -> np.ndarray:
    """(N,) bool: which of ``count`` lattice points have a neighbouring cube that is not among ``corners`` (C, 8)."""
    return np.bincount(corners.ravel(), minlength=count) < 8


def numbered(keys: np.ndarray, bound: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ``keys`` < ``bound`` in order, and for each key its number among them."""
    used = np.zeros(bound, bool)
    used[keys] = True
    number = np.cumsum(used) - 1
    return np.flatnonzero(used), number[keys]


def _any_corner(near: np.ndarray) -> np.ndarray:
    out = np.zeros(tuple(n - 1 for n in near.shape), bool)
    for x, y, z in CORNERS:
        out |= near[x : x + out.shape[0], y : y + out.shape[1], z : z + out.shape[2]]
    return out
