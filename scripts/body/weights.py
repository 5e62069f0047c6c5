"""Skin weights from regions and joints: how far a vertex has gone down its chain of bones, smoothed along the surface."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from scripts.body.features import MOUTH_HALF, MOUTH_HEIGHT
from scripts.body.skeleton import CHIN_Z, FINGERS
from scripts.body.subdivide import Refinement
from stages.artifacts.body import Skeleton

# half width of the blend at the head of each bone, metres
BLEND_M = {
    "spine": 0.055, "chest": 0.055, "upperChest": 0.055, "neck": 0.030, "head": 0.030,
    "UpperArm": 0.040, "LowerArm": 0.030, "Hand": 0.018, "UpperLeg": 0.060, "LowerLeg": 0.042, "Foot": 0.026, "Toes": 0.016,
}
FINGER_BLEND_M = 0.006


def chain(region: str) -> list[str]:
    """Bones that a vertex of a region passes on its way from the root."""
    if region == "trunk":
        return ["hips", "spine", "chest", "upperChest", "neck", "head"]
    kind, side = region.rsplit("_", 1)
    s = {"l": "left", "r": "right"}[side]
    if kind == "eye":
        return [s + "Eye"]
    if kind == "arm":
        return [s + "Shoulder", s + "UpperArm", s + "LowerArm", s + "Hand"]
    if kind == "leg":
        return ["hips", s + "UpperLeg", s + "LowerLeg", s + "Foot", s + "Toes"]
    finger = kind.capitalize()
    if finger not in FINGERS:
        raise ValueError(f"unknown region {region!r}")
    links = ("Metacarpal", "Proximal", "Distal") if finger == "Thumb" else ("Proximal", "Intermediate", "Distal")
    return [s + "Hand", *(s + finger + link for link in links)]


def descent(points: np.ndarray, skeleton: Skeleton, bone: str) -> np.ndarray:
    """(N,) smooth 0..1: how far beyond the head of ``bone`` the points lie, along the bisector of it and its parent."""
    j = skeleton.index(bone)
    ahead = _unit(skeleton.tails[j] - skeleton.heads[j])
    p = int(skeleton.parents[j])
    behind = _unit(skeleton.heads[j] - skeleton.heads[p]) if not bone.endswith("UpperLeg") else ahead
    width = BLEND_M.get(bone.removeprefix("left").removeprefix("right"), FINGER_BLEND_M)
    s = np.clip(((points - skeleton.heads[j]) @ _unit(ahead + behind) / width + 1.0) / 2.0, 0.0, 1.0)
    return s * s * (3.0 - 2.0 * s)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


def region_shares(regions: list[str], refinement: Refinement) -> dict[str, np.ndarray]:
    """Region -> (V',) how much of a fine vertex's support lies in it; the shares of a vertex sum to 1."""
    tags = np.array(regions)
    return {r: refinement.matrix @ (tags == r).astype(float) for r in sorted(set(regions))}


def skin_weights(
    points: np.ndarray, shares: dict[str, np.ndarray], quads: np.ndarray, skeleton: Skeleton, rounds: int = 6
) -> np.ndarray:
    """(V, J) weights, at most four per row, rows sum to 1."""
    w = np.zeros((len(points), len(skeleton.names)))
    for region, share in shares.items():
        rows = np.flatnonzero(share > 0)
        bones = chain(region)
        reached = share[rows]
        for k, bone in enumerate(bones):
            beyond = descent(points[rows], skeleton, bones[k + 1]) if k + 1 < len(bones) else np.zeros(len(rows))
            w[rows, skeleton.index(bone)] += reached * (1.0 - beyond)
            reached = reached * beyond
    w = with_shoulders(w, points, skeleton)
    return four_largest(with_jaw(smoothed(w, quads, rounds), points, skeleton))


def with_shoulders(w: np.ndarray, points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Part of the upper chest's weight given to the collar bones: outwards and above the armpits."""
    ramp = lambda x: x * x * (3.0 - 2.0 * x)  # noqa: E731
    out, chest = w.copy(), skeleton.index("upperChest")
    for side, sign in (("left", 1.0), ("right", -1.0)):
        aside = ramp(np.clip((sign * points[:, 0] - 0.028) / 0.070, 0.0, 1.0))
        share = 0.85 * aside * ramp(np.clip((points[:, 2] - 1.175) / 0.065, 0.0, 1.0))
        out[:, skeleton.index(side + "Shoulder")] += share * w[:, chest]
        out[:, chest] -= share * w[:, chest]
    return out


def smoothed(w: np.ndarray, quads: np.ndarray, rounds: int) -> np.ndarray:
    """Weights averaged along the edges ``rounds`` times, half old and half neighbours."""
    n = len(w)
    a, b = quads.ravel(), np.roll(quads, -1, axis=1).ravel()
    link = sp.coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), (n, n)).tocsr()
    mean = sp.diags(1.0 / np.maximum(np.asarray(link.sum(1)).ravel(), 1.0)) @ link
    for _ in range(rounds):
        w = 0.5 * w + 0.5 * (mean @ w)
    return w


def with_jaw(w: np.ndarray, points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Part of the head's weight given to the jaw: below a plane from its hinge through the closed lips, sharp at the lips."""
    hinge = skeleton.heads[skeleton.index("jaw")]
    lips = np.array([0.0, -0.0815, CHIN_Z + MOUTH_HEIGHT + 0.0005])
    along = (lips - hinge) / np.linalg.norm(lips - hinge)
    down = np.array([0.0, along[2], -along[1]])
    d = points - hinge
    beside = np.clip((np.abs(points[:, 0]) - MOUTH_HALF) / 0.03, 0.0, 1.0)
    smile = 0.0022 * np.minimum(np.abs(points[:, 0]) / MOUTH_HALF, 1.0) ** 2
    low = np.clip((d @ (down if down[2] < 0 else -down) + smile) / (0.0006 + 0.022 * beside), 0.0, 1.0)
    ahead = np.clip(d @ along / 0.030, 0.0, 1.0)
    share = low * low * (3.0 - 2.0 * low) * ahead * ahead * (3.0 - 2.0 * ahead)
    head, jaw = skeleton.index("head"), skeleton.index("jaw")
    out = w.copy()
    out[:, jaw] += share * w[:, head]
    out[:, head] *= 1.0 - share
    return out


def four_largest(w: np.ndarray) -> np.ndarray:
    """Rows with at most four entries that sum to 1: the fifth largest is subtracted, which is continuous and fair to ties."""
    kept = np.maximum(w - np.sort(w, axis=1)[:, -5:-4], 0.0)
    kept[kept < 1e-3] = 0.0
    return kept / kept.sum(1, keepdims=True)
