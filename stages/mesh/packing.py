"""Charts of a surface laid into one square, as large as they go in.

A chart is a set of cells. The largest comes first (by what it covers, by its box, by the sides of that: the first order that works); each goes, in one of four turns, to the lowest free place, gaps between and holes within others included.
The scale that all share is searched for. A table says of each cell for how many cells to its right nothing changes, so that places are passed over by leaps.
"""

from __future__ import annotations

import numba
import numpy as np
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError

from pipeline.errors import StageError

GAP = 2  # free cells between two charts
BORDER = 1  # free cells along the border of the square
FINEST = 1024  # cells along its side at most: what is packed at this size is packed at any other
TURNS = 4
STARTS_AT = 0.6  # share of the square that charts may be expected to cover
WIDER = 1.1  # factor between scales until one fits and the next does not
CLOSER = 1.005  # factor between the two that the search ends at
SMALLEST = 0.05  # of the scale tried first: below it there are more charts than room


def packed(v_px: np.ndarray, t_tex_idx: np.ndarray, texture_size: int) -> np.ndarray:
    """(T, 2) float32 in [0, 1]: the charts of ``v_px`` (T, 2), all of one scale, turned, moved and scaled alike into a square of ``texture_size`` texels.

    Cells are texels, or larger where there are more than ``FINEST`` of them. Raises ``StageError`` if there are more charts than room.
    """
    size = min(texture_size, FINEST)
    charts = Charts(v_px, t_tex_idx)
    first = low = (STARTS_AT / charts.area) ** 0.5 * size
    while (best := charts.placed(low, size)) is None:
        low /= WIDER
        if low < SMALLEST * first:
            raise StageError(f"{len(charts.faces)} charts do not fit into {texture_size} x {texture_size} texels; raise mesh.texture_size")
    high = low * WIDER
    while (wider := charts.placed(high, size)) is not None:
        best, low, high = wider, high, high * WIDER
    while high / low > CLOSER:
        middle = (low * high) ** 0.5
        tried = charts.placed(middle, size)
        best, low, high = (best, low, middle) if tried is None else (tried, middle, high)
    return (best / size).astype(np.float32)


def members(label: np.ndarray, count: int) -> list[np.ndarray]:
    """For each label below ``count`` where it stands in ``label``."""
    return np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label, minlength=count))[:-1])


class Charts:
    """What triangles join of a surface's texture vertices, each turned so that its upright box is smallest, and moved to the origin."""

    def __init__(self, v_px: np.ndarray, t_tex_idx: np.ndarray) -> None:
        a, b = np.concatenate([t_tex_idx[:, :2], t_tex_idx[:, 1:]]).T
        count, chart = connected_components(csr_array((np.ones(len(a), np.int8), (a, b)), shape=(len(v_px),) * 2), directed=False)
        self.vertices, self.faces = members(chart, count), members(chart[t_tex_idx[:, 0]], count)
        self.v, self.t = np.empty((len(v_px), 2)), t_tex_idx
        for own in self.vertices:
            self.v[own] = upright(v_px[own].astype(np.float64))
        self.extent = np.array([self.v[own].max(0) for own in self.vertices])
        e, g = (self.v[t_tex_idx[:, k]] - self.v[t_tex_idx[:, 0]] for k in (1, 2))
        area = np.abs(e[:, 0] * g[:, 1] - e[:, 1] * g[:, 0]) / 2
        self.area = max(float(area.sum()), 1e-12)
        covered = np.array([area[own].sum() for own in self.faces])
        self.orders = [np.argsort(-bulk, kind="stable") for bulk in (covered, self.extent.prod(1), self.extent.sum(1))]

    def placed(self, scale: float, size: int) -> np.ndarray | None:
        """(T, 2) cells: every chart in its place in a square of ``size`` cells; None if there is not room for all, whichever counts as the largest."""
        return next((v for order in self.orders if (v := self._placed(scale, size, order)) is not None), None)

    def _placed(self, scale: float, size: int, order: np.ndarray) -> np.ndarray | None:
        room = size + 2 * (GAP - BORDER)  # beyond the square nobody is, so that a chart's surroundings may lie there
        run = np.repeat(np.arange(room, 0, -1, dtype=np.int32)[None], room, 0)
        out = np.empty_like(self.v)
        for number in order:
            own = self.vertices[number]
            columns, rows = np.maximum(np.ceil(self.extent[number] * scale), 1).astype(int)
            if max(rows, columns) > size:
                return None
            cells = np.zeros((rows + 2 * GAP, columns + 2 * GAP), np.bool_)
            _mark(cells, self.v[self.t[self.faces[number]]] * scale + GAP)
            grown = ndimage.maximum_filter(cells, 2 * GAP + 1)
            best = room + 1, 0, 0, 0
            for turn in range(TURNS):
                turned = np.rot90(grown, turn)
                y, x = _first_fit(run, *_runs(turned), *turned.shape, best[0] - 1)
                if y >= 0:
                    best = y + turned.shape[0], turn, y, x
            if best[0] > room:
                return None
            _, turn, y, x = best
            _take(run, np.rot90(cells, turn), y, x)
            out[own] = rotated(self.v[own] * scale + GAP, turn, cells.shape) + [x + BORDER - GAP, y + BORDER - GAP]
        return out


def upright(points: np.ndarray) -> np.ndarray:
    """``points`` (N, 2) turned so that the box round them, along the axes, is the smallest, and moved to the origin."""
    try:
        hull = points[ConvexHull(points).vertices]
    except QhullError:  # on a line
        hull = points
    side = np.roll(hull, -1, 0) - hull
    length = np.linalg.norm(side, axis=1, keepdims=True)
    c, s = np.divide(side, length, out=np.zeros_like(side) + [1.0, 0.0], where=length > 0).T
    box = np.ptp(hull @ np.stack([c, s]), axis=0) * np.ptp(hull @ np.stack([-s, c]), axis=0)
    k = int(np.argmin(box))
    points = points @ np.array([[c[k], -s[k]], [s[k], c[k]]])
    return points - points.min(0)


def rotated(points: np.ndarray, turn: int, shape: tuple[int, int]) -> np.ndarray:
    """``points`` (N, 2), x and y in an array of ``shape`` (rows, columns), where ``np.rot90(array, turn)`` takes them."""
    for k in range(turn):
        width = shape[1 - k % 2]
        points = np.stack([points[:, 1], width - points[:, 0]], 1)
    return points


@numba.njit(cache=True, nogil=True)
def _mark(cells, corners):
    """Mark all cells that a triangle of ``corners`` (F, 3, 2) reaches into."""
    for f in range(len(corners)):
        low_x, high_x = corners[f, :, 0].min(), corners[f, :, 0].max()
        low_y, high_y = corners[f, :, 1].min(), corners[f, :, 1].max()
        area = (corners[f, 1, 0] - corners[f, 0, 0]) * (corners[f, 2, 1] - corners[f, 0, 1])
        area -= (corners[f, 1, 1] - corners[f, 0, 1]) * (corners[f, 2, 0] - corners[f, 0, 0])
        sign = 1.0 if area >= 0 else -1.0
        for row in range(int(low_y), min(int(np.ceil(high_y)), cells.shape[0])):
            for column in range(int(low_x), min(int(np.ceil(high_x)), cells.shape[1])):
                reached = True
                for k in range(3):
                    x, y = corners[f, k]
                    ex, ey = corners[f, (k + 1) % 3, 0] - x, corners[f, (k + 1) % 3, 1] - y
                    across = sign * (ex * (row + 0.5 - y) - ey * (column + 0.5 - x))
                    if across + 0.5 * (abs(ex) + abs(ey)) < 0:
                        reached = False
                        break
                if reached:
                    cells[row, column] = True


@numba.njit(cache=True, nogil=True)
def _runs(cells):
    """(R,) row, first column and length of every run of marked cells, the longest first."""
    found = np.empty((cells.shape[0] * (cells.shape[1] // 2 + 1), 3), np.int32)
    count = 0
    for row in range(cells.shape[0]):
        column = 0
        while column < cells.shape[1]:
            if not cells[row, column]:
                column += 1
                continue
            start = column
            while column < cells.shape[1] and cells[row, column]:
                column += 1
            found[count, 0], found[count, 1], found[count, 2] = row, start, column - start
            count += 1
    found = found[:count]
    order = np.argsort(-found[:, 2], kind="mergesort")
    return found[order, 0], found[order, 1], found[order, 2]


@numba.njit(cache=True, nogil=True)
def _first_fit(run, rows, columns, lengths, height, width, highest):
    """Lowest row, and in it the first column, at which all runs find free cells and end at ``highest`` or before; -1, -1 if there is none.

    ``run`` is positive for free cells: how many there are from here on; negative for taken ones.
    """
    count, first = len(rows), 0
    for y in range(min(run.shape[0], highest) - height + 1):
        x = 0
        while x <= run.shape[1] - width:
            leap = 0
            for k in range(count):
                i = (first + k) % count  # begin with what was in the way last
                free = run[y + rows[i], x + columns[i]]
                if free < lengths[i]:
                    leap = -free if free < 0 else free + 1
                    first = i
                    break
            if leap == 0:
                return y, x
            x += leap
    return -1, -1


@numba.njit(cache=True, nogil=True)
def _take(run, cells, y, x):
    """Mark ``cells`` as taken in ``run``, their first row at ``y``, their first column at ``x``."""
    last = run.shape[1] - 1
    for row in range(cells.shape[0]):
        for column in range(cells.shape[1]):
            if cells[row, column]:
                run[y + row, x + column] = -1
        for column in range(last, -1, -1):
            free = run[y + row, column] > 0
            if column == last or (run[y + row, column + 1] > 0) != free:
                run[y + row, column] = 1 if free else -1
            else:
                run[y + row, column] = run[y + row, column + 1] + (1 if free else -1)
