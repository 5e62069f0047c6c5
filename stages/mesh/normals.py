"""Normals, tangents and the normal map."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from stages.artifacts.normals import unit, vertex_normals
from stages.mesh.texels import Texels


def tangents(v_pos: np.ndarray, v_nrm: np.ndarray, faces: np.ndarray, v_tex: np.ndarray, t_tex_idx: np.ndarray) -> np.ndarray:
    """(T, 4) for each texture vertex: unit tangent along +u, square to the normal, and the sign of the bitangent along +v."""
    p, q = v_pos[faces].astype(np.float64), v_tex[t_tex_idx].astype(np.float64)
    e1, e2, d1, d2 = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0], q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]
    sign = np.sign(d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0])
    area = np.linalg.norm(np.cross(e1, e2), axis=-1)
    tangent = unit((e1 * d2[:, 1:] - e2 * d1[:, 1:]) * sign[:, None], np.zeros(3)) * area[:, None]
    corner, count = t_tex_idx.ravel(), len(v_tex)
    total = np.stack([np.bincount(corner, np.repeat(tangent[:, c], 3), count) for c in range(3)], -1)
    hand = np.where(np.bincount(corner, np.repeat(sign * area, 3), count) < 0, -1.0, 1.0)
    normal = np.zeros((count, 3))
    normal[corner] = v_nrm[faces.ravel()]
    across = np.where(np.abs(normal[:, :1]) < 0.9, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    square = lambda t: t - normal * (t * normal).sum(-1, keepdims=True)  # noqa: E731
    first = square(unit(total, np.zeros(3)))
    first = np.where(np.linalg.norm(first, axis=-1, keepdims=True) > 1e-3, first, square(across))
    return np.concatenate([unit(first, across), hand[:, None]], -1)


def flat_normal_map(size: int) -> np.ndarray:
    """(size, size, 3) that changes nothing."""
    return np.broadcast_to(np.array([0.5, 0.5, 1.0], np.float32), (size, size, 3)).copy()


def baked_normal_map(
    texels: Texels, low: tuple[np.ndarray, np.ndarray], fine: tuple[np.ndarray, np.ndarray], v_tex: np.ndarray, t_tex_idx: np.ndarray
) -> np.ndarray:
    """(S, S, 3) in [0, 1]: normals of the ``fine`` surface (vertices, triangles) in the tangent frames of ``low``.

    A texel takes the normals of the three fine vertices nearest to its point, by inverse distance, of those that face its way.
    """
    v_low, faces = low
    v_nrm = vertex_normals(v_low, faces)
    frame = tangents(v_low, v_nrm, faces, v_tex, t_tex_idx)
    point = texels.carry(v_low, faces)
    n = unit(texels.carry(v_nrm, faces).astype(np.float64), np.array([0.0, 0.0, 1.0]))
    t = texels.carry(frame, t_tex_idx).astype(np.float64)
    hand = np.where(t[:, 3:] < 0, -1.0, 1.0)
    t = unit(t[:, :3] - n * (t[:, :3] * n).sum(-1, keepdims=True), np.array([1.0, 0.0, 0.0]))
    distance, index = cKDTree(fine[0]).query(point, k=3, workers=1)
    near = vertex_normals(*fine)[index]
    share = np.where((near * n[:, None]).sum(-1) > 0.3, 1 / (distance + 1e-4), 0.0)
    goal = unit((near * share[..., None]).sum(1) + 1e-3 * n, n)
    b = np.cross(n, t) * hand
    local = np.stack([(goal * t).sum(-1), (goal * b).sum(-1), (goal * n).sum(-1)], -1)
    return texels.picture(unit(local, np.array([0.0, 0.0, 1.0])) * 0.5 + 0.5).astype(np.float32)
