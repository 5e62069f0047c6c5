"""ARKit's blend shapes on the head for tests."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from stages.artifacts.morphs import PRESETS
from stages.rendering.joined import Joined
from stages.rendering.zbuffer import rasterize
from stages.rig.face.arkit import ARKIT
from stages.rig.face.closings import arkit_closings_of
from stages.rig.face.fields import Fields
from stages.rig.face.fit import Face, fit_face, landmarks_of
from stages.rig.face.preview import close_up
from stages.rig.settings import RigSettings
from tests.rig.faces import LEFT, MOUTH, egg, head

# As Apple's documentation lists them.
NAMES = """
eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft
eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight eyeWideRight
jawForward jawLeft jawRight jawOpen
mouthClose mouthFunnel mouthPucker mouthLeft mouthRight mouthSmileLeft mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft mouthDimpleRight
mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthPressLeft mouthPressRight
mouthLowerDownLeft mouthLowerDownRight mouthUpperUpLeft mouthUpperUpRight
browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight
cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight tongueOut
""".split()
LEFTS = [name for name in NAMES if name.endswith("Left") and name.replace("Left", "Right") in NAMES]
SIDE_PX = 400


@lru_cache
def fitted() -> tuple[Face, Joined]:
    mesh, skinning, body = head()
    face = fit_face(mesh, skinning, body, arkit=True)
    return face, Joined(mesh, skinning, face.attachments, face.morphs, face.hidden)


def way(name: str) -> np.ndarray:
    return fitted()[1].offset({name: 1.0})


def pieces(u: tuple[float, float]) -> np.ndarray:
    """Vertices of the attachment between two columns of the texture's strip."""
    joined = fitted()[1]
    attachment = joined.attachments[0]
    column = attachment.v_tex[:, 0] * attachment.kd.shape[1] / 64
    return len(joined.mesh.v_pos) + np.flatnonzero((attachment.v_tex[:, 1] < 64 / attachment.kd.shape[0]) & (column > u[0]) & (column < u[1]))


def seen(weights: dict[str, float], vertices: np.ndarray) -> int:
    """Pixels from the front that show triangles which begin at some vertices."""
    joined, camera = fitted()[1], close_up(landmarks_of(head()[2]), 0.0, SIDE_PX)
    v_pos = joined.v_pos + joined.offset(weights)
    triangle, _, _ = rasterize(np.concatenate([v_pos, np.ones((len(v_pos), 1))], -1) @ camera.w2clip().T, joined.t_pos_idx, SIDE_PX, SIDE_PX)
    return int(np.isin(joined.t_pos_idx[triangle[triangle >= 0]].min(-1), vertices).sum())


def test_the_names_are_arkits_and_vrms_are_there_as_well() -> None:
    assert len(NAMES) == len(set(NAMES)) == 52
    assert set(fitted()[1].names) == {*NAMES, *PRESETS} and fitted()[1].names[: len(PRESETS)] == list(PRESETS)
    assert fitted()[0].metrics["face_expressions"] == fitted()[1].names


def test_they_are_made_only_if_asked_for() -> None:
    assert RigSettings().expressions == "vrm" and RigSettings(expressions="arkit").expressions == "arkit"
    mesh, skinning, body = head()
    assert fit_face(mesh, skinning, body).metrics["face_expressions"] == list(PRESETS)


@pytest.mark.parametrize("name", NAMES)
def test_each_moves_what_it_is_called_after(name: str) -> None:
    """What moves most lies at the eyes, above them, at the mouth or between, on the side of the name; and it moves by at least half a millimetre."""
    start, moved = fitted()[1].v_pos, np.linalg.norm(way(name), axis=-1)
    most = moved > 0.5 * moved.max()
    x, z = start[most, 0], start[most, 2]
    assert moved.max() > 0.0005 and most.sum() >= 3
    low, high = {"eye": (1.41, 1.475), "bro": (1.43, 1.50), "jaw": (1.30, 1.375), "mou": (1.33, 1.395), "che": (1.36, 1.425), "nos": (1.38, 1.42),
                 "ton": (1.355, 1.375)}[name[:3]]
    assert low < z.min() and z.max() < high, (z.min(), z.max())
    side = 1 if name.endswith("Left") else -1
    if name in LEFTS or name.replace("Right", "Left") in LEFTS:
        if name not in ("mouthLeft", "mouthRight", "jawLeft", "jawRight"):
            assert (side * x).mean() > 0.001 and (side * x).min() > -0.006
        else:
            assert (side * way(name)[most, 0]).min() > 0


@pytest.mark.parametrize("name", LEFTS)
def test_left_and_right_are_mirrored(name: str) -> None:
    """At mirrored places of the skin, which the head's own two sides are; lids by their table."""
    face = fitted()[0]
    mesh, _, body = head()
    if name.startswith(("eyeBlink", "eyeSquint")):
        left, right = arkit_closings_of("left"), arkit_closings_of("right")
        assert left[name] is right[name.replace("Left", "Right")] and name not in right
        return
    fields = Fields.of(face.view, landmarks_of(body), face.eyes, face.mouth, ARKIT)
    points = egg()[0][(egg()[0][:, 1] < -0.05)]
    flipped = points * [-1, 1, 1]
    below = points[:, 2] < MOUTH[1] - 1e-4
    one, other = fields.offset(name, points, below), fields.offset(name.replace("Left", "Right"), flipped, below) * [-1, 1, 1]
    assert np.linalg.norm(one, axis=-1).max() > 0.0005
    assert np.percentile(np.abs(one - other), 99) < 0.0003, np.abs(one - other).max()


def test_both_sides_together_are_one_whole() -> None:
    both = way("mouthSmileLeft") + way("mouthSmileRight")
    middle = np.abs(fitted()[1].v_pos[:, 0]) < 0.001
    np.testing.assert_allclose(way("mouthSmileLeft")[middle, 2], both[middle, 2] / 2, atol=0.0004)


def test_mouth_close_shuts_the_lips_of_an_open_jaw() -> None:
    inside = pieces((1, 4))
    assert seen({"jawOpen": 1.0}, inside) > 300 and seen({"jawOpen": 1.0, "mouthClose": 1.0}, inside) <= 3
    chin = np.linalg.norm(fitted()[1].v_pos - [0, -0.11, MOUTH[1] - 0.018], axis=-1).argmin()
    assert (way("jawOpen") + way("mouthClose"))[chin, 2] < -0.002


def test_the_tongue_is_seen_when_it_is_out_alone() -> None:
    tongue = pieces((3, 4))
    assert seen({"tongueOut": 1.0}, tongue) > 200
    for name in ("happy", "aa", "jawOpen", "mouthFunnel", "mouthLowerDownLeft", "mouthRollLower", "mouthPucker"):
        assert seen({name: 1.0}, tongue) == 0, name


def test_an_eye_looks_in_towards_the_nose() -> None:
    iris = np.linalg.norm(fitted()[1].v_pos[:, [0, 2]] - (LEFT - [0, 0.002]), axis=-1) < 0.004
    iris &= fitted()[1].v_pos[:, 1] < 0
    front = iris & (np.arange(len(iris)) < len(fitted()[1].mesh.v_pos))
    for name, sign in (("eyeLookInLeft", -1), ("eyeLookOutLeft", 1)):
        assert (sign * way(name)[front, 0] > 0.003).all() and np.abs(way(name)[front, 2]).max() < 1e-6
    assert np.abs(way("eyeLookInRight")[front]).max() == 0
