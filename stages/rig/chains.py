"""Chains of joints laid through what hangs loose: beside one another at even angles, each from its root down to its tip.

A lock that begins on the head and lies on the chest further down is bound to both; it gets one chain for each, the upper one on the head,
the lower one on the chest, and either moves what its own anchor holds. The panel of a skirt hangs on the thigh, or if
it goes well past the knee, on the shin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.artifacts.body import Skeleton
from stages.artifacts.chains import Kind, free_number, joint_name
from stages.artifacts.rig import Skinning
from stages.rig.chain_settings import ChainSettings
from stages.rig.loose import Loose

# How wide a lock of hair and a panel of cloth are, metres, and how long a bone is.
_WIDTH_M = {"hair": 0.1, "skirt": 0.12}
_BONE_M = 0.09
# Where there are too many, bones get longer by this factor at a time, up to six times as long.
_LONGER, _STEPS = 1.08, 24
_LEAST_JOINTS, _LEAST_PANELS = 2, 2
# A chain ends in the middle of the lowest share of its lock: under a hem the surface goes on, inwards.
_LOWEST = 0.06


@dataclass(frozen=True)
class Strand:
    """One chain before it has a name: ``knots_m`` (n + 1,) along the surface, the joints' and the tip's; ``points`` (n + 1, 3) where these
    lie at rest; ``breadth`` (V,) in [0, 1], how much each vertex is this chain's and not its neighbours'."""

    kind: Kind
    anchor: str
    loose: Loose
    knots_m: np.ndarray
    points: np.ndarray
    breadth: np.ndarray

    @property
    def count(self) -> int:
        """Joints; the tip is none."""
        return len(self.points) - 1


def lay_strands(parts: Sequence[Loose], skinning: Skinning, settings: ChainSettings) -> list[Strand]:
    """Chains within the budget: while there are too many joints bones get longer, then chains fewer."""
    while True:
        for bone_m in _BONE_M * _LONGER ** np.arange(_STEPS):
            strands = _laid(parts, skinning, settings, float(bone_m))
            if sum(strand.count for strand in strands) <= settings.bones:
                return strands
        fewer = max(settings.hair, settings.skirt) - 1
        settings = settings.model_copy(update={"hair": min(settings.hair, fewer), "skirt": min(settings.skirt, fewer)})


def with_strands(skeleton: Skeleton, strands: Sequence[Strand]) -> Skeleton:
    """The skeleton with the strands' joints after its own, each chain from its root down."""
    names, parents = list(skeleton.names), list(skeleton.parents)
    number = {kind: free_number(skeleton, kind) for kind in _WIDTH_M}
    for strand in strands:
        for place in range(strand.count):
            parents.append(len(names) - 1 if place else skeleton.index(strand.anchor))
            names.append(joint_name(strand.kind, number[strand.kind], place + 1))
        number[strand.kind] += 1
    heads, tails = ([own, *(s.points[part] for s in strands)] for own, part in ((skeleton.heads, slice(None, -1)), (skeleton.tails, slice(1, None))))
    return replace(skeleton, names=tuple(names), parents=np.array(parents), heads=np.concatenate(heads), tails=np.concatenate(tails))


def chain_counts(parts: Sequence[Loose], settings: ChainSettings) -> list[int]:
    """Chains beside one another in each part: as many as fit in its width, and per kind no more than allowed; the widest give way first.

    Both halves of a skirt get as many.
    """
    wanted = [max(1, round((part.last_rad - part.first_rad) * part.radius_m / _WIDTH_M[part.kind])) for part in parts]
    for kind in _WIDTH_M:
        mine = [i for i, part in enumerate(parts) if part.kind == kind]
        while sum(wanted[i] for i in mine) > getattr(settings, kind):
            wanted[max(mine, key=lambda i: (wanted[i], i))] -= 1
    panels = min((count for part, count in zip(parts, wanted, strict=True) if part.kind == "skirt"), default=0)
    panels = 0 if panels < _LEAST_PANELS else panels
    return [panels if part.kind == "skirt" else count for part, count in zip(parts, wanted, strict=True)]


def breadths(part: Loose, count: int) -> np.ndarray:
    """(V, count) shares of ``count`` chains at even angles, linear between neighbours, rows summing to 1."""
    spacing = (part.last_rad - part.first_rad) / count
    place = (part.angle_rad - part.first_rad) / max(spacing, 1e-9) - (0.0 if part.closed else 0.5)
    if part.closed:
        place = place - 0.5 * (count % 2)  # one chain in front, whether their number is even or odd
        apart = np.abs((place[:, None] - np.arange(count) + count / 2) % count - count / 2)
    else:
        apart = np.abs(np.clip(place, 0, count - 1)[:, None] - np.arange(count))
    return np.maximum(0.0, 1 - apart)


def _laid(parts: Sequence[Loose], skinning: Skinning, settings: ChainSettings, bone_m: float) -> list[Strand]:
    strands = []
    for part, count in zip(parts, chain_counts(parts, settings), strict=True):
        for breadth in breadths(part, count).T if count else ():
            strands += _along(part, breadth, skinning, settings, bone_m)
    return strands


def _along(part: Loose, breadth: np.ndarray, skinning: Skinning, settings: ChainSettings, bone_m: float) -> list[Strand]:
    """The chain or chains of one lock, one below the other; none where it is too short or does not hang."""
    mass = part.mass * breadth
    if mass.sum() <= 0:
        return []
    tip = _tip_m(part.down_m, mass, skinning.v_pos_rest[:, 2])
    root_point, tip_point = _centroids(part, mass, skinning, np.array([0.0, tip]), tip / 8)
    if tip < settings.least_m or root_point[2] - tip_point[2] < tip / 3:
        return []
    strands = []
    for anchor, first, last in _spans(part, mass, skinning, tip):
        length = last - first
        count = int(np.clip(round(length / bone_m), _LEAST_JOINTS, settings.joints))
        knots = np.linspace(first, last, count + 1)
        strands.append(Strand(part.kind, anchor, part, knots, _centroids(part, mass, skinning, knots, length / count / 4), breadth))
    return strands


def _spans(part: Loose, mass: np.ndarray, skinning: Skinning, tip: float) -> list[tuple[str, float, float]]:
    """(anchor, first, last) metres down: from where an anchor holds most of the lock, to where the next one does."""
    upper, lower = part.anchors[0], part.anchors[-1]
    if upper == lower:
        return [(upper, 0.0, tip)]
    below = np.where(skinning.joints == skinning.skeleton.index(lower), skinning.weights, 0.0).sum(-1) * mass
    held = part.down_m < np.inf
    edges = np.linspace(0, tip, 17)
    total, under = (np.histogram(part.down_m[held], edges, weights=w[held])[0] for w in (mass, below))
    most = np.flatnonzero(under > 0.5 * np.maximum(total, 1e-12))
    cut = float(edges[most[0]]) if len(most) else tip
    spans = [span for span in [(upper, 0.0, cut), (lower, cut, tip)] if span[2] - span[1] >= _BONE_M] or [(upper, 0.0, tip)]
    return spans[-1:] if part.kind == "skirt" else spans  # knees hold a long skirt still between the two: it swings from there


def _centroids(part: Loose, mass: np.ndarray, skinning: Skinning, at_m: np.ndarray, width_m: float) -> np.ndarray:
    """(n, 3) middles of the lock at distances ``at_m`` (n,) down, over bands about ``width_m`` wide (Gaussian)."""
    held = mass > 0
    apart = (part.down_m[held][None] - at_m[:, None]) / width_m
    weight = np.exp(-0.5 * np.minimum(apart**2, 200 + 1e-3 * apart**2)) * mass[held]
    return weight @ skinning.v_pos_rest[held].astype(np.float64) / weight.sum(-1, keepdims=True)


def _tip_m(down_m: np.ndarray, mass: np.ndarray, height: np.ndarray) -> float:
    """Distance down of the lowest of ``mass`` (V,), the median over its lowest share."""
    held = np.flatnonzero(mass > 0)
    order = held[np.argsort(height[held], kind="stable")]
    lowest = order[: 1 + np.searchsorted(np.cumsum(mass[order]), _LOWEST * mass.sum())]
    return float(np.median(down_m[lowest]))
