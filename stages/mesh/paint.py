"""The first base colour: views projected onto the texels, and a colour for what no view sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse

from stages.artifacts.factors import factored
from stages.artifacts.links import graph_laplacian, neighbour_mean, vertex_links
from stages.artifacts.normals import unit, vertex_normals
from stages.mesh.observed import Observed
from stages.mesh.project import project
from stages.mesh.texels import Texels

NORMAL_ROUNDS = 12  # averagings of the normals that choose the views: painted views disagree, and the surface they give is crumpled
LEAST_WEIGHT = 1e-3  # share of the median weight below which a texel counts as unseen
ALONE = 5e-7  # weight of the mean colour against the neighbours', for pieces that nobody sees


def painted(
    texels: Texels, v_pos: np.ndarray, faces: np.ndarray, observed: Sequence[Observed], exponent: float,
    portrait_lead_deg: float = 0.0, outvote: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """sRGB colours (N, 3) of the texels, and which of them (N,) a view sees.

    Unseen texels take colours that spread from the seen ones over the surface.
    """
    up, points, normals = np.array([0.0, 0.0, 1.0]), texels.carry(v_pos, faces), vertex_normals(v_pos, faces)
    facing = unit(texels.carry(calmed(normals, faces), faces).astype(np.float64), up)
    colour, weight = project(points, facing, v_pos, faces, observed, exponent, portrait_lead_deg, outvote)
    seen = weight > LEAST_WEIGHT * np.median(weight)
    return filled(colour, seen, texels, faces), seen


def filled(colour: np.ndarray, seen: np.ndarray, texels: Texels, faces: np.ndarray) -> np.ndarray:
    """``colour`` (N, 3) of the texels with what is not ``seen`` (N,) spread over the surface ``faces`` (F, 3) from what is.

    An unseen vertex is the mean of its neighbours along the edges. The nearest seen point in space will not do: inside a skirt that is a leg.
    """
    if not seen.any() or seen.all():
        return colour
    inside = np.clip(texels.bary, 0, None)
    inside /= inside.sum(1, keepdims=True)
    share = np.where(seen[:, None], inside, 0.0)
    corner, count = faces[texels.face].reshape(-1), int(faces.max()) + 1
    weight = np.bincount(corner, share.reshape(-1), count)
    total = np.stack([np.bincount(corner, (share * colour[:, c, None]).reshape(-1), count) for c in range(3)], -1)
    known = weight > 1e-6
    at_vertices = np.where(known[:, None], total / np.maximum(weight, 1e-12)[:, None], colour[seen].mean(0))
    if not known.all():
        at_vertices = _harmonic(at_vertices, known, faces)
    out = colour.copy()
    out[~seen] = replace(texels, bary=inside).carry(at_vertices, faces)[~seen]
    return out


def _harmonic(values: np.ndarray, known: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """``values`` (V, C) with each vertex that is not ``known`` (V,) the mean of its neighbours; what touches nothing known stays as it was."""
    laplacian = graph_laplacian(vertex_links(faces, len(values)))
    out, free = values.copy(), ~known
    system = laplacian[free][:, free] + ALONE * sparse.identity(int(free.sum()))
    out[free] = factored(system).solve(ALONE * values[free] - laplacian[free][:, known] @ values[known])
    return out


def calmed(normals: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Vertex ``normals`` (V, 3), averaged ``NORMAL_ROUNDS`` times with their neighbours along the edges; not of length 1."""
    mean = neighbour_mean(vertex_links(faces, len(normals)))
    for _ in range(NORMAL_ROUNDS):
        normals = 0.5 * normals + 0.5 * (mean @ normals)
    return normals
