"""Box and hull from masks: what they must hold, what they may not, and views that disagree."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import StageError
from stages.field.hull import Box, Silhouette, visual_hull
from tests.field.scenes import RADIUS_M, ball_views


def silhouettes(slack: float = 4.0) -> list[Silhouette]:
    return [Silhouette.of(v.camera, v.rgba[..., 3], slack) for v in ball_views()]


def test_unit_coordinates_scale_by_the_longest_side() -> None:
    box = Box.around(np.array([-1.0, 0.0, 2.0]), np.array([1.0, 1.0, 6.0]))
    np.testing.assert_allclose(box.extent, [0.5, 0.25, 1])
    np.testing.assert_allclose(box.to_unit(np.array([0.0, 0.5, 6.0])), [0.25, 0.125, 1])
    assert box.cells(16) == (8, 4, 16)
    np.testing.assert_allclose(box.centres(16)[0, 0, 0], [-0.875, 0.125, 2.125])


def test_hull_holds_the_ball_and_little_more() -> None:
    box, hull = visual_hull(silhouettes(), 40, 0.0)
    distance = np.linalg.norm(box.centres(40), axis=-1)
    cell = box.size_m / 40
    assert hull[distance < RADIUS_M].all()
    middle = np.abs(box.centres(40)[..., 2]) < 0.2  # where the ring of cameras can bound it
    assert not hull[middle & (distance > RADIUS_M * 1.1 + 4 * cell)].any()
    assert (box.low > -0.85).all() and (box.low + box.extent * box.size_m < 0.85).all()


def test_one_bad_mask_is_forgiven_only_within_tolerance() -> None:
    views = silhouettes()
    empty = Silhouette.of(views[0].camera, np.zeros_like(views[0].distance_px), 4.0)
    box, hull = visual_hull([empty, *views[1:]], 40, 0.13)
    assert hull[np.linalg.norm(box.centres(40), axis=-1) < RADIUS_M].all()
    box, hull = visual_hull([empty, *views[1:]], 40, 0.0)
    assert not hull[np.linalg.norm(box.centres(40), axis=-1) < RADIUS_M].any()


def test_masks_that_do_not_belong_are_refused() -> None:
    views = silhouettes()
    wrong = [Silhouette.of(v.camera, np.zeros_like(v.distance_px), 4.0) for v in views]
    with pytest.raises(StageError, match="the 8 views have no volume in common.*Check transforms.json"):
        visual_hull(wrong, 40, 0.04)
