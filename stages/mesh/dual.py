"""Dual marching cubes with weights that are learnt: the zero level of a signed distance on a ``CubeGrid``, differentiable.

Shen et al., Flexible Isosurface Extraction for Gradient-Based Mesh Optimization (FlexiCubes), 2023: a cube has a vertex for each patch of surface
in it, at the weighted mean of where the patch crosses the cube's edges. What a corner's distance counts for where the crossing is sought (alpha,
8 a cube) and what a crossing counts for in the mean (beta, 12 a cube) are parameters, so that vertices slide onto creases which the lattice
does not know of. Left out: the third weight, which splits quads; the shorter diagonal does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import torch
from torch import Tensor

from stages.mesh.cubes import EDGES, ROUND, CubeGrid, tables
from stages.mesh.marching import crossings

WEIGHTS = 20  # of a cube: of its corners, then of its edges
REACH = 0.99  # of 1 each way that a weight may go


@dataclass(frozen=True)
class Patches:
    """Crossings (K,) of patches with the edges of their cubes: ``cube``, ``local`` edge 0 to 11, and the ``vertex`` that they belong to, of ``count``;
    ``quads`` (Q, 4) int32 of vertices, counter-clockwise from outside."""

    cube: np.ndarray
    local: np.ndarray
    vertex: np.ndarray
    count: int
    quads: np.ndarray


@numba.njit(cache=True, nogil=True)
def _cases(inside, cubes, beside, twice):
    """Row of the table for each cube: 256 further on where it and the cube at its face would both be crossed twice there."""
    case = np.zeros(cubes.shape[0], np.int64)
    for c in range(cubes.shape[0]):
        for i in range(8):
            if inside[cubes[c, i]]:
                case[c] |= 1 << i
    out = case.copy()
    for c in range(cubes.shape[0]):
        face = twice[case[c]]
        if face >= 0 and beside[c, face] >= 0 and twice[case[beside[c, face]]] == (face ^ 1):
            out[c] += 256
    return out


@numba.njit(cache=True, nogil=True)
def _patches(inside, case, loop_of, edges, edge_axes, edge_cubes, order):
    first = np.full(case.shape[0], -1, np.int64)
    count = crossed = 0
    for c in range(case.shape[0]):
        loops = -1
        for e in range(12):
            loop = loop_of[case[c], e]
            loops = max(loops, loop)
            crossed += loop >= 0
        first[c] = count
        count += loops + 1
    cube, local, vertex = np.empty(crossed, np.int32), np.empty(crossed, np.int32), np.empty(crossed, np.int32)
    k = 0
    for c in range(case.shape[0]):
        for e in range(12):
            loop = loop_of[case[c], e]
            if loop >= 0:
                cube[k], local[k], vertex[k] = c, e, first[c] + loop
                k += 1
    quads = np.empty((edges.shape[0], 4), np.int32)
    n = 0
    for e in range(edges.shape[0]):
        out = inside[edges[e, 0]]
        if out == inside[edges[e, 1]] or edge_cubes[e].min() < 0:
            continue
        for i in range(4):
            slot = order[i]
            c = edge_cubes[e, slot]
            quads[n, i if out else 3 - i] = first[c] + loop_of[case[c], 4 * edge_axes[e] + slot]
        n += 1
    return cube, local, vertex, count, quads[:n].copy()


def extract(grid: CubeGrid, sdf: np.ndarray) -> Patches:
    """The patches of the surface where ``sdf`` (N,) is negative inside."""
    inside = np.asarray(sdf) < 0
    twice, loop_of = tables()
    case = _cases(inside, grid.cubes, grid.beside, twice)
    return Patches(*_patches(inside, case, loop_of, grid.edges, grid.edge_axes, grid.edge_cubes, np.array(ROUND)))


def surface(grid: CubeGrid, v_pos: Tensor, sdf: Tensor, attributes: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Vertices (M, 3), attributes (M, A) and triangles (F, 3) int32 of the zero level of ``sdf`` (N,), with gradients; and how unevenly, in cells,
    a patch's crossings lie about its vertex on average, which is to be kept small (FlexiCubes, eq. 8). ``weights`` (C, WEIGHTS) are before tanh."""
    patches = extract(grid, sdf.detach().numpy())
    cube, local, vertex = (torch.from_numpy(x.astype(np.int64)) for x in (patches.cube, patches.local, patches.vertex))
    corner = torch.from_numpy(EDGES)[local]
    ends = torch.from_numpy(grid.cubes[patches.cube[:, None], EDGES[patches.local]])
    share = lambda column: 1 + REACH * torch.tanh(weights.view(-1).index_select(0, cube * WEIGHTS + column))  # noqa: E731
    at_a, at_b = (sdf.index_select(0, ends[:, i]) * share(corner[:, i]) for i in (0, 1))
    crossing = crossings(torch.cat([v_pos, attributes], 1), at_a, at_b, ends)
    counts = share(8 + local)[:, None]
    total = torch.zeros(patches.count, 1).index_add(0, vertex, counts)
    value = torch.zeros(patches.count, crossing.shape[1]).index_add(0, vertex, crossing * counts) / total
    away = (crossing[:, :3] - value[:, :3].index_select(0, vertex)).norm(dim=1) / grid.cell_m
    number = torch.zeros(patches.count).index_add(0, vertex, torch.ones(len(vertex)))
    mean = torch.zeros(patches.count).index_add(0, vertex, away) / number
    uneven = (away - mean.index_select(0, vertex)).abs().mean()
    return value[:, :3], value[:, 3:], torch.from_numpy(split(value[:, :3].detach().numpy(), patches.quads)), uneven


def split(v_pos: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Quads (Q, 4) to triangles (2 Q, 3) int32, cut along the shorter diagonal."""
    length = lambda i, j: np.square(v_pos[quads[:, i]] - v_pos[quads[:, j]]).sum(1)  # noqa: E731
    turned = np.where((length(0, 2) <= length(1, 3))[:, None], quads, quads[:, [1, 2, 3, 0]])
    return np.ascontiguousarray(turned[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3), np.int32)
