"""Contact sheets stay small however many views there are."""

from __future__ import annotations

import numpy as np
import pytest

from stages.artifacts.thumbnails import HIGHEST_PX, SHEET_PX, thumbnails


@pytest.mark.parametrize(("count", "height", "width"), [(4, 1024, 768), (100, 1024, 768), (3, 40, 30)])
def test_they_shrink_with_the_number_and_keep_shape_and_colour(count: int, height: int, width: int) -> None:
    small = thumbnails((np.full((height, width, 3), 0.4, np.float32) for _ in range(count)), count)
    assert len(small) == count and all(s.dtype == np.uint8 and (s == 102).all() for s in small)
    rows, columns = small[0].shape[:2]
    assert rows <= min(HIGHEST_PX, height) and count * rows * columns <= SHEET_PX
    assert columns / rows == pytest.approx(width / height, abs=0.02)


def test_alpha_is_kept() -> None:
    assert thumbnails([np.ones((600, 300, 4), np.float32)], 1)[0].shape == (256, 128, 4)
