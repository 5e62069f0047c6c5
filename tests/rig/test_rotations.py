"""Rotations against the one-at-a-time functions of the body, and the laws that they keep."""

from __future__ import annotations

import numpy as np
import pytest

from stages.artifacts.body import axis_angle_wxyz, rotation_matrix
from stages.artifacts.rotations import about, continuous, matrices_of, quaternions_of, shortest_turns, slerp


@pytest.fixture
def q() -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(50, 3, 4))
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def test_matrices_and_back(q: np.ndarray) -> None:
    m = matrices_of(3 * q)
    for k in np.ndindex(q.shape[:2]):
        np.testing.assert_allclose(m[k], rotation_matrix(q[k]), atol=1e-12)
    np.testing.assert_allclose(np.abs((quaternions_of(m) * q).sum(-1)), 1, atol=1e-12)
    halves = np.stack([about(axis, np.pi) for axis in np.eye(3)])  # no real part at all
    np.testing.assert_allclose(matrices_of(quaternions_of(halves)), halves, atol=1e-12)


def test_about_is_right_handed(q: np.ndarray) -> None:
    np.testing.assert_allclose(about((0, 0, 1), np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(about(q[:, 0, :3], np.full(50, 0.3))[7], rotation_matrix(axis_angle_wxyz(q[7, 0, :3], np.degrees(0.3))), atol=1e-12)


def test_signs_follow_on(q: np.ndarray) -> None:
    angles = np.linspace(0, 4 * np.pi, 200)
    turned = quaternions_of(about((0, 1, 0), angles))[:, None]
    smooth = continuous(turned)
    assert np.linalg.norm(np.diff(smooth, axis=0), axis=-1).max() < 0.04 < np.linalg.norm(np.diff(turned, axis=0), axis=-1).max()
    np.testing.assert_allclose(matrices_of(smooth), matrices_of(turned), atol=1e-12)
    assert ((continuous(q)[1:] * continuous(q)[:-1]).sum(-1) >= 0).all()


def test_slerp_is_even_and_takes_the_short_way(q: np.ndarray) -> None:
    a, b = quaternions_of(about((1, 0, 0), 0.2)), -quaternions_of(about((1, 0, 0), 1.0))
    shares = np.linspace(0, 1, 5)
    np.testing.assert_allclose(matrices_of(slerp(np.tile(a, (5, 1)), np.tile(b, (5, 1)), shares)), about((1, 0, 0), 0.2 + 0.8 * shares), atol=1e-12)
    np.testing.assert_allclose(slerp(q, q, np.full(q.shape[:2], 0.3)), q, atol=1e-12)


def test_shortest_turns(q: np.ndarray) -> None:
    a, b = q[:, 0, :3], q[:, 1, :3]
    m = shortest_turns(a, b)
    length = lambda v: v / np.linalg.norm(v, axis=-1, keepdims=True)  # noqa: E731
    np.testing.assert_allclose((m @ length(a)[..., None])[..., 0], length(b), atol=1e-9)
    np.testing.assert_allclose((m @ np.cross(a, b)[..., None])[..., 0], np.cross(a, b), atol=1e-9)
    np.testing.assert_allclose(shortest_turns(a, -a) @ m @ np.swapaxes(m, -1, -2), shortest_turns(a, -a), atol=1e-9)
    np.testing.assert_allclose((shortest_turns(a, -a) @ length(a)[..., None])[..., 0], -length(a), atol=1e-6)
