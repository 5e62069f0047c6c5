"""A picture as CLIP's image model is fed it (Radford et al. 2021): the shorter side to its size, the square in the middle, normalized."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from stages.artifacts.images import to_u8
from stages.views.reference import open_reference

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
SPREAD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
NEARLY_SQUARE = 1.05


def clip_pixels(path: Path, size: int) -> np.ndarray:
    """(3, size, size) float32; what is transparent is white. Raises ConfigError if ``path`` is no picture."""
    image = Image.fromarray(to_u8(open_reference(path)))
    shorter = min(image.size)
    width, height = (size * side // shorter for side in image.size)
    scaled = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - size) // 2, (height - size) // 2
    square = np.asarray(scaled.crop((left, top, left + size, top + size)), np.float32) / 255
    return ((square - MEAN) / SPREAD).transpose(2, 0, 1)


def square_notice(path: Path) -> str | None:
    """A sentence if much of a picture is outside the square that CLIP sees. Raises ConfigError if ``path`` is no picture."""
    height, width, _ = open_reference(path).shape
    if max(width, height) <= NEARLY_SQUARE * min(width, height):
        return None
    return (f"{path.name} is {width} x {height}, and an IP-Adapter sees the square in its middle alone, {min(width, height)} px each way; "
            "put the figure into a square picture to show all of it")
