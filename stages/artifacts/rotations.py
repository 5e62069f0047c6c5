"""Rotations of many joints over many frames at once: quaternions ``_wxyz``, matrices, and the ways between them.

Leading dimensions are free. Right-handed; matrices are for column vectors.
"""

from __future__ import annotations

import numpy as np

from stages.artifacts.normals import unit


def matrices_of(q_wxyz: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotations of quaternions (..., 4), which are normalised first."""
    w, x, y, z = np.moveaxis(q_wxyz / np.linalg.norm(q_wxyz, axis=-1, keepdims=True), -1, 0)
    rows = [[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def quaternions_of(turns: np.ndarray) -> np.ndarray:
    """(..., 4) unit quaternions of rotations (..., 3, 3), from the largest of the four components, so that none is lost to rounding."""
    m = turns
    trace = np.trace(m, axis1=-2, axis2=-1)
    diagonal = np.diagonal(m, axis1=-2, axis2=-1)
    squares = np.concatenate([trace[..., None], diagonal], -1)
    largest = squares.argmax(-1)
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    d, e, f = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    x, y, z = np.moveaxis(diagonal, -1, 0)
    candidates = np.stack([
        np.stack([1 + trace, a, b, c], -1), np.stack([a, 1 + x - y - z, d, e], -1),
        np.stack([b, d, 1 - x + y - z, f], -1), np.stack([c, e, f, 1 - x - y + z], -1)], -2)
    q = np.take_along_axis(candidates, largest[..., None, None], -2)[..., 0, :]
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def continuous(q_wxyz: np.ndarray) -> np.ndarray:
    """Quaternions over frames (K, ..., 4) with signs such that each is near the one before: q and -q are one rotation, not one key."""
    if len(q_wxyz) < 2:
        return q_wxyz
    flips = np.where((q_wxyz[1:] * q_wxyz[:-1]).sum(-1) < 0, -1.0, 1.0)
    signs = np.concatenate([np.ones_like(flips[:1]), np.cumprod(flips, 0)])
    return q_wxyz * signs[..., None]


def slerp(a_wxyz: np.ndarray, b_wxyz: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(..., 4) at ``share`` (..., broadcast) of the way from a to b, the short way round, at constant speed."""
    dot = (a_wxyz * b_wxyz).sum(-1, keepdims=True)
    b = np.where(dot < 0, -b_wxyz, b_wxyz)
    angle = np.arccos(np.clip(np.abs(dot), 0.0, 1.0))
    t = np.asarray(share, float)[..., None]
    near = angle < 1e-6
    safe = np.where(near, 1.0, np.sin(angle))
    q = np.where(near, (1 - t) * a_wxyz + t * b, (np.sin((1 - t) * angle) * a_wxyz + np.sin(t * angle) * b) / safe)
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def about(axis: np.ndarray | tuple[float, float, float], angle_rad: np.ndarray | float) -> np.ndarray:
    """(..., 3, 3) turns by ``angle_rad`` (...) about ``axis``, (3,) or (..., 3)."""
    angle = np.asarray(angle_rad, float)
    along = unit(np.asarray(axis, float), np.array([0.0, 0.0, 1.0]))
    half = angle[..., None] / 2
    return matrices_of(np.concatenate([np.broadcast_to(np.cos(half), (*angle.shape, 1)), np.sin(half) * along], -1))


def shortest_turns(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., 3, 3) turns that take the directions of ``a`` (..., 3) to those of ``b`` (..., 3), about the axis square to both."""
    up = np.array([0.0, 0.0, 1.0])
    a, b = np.broadcast_arrays(unit(a, up), unit(b, up))
    cos = (a * b).sum(-1, keepdims=True)
    other = np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0])
    opposite = np.concatenate([np.zeros_like(cos), unit(np.cross(a, other), up)], -1)
    return matrices_of(np.where(cos < -1 + 1e-9, opposite, np.concatenate([1 + cos, np.cross(a, b)], -1)))
