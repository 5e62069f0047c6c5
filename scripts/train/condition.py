"""The picture that the embedded ControlNet is fed, as labels (which fit a byte) and as colours."""

from __future__ import annotations

from functools import cache

import numpy as np

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import Camera
from stages.conditions.body import load_base_body
from stages.conditions.buffers import resolved
from stages.conditions.palette import colours_of
from stages.conditions.single_view import SAMPLES, fine_view


def part_labels(body_posed: BodyModel, camera: Camera) -> np.ndarray:
    """(H, W) uint8: 0 background, 1 + part otherwise; the same pixels as the conditions stage draws."""
    return (resolved(fine_view(body_posed, camera, SAMPLES), SAMPLES).part + 1).astype(np.uint8)


@cache
def part_colors() -> np.ndarray:
    """(1 + parts, 3) float32 sRGB: the colour of each label, black first."""
    return np.concatenate([np.zeros((1, 3), np.float32), colours_of(load_base_body().part_names)])
