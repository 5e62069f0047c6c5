"""Arms from the shoulder's hole to the wrist, legs from the crotch to the sole."""

from __future__ import annotations

import numpy as np

from scripts.body.cage import Cage
from scripts.body.loft import Profile
from scripts.body.skeleton import ANKLE, LOWER_ARM_M, SHOULDER, UPPER_ARM_M, arm_point

# metres along the arm; radius behind, in front, above, below; how far below runs ahead of above
ARM = Profile((
    (0.030, 0.044, 0.045, 0.041, 0.047, 0.060), (0.062, 0.041, 0.042, 0.040, 0.043, 0.030), (0.105, 0.036, 0.036, 0.034, 0.037, 0.010),
    (0.150, 0.033, 0.034, 0.032, 0.034, 0.0), (0.195, 0.030, 0.031, 0.030, 0.031, 0.0), (0.225, 0.029, 0.029, 0.030, 0.029, 0.0),
    (0.240, 0.029, 0.029, 0.031, 0.029, 0.0), (0.256, 0.029, 0.030, 0.030, 0.029, 0.0), (0.290, 0.031, 0.032, 0.028, 0.028, 0.0),
    (0.335, 0.028, 0.029, 0.025, 0.025, 0.0), (0.385, 0.0235, 0.024, 0.0205, 0.0205, 0.0), (0.425, 0.0205, 0.021, 0.0170, 0.0170, 0.0),
    (0.455, 0.0205, 0.0215, 0.0155, 0.0155, 0.0),
))
ARM_AT = (0.030, 0.062, 0.103, 0.150, 0.192, 0.222, 0.240, 0.258, 0.290, 0.335, 0.385, 0.427, 0.455)

# z; middle x, middle y; radius outside, behind, inside, in front; how much higher the outside is than the inside
LEG = Profile((
    (0.740, 0.0800, 0.010, 0.0755, 0.087, 0.071, 0.076, 0.040), (0.690, 0.0815, 0.010, 0.0715, 0.078, 0.067, 0.074, 0.014),
    (0.620, 0.083, 0.008, 0.062, 0.064, 0.061, 0.068, 0.0), (0.540, 0.0845, 0.004, 0.050, 0.051, 0.053, 0.056, 0.0),
    (0.490, 0.0855, 0.001, 0.045, 0.045, 0.047, 0.050, 0.0), (0.445, 0.086, 0.000, 0.0425, 0.042, 0.044, 0.048, 0.0),
    (0.405, 0.086, 0.003, 0.0415, 0.046, 0.042, 0.043, 0.0), (0.350, 0.087, 0.007, 0.045, 0.055, 0.044, 0.041, 0.0),
    (0.290, 0.0885, 0.010, 0.044, 0.053, 0.042, 0.040, 0.0), (0.210, 0.0905, 0.013, 0.034, 0.039, 0.034, 0.036, 0.0),
    (0.140, 0.0915, 0.014, 0.0265, 0.029, 0.0265, 0.030, 0.0), (0.100, 0.092, 0.013, 0.0265, 0.030, 0.0265, 0.031, 0.0),
    (0.076, 0.092, 0.012, 0.0285, 0.034, 0.029, 0.037, 0.0),
))
LEG_AT = (0.740, 0.690, 0.625, 0.555, 0.500, 0.470, 0.445, 0.420, 0.390, 0.340, 0.280, 0.210, 0.150, 0.105, 0.076)
# sole seen from above, metres from the ankle, in the order of the leg's ring
SOLE = np.array((
    (-0.034, -0.098), (-0.020, -0.146), (0.010, -0.158), (0.034, -0.130), (0.042, -0.080), (0.034, -0.015),
    (0.029, 0.024), (0.018, 0.046), (0.000, 0.054), (-0.018, 0.044), (-0.026, 0.015), (-0.026, -0.040),
))
# z of a foot ring's heel and of its toes; share of the sole's outline at the heel and at the toes
FOOT = ((0.054, 0.062, 0.55, 0.24), (0.036, 0.050, 0.90, 0.50), (0.022, 0.030, 1.00, 0.86), (0.009, 0.012, 1.00, 1.0), (0.0, 0.0, 0.90, 0.93))
ARM_ANGLES = np.radians((0.0, 33.0, 62.0, 90.0, 118.0, 147.0, 180.0, 213.0, 242.0, 270.0, 298.0, 327.0))


def build_arm(cage: Cage, hole: list[int]) -> list[int]:
    """Adds the left arm; returns the wrist's loop: behind, five above from back to front, in front, five below."""
    loop = hole
    c, s = np.cos(ARM_ANGLES), np.sin(ARM_ANGLES)
    for u in ARM_AT:
        behind, front, above, below, ahead = ARM(u)
        f = -c * np.where(c > 0, behind, front)
        t = s * np.where(s > 0, above, below)
        along = u + ahead * 0.5 * (1.0 - s) - 0.5 * ahead
        ring = np.array([arm_point(a, b, d, SHOULDER) for a, b, d in zip(along, f, t, strict=True)])
        upper = cage.add_many(ring, "arm_l")
        cage.band("upper_arm_l" if u <= UPPER_ARM_M + 1e-9 else "lower_arm_l", loop, upper)
        loop = upper
    assert abs(ARM_AT[-1] - UPPER_ARM_M - LOWER_ARM_M) < 1e-9
    return loop


def build_leg(cage: Cage, loop: list[int]) -> None:
    """Adds the left leg and foot below the crotch's loop."""
    a = np.radians((np.arange(12) - 5) * 30.0)
    c, s = np.cos(a), np.sin(a)
    for z in LEG_AT:
        x, y, outside, behind, inside, front, higher = LEG(z)
        ring = np.stack([x + c * np.where(c > 0, outside, inside), y + s * np.where(s > 0, behind, front), z + 0.5 * higher * c], 1)
        lower = cage.add_many(ring, "leg_l")
        cage.band("upper_leg_l" if z >= 0.4449 else "lower_leg_l", lower, loop)
        loop = lower
    ankle = np.array([cage.points[i] for i in loop])
    toes = np.clip((-SOLE[:, 1] - 0.0) / 0.10, 0.0, 1.0)
    for z_heel, z_toes, heel, toe in FOOT:
        share = (heel + (toe - heel) * toes)[:, None]
        xy = (1.0 - share) * ankle[:, :2] + share * (SOLE + ANKLE[:2])
        if z_heel == 0.0:
            xy = (SOLE - (0, -0.05)) * (0.86, 0.93) + (0, -0.05) + ANKLE[:2]
        ring = np.column_stack([xy, z_heel + (z_toes - z_heel) * toes])
        lower = cage.add_many(ring, "leg_l")
        cage.band("foot_l", lower, loop)
        loop = lower
    order = [loop[(2 - i) % 12] for i in range(12)]
    cage.strip_cap("foot_l", order)
