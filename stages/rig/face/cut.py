"""A mouth cut into a surface: the triangles round it are replaced by finer ones with a slit from corner to corner.

Seen from the front the region is a map with heights, so that it can be triangulated anew in the plane; its border keeps the vertices that it had, so
nothing gapes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from stages.rig.face.constrained import cross, triangulated
from stages.rig.face.find import Mouth, NotFound
from stages.rig.inpaint import components_of

AROUND_M = (0.009, 0.010)  # how far beyond the mouth's corners, and above and below it, the surface is replaced
SLIT_STEP_M, GRID_STEP_M = 0.0010, 0.0030
MARGIN_M = 0.0022  # least distance of the slit from the border
ISLAND = 120  # triangles at most in what is taken along though it does not face the front: slivers, or a dent where lips part


@dataclass(frozen=True)
class Cut:
    """The region round a mouth. Places (N, 2) are x and z in metres.

    ``hidden`` (F,) bool, triangles of the surface that it replaces; ``border`` (B,) their vertices at its border, in order; ``places`` of all its
    points: the border's first, then the slit's (``slit`` of them, from -x to +x), the rest; ``triangles`` (F', 3), counter-clockwise seen from the
    front; those below the slit use the points from ``len(places)`` on for what lies on it, corners excepted. ``corners`` (N, 3) and ``bary`` (N, 3): the
    vertices of the surface between which each point lies.
    """

    hidden: np.ndarray
    border: np.ndarray
    slit: int
    places: np.ndarray
    triangles: np.ndarray
    corners: np.ndarray
    bary: np.ndarray

    @property
    def upper(self) -> np.ndarray:
        """Indices of the slit's points as the triangles above it use them, from corner to corner."""
        return len(self.border) + np.arange(self.slit)

    @property
    def lower(self) -> np.ndarray:
        """The same below it; the corners are the same points."""
        doubled = len(self.places) + np.arange(self.slit - 2)
        return np.concatenate([self.upper[:1], doubled, self.upper[-1:]])

    @property
    def sources(self) -> np.ndarray:
        """For all points, those below the slit among them: the row of ``places`` that each has."""
        return np.concatenate([np.arange(len(self.places)), self.upper[1:-1]])


def cut_mouth(v_pos: np.ndarray, t_pos_idx: np.ndarray, seen: np.ndarray, mouth: Mouth, scale: float) -> Cut:
    """Replace what lies round the mouth. ``seen`` (F,) bool: triangles that are seen from the front. Raises NotFound where that cannot be done."""
    flat = v_pos[:, [0, 2]]
    hidden = _region(flat, t_pos_idx, seen, mouth, scale)
    border = _border(t_pos_idx[hidden])
    slit = _slit(mouth, scale)
    if _distance(slit, flat[border]).min() < MARGIN_M * scale:
        raise NotFound("the mouth: the surface round it is too rough to be cut open")
    places, triangles = _triangulated(flat[border], slit, scale)
    corners, bary = _between(places, flat, t_pos_idx[hidden & _facing(flat, t_pos_idx)])  # over a dent where lips part it goes straight
    split = _split(triangles, len(border) + np.arange(len(slit)), len(places), places, mouth)
    return Cut(hidden, border, len(slit), places, split, corners, bary)


def line_z(mouth: Mouth, x: np.ndarray) -> np.ndarray:
    """Height of the mouth's line, level beyond its corners."""
    return np.polyval(mouth.line, np.clip((x - mouth.middle_m) / mouth.half_m, -1, 1))


def _region(flat: np.ndarray, t_pos_idx: np.ndarray, seen: np.ndarray, mouth: Mouth, scale: float) -> np.ndarray:
    """(F,) bool: triangles in one piece without holes, all facing the front, with a corner in an ellipse round the mouth."""
    half = np.array([mouth.half_m + AROUND_M[0] * scale, AROUND_M[1] * scale])
    off = (flat - [mouth.middle_m, float(np.polyval(mouth.line, 0))]) / half
    inside = (np.linalg.norm(off, axis=-1) < 1)[t_pos_idx]
    near = (np.abs(off[t_pos_idx]).max((1, 2)) < 1.8) & seen
    hidden = inside.any(-1) & near & _facing(flat, t_pos_idx)
    if not hidden.any():
        raise NotFound("the mouth: there is no surface round it that faces the front")
    pieces = components_of(t_pos_idx[hidden], len(flat))[t_pos_idx[hidden][:, 0]]
    largest = np.bincount(pieces).argmax()
    hidden[np.flatnonzero(hidden)[pieces != largest]] = False
    return _without_islands(hidden, t_pos_idx, len(flat))


def _without_islands(hidden: np.ndarray, t_pos_idx: np.ndarray, count: int) -> np.ndarray:
    """``hidden`` and what it goes all round, if that is small."""
    rest = ~hidden
    edges = t_pos_idx[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 3, 2)
    key = np.sort(edges, -1) @ np.array([count, 1])
    _, shared = np.unique(key, return_inverse=True)
    shared = shared.reshape(key.shape)
    # Pieces of the rest that hang together by edges: triangles and edges are the nodes of one graph.
    inside = np.flatnonzero(rest)
    graph = sparse.coo_matrix((np.ones(3 * len(inside)), (np.repeat(inside, 3), len(rest) + shared[inside].ravel())), (len(rest) + shared.max() + 1,) * 2)
    label = csgraph.connected_components(graph, directed=False)[1][inside]
    border = np.isin(shared[inside], shared[hidden]).any(-1)
    sizes = np.bincount(label)
    beside = np.unique(label[border])
    out = hidden.copy()
    out[inside[np.isin(label, beside[sizes[beside] <= ISLAND])]] = True
    return out


def _facing(flat: np.ndarray, t_pos_idx: np.ndarray) -> np.ndarray:
    """(F,) bool: triangles that face the front."""
    a, b, c = (flat[t_pos_idx[:, k]] for k in range(3))
    return cross(b - a, c - a) > 0


def _border(triangles: np.ndarray) -> np.ndarray:
    """(B,) vertices round triangles, counter-clockwise. Raises NotFound unless that is one simple loop."""
    edges = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    there = {(a, b) for a, b in edges.tolist()}
    onward: dict[int, int] = {}
    for a, b in there:
        if (b, a) not in there:
            if a in onward:
                raise NotFound("the mouth: the surface round it branches")
            onward[a] = b
    if not onward:
        raise NotFound("the mouth: the surface round it has no border")
    loop = [min(onward)]
    while onward[loop[-1]] != loop[0]:
        loop.append(onward[loop[-1]])
        if len(loop) > len(onward):
            break
    if len(loop) != len(onward):
        raise NotFound("the mouth: the surface round it has holes")
    return np.array(loop)


def _slit(mouth: Mouth, scale: float) -> np.ndarray:
    """(S, 2) places from corner to corner, denser towards the corners."""
    count = max(13, round(2 * mouth.half_m / (SLIT_STEP_M * scale)) | 1)
    s = np.sin(np.linspace(-np.pi / 2, np.pi / 2, count)) * 0.35 + np.linspace(-1, 1, count) * 0.65
    return np.stack([mouth.middle_m + s * mouth.half_m, np.polyval(mouth.line, s)], -1)


def _triangulated(border: np.ndarray, slit: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Places and triangles of the region. Raises NotFound if border or slit do not come out as edges."""
    step = GRID_STEP_M * scale
    low, high = border.min(0), border.max(0)
    x, z = np.meshgrid(np.arange(low[0], high[0], step), np.arange(low[1], high[1], step * 0.866))
    x = x + (np.arange(len(x)) % 2)[:, None] * step / 2
    rings = [slit * [1, 1] + [0, side * r * scale] for side in (1, -1) for r in (0.0016,)]
    grid = np.stack([x.ravel(), z.ravel()], -1)
    grid = grid[_distance(grid, slit) > 0.0030 * scale]
    free = np.concatenate([*rings, grid])
    free = free[_inside(free, border)]
    ends = np.stack([border, np.roll(border, -1, 0)], 1)
    free = free[~_encroaches(free, ends) & (_distance(free, _dense(border)) > 0.35 * step)]
    places = np.concatenate([border, slit, free])
    count = len(border)
    wanted = [(k, (k + 1) % count) for k in range(count)] + [(count + k, count + k + 1) for k in range(len(slit) - 1)]
    triangles = triangulated(places, wanted)
    if triangles is None:
        raise NotFound("the mouth: the surface round it cannot be triangulated anew")
    return places, triangles[_inside(places[triangles].mean(1), border)]


def _split(triangles: np.ndarray, slit: np.ndarray, count: int, places: np.ndarray, mouth: Mouth) -> np.ndarray:
    """Triangles whose corners on the slit are doubled for those below it."""
    middle = places[triangles].mean(1)
    below = middle[:, 1] < line_z(mouth, middle[:, 0])
    renamed = np.arange(count)
    renamed[slit[1:-1]] = count + np.arange(len(slit) - 2)
    return np.where(below[:, None], renamed[triangles], triangles)


def _between(places: np.ndarray, flat: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each place the corners of the triangle that it lies in, or nearest to, and its barycentrics there."""
    a, b, c = (flat[triangles[:, k]][None] for k in range(3))
    p = places[:, None]
    area = cross(b - a, c - a)
    bary = np.stack([cross(b - p, c - p), cross(c - p, a - p), cross(a - p, b - p)], -1) / area[..., None]
    best = bary.min(-1).argmax(-1)
    chosen = np.clip(bary[np.arange(len(places)), best], 0, 1)
    return triangles[best], chosen / chosen.sum(-1, keepdims=True)


def _distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) distance to the nearest of others."""
    return np.linalg.norm(points[:, None] - others[None], axis=-1).min(-1)


def _dense(loop: np.ndarray) -> np.ndarray:
    """Points along a closed polygon."""
    share = np.linspace(0, 1, 8, endpoint=False)[:, None, None]
    return (loop + share * (np.roll(loop, -1, 0) - loop)).reshape(-1, 2)


def _encroaches(points: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(N,) bool: in the circle over any of the segments ``ends`` (E, 2, 2), where a point would take a segment out of Delaunay's triangles."""
    middle, radius = ends.mean(1), np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1) / 2
    return (np.linalg.norm(points[:, None] - middle[None], axis=-1) < radius * 1.02).any(-1)


def _inside(points: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """(N,) bool: in a closed polygon, by the number of its edges to the right."""
    a, b = loop[None], np.roll(loop, -1, 0)[None]
    x, z = points[:, None, 0], points[:, None, 1]
    crosses = (a[..., 1] > z) != (b[..., 1] > z)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = a[..., 0] + (z - a[..., 1]) * (b[..., 0] - a[..., 0]) / (b[..., 1] - a[..., 1])
    return (crosses & (x < at)).sum(-1) % 2 == 1
