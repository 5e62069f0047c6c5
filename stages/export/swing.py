"""Chains of hair and cloth swinging as a program that reads VRM lets them: Verlet steps, one joint after the other.

Specification: VRMC_springBone 1.0, "Algorithm". Bones of this program have no rest rotation, so the joint's own frame is its parent's. World
frame, +Z up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.artifacts.body import Skeleton, rotation_matrix
from stages.artifacts.chains import Chain, Collider, chains_of
from stages.artifacts.showcase_poses import shortest_turn_wxyz
from stages.export.spring_bones import moved, within_reach
from stages.export.spring_settings import SpringSettings

_DOWN = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True)
class _Spring:
    chain: Chain
    settings: SpringSettings
    colliders: list[int]
    keeps_m: np.ndarray


class Swing:
    """A figure's chains in motion. They start at rest on the pose of the first step."""

    def __init__(self, skeleton: Skeleton, colliders: Sequence[Collider], settings: Mapping[str, SpringSettings]) -> None:
        self._skeleton, self._colliders = skeleton, colliders
        self._springs = [
            _Spring(chain, settings[chain.kind], *within_reach(chain, skeleton, colliders, settings[chain.kind].hit_radius_m))
            for chain in chains_of(skeleton)]
        self._now: np.ndarray | None = None
        self._before: np.ndarray | None = None

    def step(self, transforms: np.ndarray, seconds: float) -> np.ndarray:
        """(J, 4, 4) rest-to-posed transforms with the chains moved on by ``seconds``; ``transforms`` (J, 4, 4) is the pose with chains unturned."""
        if self._now is None or self._before is None:
            self._now = self._before = self._skeleton.posed(transforms).tails
        out, tails = transforms.copy(), self._now.copy()
        there = moved(self._colliders, self._skeleton, transforms)
        for spring in self._springs:
            met = [there[i] for i in spring.colliders]
            for j, keep in zip(spring.chain.joints, spring.keeps_m, strict=True):
                out[j], tails[j] = self._joint(j, out[int(self._skeleton.parents[j])], spring.settings, met, float(keep), seconds)
        self._before, self._now = self._now, tails
        return out

    def _joint(
        self, j: int, parent: np.ndarray, settings: SpringSettings, met: Sequence[Collider], keep_m: float, seconds: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """The joint's transform (4, 4) and where its bone ends, (3,)."""
        head, bone = self._skeleton.heads[j], self._skeleton.tails[j] - self._skeleton.heads[j]
        length = float(np.linalg.norm(bone))
        at = parent[:3, :3] @ head + parent[:3, 3]
        inertia = (self._now[j] - self._before[j]) * (1 - settings.drag_force)
        drawn = parent[:3, :3] @ bone / length * settings.stiffness + _DOWN * settings.gravity_power
        tail = at_length(self._now[j] + inertia + seconds * drawn, at, length)
        for collider in met:
            tail = at_length(outside(tail, collider, keep_m), at, length)
        local = np.eye(4)
        local[:3, :3] = rotation_matrix(shortest_turn_wxyz(bone, parent[:3, :3].T @ (tail - at)))
        local[:3, 3] = head - local[:3, :3] @ head
        return parent @ local, tail


def at_length(point: np.ndarray, centre: np.ndarray, length: float) -> np.ndarray:
    """(3,) the point brought to ``length`` from ``centre``, in its direction."""
    away = point - centre
    return centre + away * (length / max(float(np.linalg.norm(away)), 1e-12))


def outside(point: np.ndarray, collider: Collider, keep_m: float) -> np.ndarray:
    """(3,) the point, pushed out to ``keep_m`` from a collider's surface if it is nearer."""
    along = collider.end - collider.start
    share = float(np.clip((point - collider.start) @ along / max(float(along @ along), 1e-12), 0, 1))
    away = point - collider.start - share * along
    distance = float(np.linalg.norm(away))
    missing = collider.radius + keep_m - distance
    return point if missing <= 0 else point + away * (missing / max(distance, 1e-12))
