"""A polygon cage of named faces and vertices, built for the left half and mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


def mirrored_name(name: str) -> str:
    """``arm_l`` <-> ``arm_r``, ``eye_l_inner`` <-> ``eye_r_inner``; names without a side stay."""
    if "_l_" in name:
        return name.replace("_l_", "_r_")
    if name.endswith("_l"):
        return name[:-2] + "_r"
    if name == "mouth_left":
        return "mouth_right"
    if name.endswith("_r"):
        return name[:-2] + "_l"
    return name


@dataclass
class Cage:
    """Vertices with a region each, polygons (counter-clockwise from outside) with a part each, and named vertices.

    ``places`` holds (turn, height) of the vertices that lie on the skull (``skull.surface``). ``region`` says which chain of bones may move a vertex; ``part`` is the label that ends in ``BodyModel.t_part``.
    """

    points: list[np.ndarray] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)
    faces: list[tuple[int, ...]] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    places: dict[int, tuple[float, float]] = field(default_factory=dict)

    def add(self, point: Sequence[float] | np.ndarray, region: str) -> int:
        """A new vertex; returns its index."""
        self.points.append(np.asarray(point, float))
        self.regions.append(region)
        return len(self.points) - 1

    def add_many(self, points: np.ndarray, region: str) -> list[int]:
        """One vertex per row of ``points`` (N, 3)."""
        return [self.add(p, region) for p in points]

    def face(self, part: str, *corners: int) -> None:
        """A polygon; repeated neighbours are dropped, and what is left of fewer than three corners is not added."""
        kept = [c for i, c in enumerate(corners) if c != corners[i - 1]]
        if len(kept) >= 3:
            self.faces.append(tuple(kept))
            self.parts.append(part)

    def band(self, part: str | Sequence[str], lower: Sequence[int], upper: Sequence[int], closed: bool = True) -> None:
        """Quads between two loops of equal length that run counter-clockwise seen from the ``upper`` side."""
        n = len(lower)
        for i in range(n if closed else n - 1):
            j = (i + 1) % n
            name = part if isinstance(part, str) else part[i]
            self.face(name, lower[i], lower[j], upper[j], upper[i])

    def strip_cap(self, part: str, loop: Sequence[int]) -> None:
        """Close an even loop with quads between vertex i and its mirror image n - i (triangles at both ends)."""
        n = len(loop)
        for i in range(n // 2):
            self.face(part, loop[i], loop[i + 1], loop[(n - i - 1) % n], loop[(n - i) % n])

    def strip_half_cap(self, part: str, half: Sequence[int]) -> None:
        """Close a half ring from front middle to back middle towards x = 0: one vertex there for each inner one of the ring."""
        middle = [half[0], *(self.add((0.0, *self.points[i][1:]), self.regions[i]) for i in half[1:-1]), half[-1]]
        for i in range(len(half) - 1):
            self.face(part, half[i], half[i + 1], middle[i + 1], middle[i])

    def compacted(self) -> Cage:
        """Without vertices that no face uses."""
        used = sorted({i for f in self.faces for i in f})
        new = {old: k for k, old in enumerate(used)}
        return Cage(
            [self.points[i] for i in used], [self.regions[i] for i in used], [tuple(new[i] for i in f) for f in self.faces],
            list(self.parts), {n: new[i] for n, i in self.names.items()}, {new[i]: p for i, p in self.places.items() if i in new},
        )

    def mirrored(self) -> Cage:
        """The whole body of a half with x >= 0: vertices on x = 0 are shared."""
        out = Cage(list(self.points), list(self.regions), list(self.faces), list(self.parts), dict(self.names))
        image: list[int] = []
        for i, p in enumerate(self.points):
            if abs(p[0]) < 1e-9:
                image.append(i)
            else:
                image.append(out.add(p * (-1.0, 1.0, 1.0), mirrored_name(self.regions[i])))
        out.places = dict(self.places) | {image[i]: (-t, h) for i, (t, h) in self.places.items() if image[i] != i}
        for f, part in zip(self.faces, self.parts, strict=True):
            out.face(mirrored_name(part), *(image[i] for i in reversed(f)))
        for name, i in self.names.items():
            out.names.setdefault(mirrored_name(name), image[i])
        return out
