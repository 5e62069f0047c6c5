"""A tetrahedral grid that exists only near a surface, so that it can be fine there.

Every cube of a regular lattice is cut into six tetrahedra round its main diagonal (Kuhn's subdivision), which fits between
neighbouring cubes without hanging edges. Only cubes near the surface are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

# corners of a cube are numbered x + 2 y + 4 z; a tetrahedron goes 0 -> axis -> two axes -> 7
KUHN = np.array([[0, 1 << a, (1 << a) | (1 << b), 7] for a, b, _ in permutations(range(3))])
TET_EDGES = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])


@dataclass(frozen=True)
class TetGrid:
    """``v_pos`` (N, 3) f32 metres; ``tets`` (T, 4) i32, positively oriented; ``edges`` (E, 2) i32; ``tet_edges`` (T, 6) i32 into ``edges``
    in the order of ``TET_EDGES``; ``rim`` (N,) bool: on the outside of the band; ``cell_m`` lattice spacing."""

    v_pos: np.ndarray
    tets: np.ndarray
    edges: np.ndarray
    tet_edges: np.ndarray
    rim: np.ndarray
    cell_m: float


def band_grid(sdf: np.ndarray, origin: np.ndarray, cell_m: float, band_cells: float) -> tuple[TetGrid, np.ndarray]:
    """Tetrahedra of the lattice cubes within ``band_cells`` of the zero level of ``sdf`` (X, Y, Z) metres.

    Lattice point (i, j, k) lies at ``origin`` + ``cell_m`` (i, j, k). Returns the grid and the distances (N,) at its vertices.
    """
    near = np.abs(sdf) < band_cells * cell_m
    cubes = np.argwhere(_any_corner(near))
    corners = cubes[:, None] + np.array([[c & 1, c >> 1 & 1, c >> 2] for c in range(8)])
    flat = np.ravel_multi_index(tuple(np.moveaxis(corners, -1, 0)), sdf.shape)
    lattice, index = np.unique(flat, return_inverse=True)
    index = index.reshape(-1, 8)
    tets = index[:, KUHN].reshape(-1, 4)
    v_pos = origin + cell_m * np.stack(np.unravel_index(lattice, sdf.shape), -1)
    tets = _oriented(v_pos, tets)
    edges, tet_edges = _edges(tets, len(lattice))
    full = np.zeros(len(lattice), np.int64)
    np.add.at(full, index.ravel(), 1)
    grid = TetGrid(v_pos.astype(np.float32), tets.astype(np.int32), edges, tet_edges, full < 8, float(cell_m))
    return grid, sdf.ravel()[lattice].astype(np.float32)


def _any_corner(near: np.ndarray) -> np.ndarray:
    out = np.zeros(tuple(n - 1 for n in near.shape), bool)
    for c in range(8):
        x, y, z = c & 1, c >> 1 & 1, c >> 2
        out |= near[x : x + out.shape[0], y : y + out.shape[1], z : z + out.shape[2]]
    return out


def _oriented(v_pos: np.ndarray, tets: np.ndarray) -> np.ndarray:
    p = v_pos[tets]
    volume = np.einsum("ti,ti->t", np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), p[:, 3] - p[:, 0])
    swapped = tets[:, [0, 2, 1, 3]]
    return np.where((volume < 0)[:, None], swapped, tets)


def _edges(tets: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.sort(tets[:, TET_EDGES], -1).reshape(-1, 2).astype(np.int64)
    keys, inverse = np.unique(pairs[:, 0] * count + pairs[:, 1], return_inverse=True)
    edges = np.stack([keys // count, keys % count], -1).astype(np.int32)
    return edges, inverse.reshape(-1, 6).astype(np.int32)
