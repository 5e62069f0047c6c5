"""The fixed colours of the ``parts`` pictures. Changing one means training the embedded ControlNet anew.

Neighbours on the body differ strongly in hue or brightness, left is never right, front is never back; eyes, irises and the mouth stand out
of the face. The values are multiples of 255/4 rounded, so that any two colours differ by at least 63 in some channel.
"""

from __future__ import annotations

import numpy as np

PART_COLOURS: dict[str, tuple[int, int, int]] = {
    "scalp": (128, 64, 0),
    "face": (255, 191, 128),
    "ear_l": (255, 128, 191),
    "ear_r": (191, 128, 255),
    "eye_l": (255, 255, 255),
    "eye_r": (191, 255, 255),
    "iris_l": (0, 0, 255),
    "iris_r": (0, 128, 128),
    "brow_l": (64, 0, 64),
    "brow_r": (0, 64, 64),
    "mouth": (255, 0, 64),
    "neck": (255, 255, 0),
    "chest": (255, 0, 0),
    "upper_back": (0, 64, 191),
    "abdomen": (255, 128, 64),
    "lower_back": (64, 128, 255),
    "pelvis_front": (191, 0, 128),
    "pelvis_back": (64, 0, 191),
    "upper_arm_l": (0, 255, 0),
    "upper_arm_r": (255, 0, 255),
    "lower_arm_l": (128, 255, 128),
    "lower_arm_r": (255, 128, 255),
    "hand_l": (191, 255, 0),
    "hand_r": (128, 0, 255),
    "upper_leg_l": (0, 191, 191),
    "upper_leg_r": (191, 191, 0),
    "lower_leg_l": (0, 255, 255),
    "lower_leg_r": (255, 191, 0),
    "foot_l": (0, 128, 64),
    "foot_r": (191, 64, 64),
}


def colours_of(part_names: tuple[str, ...]) -> np.ndarray:
    """(len(part_names), 3) float32 sRGB in [0, 1], for the parts of a body in its own order. Raises KeyError."""
    return np.array([PART_COLOURS[name] for name in part_names], np.float32).reshape(-1, 3) / 255.0
