"""Eye, mouth and ear: loops that run from a hole in the head's grid inwards, and the eyeball."""

from __future__ import annotations

import numpy as np

from scripts.body.cage import Cage
from scripts.body.loft import signed_power
from scripts.body.skeleton import EYE
from scripts.body.skull import EYE_HEIGHT, EYE_X, frontal, surface

EYE_YAW, EYE_PITCH = np.radians(23.0), np.radians(9.0)  # the eye's shell follows the face: aside and down
EYE_FORWARD = np.array([np.sin(EYE_YAW) * np.cos(EYE_PITCH), -np.cos(EYE_YAW) * np.cos(EYE_PITCH), -np.sin(EYE_PITCH)])
EYE_ASIDE = np.array([np.cos(EYE_YAW), np.sin(EYE_YAW), 0.0])
EYE_UP = np.cross(EYE_FORWARD, EYE_ASIDE)
OPENING = (0.0200, 0.0220, 0.0185)  # half width, height above and below the eye's middle
BALL = (0.0258, 0.0085, 0.0290)  # aside, forward, up
BALL_INSET_M = 0.0028  # how far the ball's front lies behind the face
MOUTH_HEIGHT, MOUTH_HALF = 0.0430, 0.0118
EAR_TURN, EAR_HEIGHT = np.radians(99.0), 0.100
EAR_ANGLES = np.radians((-20.0, 20.0, 50.0, 90.0, 130.0, 160.0, 200.0, 232.0, 270.0, 308.0))


def eye_outline(scale: float) -> np.ndarray:
    """(16, 2) x and height of the eye's opening, enlarged; from the outer corner counter-clockwise seen from the front."""
    a = np.arange(16) * np.pi / 8.0
    c, s = signed_power(np.cos(a), 0.92), signed_power(np.sin(a), 0.80)
    margin = (scale - 1.0) * 0.020
    half, above, below = OPENING
    x = (half + margin) * c
    h = np.where(s > 0, above + margin, below + margin) * s + 0.06 * x
    return np.stack([EYE_X + x, EYE_HEIGHT + h], 1)


def ball_centre() -> np.ndarray:
    """Centre of the left eyeball."""
    front = frontal(np.array([EYE_X]), np.array([EYE_HEIGHT]))[0]
    return front - (BALL_INSET_M + BALL[1]) * EYE_FORWARD


def clear_of_ball(points: np.ndarray, margin_m: float) -> np.ndarray:
    """``points`` (N, 3) that lie less than ``margin_m`` before the eyeball's front half, moved forward to there."""
    local = points - ball_centre()
    across = (local @ EYE_ASIDE / BALL[0]) ** 2 + (local @ EYE_UP / BALL[2]) ** 2
    front = BALL[1] * np.sqrt(np.maximum(1.0 - across, 0.0))
    lack = np.maximum(front + margin_m - local @ EYE_FORWARD, 0.0) * (across < 1.0)
    return points + lack[:, None] * EYE_FORWARD


def build_eye(cage: Cage, border: list[int]) -> None:
    """Crease, lid's edge, lid's inside and a pocket that holds the ball."""
    crease = frontal(*eye_outline(1.13).T)
    edge = frontal(*eye_outline(1.0).T)
    upper = np.clip((edge[:, 2] - EYE[2]) / 0.012, 0.0, 1.0)[:, None]
    crease = crease + 0.0012 * EYE_FORWARD * upper
    edge = edge + 0.0022 * EYE_FORWARD * upper
    inside = edge - 0.0022 * EYE_FORWARD + 0.02 * (EYE - edge) * (1.0, 0.0, 1.0)
    a = np.arange(16) * np.pi / 8.0
    centre = ball_centre()
    flat = np.outer(np.cos(a), EYE_ASIDE) * BALL[0] + np.outer(np.sin(a), EYE_UP) * BALL[2]
    under = frontal(*eye_outline(1.15).T) - 0.0048 * EYE_FORWARD
    edge, inside, under = clear_of_ball(edge, 0.0008), clear_of_ball(inside, 0.0011), clear_of_ball(under, 0.0012)
    rings = [edge, inside, under, centre + 1.09 * flat, centre + 0.80 * flat - 0.020 * EYE_FORWARD]
    loop = cage.add_many(crease, "trunk")
    cage.band("face", border, loop)
    for k, ring in enumerate(rings):
        upper_loop = cage.add_many(ring, "trunk")
        cage.band("face", loop, upper_loop)
        loop = upper_loop
        if k == 0:
            names = {"outer": 0, "top": 4, "inner": 8, "bottom": 12}
            cage.names.update({f"eye_l_{n}": loop[i] for n, i in names.items()})
    cage.strip_cap("face", loop)


def build_eyeball(cage: Cage) -> None:
    """A closed flat ellipsoid whose pole is the middle of the iris."""
    sides, region, centre = 12, "eye_l", ball_centre()
    a = np.arange(sides) * 2.0 * np.pi / sides
    around = np.outer(np.cos(a), EYE_ASIDE) * BALL[0] + np.outer(np.sin(a), EYE_UP) * BALL[2]
    front = cage.add(centre + BALL[1] * EYE_FORWARD, region)
    loop: list[int] = []
    for polar_deg, part in ((18.0, "iris_l"), (37.0, "iris_l"), (62.0, "eye_l"), (92.0, "eye_l"), (132.0, "eye_l")):
        p = np.radians(polar_deg)
        ring = cage.add_many(centre + np.sin(p) * around + np.cos(p) * BALL[1] * EYE_FORWARD, region)
        if loop:
            cage.band(part, ring, loop)
        else:
            for i in range(sides):
                cage.face(part, front, ring[i], ring[(i + 1) % sides])
        loop = ring
    back = cage.add(centre - BALL[1] * EYE_FORWARD, region)
    for i in range(sides):
        cage.face("eye_l", back, loop[(i + 1) % sides], loop[i])
    cage.names["eye_l"] = front


def mouth_outline(half: float, tall: float) -> np.ndarray:
    """(7, 2) x and height of the mouth's left half from below to above; corners a little higher than the middle."""
    a = np.radians((-90.0, -60.0, -28.0, 0.0, 28.0, 60.0, 90.0))
    x = half * np.cos(a)
    x[[0, -1]] = 0.0
    return np.stack([x, MOUTH_HEIGHT + tall * np.sin(a) + 0.0022 * (x / MOUTH_HALF) ** 2 * (half < 0.019)], 1)


def build_mouth(cage: Cage, border: list[int]) -> None:
    """Lips and a closed slit with a cavity behind it; ``border`` is a half loop from below to above."""
    plan = ((0.0132, 0.0036, -0.0008), (MOUTH_HALF, 0.0008, 0.0006), (0.0113, 0.0011, 0.0040), (0.0113, 0.0045, 0.0120), (0.0090, 0.0050, 0.0230))
    loop = border
    for k, (half, tall, depth) in enumerate(plan):
        ring = frontal(*mouth_outline(half, tall).T)
        ring[:, 1] += depth
        ring[[0, -1], 0] = 0.0
        inner = cage.add_many(ring, "trunk")
        cage.band("face" if k == 0 else "mouth", loop, inner, closed=False)
        loop = inner
        if k == 1:
            cage.names.update({"mouth_left": loop[3], "mouth_top": loop[6], "mouth_bottom": loop[0]})
    cage.strip_half_cap("mouth", loop)


def ear_frame(scale: float = 1.0) -> list[tuple[float, float]]:
    """Turn and height of the ear's root, from behind counter-clockwise seen from the left."""
    turn = EAR_TURN + scale * 0.130 * np.cos(EAR_ANGLES) + 0.06 * scale * np.sin(EAR_ANGLES)
    height = EAR_HEIGHT + scale * 0.0235 * np.sin(EAR_ANGLES)
    return [(float(t), float(h)) for t, h in zip(turn, height, strict=True)]


def build_ear(cage: Cage, border: list[int]) -> None:
    """A shell that stands off behind, with a hollow."""
    back = 0.5 + 0.5 * np.cos(EAR_ANGLES + 0.35)
    loop = border
    # scale of the outline, how far it stands off in front and behind, how far it leans back
    for k, (scale, front, behind, lean) in enumerate(
        ((1.00, 0.0025, 0.0055, 0.001), (1.20, 0.0030, 0.0120, 0.006), (1.08, 0.0050, 0.0140, 0.006), (0.74, 0.0028, 0.0100, 0.003), (0.40, 0.0010, 0.0060, 0.0))
    ):
        turn, height = np.array(ear_frame(scale)).T
        ring = surface(turn, height)
        out = np.stack([np.sin(turn), -np.cos(turn), np.zeros_like(turn)], 1)
        ring = ring + out * (front + (behind - front) * back)[:, None] + (0.0, lean, 0.0)
        inner = cage.add_many(ring, "trunk")
        cage.band("ear_l", loop, inner)
        loop = inner
        if k == 2:
            cage.names["ear_l"] = loop[2]
    cage.strip_cap("ear_l", loop)
