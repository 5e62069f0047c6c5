"""Contact sheets of many views that stay pictures one can open: the more views, the smaller each."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from stages.artifacts.images import to_u8

HIGHEST_PX = 256
SHEET_PX = 1_000_000  # about the strip of the denoising: memory does not grow with the views


def thumbnails(images: Iterable[np.ndarray], count: int) -> list[np.ndarray]:
    """``count`` pictures (H, W, C) sRGB, taken one at a time, as uint8 copies that together have at most ``SHEET_PX`` pixels."""
    return [_shrunk(image, count) for image in images]


def _shrunk(image: np.ndarray, count: int) -> np.ndarray:
    from PIL import Image

    pixels = to_u8(image)
    height, width = pixels.shape[:2]
    share = min(1.0, HIGHEST_PX / height, math.sqrt(SHEET_PX / (count * height * width)))
    size = (max(1, int(width * share)), max(1, int(height * share)))
    return pixels if share == 1.0 else np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
