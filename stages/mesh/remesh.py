"""Well-shaped triangles on the same surface: short edges where it bends, long ones where it is flat.

Botsch and Kobbelt, A Remeshing Approach to Multiresolution Modeling, 2004, with lengths that vary as in Dunyach et al., Adaptive
Remeshing for Real-Time Mesh Deformation, 2013: long edges are split, short ones collapse, others are flipped, vertices slide along the surface.
Here a flip has to mend the worse of its triangles and never takes a crease away, and a collapse keeps to the planes round it.
"""

from __future__ import annotations

import numpy as np

from pipeline.errors import StageError
from stages.artifacts.closest import SurfaceTree, closest_points
from stages.artifacts.decimate import decimated
from stages.artifacts.normals import vertex_normals
from stages.mesh.edge_lengths import edge_lengths
from stages.mesh.edge_operations import both_sides, collapse, flip, split, twins
from stages.mesh.repair import is_edge_manifold

ROUNDS = 6
SWEEPS = 6  # at most, of one operation in one round
LONG, SHORT = 4 / 3, 4 / 5  # of the length asked for: longer edges are split, shorter ones collapse
CREASE = 0.7  # cosine between two triangles: vertices on a sharper edge slide along it only
PULLS = 10  # turns of drawing the result to the surface that it came from
SLIDE = 0.7  # of the way to the middle of the triangles round a vertex
TURN, SHAPE = 0.7, 0.1  # a vertex stays where a triangle would turn by more than this cosine, or become such a sliver


def remeshed(v_pos: np.ndarray, faces: np.ndarray, target: int, density: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """At most ``target`` triangles on a closed, edge-manifold surface: ``v_pos`` (V', 3) float32 and ``faces`` (F', 3) int32.

    ``density`` (V,): how many times as many triangles an area is to have; 1 where it is left out. Raises ``StageError`` for any other surface.
    """
    if not is_edge_manifold(faces):
        raise StageError("the surface of the first pass could not be made closed; look at the masks, or lower mesh.sdf_rate")
    fine = v_pos.astype(np.float64), faces.astype(np.int64)
    tree = SurfaceTree.of(*fine)
    weight = np.ones(len(v_pos)) if density is None else density
    asked = edge_lengths(*fine, target, weight)
    v, f = (x.astype(y.dtype) for x, y in zip(decimated(v_pos, faces, target, weight**3), fine, strict=True))
    length = tree.closest(v).interpolate(asked[:, None], fine[1])[:, 0]
    for _ in range(ROUNDS):
        v, f, length = _resized(v, f, length)
        moved = slid(v, f, length)
        near = tree.closest(moved, vertex_normals(v, f), 0.0)
        there = (near.triangle >= 0) & (near.distance < length)
        v = _sound(v, np.where(there[:, None], near.point, v), f)
        length = np.where(there, near.interpolate(asked[:, None], fine[1])[:, 0], length)
        excess = (len(f) / (0.98 * target)) ** 0.5
        asked, length = asked * excess, length * excess
        _flipped(v, f)
    v, f = decimated(v, f, target)
    return drawn_to(v, f, *fine).astype(np.float32), f


def drawn_to(v: np.ndarray, f: np.ndarray, v_fine: np.ndarray, f_fine: np.ndarray) -> np.ndarray:
    """(V, 3): vertices moved so that the surface runs through the middle of ``v_fine``, where chords of its bends lay on one side of it.

    Each fine vertex pulls at the corners of the triangle that it is nearest to, by their shares in the nearest point.
    """
    out, facing = v.astype(np.float64), vertex_normals(v_fine, f_fine)
    for _ in range(PULLS):
        near = closest_points(v_fine, out, f, facing, 0.3)
        held = near.triangle >= 0
        corner, share = f[near.triangle[held]].ravel(), near.bary[held].ravel()
        gap = np.repeat(v_fine[held] - near.point[held], 3, axis=0)
        total = np.bincount(corner, share**2, len(out))
        pull = np.stack([np.bincount(corner, share * gap[:, c], len(out)) for c in range(3)], 1)
        out = _sound(out, out + pull / np.maximum(total, 0.5)[:, None], f)
    return out


def _resized(v: np.ndarray, f: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges neither longer than LONG nor shorter than SHORT, as far as the surface allows it."""
    for _ in range(SWEEPS):
        v, f, length, done = split(v, f, length, LONG)
        if not done:
            break
    _flipped(v, f)
    for _ in range(SWEEPS):
        v, f, length, done = collapse(v, f, length, SHORT, LONG)
        if not done:
            break
    _flipped(v, f)
    return v, f, length


def _flipped(v: np.ndarray, f: np.ndarray) -> None:
    for _ in range(SWEEPS):
        if not flip(v, f):
            break


def slid(v: np.ndarray, f: np.ndarray, length: np.ndarray) -> np.ndarray:
    """(V, 3): each vertex on its way to the middle of the triangles round it, along the surface; along the crease where it lies on one, and
    nowhere where creases meet."""
    p = v[f]
    cross = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    area = np.linalg.norm(cross, axis=1)
    weight = np.repeat(area * length[f].mean(1), 3)
    corner, count = f.ravel(), len(v)
    total = np.bincount(corner, weight, count)
    middle = np.stack([np.bincount(corner, weight * np.repeat(p[..., c].mean(1), 3), count) for c in range(3)], 1) / total[:, None]
    along = np.eye(3) - np.einsum("va,vb->vab", *(vertex_normals(v, f),) * 2)
    goal, creased = np.einsum("vab,vb->va", along, middle - v), _creases(f, cross / np.maximum(area, 1e-30)[:, None])
    ends = np.bincount(creased.ravel(), minlength=count)
    on = np.flatnonzero(ends == 2)
    sum_of = np.stack([np.bincount(creased.ravel(), v[creased[:, ::-1].ravel(), c], count) for c in range(3)], 1)
    goal[ends > 0] = 0
    goal[on] = sum_of[on] / 2 - v[on]
    return v + SLIDE * goal


def _creases(f: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(E, 2) edges between triangles that meet at more than CREASE."""
    half, other = both_sides(twins(f))
    sharp = half[(normals[half // 3] * normals[other // 3]).sum(1) < CREASE]
    return np.stack([f[sharp // 3, sharp % 3], f[sharp // 3, (sharp + 1) % 3]], 1)


def _sound(v: np.ndarray, moved: np.ndarray, f: np.ndarray) -> np.ndarray:
    """``moved`` (V, 3), but what would turn over or flatten a triangle stays where it is in ``v``."""
    before, shape_before = _normals(v[f])
    out = moved.copy()
    for _ in range(8):
        after, shape = _normals(out[f])
        bad = ((before * after).sum(1) < TURN) & (shape_before > 1e-3) | (shape < np.minimum(SHAPE, 0.9 * shape_before))
        stay = np.unique(f[bad])
        if len(stay) == 0 or (out[stay] == v[stay]).all():
            break
        out[stay] = v[stay]
    return out


def _normals(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals of triangles (F, 3, 3), and their shapes: twice the area over the longest edge squared, 0.87 at best."""
    cross = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    twice = np.linalg.norm(cross, axis=1)
    longest = ((p - np.roll(p, 1, 1)) ** 2).sum(-1).max(1)
    return cross / np.maximum(twice, 1e-30)[:, None], twice / np.maximum(longest, 1e-30)
