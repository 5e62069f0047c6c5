"""A grid of cubes that exists only near a surface, and how dual marching cubes goes through each of them.

The table is made here, not written down: on every face of a cube the crossed edges are joined in pairs, which makes loops; each loop
becomes one vertex (Nielson 2004). Where a face has its inside corners across from each other they stay apart. If both cubes at such a face
have one loop cross it twice, four quads would meet in one edge (Wenger's cases 16 and 19); then the corners are joined, in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from stages.mesh.lattice import CORNERS, near_cubes, numbered, positions, rim_of, steps_of

# Edge 4 d + p + 2 q goes along axis d, from the corner that has bit p on the next axis and bit q on the one after. Face 2 d + s: side s of axis d.
EDGES = np.array([[p << (d + 1) % 3 | q << (d + 2) % 3, p << (d + 1) % 3 | q << (d + 2) % 3 | 1 << d] for d in range(3) for q in (0, 1) for p in (0, 1)])
ROUND = (0, 1, 3, 2)  # p + 2 q of a cube's edges in the order of the cubes round one lattice edge, counter-clockwise as seen from its far end
MOST_LOOPS = 4


@dataclass(frozen=True)
class CubeGrid:
    """``v_pos`` (N, 3) f32 metres; ``cubes`` (C, 8) i32 corners; ``edges`` (E, 2) i32, along +x, +y or +z; ``edge_axes`` (E,) i8; ``cube_edges``
    (C, 12) i32 into ``edges``; ``edge_cubes`` (E, 4) i32, by p + 2 q of the edge in the cube, -1 where there is none; ``beside`` (C, 6) i32 the
    cube at each face, or -1; ``rim`` (N,) bool: on the outside of the band; ``cell_m`` lattice spacing."""

    v_pos: np.ndarray
    cubes: np.ndarray
    edges: np.ndarray
    edge_axes: np.ndarray
    cube_edges: np.ndarray
    edge_cubes: np.ndarray
    beside: np.ndarray
    rim: np.ndarray
    cell_m: float


def band_cubes(sdf: np.ndarray, origin: np.ndarray, cell_m: float, band_cells: float) -> tuple[CubeGrid, np.ndarray]:
    """The lattice cubes within ``band_cells`` of the zero level of ``sdf`` (X, Y, Z) metres.

    Lattice point (i, j, k) lies at ``origin`` + ``cell_m`` (i, j, k). Returns the grid and the distances (N,) at its vertices.
    """
    lattice, index = near_cubes(sdf, band_cells * cell_m)
    keys, cube_edges = numbered(index[:, EDGES[:, 0]] * 3 + np.arange(12) // 4, 3 * len(lattice))
    place = np.full(sdf.size, -1)
    place[lattice] = np.arange(len(lattice))
    steps = steps_of(sdf.shape)
    edges = np.stack([keys // 3, place[lattice[keys // 3] + steps[keys % 3]]], -1)
    edge_cubes = np.full((len(keys), 4), -1, np.int32)
    edge_cubes[cube_edges, np.arange(12) % 4] = np.arange(len(index))[:, None]
    cube_at = np.full(sdf.size, -1)  # by the flat index of its first corner
    cube_at[lattice[index[:, 0]]] = np.arange(len(index))
    first = np.stack(np.unravel_index(lattice[index[:, 0]], sdf.shape), -1)
    beside = np.stack([_at(cube_at, first + side * np.eye(3, dtype=np.int64)[d], sdf.shape) for d in range(3) for side in (-1, 1)], -1)
    grid = CubeGrid(
        positions(lattice, sdf.shape, origin, cell_m), index.astype(np.int32), edges.astype(np.int32), (keys % 3).astype(np.int8),
        cube_edges.astype(np.int32), edge_cubes, beside.astype(np.int32), rim_of(index, len(lattice)), float(cell_m),
    )
    return grid, sdf.ravel()[lattice].astype(np.float32)


def _at(values: np.ndarray, points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """``values`` (flat) at lattice ``points`` (N, 3), -1 outside the lattice."""
    inside = ((points >= 0) & (points < shape)).all(1)
    return np.where(inside, values[np.ravel_multi_index(tuple(points.clip(0, np.array(shape) - 1).T), shape)], -1)


def _face_edges(face: int) -> list[int]:
    """The four edges of a face."""
    axis, side = divmod(face, 2)
    return [e for e, ends in enumerate(EDGES) if (CORNERS[ends, axis] == side).all()]


def _pairs(case: int, face: int, joined: bool) -> list[tuple[int, int]]:
    """Which crossed edges of ``face`` are joined; bit i of ``case``: corner i is inside. ``joined``: so are inside corners across from each other."""
    inside = [bool(case >> corner & 1) for corner in range(8)]
    crossed = [e for e in _face_edges(face) if inside[EDGES[e, 0]] != inside[EDGES[e, 1]]]
    if len(crossed) < 4:
        return [tuple(crossed)] if crossed else []
    about = sorted({int(corner) for e in crossed for corner in EDGES[e] if inside[corner] != joined})
    return [tuple(e for e in crossed if corner in EDGES[e]) for corner in about]


def _loops(case: int, joined_face: int = -1) -> np.ndarray:
    """(12,) the loop that each edge is on, -1 where the surface does not cross it."""
    loop = np.full(12, -1, np.int64)
    pairs = [pair for face in range(6) for pair in _pairs(case, face, face == joined_face)]
    for number in range(MOST_LOOPS):
        rest = [a for pair in pairs for a in pair if loop[a] < 0]
        if not rest:
            break
        reached = {min(rest)}
        while more := {a for pair in pairs if reached & set(pair) for a in pair} - reached:
            reached |= more
        loop[list(reached)] = number
    return loop


def _twice(case: int) -> int:
    """The face that one loop crosses twice, or -1."""
    loop = _loops(case)
    faces = [face for face in range(6) if len(pairs := _pairs(case, face, False)) == 2 and loop[pairs[0][0]] == loop[pairs[1][0]]]
    return faces[0] if len(faces) == 1 else -1


@cache
def tables() -> tuple[np.ndarray, np.ndarray]:
    """By case, the face that one loop crosses twice or -1 (256,); and the loop that each edge is on or -1 (512, 12), as the case is, and, from 256
    on, with the inside corners of that face joined."""
    twice = np.array([_twice(case) for case in range(256)])
    return twice, np.stack([_loops(case) for case in range(256)] + [_loops(case, twice[case]) for case in range(256)])
