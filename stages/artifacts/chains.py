"""Chains of joints that let hair and skirts swing, known by their joints' names; and the round shapes that keep them out of the body.

A chain's joints are called ``hair_01_1``, ``hair_01_2``, ... from its root to its last bone. The root hangs on a joint of the body, and unless
the chain is turned it follows that joint as if it were not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.errors import ArtifactError
from stages.artifacts.body import Skeleton

Kind = Literal["hair", "skirt"]
COLLIDERS = "colliders.json"
_NAME = re.compile(r"(hair|skirt)_(\d+)_(\d+)")


@dataclass(frozen=True)
class Chain:
    """``name`` as ``hair_01``; ``joints`` of a skeleton from root to last; ``anchor``, the joint that the root hangs on."""

    kind: Kind
    name: str
    anchor: int
    joints: tuple[int, ...]


@dataclass(frozen=True)
class Collider:
    """A capsule on a joint, from ``start`` to ``end`` (3,) in the skeleton's rest pose and frame, metres; a ball where both are the same."""

    joint: str
    start: np.ndarray
    end: np.ndarray
    radius: float

    def gap_m(self, points: np.ndarray) -> np.ndarray:
        """(N,) distance of points (N, 3) from its surface, negative inside."""
        along = self.end - self.start
        share = np.clip((points - self.start) @ along / max(float(along @ along), 1e-12), 0, 1)
        return np.linalg.norm(points - self.start - share[:, None] * along, axis=-1) - self.radius


def joint_name(kind: Kind, number: int, place: int) -> str:
    """Name of the joint at ``place`` in a chain, both counted from 1."""
    return f"{kind}_{number:02d}_{place}"


def chains_of(skeleton: Skeleton) -> list[Chain]:
    """The chains of a skeleton, in the order of their roots."""
    found: dict[str, list[int]] = {}
    for j, name in enumerate(skeleton.names):
        if match := _NAME.fullmatch(name):
            found.setdefault(f"{match[1]}_{match[2]}", []).append(j)
    return [Chain(name.split("_")[0], name, int(skeleton.parents[joints[0]]), tuple(joints)) for name, joints in found.items()]


def free_number(skeleton: Skeleton, kind: Kind) -> int:
    """The first number for a chain of ``kind`` from which on the skeleton has none: a body may bring chains of its own."""
    return 1 + max((int(m[2]) for name in skeleton.names if (m := _NAME.fullmatch(name)) and m[1] == kind), default=0)


def write_colliders(folder: Path, colliders: Sequence[Collider]) -> None:
    """``colliders.json`` in ``folder``."""
    said = [{"joint": c.joint, "start_m": _rounded(c.start), "end_m": _rounded(c.end), "radius_m": round(float(c.radius), 6)} for c in colliders]
    (folder / COLLIDERS).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def read_colliders(folder: Path, remedy: str) -> tuple[Collider, ...]:
    """What ``write_colliders`` wrote; nothing where it wrote nothing. Raises ``ArtifactError`` that ends in ``remedy``."""
    path = folder / COLLIDERS
    if not path.is_file():
        return ()
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return tuple(Collider(c["joint"], np.array(c["start_m"], float), np.array(c["end_m"], float), float(c["radius_m"])) for c in said)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(folder, f"{COLLIDERS} cannot be read ({type(error).__name__}: {error})", remedy) from error


def _rounded(point: Iterable[float]) -> list[float]:
    return [round(float(x), 6) for x in point]
