"""The left hand: a palm that continues the wrist's ring of twelve, four fingers that share it, a thumb from its side."""

from __future__ import annotations

import numpy as np

from scripts.body.cage import Cage
from scripts.body.skeleton import ARM_AXIS, ARM_FRONT, ARM_TOP, arm_point, finger_joints

HAND_PART = "hand_l"
NAMES = ("Index", "Middle", "Ring", "Little")
# along; then (front, above, below) at the five lines between and beside the fingers, thumb's side first
LINES_FRONT = np.array((0.0345, 0.0180, 0.0, -0.0175, -0.0335))
PALM = (  # along, width share, thickness above, thickness below
    (0.018, 0.72, 0.0138, 0.0150),
    (0.046, 0.96, 0.0125, 0.0140),
    (0.064, 1.00, 0.0110, 0.0115),
)
WEB_ALONG = np.array((0.0725, 0.080, 0.081, 0.077, 0.067))
RADIUS = {"Thumb": 0.0094, "Index": 0.0076, "Middle": 0.0079, "Ring": 0.0075, "Little": 0.0067}
# finger rings: bone, share of the bone, share of the radius
RINGS = ((0, 0.62, 1.00), (0, 0.93, 0.98), (1, 0.10, 0.97), (1, 0.90, 0.90), (2, 0.15, 0.90), (2, 0.72, 0.76), (2, 0.96, 0.42))
THUMB_RINGS = ((0, 0.76, 1.10), (0, 0.97, 1.03), (1, 0.12, 1.00), (1, 0.88, 0.97), (2, 0.15, 0.97), (2, 0.72, 0.82), (2, 0.96, 0.45))


def build_hand(cage: Cage, wrist: list[int]) -> None:
    """Adds palm, fingers and thumb beyond ``wrist`` (order as ``limbs.build_arm`` returns it)."""
    loop, rows = wrist, [wrist]
    for k, (along, width, above, below) in enumerate(PALM):
        upper = cage.add_many(_palm_ring(np.full(5, along), width, above, below), "arm_l")
        _palm_band(cage, loop, upper, skip_thumb=k == 1)
        rows.append(upper)
        loop = upper
    knuckles = cage.add_many(_palm_ring(WEB_ALONG, 1.0, 0.0085, 0.0090), "arm_l")
    _palm_band(cage, loop, knuckles, skip_thumb=False)
    top, bottom = knuckles[5:0:-1], knuckles[7:12]
    webs = [cage.add(arm_point(WEB_ALONG[i] + 0.001, LINES_FRONT[i], 0.0), "arm_l") for i in (1, 2, 3)]
    middle = [knuckles[6], *webs, knuckles[0]]
    for i, name in enumerate(NAMES):
        base = [middle[i + 1], top[i + 1], top[i], middle[i], bottom[i], bottom[i + 1]]
        _finger(cage, name, base, RINGS)
    a, b = rows[1], rows[2]
    _finger(cage, "Thumb", [b[6], b[5], a[5], a[6], a[7], b[7]], THUMB_RINGS)


def _palm_ring(along: np.ndarray, width: float, above: float, below: float) -> np.ndarray:
    """(12, 3): side of the little finger, five above from there to the thumb, thumb's side, five below back."""
    front = LINES_FRONT * width
    arch = np.array((0.72, 0.98, 1.08, 0.98, 0.68))
    cup = np.array((0.85, 0.90, 0.85, 0.92, 0.80))
    up = [arm_point(a, f, above * h) for a, f, h in zip(along, front, arch, strict=True)]
    down = [arm_point(a, f, -below * h) for a, f, h in zip(along, front, cup, strict=True)]
    thumb = arm_point(along[0], front[0] + 0.0015, 0.0)
    little = arm_point(along[-1], front[-1] - 0.0015, 0.0)
    return np.array([little, *up[::-1], thumb, *down])


def _palm_band(cage: Cage, lower: list[int], upper: list[int], skip_thumb: bool) -> None:
    for i in range(12):
        if skip_thumb and i in (5, 6):
            continue
        j = (i + 1) % 12
        cage.face(HAND_PART, lower[i], lower[j], upper[j], upper[i])


def _finger(cage: Cage, name: str, base: list[int], rings: tuple[tuple[int, float, float], ...]) -> None:
    """Six-sided tube over the three bones; sides at 0, 60, ... degrees from the little finger's side over the top."""
    joints = finger_joints(name)
    loop, region = base, name.lower() + "_l"
    for bone, share, size in rings:
        p, q = joints[bone], joints[bone + 1]
        d = (q - p) / np.linalg.norm(q - p)
        side = -ARM_FRONT if name != "Thumb" else ARM_AXIS * 0.85 - 0.3 * ARM_FRONT
        side = side - d * (side @ d)
        side /= np.linalg.norm(side)
        up = np.cross(d, side)
        up = up if up @ ARM_TOP > 0 else -up
        r = RADIUS[name] * size
        a = np.radians(np.arange(6) * 60.0)
        ring = p + share * (q - p) + np.outer(np.cos(a), side) * r + np.outer(np.sin(a), up) * r * 0.95
        upper = cage.add_many(ring, region)
        cage.band(HAND_PART, loop, upper)
        loop = upper
    cage.face(HAND_PART, loop[0], loop[1], loop[2], loop[3])
    cage.face(HAND_PART, loop[0], loop[3], loop[4], loop[5])
