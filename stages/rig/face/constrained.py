"""Triangulations of the plane that keep given edges: Delaunay's, with edges that cross a wanted one flipped until it is there.

Sloan, "A fast algorithm for generating constrained Delaunay triangulations" (Computers & Structures 47, 1993), section 3, without its last step.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy.spatial import Delaunay

FLIPS = 400  # for one edge; ends a search that goes in circles


def triangulated(places: np.ndarray, wanted: list[tuple[int, int]]) -> np.ndarray | None:
    """(F, 3) counter-clockwise triangles of ``places`` (N, 2) that have all the edges ``wanted``, which must not cross; None if it fails."""
    simplices = Delaunay(places).simplices
    a, b, c = (places[simplices[:, k]] for k in range(3))
    turned = cross(b - a, c - a) < 0
    triangles = [tuple(t) for t in np.where(turned[:, None], simplices[:, ::-1], simplices).tolist()]
    mesh = _Flipping(places, triangles)
    if not all(mesh.enforce(*edge) for edge in wanted):
        return None
    out = np.array(mesh.triangles, np.int64)
    a, b, c = (places[out[:, k]] for k in range(3))
    return out[cross(b - a, c - a) > 1e-13]


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(...) third component of the product of vectors (..., 2)."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


class _Flipping:
    """Triangles, and which of them has each directed edge."""

    def __init__(self, places: np.ndarray, triangles: list[tuple[int, int, int]]) -> None:
        self.places, self.triangles = places, triangles
        self.of = {edge: t for t, (a, b, c) in enumerate(triangles) for edge in ((a, b), (b, c), (c, a))}

    def enforce(self, a: int, b: int) -> bool:
        """Flip edges until a-b is one; whether it came to that."""
        if (a, b) in self.of or (b, a) in self.of:
            return True
        crossing = deque(edge for edge in self.of if edge[0] < edge[1] and self._cross(a, b, *edge))
        for _ in range(FLIPS):
            if not crossing:
                break
            edge = crossing.popleft()
            across = self._flip(*edge)
            if across is None:
                crossing.append(edge)
            elif self._cross(a, b, *across):
                crossing.append(across)
        return (a, b) in self.of or (b, a) in self.of

    def _side(self, a: int, b: int, c: int) -> float:
        return float(cross(self.places[b] - self.places[a], self.places[c] - self.places[a]))

    def _cross(self, a: int, b: int, c: int, d: int) -> bool:
        """Whether the inner parts of two edges meet."""
        if {a, b} & {c, d}:
            return False
        return self._side(a, b, c) * self._side(a, b, d) < 0 and self._side(c, d, a) * self._side(c, d, b) < 0

    def _flip(self, a: int, b: int) -> tuple[int, int] | None:
        """Replace the edge a-b by the other diagonal of its two triangles, which is returned; None if these are not convex together."""
        first, second = self.of.get((a, b)), self.of.get((b, a))
        if first is None or second is None:
            return None
        c = next(v for v in self.triangles[first] if v not in (a, b))
        d = next(v for v in self.triangles[second] if v not in (a, b))
        if self._side(c, d, b) <= 0 or self._side(d, c, a) <= 0:
            return None
        for edge in ((a, b), (b, a)):
            del self.of[edge]
        for t, corners in ((first, (c, d, b)), (second, (d, c, a))):
            self.triangles[t] = corners
            for k in range(3):
                self.of[corners[k], corners[(k + 1) % 3]] = t
        return (c, d)
