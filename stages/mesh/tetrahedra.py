"""A tetrahedral grid that exists only near a surface, so that it can be fine there.

Every cube of a regular lattice is cut into six tetrahedra round its main diagonal (Kuhn's subdivision), which fits between
neighbouring cubes without hanging edges. Only cubes near the surface are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from stages.mesh.lattice import CORNERS, near_cubes, numbered, positions, rim_of, steps_of

# corners of a cube are numbered as in CORNERS; a tetrahedron goes 0 -> axis -> two axes -> 7, odd ways round with two corners swapped
_PATHS = [(a, b) for a, b, _ in permutations(range(3))]
KUHN = np.array([
    [0, 1 << a, (1 << a) | (1 << b), 7] if (b - a) % 3 == 1 else [0, (1 << a) | (1 << b), 1 << a, 7] for a, b in _PATHS
])
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
    lattice, index = near_cubes(sdf, band_cells * cell_m)
    low, high = np.sort(KUHN[:, TET_EDGES], -1).reshape(-1, 2).T  # an edge's higher corner has all the bits of the lower one
    keys, tet_edges = numbered(index[:, low] * 8 + high - low, 8 * len(lattice))
    from_corner, step = keys // 8, keys % 8
    place = np.full(sdf.size, -1)
    place[lattice] = np.arange(len(lattice))
    edges = np.stack([from_corner, place[lattice[from_corner] + CORNERS[step] @ steps_of(sdf.shape)]], -1)
    grid = TetGrid(
        positions(lattice, sdf.shape, origin, cell_m), index[:, KUHN].reshape(-1, 4).astype(np.int32), edges.astype(np.int32),
        tet_edges.reshape(-1, 6).astype(np.int32), rim_of(index, len(lattice)), float(cell_m),
    )
    return grid, sdf.ravel()[lattice].astype(np.float32)
