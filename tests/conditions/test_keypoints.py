"""Key points: where they are, and who sees them."""

from dataclasses import replace

import numpy as np
import pytest

from stages.artifacts.body import BodyModel, axis_angle_wxyz
from stages.artifacts.cameras import Camera, orbit
from stages.artifacts.conditions import BODY_POINTS
from stages.conditions.buffers import resolved
from stages.conditions.keypoints import body_points, face_points, hand_points, moved_by, view_keypoints
from stages.conditions.single_view import fine_view
from tests.conditions.mannequin import mannequin


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return mannequin()


def seen_from(body: BodyModel, azimuth_deg: float) -> dict[str, np.ndarray]:
    camera = orbit("a", np.array([0, 0, 0.8]), 4.0, azimuth_deg, 0.0, 420.0, 144, 192)
    found = view_keypoints(body, resolved(fine_view(body, camera), 2), moved_by(body))
    return {**dict(zip(BODY_POINTS, found.body, strict=True)), "face": found.face, "hand_left": found.hand_left}


def test_points_are_joints_and_landmarks(body: BodyModel) -> None:
    points = dict(zip(BODY_POINTS, body_points(body), strict=True))
    assert np.allclose(points["left_wrist"], body.skeleton.heads[body.skeleton.index("leftHand")])
    assert np.allclose(points["neck"], (points["left_shoulder"] + points["right_shoulder"]) / 2)
    assert np.allclose(points["right_eye"], body.v_pos[body.landmarks["eye_r"]])
    assert all(points[n][0] > 0 for n in BODY_POINTS if n.startswith("left")) and all(points[n][0] < 0 for n in BODY_POINTS if n.startswith("right"))


def test_pixels_are_the_cameras(body: BodyModel) -> None:
    camera = Camera("a", orbit("a", np.zeros(3), 4.0, 30.0, 0.0, 1.0, 2, 2).c2w, 200.0, 200.0, 60.0, 70.0, 144, 192)
    found = view_keypoints(body, resolved(fine_view(body, camera), 2), moved_by(body))
    assert np.allclose(found.body[:, :2], camera.project(body_points(body))[0])


def test_from_the_front_everything_is_seen(body: BodyModel) -> None:
    seen = seen_from(body, 0.0)
    assert all(seen[name][2] for name in BODY_POINTS)
    assert seen["left_wrist"][0] > seen["right_wrist"][0]  # the character's left is on the picture's right
    assert seen["face"][:, 2].mean() > 0.6


def test_from_behind_nose_and_eyes_are_gone_and_the_ears_stay(body: BodyModel) -> None:
    seen = seen_from(body, 180.0)
    assert [n for n in BODY_POINTS if not seen[n][2]] == ["nose", "right_eye", "left_eye"]
    assert not seen["face"][:, 2].any()
    assert seen["left_wrist"][0] < seen["right_wrist"][0]


def test_from_the_side_the_far_ear_and_eye_are_hidden(body: BodyModel) -> None:
    seen = seen_from(body, 90.0)  # from the character's left
    assert seen["left_ear"][2] and seen["left_shoulder"][2] and seen["nose"][2]
    assert not seen["right_ear"][2] and not seen["right_elbow"][2]


def test_an_arm_behind_the_back_is_hidden_from_the_front_only(body: BodyModel) -> None:
    turn = axis_angle_wxyz(np.array([0, 1.0, 0]), 45.0), axis_angle_wxyz(np.array([0.0, 0, 1]), 115.0)
    posed = body.posed({"leftUpperArm": turn[0], "leftLowerArm": turn[1]})
    posed = replace(posed, v_pos=posed.v_pos)
    wrist = posed.skeleton.heads[posed.skeleton.index("leftHand")]
    camera = orbit("a", wrist, 4.0, 0.0, 0.0, 420.0, 144, 192)
    front = view_keypoints(posed, resolved(fine_view(posed, camera), 2), moved_by(posed)).body[BODY_POINTS.index("left_wrist"), 2]
    behind = seen_from(posed, 180.0)["left_wrist"][2]
    assert wrist[1] > 0.1 and behind and (not front or abs(wrist[0]) > 0.14)


def test_hands_go_from_wrist_to_tips(body: BodyModel) -> None:
    hand = hand_points(body, "left")
    assert hand.shape == (21, 3) and np.allclose(hand[0], body.skeleton.heads[body.skeleton.index("leftHand")])
    assert np.allclose(hand[8], body.skeleton.tails[body.skeleton.index("leftIndexDistal")])
    assert np.allclose(hand[17], body.skeleton.heads[body.skeleton.index("leftLittleProximal")])
    names = tuple(n for n in body.skeleton.names if n != "leftRingDistal")
    bare = replace(body, skeleton=replace(body.skeleton, names=names))
    assert hand_points(bare, "left").shape == (0, 3) and hand_points(bare, "right").shape == (21, 3)


def test_the_face_has_seventy_points_from_right_to_left(body: BodyModel) -> None:
    face = face_points(body)
    at = lambda name: body.v_pos[body.landmarks[name]]  # noqa: E731
    assert face.shape == (70, 3)
    expected = {0: "ear_r", 8: "chin", 16: "ear_l", 17: "brow_r_outer", 26: "brow_l_outer", 30: "nose_tip", 36: "eye_r_outer", 39: "eye_r_inner",
                42: "eye_l_inner", 45: "eye_l_outer", 48: "mouth_right", 51: "mouth_top", 54: "mouth_left", 57: "mouth_bottom", 68: "eye_r", 69: "eye_l"}
    for index, name in expected.items():
        assert np.allclose(face[index], at(name), atol=1e-9), name
    bare = replace(body, landmarks={k: v for k, v in body.landmarks.items() if k != "jaw_l"})
    assert face_points(bare).shape == (0, 3)


def test_fingers_count_as_their_hand(body: BodyModel) -> None:
    names = {body.skeleton.names[j] for j in np.unique(moved_by(body))}
    assert {"leftHand", "rightHand"} <= names and not any("Index" in n or "Thumb" in n for n in names)
