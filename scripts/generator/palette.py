"""The colours of the generator: a word, and the flat tone, shade and light that it is painted with.

All values are sRGB in [0, 1]. Words are far apart on purpose: a small text encoder has to learn each of them, and a judge has
to tell them apart in a picture.
"""

from __future__ import annotations

import colorsys

import numpy as np

HAIR = {
    "black": (0.19, 0.18, 0.23),
    "brown": (0.47, 0.29, 0.19),
    "blonde": (0.97, 0.83, 0.46),
    "red": (0.78, 0.16, 0.17),
    "orange": (0.96, 0.55, 0.20),
    "pink": (0.98, 0.62, 0.74),
    "purple": (0.58, 0.40, 0.82),
    "blue": (0.29, 0.50, 0.90),
    "green": (0.36, 0.70, 0.42),
    "silver": (0.83, 0.85, 0.90),
}
EYES = {
    "blue": (0.20, 0.47, 0.93),
    "green": (0.18, 0.68, 0.36),
    "brown": (0.53, 0.31, 0.16),
    "red": (0.87, 0.14, 0.19),
    "purple": (0.58, 0.27, 0.85),
    "yellow": (0.95, 0.74, 0.14),
    "pink": (0.96, 0.40, 0.65),
}
SKIN = {
    "pale": (1.00, 0.910, 0.865),
    "tan": (0.93, 0.755, 0.620),
    "dark": (0.66, 0.455, 0.345),
}
CLOTH = {
    "white": (0.965, 0.965, 0.975),
    "black": (0.20, 0.20, 0.235),
    "grey": (0.60, 0.61, 0.64),
    "red": (0.84, 0.20, 0.22),
    "orange": (0.96, 0.57, 0.22),
    "yellow": (0.98, 0.86, 0.36),
    "green": (0.34, 0.64, 0.38),
    "blue": (0.36, 0.58, 0.92),
    "navy": (0.17, 0.23, 0.45),
    "purple": (0.55, 0.39, 0.76),
    "pink": (0.97, 0.66, 0.76),
    "brown": (0.52, 0.35, 0.24),
}
LEATHER = {word: CLOTH[word] for word in ("black", "brown", "white", "red", "navy", "pink")}


def tone(rgb: tuple[float, float, float] | np.ndarray, value: float, saturation: float = 1.0, hue: float = 0.0) -> np.ndarray:
    """(3,) the colour with its HSV value and saturation multiplied and its hue turned by ``hue`` (turns)."""
    h, s, v = colorsys.rgb_to_hsv(*np.clip(rgb, 0, 1))
    return np.array(colorsys.hsv_to_rgb((h + hue) % 1.0, min(s * saturation, 1.0), min(v * value, 1.0)))


def shade(rgb: tuple[float, float, float] | np.ndarray) -> np.ndarray:
    """(3,) the painted second tone: a little darker, richer, and leaning to violet as cel painters do."""
    darker = tone(rgb, 0.84, 1.18)
    return np.clip(darker * (0.985, 0.955, 1.02) if min(rgb) < 0.9 else np.array(rgb) * (0.88, 0.88, 0.93), 0, 1)


def light(rgb: tuple[float, float, float] | np.ndarray, amount: float = 0.45) -> np.ndarray:
    """(3,) the painted highlight: the colour part of the way to a warm white."""
    return np.asarray(rgb) * (1 - amount) + np.array([1.0, 0.985, 0.97]) * amount


def line(rgb: tuple[float, float, float] | np.ndarray) -> np.ndarray:
    """(3,) the colour of lines drawn in texture on this tone."""
    return np.clip(tone(rgb, 0.60, 1.25) * (1.0, 0.93, 1.0), 0, 1)
