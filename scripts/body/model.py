"""The whole left half, part by part."""

from __future__ import annotations

from scripts.body.cage import Cage
from scripts.body.hand import build_hand
from scripts.body.head import build_head
from scripts.body.limbs import build_arm, build_leg
from scripts.body.torso import build_torso


def model() -> Cage:
    """Half body with x >= 0."""
    cage = Cage()
    rings, hole, leg = build_torso(cage)
    build_hand(cage, build_arm(cage, hole))
    build_leg(cage, leg)
    build_head(cage, rings[-1])
    return cage
