"""The openpose picture against what the pretrained ControlNets were shown."""

import colorsys

import numpy as np
import pytest

from stages.artifacts.conditions import BODY_POINTS, ViewKeypoints
from stages.conditions.openpose import COLOURS, HAND_LINES, LIMBS, openpose_picture

EMPTY = np.zeros((0, 3))


def points(**placed: tuple[float, float]) -> ViewKeypoints:
    body = np.zeros((18, 3))
    for name, xy in placed.items():
        body[BODY_POINTS.index(name)] = *xy, 1
    return ViewKeypoints(body, EMPTY, EMPTY, EMPTY)


def test_colours_and_limbs_are_the_detectors() -> None:
    assert len(COLOURS) == 18 and COLOURS[0] == (255, 0, 0) and COLOURS[12] == (0, 0, 255) and COLOURS[17] == (255, 0, 85)
    hues = [colorsys.rgb_to_hsv(*(c / 255 for c in colour))[0] * 18 for colour in COLOURS]
    assert np.allclose(hues, np.arange(18), atol=0.1)  # one turn of the hue circle in 18 steps
    named = [(BODY_POINTS[a], BODY_POINTS[b]) for a, b in LIMBS]
    assert named == [
        ("neck", "right_shoulder"), ("neck", "left_shoulder"), ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("neck", "right_hip"), ("right_hip", "right_knee"),
        ("right_knee", "right_ankle"), ("neck", "left_hip"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("neck", "nose"),
        ("nose", "right_eye"), ("right_eye", "right_ear"), ("nose", "left_eye"), ("left_eye", "left_ear"),
    ]
    assert HAND_LINES[:6] == ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6)) and HAND_LINES[-1] == (19, 20)


def test_a_limb_is_an_ellipse_of_its_colour_times_point_six_and_points_are_discs_of_radius_four() -> None:
    picture = openpose_picture(points(left_knee=(100.0, 100.0), left_ankle=(100.0, 300.0)), 512, 512)
    shin = np.array(COLOURS[11]) / 255
    assert np.allclose(picture[200, 100], shin * 0.6) and np.allclose(picture[200, 103], shin * 0.6)
    assert (picture[200, 105] == 0).all()  # half an axis is 4.5 px
    assert (picture[120, 103] == 0).all()  # and an ellipse is narrower near its ends
    shaded = picture[..., 2] * (picture[..., 2] < 0.61) / (shin[2] * 0.6)  # of the shin, without the discs
    assert shaded.sum() == pytest.approx(np.pi * 4.5 * 100.5, rel=0.02)  # its ends lie half a pixel beyond the points, under the discs
    assert np.allclose(picture[100, 100], np.array(COLOURS[12]) / 255) and np.allclose(picture[300, 100], np.array(COLOURS[13]) / 255)
    drawn = (picture > 0).any(-1)
    disc = drawn[90:100, :].sum()
    assert disc == pytest.approx(np.pi * 16 / 2, abs=7)
    assert not drawn[:, :95].any() and not drawn[:, 105:].any()


def test_what_is_not_seen_is_not_drawn_nor_the_limbs_to_it() -> None:
    lone = openpose_picture(points(left_ear=(50.0, 50.0), left_knee=(200.0, 200.0)), 256, 256)
    colours = {tuple(c) for c in np.round(lone.reshape(-1, 3) * 255).astype(int) if max(c) > 250}
    assert colours == {COLOURS[17], COLOURS[12]}
    assert ((lone > 0).any(-1)).sum() < 2 * 30


def test_sizes_follow_the_shorter_side() -> None:
    small, large = (openpose_picture(points(nose=(s / 2, s / 2)), s, 2 * s) for s in (256, 1024))
    assert large[..., 0].sum() == pytest.approx(16 * small[..., 0].sum(), rel=0.08)


def test_hands_go_round_the_hues_with_blue_points_and_the_face_is_white_dots() -> None:
    hand = np.array([[40 + 20 * (i % 5), 40 + 40 * (i // 5), 1] for i in range(21)], float)
    face = np.array([[400, 400, 1], [450, 400, 0]], float)
    found = ViewKeypoints(np.zeros((18, 3)), face, hand, EMPTY)
    picture = openpose_picture(found, 512, 512)
    assert np.allclose(picture[40, 40], [0, 0, 1])
    middle = (hand[0, :2] + hand[1, :2]) / 2
    assert np.allclose(picture[int(middle[1]), int(middle[0])], colorsys.hsv_to_rgb(0, 1, 1))
    assert (picture[400, 400] == 1).all() and (picture[400, 450] == 0).all()
    assert picture[390:410, 390:410].sum() / 3 == pytest.approx(np.pi * 9, rel=0.05)
    assert not openpose_picture(found, 512, 512, hands=False, face=False).any()


@pytest.mark.parametrize("turn_deg", [0, 30, 45, 90])
def test_a_line_of_a_hand_is_three_wide(turn_deg: float) -> None:
    along = 100 * np.array([np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))])
    hand = np.zeros((21, 3))
    hand[:2] = [*((256, 256) - along), 1], [*((256, 256) + along), 1]
    picture = openpose_picture(ViewKeypoints(np.zeros((18, 3)), EMPTY, hand, EMPTY), 512, 512)
    assert picture[..., 0].sum() == pytest.approx(3 * (200 - 2 * 4), rel=0.01)  # what the discs at its ends leave


def test_points_outside_the_picture_do_no_harm() -> None:
    assert not openpose_picture(points(nose=(-500.0, 9e4)), 64, 64).any()
