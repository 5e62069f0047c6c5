"""Test figures: a humanoid of capsules with known weights, meshed by surface nets, bare or in a skirt."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from scripts.bench.surface_nets import surface_of
from stages.artifacts.body import BodyModel, Skeleton

RADII = {"hips": 0.12, "spine": 0.1, "chest": 0.1, "upperChest": 0.11, "neck": 0.05, "head": 0.12, "Shoulder": 0.07, "UpperArm": 0.045,
         "LowerArm": 0.038, "Hand": 0.03, "UpperLeg": 0.075, "LowerLeg": 0.055, "Foot": 0.04}
LOW, HIGH = np.array([-0.75, -0.45, -0.1]), np.array([0.75, 0.45, 1.8])


@lru_cache
def skeleton() -> Skeleton:
    """Sixteen joints in VRM's names, arms 40 degrees below the horizontal, 1.56 m tall."""
    rows = [("hips", "", (0, 0, 0.85), (0, 0, 0.95)), ("spine", "hips", (0, 0, 0.95), (0, 0, 1.05)), ("chest", "spine", (0, 0, 1.05), (0, 0, 1.15)),
            ("upperChest", "chest", (0, 0, 1.15), (0, 0, 1.24)), ("neck", "upperChest", (0, 0, 1.27), (0, 0, 1.36)),
            ("head", "neck", (0, 0, 1.36), (0, 0, 1.5))]
    along = np.array([np.cos(np.radians(40)), 0, -np.sin(np.radians(40))])
    shoulder = np.array([0.13, 0, 1.22])
    arm = [np.array([0.03, 0, 1.22]), shoulder, shoulder + along * 0.22, shoulder + along * 0.42, shoulder + along * 0.56]
    leg = [np.array(p) for p in ((0.085, 0, 0.83), (0.085, 0, 0.45), (0.085, 0, 0.07), (0.085, -0.1, 0.02))]
    for side, sign in (("left", 1), ("right", -1)):
        mirror = np.array([sign, 1, 1])
        for chain, points in ((("upperChest", "Shoulder", "UpperArm", "LowerArm", "Hand"), arm), (("hips", "UpperLeg", "LowerLeg", "Foot"), leg)):
            for k, bone in enumerate(chain[1:]):
                parent = chain[0] if k == 0 else side + chain[k]
                rows.append((side + bone, parent, points[k] * mirror, points[k + 1] * mirror))
    names = tuple(r[0] for r in rows)
    parents = np.array([names.index(r[1]) if r[1] else -1 for r in rows])
    return Skeleton(names, parents, np.array([r[2] for r in rows], float), np.array([r[3] for r in rows], float))


def bone_distances(points: np.ndarray, inflate: float = 0.0) -> np.ndarray:
    """(N, J) signed distance of points (N, 3) to each bone's capsule."""
    bones, out = skeleton(), []
    for name, a, b in zip(bones.names, bones.heads, bones.tails, strict=True):
        radius = next(r for key, r in RADII.items() if name.endswith(key) or name == key)
        along = b - a
        t = np.clip((points - a) @ along / (along @ along), 0, 1)
        out.append(np.linalg.norm(points - a - t[:, None] * along, axis=-1) - radius - inflate)
    return np.stack(out, -1)


def bone_weights(points: np.ndarray) -> np.ndarray:
    """(N, J) smooth weights: a soft minimum of the distances to the bones' axes, about 2 cm wide."""
    d = bone_distances(points)
    w = np.exp(-np.maximum(d - d.min(-1, keepdims=True), 0) / 0.012)
    w[w < 0.01] = 0
    return w / w.sum(-1, keepdims=True)


def surface_nets(sdf: Callable[[np.ndarray], np.ndarray], cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and outward triangles of the zero level of ``sdf`` in the box LOW..HIGH."""
    return surface_of(sdf, LOW, HIGH, cell)


@lru_cache
def body(cell: float = 0.024) -> BodyModel:
    """The capsule humanoid at rest."""
    v_pos, triangles = surface_nets(lambda p: bone_distances(p).min(-1), cell)
    tex = np.zeros((1, 2))
    return BodyModel(v_pos, triangles, tex, np.zeros_like(triangles), np.zeros(len(triangles), int), ("body",), skeleton(),
                     bone_weights(v_pos), {}, np.full((4, 4, 3), 0.7, np.float32))


def inflated(amount: float, cell: float = 0.025) -> tuple[np.ndarray, np.ndarray]:
    """The humanoid grown by ``amount`` metres, on another grid."""
    return surface_nets(lambda p: bone_distances(p, amount).min(-1), cell)


def skirted(cell: float = 0.025) -> tuple[np.ndarray, np.ndarray]:
    """The humanoid in a solid skirt: a cone from the waist to the knees, one surface with the legs under it."""

    def sdf(p: np.ndarray) -> np.ndarray:
        r = np.linalg.norm(p[:, :2], axis=-1)
        cone = np.maximum(np.abs(p[:, 2] - 0.72) - 0.22, (r - 0.13 - (0.94 - p[:, 2]) * 0.35) * 0.9)
        return np.minimum(bone_distances(p, 0.005).min(-1), cone)

    return surface_nets(sdf, cell)
