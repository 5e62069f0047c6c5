"""Smooth away triangles that are folded over their neighbours: a crease that only optimisation makes, and that shows as a speck."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from stages.mesh.edge_operations import both_sides, twins

FOLDED = -0.3  # cosine between the normals of two triangles that share an edge: sharper than any crease of cloth
STEP, ROUNDS = 0.5, 30


def folded_faces(v_pos: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) bool: triangles whose normal points against that of a triangle across one of their edges, with the surface's outside between the two.

    The sharp rim of a sheet of cloth or hair has its inside there.
    """
    p = v_pos[faces].astype(np.float64)
    normal = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-30)
    a, b = (half // 3 for half in both_sides(twins(faces)))
    middle = p.mean(1)
    hollow = ((middle[b] - middle[a]) * (normal[a] - normal[b])).sum(-1) > 0
    sharp = hollow & ((normal[a] * normal[b]).sum(-1) < FOLDED)
    out = np.zeros(len(faces), bool)
    out[a[sharp]] = out[b[sharp]] = True
    return out


def untangled(v_pos: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) positions of a closed surface with the vertices of folded triangles moved towards the mean of their neighbours.

    Round after round until nothing is folded, ROUNDS at most; all other vertices stay.
    """
    out = v_pos.astype(np.float64)
    i, j = faces[:, [0, 1, 2, 1, 2, 0]].T.reshape(2, -1)
    rows, columns = np.concatenate([i, j]), np.concatenate([j, i])
    links = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (len(out), len(out)))
    degree = np.maximum(np.asarray(links.sum(1)).ravel(), 1)
    for _ in range(ROUNDS):
        folded = folded_faces(out, faces)
        if not folded.any():
            break
        moving = np.unique(faces[folded])
        mean = (links[moving] @ out) / degree[moving, None]
        out[moving] += STEP * (mean - out[moving])
    return out.astype(v_pos.dtype)
