"""Inpainting: what is trusted stays, what is not becomes smooth, and weights stay weights."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from stages.artifacts.factors import factored
from stages.rig.inpaint import components_of, edges_of, inpaint, laplacian, strongest


def tube(rings: int = 41, sides: int = 16, length: float = 1.0, radius: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """An open tube along x."""
    x, a = np.meshgrid(np.linspace(0, length, rings), np.arange(sides) * 2 * np.pi / sides, indexing="ij")
    v_pos = np.stack([x, radius * np.cos(a), radius * np.sin(a)], -1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(rings - 1), np.arange(sides), indexing="ij")
    a, b = i * sides + j, i * sides + (j + 1) % sides
    quads = np.stack([a, b, b + sides, a + sides], -1).reshape(-1, 4)
    return v_pos, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def test_edges_and_components() -> None:
    v_pos, triangles = tube(5, 4)
    assert len(edges_of(triangles)) == 5 * 4 + 4 * 4 + 4 * 4
    both = np.concatenate([triangles, triangles + len(v_pos)])
    label = components_of(both, 2 * len(v_pos))
    assert set(label[: len(v_pos)]) == {0} and set(label[len(v_pos) :]) == {1}


def test_laplacian_knows_constants_and_straight_lines() -> None:
    v_pos, triangles = tube()
    matrix, mass = laplacian(v_pos, triangles)
    small, _ = laplacian(*tube(9, 8))
    assert abs(matrix @ np.ones(len(v_pos))).max() < 1e-12
    assert np.linalg.eigvalsh(small.toarray()).min() > -1e-9
    inner = (v_pos[:, 0] > 0.05) & (v_pos[:, 0] < 0.95)
    assert abs(matrix @ v_pos[:, 0])[inner].max() < 1e-9
    assert mass.sum() == pytest.approx(2 * 16 * 0.05 * np.sin(np.pi / 16), rel=1e-3)


def test_between_two_trusted_ends_weights_run_smoothly_from_one_to_the_other() -> None:
    v_pos, triangles = tube()
    x = v_pos[:, 0]
    wanted = np.stack([x < 0.5, x >= 0.5], -1).astype(float)
    confidence = ((x < 0.2) | (x > 0.8)).astype(float)
    got = inpaint(v_pos, triangles, wanted, confidence, 0.012)
    np.testing.assert_allclose(got.sum(-1), 1, atol=1e-12)
    np.testing.assert_allclose(got[x < 0.15, 0], 1, atol=0.03)
    np.testing.assert_allclose(got[x > 0.85, 1], 1, atol=0.03)
    ring = got[:, 1].reshape(41, 16)
    assert np.ptp(ring, axis=1).max() < 1e-6  # the same all round
    assert (np.diff(ring[8:33, 0]) > 0).all()
    assert ring[20, 0] == pytest.approx(0.5, abs=2e-3)  # symmetric
    assert np.diff(ring[:, 0]).max() < 0.08  # no step where wanted has one


def test_factors_solve_the_system_and_stay_sparse() -> None:
    """Without pivots the factors of a bending energy on a tube of 2,600 vertices hold less than a tenth of the entries of a full matrix's."""
    v_pos, triangles = tube(161, 16)
    matrix, mass = laplacian(v_pos, triangles)
    rng = np.random.default_rng(1)
    confidence = np.where(rng.random(len(mass)) < 0.5, 1.0, 1e-6)
    system = sparse.diags(mass * confidence) + 0.012**4 * (matrix @ sparse.diags(1 / mass) @ matrix)
    wanted = rng.random((len(mass), 3))
    lu = factored(system)
    np.testing.assert_allclose(lu.solve(wanted), sparse.linalg.spsolve(system.tocsc(), wanted), rtol=1e-6, atol=1e-6 * abs(lu.solve(wanted)).max())
    assert lu.L.nnz < 0.1 * len(mass) ** 2 / 2


def test_noise_in_trusted_weights_is_smoothed_away() -> None:
    v_pos, triangles = tube()
    rng = np.random.default_rng(0)
    clean = 0.3 + 0.4 * v_pos[:, 0]
    noisy = clean + rng.uniform(-0.2, 0.2, len(clean))
    got = inpaint(v_pos, triangles, np.stack([1 - noisy, noisy], -1), np.ones(len(clean)), 0.03)[:, 1]
    assert np.abs(got - clean).mean() < 0.4 * np.abs(noisy - clean).mean()


def test_a_piece_without_any_trust_still_gets_weights() -> None:
    v_pos, triangles = tube(11, 8)
    got = inpaint(v_pos, triangles, np.tile([0.25, 0.75, 0.0], (len(v_pos), 1)), np.zeros(len(v_pos)), 0.012)
    np.testing.assert_allclose(got, np.tile([0.25, 0.75, 0.0], (len(v_pos), 1)), atol=1e-6)


def test_four_influences_strongest_first() -> None:
    rng = np.random.default_rng(2)
    weights = rng.dirichlet(np.full(12, 0.2), 200)
    joints, kept = strongest(weights)
    assert joints.dtype == np.uint16 and kept.dtype == np.float32 and kept.shape == (200, 4)
    np.testing.assert_allclose(kept.astype(float).sum(-1), 1, atol=1e-7)
    assert (np.diff(kept, axis=-1) <= 1e-7).all() and (joints[kept == 0] == 0).all()
    assert (joints[:, 0] == weights.argmax(-1)).all()
    best = np.sort(weights, -1)[:, ::-1][:, :4]
    full = best.min(-1) > 0.004
    np.testing.assert_allclose(kept[full], (best / best.sum(-1, keepdims=True))[full], atol=1e-6)
