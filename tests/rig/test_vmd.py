"""VMD files, written here byte by byte: bones by name, curves between keys, mirrored axes, legs by their ankles; sizes that lie."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from stages.artifacts.rotations import about
from stages.rig.motion.legs import lengths
from stages.rig.motion.reading import read_motion
from stages.rig.motion.retarget import retarget
from stages.rig.motion.vmd import common_body, read_vmd
from tests.rig.motions import person

STRAIGHT = (20, 20, 107, 107)


def key(bone: str, frame: int, place=(0, 0, 0), turn=(0, 0, 0, 1), curve=STRAIGHT) -> bytes:
    """One key: 111 bytes. All channels ease alike; the physics' bytes are spoilt, as MikuMikuDance does."""
    row = bytes(v for v in curve for _ in range(4))
    rows = b"".join(row[k:] + b"\x01" * k for k in range(4))
    rows = rows[:2] + b"\x63\x0f" + rows[4:]
    return bone.encode("shift_jis")[:15].ljust(15, b"\0") + struct.pack("<I3f4f", frame, *place, *turn) + rows


def vmd(path: Path, *keys: bytes, count: int | None = None, header: bytes = b"Vocaloid Motion Data 0002") -> Path:
    path.write_bytes(header.ljust(30, b"\0") + "ミク".encode("shift_jis").ljust(20, b"\0") + struct.pack("<I", len(keys) if count is None else count)
                     + b"".join(keys) + struct.pack("<I", 0))
    return path


def test_turns_are_mirrored_into_our_axes(tmp_path: Path) -> None:
    """In a left-handed frame facing -Z, x left and y up: turns about y by +90 degrees take -Z, the front, to -X, the character's right."""
    half = np.sqrt(0.5)
    recording = read_vmd(vmd(tmp_path / "a.vmd", key("センター", 0), key("上半身", 0, turn=(0, half, 0, half)), key("頭", 0, turn=(half, 0, 0, half))))
    chest = recording.turns[0, recording.names.index("chest")]
    np.testing.assert_allclose(chest @ [0, -1, 0], [-1, 0, 0], atol=1e-7)
    np.testing.assert_allclose(recording.turns[0, recording.names.index("hips")], np.eye(3), atol=1e-7)
    # About x by +90: y, up, goes to z, which is backwards there: the head falls back, seen from the chest.
    np.testing.assert_allclose(chest.T @ recording.turns[0, recording.names.index("head")] @ [0, 0, 1], [0, 1, 0], atol=1e-7)


def test_keys_between_keys_follow_their_curves(tmp_path: Path) -> None:
    late = (127, 0, 127, 0)  # a curve that stays low and rises at the end
    keys = [key("センター", 0), key("センター", 10, (10, 20, 30)), key("センター", 20, (0, 0, 0), curve=late)]
    recording = read_vmd(vmd(tmp_path / "a.vmd", *reversed(keys)))
    moved = recording.places - recording.places[0]
    np.testing.assert_allclose(moved[[5, 10]], [[5, 15, 10], [10, 30, 20]], atol=1e-4)
    assert (np.abs(moved[13] - moved[10]) < 0.1 * np.abs(moved[10])).all() and len(moved) == 21
    np.testing.assert_allclose(moved[20], 0, atol=1e-6)


def test_a_squat_bends_the_knees_over_standing_ankles(tmp_path: Path) -> None:
    """The centre sinks, the ankles' bones stay: so do the ankles; one foot steps and turns."""
    half = np.sin(np.radians(15)), np.cos(np.radians(15))
    file = vmd(tmp_path / "a.vmd", key("センター", 0), key("センター", 30, (0, -2, 0)), key("左足ＩＫ", 0), key("右足ＩＫ", 0),
               key("右足ＩＫ", 30, (0, 0, -3), (0, half[0], 0, half[1])))
    settled = read_motion(file)
    assert settled.unit == "MikuMikuDance's units of 8 cm" and settled.clip.fps == 30.0
    posture, body = settled.clip.posture(), common_body()
    left = posture.at("leftFoot")
    np.testing.assert_allclose(left, left[:1].repeat(31, 0), atol=2e-3)  # a leg is never quite straight
    np.testing.assert_allclose(posture.at("rightFoot")[30] - posture.at("rightFoot")[0], [0, -0.24, 0], atol=2e-3)
    np.testing.assert_allclose(posture.turns[30, posture.skeleton.index("rightFoot")], about((0, 0, 1), -np.radians(30)), atol=1e-6)
    assert posture.at("leftLowerLeg")[30, 1] < posture.at("leftLowerLeg")[0, 1] - 0.1  # the knee goes forward
    np.testing.assert_allclose(np.linalg.norm(posture.at("leftLowerLeg") - posture.at("leftUpperLeg"), axis=-1), 0.08 * lengths(body, "left")[0])
    target = person()
    clip = retarget(settled.clip, target, "squat").posture()
    assert clip.at("hips")[30, 2] < clip.at("hips")[0, 2] - 0.1 and np.ptp(clip.at("leftFoot"), axis=0).max() < 2e-3


def test_legs_by_joints_where_the_ankles_bones_do_not_move(tmp_path: Path) -> None:
    half = np.sin(np.radians(20)), np.cos(np.radians(20))
    recording = read_vmd(vmd(tmp_path / "a.vmd", key("下半身", 0), key("左足", 0), key("左足", 30, turn=(half[0], 0, 0, half[1])), key("左足ＩＫ", 0)))
    thigh = recording.turns[30, recording.names.index("leftUpperLeg")]
    np.testing.assert_allclose(thigh, about((1, 0, 0), -np.radians(40)), atol=1e-6)


def test_fingers_and_twists(tmp_path: Path) -> None:
    half = np.sin(np.radians(10)), np.cos(np.radians(10))
    recording = read_vmd(vmd(tmp_path / "a.vmd", key("上半身", 0), key("左腕捩", 0, turn=(half[0], 0, 0, half[1])), key("左人指１", 0, turn=(0, 0, half[0], half[1]))))
    at = recording.names.index
    twist = about((1, 0, 0), -np.radians(20))
    np.testing.assert_allclose(recording.turns[0, at("leftHand")], twist, atol=1e-7)
    np.testing.assert_allclose(recording.turns[0, at("leftIndexDistal")], twist @ about((0, 1, 0), -np.radians(20)), atol=1e-7)


@pytest.mark.parametrize(("make", "message"), [
    (lambda p: p.write_bytes(b"PK\3\4" * 30), "not a VMD file: expected 'Vocaloid Motion Data' at its beginning"),
    (lambda p: vmd(p, key("センター", 0), count=4_000_000_000), "it says that 4000000000 keys of bones follow, and there is room for 1"),
    (lambda p: vmd(p), "it says that 0 keys of bones follow"),
    (lambda p: p.write_bytes(b"Vocaloid Motion Data 0002"), "it says that 0 keys of bones follow, and there is room for 0"),
    (lambda p: vmd(p, key("センター", 4_000_000_000)), "a key stands at frame 4000000000; motions of more than 60 minutes are not read"),
    (lambda p: vmd(p, key("センター", 0, (np.nan, 0, 0))), "a key holds numbers that are not finite"),
    (lambda p: vmd(p, key("カメラ", 0)), "it moves no body: expected bones such as センター or 上半身, found カメラ"),
])
def test_files_that_lie_are_refused(tmp_path: Path, make, message: str) -> None:
    make(tmp_path / "a.vmd")
    with pytest.raises(ConfigError) as caught:
        read_motion(tmp_path / "a.vmd")
    assert message in str(caught.value) and "a.vmd" in str(caught.value)
