"""Dual marching cubes with learnt weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.mesh import dual
from stages.mesh.cubes import CubeGrid, band_cubes, tables
from stages.mesh.repair import is_edge_manifold

RADIUS, CELL = 0.31, 0.04
NORMAL = np.array([2.0, 1.0, 0.5]) / np.linalg.norm([2.0, 1.0, 0.5])


def lattice(cells: int = 20) -> np.ndarray:
    axis = np.arange(cells + 1) * CELL - 0.5 * cells * CELL
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)


def band(sdf: np.ndarray, reach: float = 2.0) -> tuple[CubeGrid, torch.Tensor]:
    grid, values = band_cubes(sdf, np.full(3, -0.5 * (len(sdf) - 1) * CELL), CELL, reach)
    return grid, torch.from_numpy(values)


def no_weights(grid: CubeGrid) -> torch.Tensor:
    return torch.zeros(len(grid.cubes), dual.WEIGHTS)


def surface(grid: CubeGrid, sdf: torch.Tensor, weights: torch.Tensor | None = None):
    colours = torch.from_numpy(grid.v_pos)
    return dual.surface(grid, torch.from_numpy(grid.v_pos), sdf, colours, no_weights(grid) if weights is None else weights)


def test_surface_is_closed_outward_and_on_the_sphere() -> None:
    grid, sdf = band(np.linalg.norm(lattice(), axis=-1) - RADIUS)
    v, colour, tri, _ = surface(grid, sdf)
    assert is_edge_manifold(tri.numpy()) and len(v) - 3 * len(tri) / 2 + len(tri) == 2
    torch.testing.assert_close(v, colour)
    p = v.numpy().astype(np.float64)[tri.numpy()]
    assert np.einsum("fi,fi->", p[:, 0], np.cross(p[:, 1], p[:, 2])) / 6 == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.02)
    assert np.abs(np.linalg.norm(v.numpy(), axis=1) - RADIUS).max() < 0.1 * CELL


@pytest.mark.parametrize("seed", range(4))
def test_no_pattern_of_signs_makes_an_edge_of_more_than_two_triangles(seed: int) -> None:
    """Signs drawn at random, which have every case of a cube, and cubes side by side whose common face both would cross twice."""
    rng = np.random.default_rng(seed)
    signs = np.ones((22, 22, 22))
    signs[2:-2, 2:-2, 2:-2] = np.where(rng.random((18, 18, 18)) < 0.5, -1, 1)
    grid, sdf = band(signs * rng.uniform(0.2, 1.0, signs.shape) * CELL, 10.0)
    patches = dual.extract(grid, sdf.numpy())
    twice, _ = tables()
    rows = dual._cases(sdf.numpy() < 0, grid.cubes, grid.beside, twice)
    assert len(np.unique(rows % 256)) == 256 and (rows >= 256).any()
    edges = np.sort(np.stack([patches.quads, np.roll(patches.quads, -1, 1)], -1).reshape(-1, 2), 1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 2).all()
    assert is_edge_manifold(dual.split(np.random.default_rng(0).random((patches.count, 3)), patches.quads))


def test_cubes_beside_each_other_name_each_other_and_nothing_lies_outside_the_lattice() -> None:
    grid, _ = band(np.linalg.norm(lattice(5), axis=-1) - 0.05, 10.0)  # all 125 cubes
    assert len(grid.cubes) == 125
    cube, face = np.nonzero(grid.beside >= 0)
    np.testing.assert_array_equal(grid.beside[grid.beside[cube, face], face ^ 1], cube)
    np.testing.assert_array_equal((grid.beside < 0).sum(0), 25)
    step = grid.v_pos[grid.cubes[grid.beside[cube, face], 0]] - grid.v_pos[grid.cubes[cube, 0]]
    np.testing.assert_allclose(step, CELL * np.where(face % 2, 1, -1)[:, None] * np.eye(3)[face // 2], atol=1e-6)


def test_values_and_gradients_are_those_of_the_formula() -> None:
    """One vertex after another, in float64."""
    rng = torch.Generator().manual_seed(0)
    grid, sdf = band(np.linalg.norm(lattice(8), axis=-1) - 0.1)
    leaves = [torch.from_numpy(grid.v_pos), sdf, torch.rand(len(sdf), 2, generator=rng), torch.randn(len(grid.cubes), dual.WEIGHTS, generator=rng)]
    fast = [x.clone().requires_grad_() for x in leaves]
    slow = [x.double().requires_grad_() for x in leaves]
    got = dual.surface(grid, *fast)
    patches = dual.extract(grid, sdf.numpy())
    value = torch.cat([slow[0], slow[2]], 1)
    weights = 1 + dual.REACH * torch.tanh(slow[3])
    rows, uneven = [], []
    for vertex in range(patches.count):
        at = []
        for k in np.flatnonzero(patches.vertex == vertex):
            cube, (i, j) = patches.cube[k], dual.EDGES[patches.local[k]]
            a, b = grid.cubes[cube, i], grid.cubes[cube, j]
            sa, sb = slow[1][a] * weights[cube, i], slow[1][b] * weights[cube, j]
            at.append(((value[a] * sb - value[b] * sa) / (sb - sa), weights[cube, 8 + patches.local[k]]))
        mean = sum(u * w for u, w in at) / sum(w for _, w in at)
        away = torch.stack([(u - mean)[:3].norm() / CELL for u, _ in at])
        rows.append(mean)
        uneven.append((away - away.mean()).abs())
    want = torch.stack(rows)
    torch.testing.assert_close(torch.cat(got[:2], 1).double(), want, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got[3].double(), torch.cat(uneven).mean(), rtol=1e-4, atol=1e-5)
    push = torch.randn(want.shape, generator=rng)
    ((torch.cat(got[:2], 1) * push).sum() + got[3]).backward()
    ((want * push.double()).sum() + torch.cat(uneven).mean()).backward()
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(a.grad.double(), b.grad, rtol=2e-3, atol=2e-4)


def test_weights_bring_vertices_onto_a_crease_that_the_lattice_does_not_know() -> None:
    """The corner of a half space with a plane across it, askew: fitted to be on both planes, distances and positions fixed."""
    points = lattice(12)
    other = np.cross(NORMAL, [0.0, 0.0, 1.0])
    planes = np.stack([NORMAL, other / np.linalg.norm(other)])
    truth = lambda p: (p @ torch.from_numpy(planes.T).float()).amax(-1)  # noqa: E731
    grid, sdf = band(np.maximum(points @ planes[0], points @ planes[1]))
    weights = no_weights(grid).requires_grad_()
    optimiser = torch.optim.Adam([weights], lr=0.1)
    errors = []
    for _ in range(60):
        v, _, _, _ = surface(grid, sdf, weights)
        error = truth(v).abs()
        optimiser.zero_grad()
        error.mean().backward()
        optimiser.step()
        errors.append(float(error.detach().max()))
    assert errors[0] > 0.1 * CELL and errors[-1] < 0.3 * errors[0]
