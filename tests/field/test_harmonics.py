"""Spherical harmonics are orthonormal, which pins their constants and signs up to rotation."""

from __future__ import annotations

import numpy as np

from stages.field.harmonics import harmonics


def test_orthonormal_over_the_sphere() -> None:
    z, weight = np.polynomial.legendre.leggauss(12)
    phi = (np.arange(24) + 0.5) / 24 * 2 * np.pi
    zz, pp = np.meshgrid(z, phi, indexing="ij")
    ring = np.sqrt(1 - zz**2)
    values = harmonics(np.stack([ring * np.cos(pp), ring * np.sin(pp), zz], -1).reshape(-1, 3)).astype(np.float64)
    area = (weight[:, None] * np.full(24, 2 * np.pi / 24)).reshape(-1)
    np.testing.assert_allclose(values.T * area @ values, np.eye(16), atol=1e-6)


def test_parity_follows_degree() -> None:
    d = np.random.default_rng(0).normal(size=(20, 3))
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    sign = np.repeat([1, -1, 1, -1], [1, 3, 5, 7])
    np.testing.assert_allclose(harmonics(-d), sign * harmonics(d), atol=1e-6)
