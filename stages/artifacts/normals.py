"""Vertex normals of a triangle mesh."""

from __future__ import annotations

import numpy as np


def vertex_normals(v_pos: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, faces weighted by area; +Z where there is no face. ``v_pos`` (V, 3), ``faces`` (F, 3) int."""
    p = v_pos[faces].astype(np.float64)
    face = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    total = np.stack([np.bincount(faces.ravel(), np.repeat(face[:, c], 3), len(v_pos)) for c in range(3)], -1)
    return unit(total, np.array([0.0, 0.0, 1.0]))


def unit(vectors: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """``vectors`` (..., 3) of length 1; ``otherwise`` where they have none."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(length > 1e-20, vectors / np.maximum(length, 1e-20), otherwise)
