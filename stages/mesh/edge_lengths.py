"""How long edges should be: short where a surface bends, long where it is flat, and nowhere changing fast."""

from __future__ import annotations

import numba
import numpy as np

from stages.artifacts.links import neighbour_mean, vertex_links
from stages.artifacts.normals import vertex_normals
from stages.mesh.losses import triangle_pairs
from stages.mesh.repair import face_areas

SMOOTHINGS = 3  # of the curvature: the surface of an optimisation has ripples
RANGE = 2.5  # lengths lie between the median divided and multiplied by this
GROWTH = 0.4  # by how much lengths may grow along the surface, metres per metre
GRADINGS = 12


def edge_lengths(v_pos: np.ndarray, faces: np.ndarray, target: int, density: np.ndarray | None = None) -> np.ndarray:
    """(V,) metres, so that about ``target`` equal-sided triangles cover the surface; ``density`` (V,) asks for so many times as many."""
    pairs = triangle_pairs(faces)
    length = 1 / np.sqrt(bending(v_pos, faces, pairs))
    middle = float(np.median(length))
    length = np.clip(length, middle / RANGE, middle * RANGE)
    if density is not None:
        length = length / np.sqrt(density)
    gaps = np.linalg.norm(v_pos[pairs[:, 0]] - v_pos[pairs[:, 1]], axis=1)
    scale = 1.0
    for _ in range(2):  # grading depends on the scale, and the scale on the grading
        graded = length * scale
        _grade(graded, pairs, GROWTH * gaps)
        scale *= (triangles_for(v_pos, faces, graded) / target) ** 0.5
    return graded * (triangles_for(v_pos, faces, graded) / target) ** 0.5


def triangles_for(v_pos: np.ndarray, faces: np.ndarray, length: np.ndarray) -> float:
    """How many equal-sided triangles with edges of ``length`` (V,) cover the surface."""
    return float((face_areas(v_pos, faces) / (0.75**0.5 / 2 * length[faces].mean(1) ** 2)).sum())


def bending(v_pos: np.ndarray, faces: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(V,) per metre: by how much normals turn along the edges at a vertex, smoothed."""
    normals = vertex_normals(v_pos, faces)
    i, j = pairs.T
    gap = np.linalg.norm(v_pos[i] - v_pos[j], axis=1)
    turn = np.linalg.norm(normals[i] - normals[j], axis=1)
    count = len(v_pos)
    total = lambda x: np.bincount(i, x, count) + np.bincount(j, x, count)  # noqa: E731
    out = total(turn) / np.maximum(total(gap), 1e-12)
    mean = neighbour_mean(vertex_links(faces, count))
    for _ in range(SMOOTHINGS):
        out = 0.5 * out + 0.5 * (mean @ out)
    return np.maximum(out, 1e-6)


@numba.njit(cache=True, nogil=True)
def _grade(length, pairs, growth):
    """In place: no end of an edge may ask for more than the other and the ``growth`` (E,) between them."""
    for _ in range(GRADINGS):
        for e in range(pairs.shape[0]):
            i, j = pairs[e, 0], pairs[e, 1]
            length[i] = min(length[i], length[j] + growth[e])
            length[j] = min(length[j], length[i] + growth[e])
