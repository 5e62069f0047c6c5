"""What VRChat will think of the figure: its performance ranks for PCs and for mobile devices, from what they are told of an avatar.

Limits: VRChat's documentation, "Performance Ranks", value maximums per rank. Only what a figure of ours can exceed is looked at:
triangles, texture memory, material slots, bones; of everything else it has what Excellent allows.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RANKS = ("Excellent", "Good", "Medium", "Poor")
BEYOND = "Very Poor"
LIMITS: Mapping[str, Mapping[str, tuple[float, float, float, float]]] = {
    "PC": {"triangles": (32_000, 70_000, 70_000, 70_000), "texture_mb": (40, 75, 110, 150), "materials": (4, 8, 16, 32), "bones": (75, 150, 256, 400)},
    "mobile": {"triangles": (7_500, 10_000, 15_000, 20_000), "texture_mb": (10, 18, 25, 40), "materials": (1, 1, 2, 4), "bones": (75, 90, 150, 150)},
}


@dataclass(frozen=True)
class Cost:
    """What an avatar takes; ``texture_mb`` as it lies in the memory of a graphics card."""

    triangles: int
    texture_mb: float
    materials: int
    bones: int


def texture_memory_mb(pngs: Sequence[bytes]) -> float:
    """Megabytes (2^20) of the pictures as Unity keeps them at its best compression (BC7, one byte a pixel), with all smaller copies."""
    sizes = [struct.unpack(">II", png[16:24]) for png in pngs]
    return sum(width * height for width, height in sizes) * 4 / 3 / 2**20


def rank(cost: Cost, platform: str) -> tuple[str, str]:
    """The worst of the ranks that the single figures get, and the figure that gets it ("" for Excellent)."""
    worst, reason = 0, ""
    for name, limits in LIMITS[platform].items():
        place = sum(getattr(cost, name) > limit for limit in limits)
        if place > worst:
            worst, reason = place, name
    return (*RANKS, BEYOND)[worst], reason


def told(cost: Cost) -> dict[str, Any]:
    """For the listing: the figures, and each platform's rank with the figure that decides it."""
    ranks = {platform: dict(zip(("rank", "decided_by"), rank(cost, platform), strict=True)) for platform in LIMITS}
    return {"texture_mb": round(cost.texture_mb, 2), "materials": cost.materials, "bones": cost.bones, **ranks}
