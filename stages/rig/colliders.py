"""Balls and capsules that stand for the body where hair and skirts might swing into it, fitted to the body's skin at rest."""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import BodyModel
from stages.artifacts.chains import Collider

# The trunk is broader than deep: a capsule lies across it. Limbs have one along the bone, the head has a ball.
_ACROSS = ("hips", "chest", "upperChest")
_ALONG = ("neck", "leftUpperLeg", "rightUpperLeg")
_BALLS = ("head",)
_LEAST_VERTICES = 8


def fit_colliders(rest: BodyModel) -> tuple[Collider, ...]:
    """Colliders of the joints that the body has, in its rest pose; joints with next to no skin of their own are left out."""
    fits = {**dict.fromkeys(_BALLS, _ball), **dict.fromkeys(_ACROSS, _across), **dict.fromkeys(_ALONG, _along)}
    owner = rest.weights.argmax(-1)
    found = []
    for joint, fit in fits.items():
        if joint in rest.skeleton.names:
            j = rest.skeleton.index(joint)
            mine = rest.v_pos[owner == j]
            if len(mine) >= _LEAST_VERTICES:
                found.append(fit(joint, mine, rest.skeleton.heads[j], rest.skeleton.tails[j]))
    return tuple(found)


def _ball(joint: str, skin: np.ndarray, head: np.ndarray, tail: np.ndarray) -> Collider:
    """In the middle of the skin, as large as fits inside nine tenths of it."""
    middle = (np.percentile(skin, 2, axis=0) + np.percentile(skin, 98, axis=0)) / 2
    return Collider(joint, middle, middle, float(np.percentile(np.linalg.norm(skin - middle, axis=-1), 10)))


def _across(joint: str, skin: np.ndarray, head: np.ndarray, tail: np.ndarray) -> Collider:
    """From left to right at half the bone's height, as deep as the skin is from front to back."""
    low, high = np.percentile(skin, 5, axis=0), np.percentile(skin, 95, axis=0)
    middle = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (head[2] + tail[2]) / 2])
    radius = float(min(high[1] - low[1], high[0] - low[0]) / 2)
    reach = np.array([max(float(high[0] - low[0]) / 2 - radius, 0.0), 0.0, 0.0])
    return Collider(joint, middle - reach, middle + reach, radius)


def _along(joint: str, skin: np.ndarray, head: np.ndarray, tail: np.ndarray) -> Collider:
    """Round the bone, as thick as the skin is on average."""
    along = tail - head
    share = np.clip((skin - head) @ along / max(float(along @ along), 1e-12), 0, 1)
    return Collider(joint, head, tail, float(np.median(np.linalg.norm(skin - head - share[:, None] * along, axis=-1))))
