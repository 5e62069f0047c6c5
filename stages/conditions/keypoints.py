"""Where the points are that a pose detector would find: 18 of the body, 70 of the face, 21 of each hand.

Points in space come from joints and landmarks of the posed body. A view sees a point if it lies in the picture and nothing hides it: what is
seen at its pixel is flesh of the joint's own limb (or, for shoulders and hips, the trunk), or lies no further in front of it than the point
lies inside the flesh. Order and meaning are OpenPose's (Cao et al. 2019; COCO body, 70-point face).
"""

from __future__ import annotations

import numpy as np

from stages.artifacts.body import BodyModel
from stages.artifacts.conditions import ViewKeypoints
from stages.conditions.buffers import ViewBuffers

REFERENCE_HEIGHT_M, REFERENCE_HEAD_M = 1.58, 0.25  # depths below are those of a body of this size and grow with it
# How deep under the surface each body point may lie: nose, neck, then right and left arm, leg, eyes, ears.
BODY_DEPTH_M = np.array([0.015, 0.11, 0.12, 0.07, 0.06, 0.12, 0.07, 0.06, 0.16, 0.1, 0.07, 0.16, 0.1, 0.07, 0.02, 0.02, 0.03, 0.03])
FACE_DEPTH_M, HAND_DEPTH_M = 0.02, 0.025
_SEGMENTS = ("Metacarpal", "Proximal", "Intermediate", "Distal")
_TRUNK = ("hips", "spine", "chest", "upperChest", "neck", "Shoulder")
_ARM, _LEG = ("UpperArm", "LowerArm", "Hand"), ("UpperLeg", "LowerLeg", "Foot")
_FLESH = (
    (), (*_TRUNK, "head", "jaw"), *(((*_TRUNK, "UpperArm"), _ARM, _ARM) * 2), *(((*_TRUNK, "UpperLeg"), _LEG, _LEG) * 2), (), (), (), (),
)  # of each body point: the joints whose flesh does not hide it; limbs are of its own side
_SIDE_OF = (("",) * 2 + ("right",) * 3 + ("left",) * 3) + ("right",) * 3 + ("left",) * 3 + ("",) * 4
_FINGERS = (
    ("ThumbMetacarpal", "ThumbProximal", "ThumbDistal"), ("IndexProximal", "IndexIntermediate", "IndexDistal"),
    ("MiddleProximal", "MiddleIntermediate", "MiddleDistal"), ("RingProximal", "RingIntermediate", "RingDistal"),
    ("LittleProximal", "LittleIntermediate", "LittleDistal"),
)


def body_points(body: BodyModel) -> np.ndarray:
    """(18, 3) metres, world; the neck is the middle of the shoulders, as COCO has none."""
    joint = lambda name: body.skeleton.heads[body.skeleton.index(name)]  # noqa: E731
    mark = lambda name: body.v_pos[body.landmarks[name]]  # noqa: E731
    arms, legs = ([[joint(side + part) for part in limb] for side in ("right", "left")] for limb in (_ARM, _LEG))
    neck = (arms[0][0] + arms[1][0]) / 2
    return np.array([
        mark("nose_tip"), neck, *arms[0], *arms[1], *legs[0], *legs[1], mark("eye_r"), mark("eye_l"), mark("ear_r"), mark("ear_l"),
    ])


def hand_points(body: BodyModel, side: str) -> np.ndarray:
    """(21, 3) metres of the "left" or "right" hand: wrist, then four of each finger from the thumb on; (0, 3) without fingers."""
    names = body.skeleton.names
    if any(side + bone not in names for finger in _FINGERS for bone in finger):
        return np.zeros((0, 3))
    heads, tails = body.skeleton.heads, body.skeleton.tails
    points = [heads[names.index(side + "Hand")]]
    for finger in _FINGERS:
        points += [heads[names.index(side + bone)] for bone in finger] + [tails[names.index(side + finger[-1])]]
    return np.array(points)


def face_points(body: BodyModel) -> np.ndarray:
    """(70, 3) metres: jaw, brows, nose, eyes, mouth, pupils, each from the character's right; (0, 3) without the landmarks."""
    needed = {"jaw_l", "jaw_r", "chin", "ear_l", "ear_r", "nose_tip", "eye_l", "eye_r", "mouth_left", "mouth_right", "mouth_top", "mouth_bottom"}
    needed |= {f"{a}_{s}_{b}" for s in "lr" for a, bs in (("brow", ("inner", "mid", "outer")), ("eye", ("inner", "outer", "top", "bottom"))) for b in bs}
    if not needed <= set(body.landmarks):
        return np.zeros((0, 3))
    at = {name: np.asarray(body.v_pos[index], float) for name, index in body.landmarks.items()}
    jaw = _through([at[n] for n in ("ear_r", "jaw_r", "chin", "jaw_l", "ear_l")], 17)
    brows = [*_through([at[f"brow_r_{n}"] for n in ("outer", "mid", "inner")], 5), *_through([at[f"brow_l_{n}"] for n in ("inner", "mid", "outer")], 5)]
    return np.array([*jaw, *brows, *_nose(at), *_eye(at, "r", False), *_eye(at, "l", True), *_mouth(at), at["eye_r"], at["eye_l"]])


def moved_by(body: BodyModel) -> np.ndarray:
    """(F,) joint that moves each triangle most; fingers count as their hand, toes as their foot."""
    names = body.skeleton.names
    main = np.arange(len(names))
    for j, name in enumerate(names):
        side = next((s for s in ("left", "right") if name.startswith(s)), "")
        whole = side + ("Foot" if name.endswith("Toes") else "Hand" if name.endswith(_SEGMENTS) else "?")
        main[j] = names.index(whole) if whole in names else j
    return main[body.weights[body.t_pos_idx].sum(1).argmax(1)]


def view_keypoints(body: BodyModel, view: ViewBuffers, t_joint: np.ndarray) -> ViewKeypoints:
    """All points of the posed ``body`` in one view; ``t_joint`` is ``moved_by(body)``. Pixels are those of ``view.camera``."""
    tall = float(np.clip(np.ptp(body.v_pos[:, 2]) / REFERENCE_HEIGHT_M, 0.5, 2.0))
    crown, chin = (body.v_pos[body.landmarks[name]] for name in ("crown", "chin"))
    head = float(np.clip(np.linalg.norm(crown - chin) / REFERENCE_HEAD_M, 0.5, 6.0))
    depth_m = BODY_DEPTH_M * np.where(np.isin(np.arange(18), [0, 14, 15, 16, 17]), head, tall)
    found = _seen(body_points(body), depth_m, view)
    found[:, 2] = np.maximum(found[:, 2], _in_own_flesh(found, body, view, t_joint))
    face = _seen(face_points(body), np.full(70, FACE_DEPTH_M * head), view)
    if not found[[0, 14, 15], 2].any():  # a jaw alone, from behind, is no face
        face[:, 2] = 0
    hands = [_seen(hand_points(body, side), np.full(21, HAND_DEPTH_M * tall), view) for side in ("left", "right")]
    return ViewKeypoints(found, face, *hands)


def _in_own_flesh(found: np.ndarray, body: BodyModel, view: ViewBuffers, t_joint: np.ndarray) -> np.ndarray:
    """(18,) bool: the surface at the point's pixel is that of its own limb, which does not count as hiding it."""
    names, out = body.skeleton.names, np.zeros(18, bool)
    for i, (x, y, _) in enumerate(found):
        if not (0 <= x < view.depth.shape[1] and 0 <= y < view.depth.shape[0]):
            continue
        triangle = view.tri_id[int(y), int(x)]
        name = names[t_joint[triangle]] if triangle >= 0 else ""
        part = name.removeprefix("left").removeprefix("right")
        same_side = part in _TRUNK or name.startswith(_SIDE_OF[i])
        out[i] = triangle >= 0 and part in _FLESH[i] and same_side
    return out


def _seen(points: np.ndarray, depth_m: np.ndarray, view: ViewBuffers) -> np.ndarray:
    """(n, 3) x px, y px, visible. The most distant surface within a pixel decides, so that points on an outline stay."""
    if not len(points):
        return np.zeros((0, 3))
    height, width = view.depth.shape
    pixel, depth = view.camera.project(points)
    inside = (pixel >= 0).all(1) & (pixel[:, 0] < width) & (pixel[:, 1] < height) & (depth > 0)
    column, row = np.clip(np.floor(pixel).astype(int), 0, [width - 1, height - 1]).T
    around = np.stack([
        view.depth[np.clip(row + dy, 0, height - 1), np.clip(column + dx, 0, width - 1)] for dy in (-1, 0, 1) for dx in (-1, 0, 1)
    ])
    return np.c_[pixel, inside & (depth - depth_m <= around.max(0))]


def _through(knots: list[np.ndarray], count: int) -> np.ndarray:
    """``count`` points on the natural spline through ``knots``, ends included."""
    from scipy.interpolate import CubicSpline

    return CubicSpline(np.linspace(0, 1, len(knots)), np.array(knots), bc_type="natural")(np.linspace(0, 1, count))


def _nose(at: dict[str, np.ndarray]) -> list[np.ndarray]:
    root, tip = (at["eye_r_inner"] + at["eye_l_inner"]) / 2, at["nose_tip"]
    across = (at["eye_l_inner"] - at["eye_r_inner"]) * 0.3
    base = tip * 0.7 + at["mouth_top"] * 0.3
    bridge = [root * (1 - t) + tip * t for t in (0, 1 / 3, 2 / 3, 1)]
    return bridge + [base + across * t for t in (-1, -0.5, 0, 0.5, 1)]


def _eye(at: dict[str, np.ndarray], side: str, inner_first: bool) -> list[np.ndarray]:
    """Corner, two of the upper lid, corner, two of the lower lid, starting on the character's right."""
    ends = ["inner", "outer"] if inner_first else ["outer", "inner"]
    first, last = (at[f"eye_{side}_{n}"] for n in ends)
    upper, lower = _through([first, at[f"eye_{side}_top"], last], 4), _through([last, at[f"eye_{side}_bottom"], first], 4)
    return [*upper, *lower[1:3]]


def _mouth(at: dict[str, np.ndarray]) -> list[np.ndarray]:
    right, left, top, bottom = (at[f"mouth_{n}"] for n in ("right", "left", "top", "bottom"))
    middle = (top + bottom) / 2
    outer = [*_through([right, top, left], 7), *_through([left, bottom, right], 7)[1:-1]]
    inner_right, inner_left, inner_top, inner_bottom = (p * k + middle * (1 - k) for p, k in ((right, 0.8), (left, 0.8), (top, 0.4), (bottom, 0.4)))
    return outer + [*_through([inner_right, inner_top, inner_left], 5), *_through([inner_left, inner_bottom, inner_right], 5)[1:-1]]
