"""The first base colour: views projected onto the texels, and a colour for what no view sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from stages.artifacts.normals import unit, vertex_normals
from stages.mesh.observed import Observed
from stages.mesh.project import project
from stages.mesh.texels import Texels

NORMAL_ROUNDS = 12  # averagings of the normals that choose the views: painted views disagree, and the surface they give is crumpled
LEAST_WEIGHT = 1e-3  # share of the median weight below which a texel counts as unseen
NEIGHBOURS = 8


def painted(
    texels: Texels, v_pos: np.ndarray, faces: np.ndarray, observed: Sequence[Observed], exponent: float,
    portrait_lead_deg: float = 0.0, outvote: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """sRGB colours (N, 3) of the texels, and which of them (N,) a view sees.

    Unseen texels take the mean colour of the seen ones that are nearest in space and face alike.
    """
    up, points, normals = np.array([0.0, 0.0, 1.0]), texels.carry(v_pos, faces), vertex_normals(v_pos, faces)
    facing = unit(texels.carry(calmed(normals, faces), faces).astype(np.float64), up)
    colour, weight = project(points, facing, v_pos, faces, observed, exponent, portrait_lead_deg, outvote)
    seen = weight > LEAST_WEIGHT * np.median(weight)
    return filled(colour, seen, points, unit(texels.carry(normals, faces).astype(np.float64), up)), seen


def filled(colour: np.ndarray, seen: np.ndarray, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """``colour`` (N, 3) with that of the ``seen`` (N,) points nearest in space and face alike where a point is not seen."""
    if not seen.any() or seen.all():
        return colour
    colour, scale = colour.copy(), 0.02  # metres that a normal turned right round is worth
    place = np.concatenate([points, normals * scale], 1)
    distance, near = cKDTree(place[seen]).query(place[~seen], k=NEIGHBOURS)
    share = 1 / (distance + 1e-4)
    colour[~seen] = (colour[seen][near] * (share / share.sum(1, keepdims=True))[..., None]).sum(1)
    return colour


def calmed(normals: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Vertex ``normals`` (V, 3), averaged ``NORMAL_ROUNDS`` times with their neighbours along the edges; not of length 1."""
    i, j = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    link = sparse.coo_matrix((np.ones(len(i)), (i, j)), (len(normals), len(normals))).tocsr()
    link = link + link.T
    mean = sparse.diags(1 / np.maximum(np.asarray(link.sum(1)).ravel(), 1)) @ link
    for _ in range(NORMAL_ROUNDS):
        normals = 0.5 * normals + 0.5 * (mean @ normals)
    return normals
