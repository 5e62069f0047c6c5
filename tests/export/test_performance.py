"""VRChat's ranks: at the limits, beyond them, and what decides."""

from __future__ import annotations

import numpy as np
import pytest

from stages.artifacts.images import encode_png
from stages.export.performance import LIMITS, Cost, rank, texture_memory_mb, told


@pytest.mark.parametrize(("cost", "pc", "mobile"), [
    (Cost(7_500, 10, 1, 75), "Excellent", "Excellent"),
    (Cost(7_501, 10, 1, 75), "Excellent", "Good"),
    (Cost(32_000, 40, 4, 75), "Excellent", "Very Poor"),
    (Cost(32_001, 40, 4, 75), "Good", "Very Poor"),
    (Cost(70_001, 1, 1, 1), "Very Poor", "Very Poor"),
    (Cost(5_000, 20, 1, 55), "Excellent", "Medium"),
    (Cost(5_000, 1, 3, 55), "Excellent", "Poor"),
    (Cost(5_000, 1, 1, 151), "Medium", "Very Poor"),
])
def test_the_worst_figure_decides(cost: Cost, pc: str, mobile: str) -> None:
    assert (rank(cost, "PC")[0], rank(cost, "mobile")[0]) == (pc, mobile)


def test_limits_never_fall_from_rank_to_rank() -> None:
    for limits in LIMITS.values():
        assert all(list(row) == sorted(row) for row in limits.values())


def test_what_is_told_names_the_reason() -> None:
    said = told(Cost(24_000, 12.345, 1, 55))
    assert said == {"texture_mb": 12.35, "materials": 1, "bones": 55, "PC": {"rank": "Excellent", "decided_by": ""},
                    "mobile": {"rank": "Very Poor", "decided_by": "triangles"}}


def test_texture_memory_is_a_byte_a_pixel_and_its_smaller_copies() -> None:
    png = encode_png(np.zeros((512, 1024, 3), np.uint8))
    assert texture_memory_mb([png]) == pytest.approx(0.5 * 4 / 3)
    assert texture_memory_mb([png, png]) == pytest.approx(4 / 3)
