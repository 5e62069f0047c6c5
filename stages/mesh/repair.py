"""Make a surface one that other programs can use: no specks, no shells inside, no holes, every edge between two faces."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from stages.artifacts.cameras import orbit
from stages.rendering.zbuffer import rasterize

SPECK_SHARE = 2e-4  # of the surface's area
LOOK_FROM = [(azimuth, elevation) for elevation in (-70, -35, 0, 35, 70) for azimuth in range(0, 360, 45)]


def compact(v_pos: np.ndarray, faces: np.ndarray, *attributes: np.ndarray) -> tuple[np.ndarray, ...]:
    """Without the vertices that no face uses: positions, faces, and each of ``attributes`` (V, ...)."""
    used, index = np.unique(faces, return_inverse=True)
    return v_pos[used], index.reshape(-1, 3).astype(faces.dtype), *(a[used] for a in attributes)


def face_components(faces: np.ndarray) -> np.ndarray:
    """(F,) number of the piece that a face belongs to; pieces share no vertex."""
    count = int(faces.max()) + 1
    rows = np.concatenate([faces[:, 0], faces[:, 1]])
    columns = np.concatenate([faces[:, 1], faces[:, 2]])
    graph = sparse.coo_matrix((np.ones(len(rows), bool), (rows, columns)), (count, count))
    return connected_components(graph, directed=False)[1][faces[:, 0]]


def face_areas(v_pos: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) square metres."""
    p = v_pos[faces]
    return np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=-1) / 2


def seen_from_outside(v_pos: np.ndarray, faces: np.ndarray, size_px: int = 512) -> np.ndarray:
    """(F,) number of pixels that show each face, summed over 40 directions."""
    middle = (v_pos.min(0) + v_pos.max(0)) / 2
    radius = float(np.linalg.norm(v_pos - middle, axis=-1).max())
    distance = 4 * radius
    focal = 0.48 * size_px * np.sqrt(distance**2 - radius**2) / radius
    homogeneous = np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1)
    seen = np.zeros(len(faces), np.int64)
    for azimuth, elevation in LOOK_FROM:
        camera = orbit("outside", middle, distance, azimuth + elevation / 3, elevation, float(focal), size_px, size_px)
        w2clip = camera.projection(0.1 * radius, 10 * radius) @ camera.w2c
        ids, _, _ = rasterize(homogeneous @ w2clip.T, faces, size_px, size_px)
        seen += np.bincount(ids[ids >= 0], minlength=len(faces))
    return seen


def largest_visible_pieces(v_pos: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces (F', 3) of the pieces that are neither specks nor hidden inside."""
    piece = face_components(faces)
    area = np.bincount(piece, face_areas(v_pos, faces))
    pixels = np.bincount(piece, seen_from_outside(v_pos, faces))
    p = v_pos[faces]
    volume = np.bincount(piece, np.einsum("fi,fi->f", p[:, 0], np.cross(p[:, 1], p[:, 2]))) / 6
    keep = (area > SPECK_SHARE * area.sum()) & (pixels > 1e-4 * pixels.sum()) & (volume > 0)
    return faces[keep[piece]]


def edge_use(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Undirected edges (E, 2) and the number of faces on each (E,)."""
    e = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64), 1)
    stride = int(faces.max()) + 1
    keys, use = np.unique(e[:, 0] * stride + e[:, 1], return_counts=True)
    return np.stack([keys // stride, keys % stride], 1), use


def is_edge_manifold(faces: np.ndarray) -> bool:
    """Whether every edge has exactly two faces that run along it in opposite directions."""
    _, use = edge_use(faces)
    directed = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    keys = directed[:, 0] * (int(faces.max()) + 1) + directed[:, 1]
    return bool((use == 2).all()) and len(np.unique(keys)) == len(keys)


def drop_crowded(v_pos: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces without degenerate and doubled ones, and of edges with more than two faces only the two largest."""
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    faces = faces[distinct]
    _, first = np.unique(np.sort(faces, 1), axis=0, return_index=True)
    faces = faces[np.sort(first)]
    order = np.argsort(-face_areas(v_pos, faces), kind="stable")
    taken: dict[tuple[int, int], int] = {}
    keep = []
    for f in order:
        a, b, c = (int(i) for i in faces[f])
        directed = ((a, b), (b, c), (c, a))
        if all(taken.get(d, 0) == 0 for d in directed):
            for d in directed:
                taken[d] = 1
            keep.append(f)
    return faces[np.sort(np.array(keep, np.int64))]


def fill_holes(v_pos: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Close every boundary loop with a fan round its middle (a triangle if it has three edges)."""
    directed = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    stride = len(v_pos)
    keys = directed[:, 0] * stride + directed[:, 1]
    twins = directed[:, 1] * stride + directed[:, 0]
    following = {int(b): int(a) for a, b in directed[~np.isin(twins, keys)]}
    added_v, added_f = [], []
    while following:
        loop = [next(iter(following))]
        while (step := following.pop(loop[-1], None)) is not None and step != loop[0]:
            loop.append(step)
        if len(loop) == 3:
            added_f.append(loop)
        elif len(loop) > 3:
            centre = len(v_pos) + len(added_v)
            added_v.append(v_pos[loop].mean(0))
            added_f += [[loop[i], loop[(i + 1) % len(loop)], centre] for i in range(len(loop))]
    if not added_f:
        return v_pos, faces
    v_pos = np.concatenate([v_pos, np.array(added_v).reshape(-1, 3)]).astype(v_pos.dtype)
    return v_pos, np.concatenate([faces, np.array(added_f, faces.dtype)])


def repaired(v_pos: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The visible pieces, closed and with manifold edges; already sound surfaces lose only specks and inner shells."""
    faces = largest_visible_pieces(v_pos, faces)
    for _ in range(4):
        if is_edge_manifold(faces):
            break
        faces = drop_crowded(v_pos, faces)
        v_pos, faces = fill_holes(v_pos, faces)
    v_pos, faces = compact(v_pos, faces)
    return v_pos, faces
