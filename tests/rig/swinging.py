"""Test figures with something that hangs: a head of hair with or without a tail, a flared skirt on legs."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from scripts.bench.surface_nets import surface_of
from stages.artifacts.body import BodyModel
from stages.artifacts.rig import Skinning
from stages.rig.bind import bind
from stages.rig.settings import RigSettings
from stages.rig.transfer import Transfer
from tests.rig.figures import HIGH, LOW, body, bone_distances, skeleton

HAIR, SKIN, SHIRT = np.array([0.9, 0.4, 0.6]), np.array([0.95, 0.85, 0.78]), np.array([0.2, 0.25, 0.4])
STILL = np.tile(np.eye(4), (len(skeleton().names), 1, 1))


@lru_cache
def labelled() -> BodyModel:
    """The test humanoid with a scalp (the head's top and back), a face and a chest."""
    b = body()
    middle = b.v_pos[b.t_pos_idx].mean(1)
    head = middle[:, 2] > 1.37
    scalp = head & ((middle[:, 2] > 1.52) | (middle[:, 1] > 0.02))
    chest = (middle[:, 2] > 1.05) & (middle[:, 2] < 1.2) & (middle[:, 1] < 0) & (np.abs(middle[:, 0]) < 0.1)
    return replace(b, t_part=np.select([scalp, head, chest], [0, 1, 2], 3), part_names=("scalp", "face", "chest", "rest"))


def cap_sdf(p: np.ndarray) -> np.ndarray:
    """Short hair: a shell round the skull, open in front, down to the height of the chin behind."""
    return np.maximum(np.linalg.norm(p - [0, 0, 1.45], axis=-1) - 0.145, 1.4 + 0.8 * (0.0 - p[:, 1]) - p[:, 2])


def capsule_sdf(p: np.ndarray, a: tuple[float, float, float], b: tuple[float, float, float], radius: float) -> np.ndarray:
    """A rod with round ends."""
    start, along = np.array(a), np.array(b) - np.array(a)
    share = np.clip((p - start) @ along / (along @ along), 0, 1)
    return np.linalg.norm(p - start - share[:, None] * along, axis=-1) - radius


def tails_sdf(p: np.ndarray) -> np.ndarray:
    """A tail on either side of the head, standing off and hanging down to the shoulder."""
    mirrored = p * [1, 1, 1]
    mirrored[:, 0] = np.abs(p[:, 0])
    return np.minimum(capsule_sdf(mirrored, (0.1, 0.03, 1.5), (0.22, 0.04, 1.46), 0.03), capsule_sdf(mirrored, (0.22, 0.04, 1.46), (0.25, 0.06, 1.24), 0.03))


def pony_sdf(p: np.ndarray) -> np.ndarray:
    """A tail that leaves the back of the head and hangs behind the back, to the hips."""
    return np.minimum(capsule_sdf(p, (0, 0.1, 1.5), (0, 0.22, 1.46), 0.03), capsule_sdf(p, (0, 0.22, 1.46), (0, 0.24, 0.9), 0.03))


def skirt_sdf(p: np.ndarray) -> np.ndarray:
    """A solid flared skirt from the waist to the knees."""
    r = np.linalg.norm(p[:, :2], axis=-1)
    return np.maximum(np.abs(p[:, 2] - 0.72) - 0.22, (r - 0.15 - (0.94 - p[:, 2]) * 0.35) * 0.9)


def low_skirt_sdf(p: np.ndarray) -> np.ndarray:
    """A solid flared skirt that begins at the hip joints, close to the skin there."""
    r = np.linalg.norm(p[:, :2] * [0.75, 1], axis=-1)
    return np.maximum(np.abs(p[:, 2] - 0.66) - 0.16, (r - 0.125 - (0.82 - p[:, 2]) * 0.5) * 0.85)


def long_skirt_sdf(p: np.ndarray) -> np.ndarray:
    """A solid skirt from the waist well past the knees."""
    r = np.linalg.norm(p[:, :2], axis=-1)
    return np.maximum(np.abs(p[:, 2] - 0.56) - 0.38, (r - 0.15 - (0.94 - p[:, 2]) * 0.2) * 0.9)


@lru_cache
def bound(*worn: str) -> tuple[Skinning, Transfer, np.ndarray, np.ndarray]:
    """(skinning, transfer, triangles, is hair (V,)) of the test humanoid wearing some of hair's ``cap``, ``tails``, ``pony``, and ``skirt``, ``low_skirt`` or ``long_skirt``."""
    shapes = {"cap": cap_sdf, "tails": tails_sdf, "pony": pony_sdf, "skirt": skirt_sdf, "low_skirt": low_skirt_sdf, "long_skirt": long_skirt_sdf}
    v_pos, triangles = surface_of(
        lambda p: np.min([bone_distances(p, 0.004).min(-1), *(shapes[name](p) for name in worn)], 0), LOW, HIGH, 0.02)
    hair = np.min([np.full(len(v_pos), 1.0), *(shapes[name](v_pos) for name in worn if name not in ("skirt", "long_skirt"))], 0) < 0.004
    colours = np.where(hair[:, None], HAIR, np.where(v_pos[:, 2:] > 1.34, SKIN, SHIRT))
    skinning, transfer = bind(v_pos, triangles, labelled(), labelled(), STILL, RigSettings(), colours)
    return skinning, transfer, triangles, hair
