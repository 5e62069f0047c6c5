"""Box and hull from masks: what they must hold, what they may not, and views that disagree."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import StageError
from stages.artifacts.units import metres_per_unit
from stages.field.hull import Box, Silhouette, visual_hull
from stages.field.run import other_unit
from stages.field.scene import scene_of
from tests.field.scenes import RADIUS_M, SMALL, ball_views


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


@pytest.mark.parametrize("power", [7, -8])
def test_a_scene_in_other_units_is_the_same_scene_in_metres(power: int) -> None:
    views = ball_views()
    here = scene_of(views[1:], views[:1], SMALL)
    there = scene_of([v.scaled(2.0**power) for v in views[1:]], [views[0].scaled(2.0**power)], SMALL)
    ratio = there.metres_per_unit * 2.0**power
    assert here.metres_per_unit == 1 and ratio in (0.5, 1, 2)
    assert there.box.size_m == ratio * here.box.size_m and np.array_equal(there.box.low, ratio * here.box.low)
    assert np.array_equal(there.occupancy.hull, here.occupancy.hull) and there.occupancy.step_m == ratio * here.occupancy.step_m
    for a, b, longer in zip(there.pixels.every(1), here.pixels.every(1), (1, ratio, 1), strict=True):
        assert np.array_equal(longer * a, b)
    assert np.array_equal(there.held_out[0].camera.position, ratio * here.held_out[0].camera.position)
    assert f"is {here.box.size_m * 2.0**power:.4g} units of the cameras long" in other_unit(there)


def test_sizes_that_figures_have_are_metres() -> None:
    assert [metres_per_unit(x) for x in (0.5, 1.6, 5.0)] == [1, 1, 1]
    assert [metres_per_unit(x) for x in (160.0, 1600.0, 0.016)] == [2**-7, 2**-10, 2**7]
    for longest in np.geomspace(1e-6, 1e6, 100):
        assert 0.5 <= longest * metres_per_unit(longest) <= 5.0
