"""Tetrahedra, marching, signed distances."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.mesh import marching
from stages.mesh.field_surface import signed_distance, solid_of
from stages.mesh.repair import is_edge_manifold
from stages.mesh.tetrahedra import TET_EDGES, band_grid

RADIUS = 0.31


def sphere_grid(cells: int = 20):
    """A band round a sphere of radius ``RADIUS`` at the origin."""
    cell = 0.8 / cells
    axis = np.arange(cells + 1) * cell - 0.4
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    sdf = np.linalg.norm(points, axis=-1) - RADIUS
    return band_grid(sdf, np.full(3, -0.4), cell, 2.0)


def test_tetrahedra_fill_their_cubes_and_are_positively_oriented() -> None:
    grid, _ = sphere_grid(10)
    p = grid.v_pos[grid.tets].astype(np.float64)
    volume = np.einsum("ti,ti->t", np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), p[:, 3] - p[:, 0]) / 6
    np.testing.assert_allclose(volume, grid.cell_m**3 / 6, rtol=1e-4)


def test_edges_of_tetrahedra_are_numbered_once() -> None:
    grid, _ = sphere_grid(10)
    named = np.sort(grid.edges[grid.tet_edges], -1)
    np.testing.assert_array_equal(named, np.sort(grid.tets[:, TET_EDGES], -1))
    assert len(np.unique(np.sort(grid.edges, 1), axis=0)) == len(grid.edges)


def test_neighbouring_tetrahedra_share_whole_faces() -> None:
    grid, sdf = sphere_grid(10)
    faces = np.sort(grid.tets[:, [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]].reshape(-1, 3), 1)
    unique, count = np.unique(faces, axis=0, return_counts=True)
    assert count.max() == 2
    assert grid.rim[unique[count == 1]].all()


def test_surface_is_closed_outward_and_on_the_sphere() -> None:
    grid, sdf = sphere_grid()
    v, _, tri = marching.surface(grid, torch.from_numpy(grid.v_pos), torch.from_numpy(sdf), torch.zeros(len(sdf), 1))
    v, tri = v.numpy().astype(np.float64), tri.numpy()
    assert is_edge_manifold(tri)
    p = v[tri]
    volume = np.einsum("fi,fi->", p[:, 0], np.cross(p[:, 1], p[:, 2])) / 6
    assert volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.01)
    assert np.abs(np.linalg.norm(v, axis=1) - RADIUS).max() < 0.05 * grid.cell_m


def slow_crossings(value: torch.Tensor, sdf: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """DMTet's formula in torch."""
    a, b = ends.long().unbind(1)
    s_a, s_b = sdf[a][:, None], sdf[b][:, None]
    return (value[a] * s_b - value[b] * s_a) / (s_b - s_a)


def test_crossings_match_the_formula_in_values_and_gradients() -> None:
    rng = torch.Generator().manual_seed(1)
    value = torch.randn(40, 5, generator=rng, requires_grad=True)
    sdf = (torch.rand(40, generator=rng) + 0.1) * torch.where(torch.arange(40) < 20, -1.0, 1.0)
    sdf.requires_grad_()
    ends = torch.stack([torch.randint(0, 20, (60,), generator=rng), torch.randint(20, 40, (60,), generator=rng)], 1).int()
    weight = torch.randn(60, 5, generator=rng)
    fast = marching.crossings(value, sdf[ends[:, 0].long()], sdf[ends[:, 1].long()], ends)
    slow = slow_crossings(value, sdf, ends)
    torch.testing.assert_close(fast, slow)
    g_fast = torch.autograd.grad((fast * weight).sum(), (value, sdf))
    g_slow = torch.autograd.grad((slow * weight).sum(), (value, sdf))
    for a, b in zip(g_fast, g_slow, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_enclosed_hollow_counts_as_solid() -> None:
    density = np.zeros((20, 20, 20))
    density[4:16, 4:16, 4:16] = 100
    density[7:13, 7:13, 7:13] = 0
    assert solid_of(density, 10.0).sum() == 12**3


@pytest.mark.parametrize("level", [5.0, 50.0])
def test_signed_distance_of_a_field_is_that_of_its_level_set(level: float) -> None:
    axis = np.arange(40) * 0.05 - 1
    r = np.linalg.norm(np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1), axis=-1)
    density = 200.0 / (1 + np.exp(np.clip((r - 0.6) / 0.02, -50, 50)))
    truth = r - (0.6 + 0.02 * np.log(200 / level - 1))
    sdf = signed_distance(density, level, 0.05)
    near = np.abs(truth) < 0.1
    assert np.abs(sdf - truth)[near].max() < 0.04  # less than one cell
    assert (np.sign(sdf) == np.sign(truth))[np.abs(truth) > 0.02].all()
