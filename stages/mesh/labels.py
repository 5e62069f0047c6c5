"""Parts on the surface: votes spread over the triangles, so that borders run along creases and edges of colour and nothing is speckled.

Each part's share of the votes diffuses over the dual graph (triangles, joined where they share an edge), the links weak where the surface folds
or the colour changes; each triangle takes the part with the largest share (Grady, Random Walks for Image Segmentation, 2006, with the votes as
priors). Then once more, the votes weighed by the colours that each part turned out to have.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components

from stages.artifacts.factors import factored
from stages.artifacts.parts import BODY, Parts
from stages.artifacts.views import MaskedViews
from stages.mesh.observed import Observed
from stages.mesh.repair import face_areas
from stages.mesh.votes import votes

REACH_M = 0.03  # how far a share spreads over even ground
COLOUR_STEP = 0.08  # sRGB distance between neighbours that is an edge
FOLD_DEG = 40.0  # angle between neighbours that is a crease
LEAST_LINK = 0.01
BINS, BIN_BLUR = 10, 0.7  # of each channel, in which colours are counted; how many of them count as one colour
DOUBT = 0.05  # share of a triangle's votes that any part gets unasked
ISLET_M2 = 8e-4  # a patch of a part smaller than this becomes what is round it
ISLET_ROUNDS = 4


def labelled(v_pos: np.ndarray, faces: np.ndarray, t_rgb: np.ndarray, observed: Sequence[Observed], views: MaskedViews) -> Parts | None:
    """The parts of a surface in metres with colours ``t_rgb`` (F, 3) sRGB; None where the pictures of ``views`` bear no labels."""
    if not views.label_words:
        return None
    names = tuple(dict.fromkeys((BODY, *views.label_words)))
    given = votes(v_pos, faces, observed, views)
    merged = np.zeros((len(faces), len(names)))
    for label, word in enumerate((BODY, *views.label_words)):
        merged[:, names.index(word)] += given[:, label]
    pairs = neighbours(faces)
    area, link = face_areas(v_pos, faces), links(v_pos, faces, t_rgb, pairs)
    share = spread(merged, area, pairs, link)
    share = spread(recoloured(merged, share, area, t_rgb), area, pairs, link)
    t_part = without_islets(share.argmax(1), area, v_pos, faces, pairs)
    return Parts(names, t_part.astype(np.uint8), share[np.arange(len(faces)), t_part].astype(np.float32))


def neighbours(faces: np.ndarray) -> np.ndarray:
    """(E, 4) int: two triangles that share an edge, and the edge's two vertices; edges with one triangle, or more than two, are left out."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64), 1)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    first = np.r_[True, (np.diff(edges[order], axis=0) != 0).any(1)]
    start = np.flatnonzero(first)
    start = start[np.diff(np.r_[start, len(order)]) == 2]
    return np.concatenate([order[start, None] // 3, order[start + 1, None] // 3, edges[order[start]]], 1)


def links(v_pos: np.ndarray, faces: np.ndarray, t_rgb: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(E,) how easily shares pass between neighbours: length of the edge over distance of the middles, less at edges of colour and at creases."""
    p = v_pos[faces].astype(np.float64)
    normal = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-20)
    i, j, a, b = pairs.T
    length = np.linalg.norm(v_pos[a] - v_pos[b], axis=-1)
    apart = np.linalg.norm(p[i].mean(1) - p[j].mean(1), axis=-1)
    step = np.linalg.norm(t_rgb[i] - t_rgb[j], axis=-1) / COLOUR_STEP
    fold = np.degrees(np.arccos(np.clip((normal[i] * normal[j]).sum(-1), -1, 1))) / FOLD_DEG
    return length / np.maximum(apart, 1e-6) * np.maximum(np.exp(-(step**2) - fold**2), LEAST_LINK)


def recoloured(given: np.ndarray, share: np.ndarray, area: np.ndarray, t_rgb: np.ndarray) -> np.ndarray:
    """``given`` votes (F, P) weighed by how common a triangle's colour is in each part, as ``share`` (F, P) has it; each triangle's total stays.

    What the pictures disagree about goes to the part that looks like it: a sleeve that half of them overlooked to the white shirt.
    """
    cell = np.minimum((np.clip(t_rgb, 0, 1) * BINS).astype(int), BINS - 1)
    cell = np.ravel_multi_index(tuple(cell.T), (BINS,) * 3)
    counts = np.stack([np.bincount(cell, area * part**2, BINS**3).reshape((BINS,) * 3) for part in share.T], -1)
    common = ndimage.gaussian_filter(counts, (BIN_BLUR, BIN_BLUR, BIN_BLUR, 0)).reshape(-1, share.shape[1])
    common = (common / np.maximum(common.sum(0), 1e-20))[cell]
    common = common + 1e-4 * common.max(1, keepdims=True) + 1e-12
    total = given.sum(1, keepdims=True)
    weighed = (given + DOUBT * total) * common
    return weighed * total / np.maximum(weighed.sum(1, keepdims=True), 1e-20)


def spread(given: np.ndarray, area: np.ndarray, pairs: np.ndarray, link: np.ndarray) -> np.ndarray:
    """(F, P) shares of the parts, rows summing to 1: the ``given`` votes (F, P) where there are many, the neighbours' where there are few.

    Minimises sum_f A_f c_f |s_f - g_f|^2 + REACH^2 sum_ij w_ij |s_i - s_j|^2 with g the shares of the votes and c their number over the median.
    """
    total = given.sum(1)
    seen = total > 0
    counted = np.minimum(total / max(np.median(total[seen]) if seen.any() else 1.0, 1e-20), 1.0)
    count, (i, j) = len(given), pairs.T[:2]
    adjacency = sparse.coo_matrix((np.r_[link, link], (np.r_[i, j], np.r_[j, i])), (count, count)).tocsr()
    laplacian = sparse.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency
    data = area * np.maximum(counted, 1e-6)
    mean = np.where(seen[:, None], given, given.sum(0) + 1e-12)
    mean = mean / mean.sum(1, keepdims=True)
    solved = factored(sparse.diags(data) + REACH_M**2 * laplacian).solve(data[:, None] * mean)
    return solved / solved.sum(1, keepdims=True)


def without_islets(t_part: np.ndarray, area: np.ndarray, v_pos: np.ndarray, faces: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """``t_part`` (F,) with every patch below ``ISLET_M2`` given to the part that it shares the longest border with; a piece of its own keeps its part."""
    t_part = t_part.copy()
    i, j, a, b = pairs.T
    length = np.linalg.norm(v_pos[a] - v_pos[b], axis=-1)
    for _ in range(ISLET_ROUNDS):
        same = t_part[i] == t_part[j]
        graph = sparse.coo_matrix((np.ones(int(same.sum()), bool), (i[same], j[same])), (len(faces), len(faces)))
        patch = connected_components(graph, directed=False)[1]
        small = np.bincount(patch, area) < ISLET_M2
        border = np.zeros((len(small), int(t_part.max()) + 1))
        for here, there in ((i, j), (j, i)):
            apart = ~same & small[patch[here]] & ~small[patch[there]]
            np.add.at(border, (patch[here[apart]], t_part[there[apart]]), length[apart])
        change = border.any(1)[patch]
        if not change.any():
            break
        t_part[change] = border.argmax(1)[patch[change]]
    return t_part
