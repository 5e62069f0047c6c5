"""BVH files of every family we know, written here and read back; files that are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from stages.artifacts.body import Skeleton
from stages.artifacts.motion import Clip
from stages.artifacts.rotations import about
from stages.conditions.body import load_base_body
from stages.rig.motion.bvh import read_bvh
from stages.rig.motion.reading import read_motion
from stages.rig.motion.recording import trimmed
from stages.rig.motion.retarget import retarget
from tests.rig.motions import NAMES, bvh_text, heaped, person, walking


def same_motion(got: Clip, meant: Clip, metres: float = 2e-5, turns: bool = True) -> None:
    """Every joint that has a role is where it was meant to be, seen from above the first frame's hips."""
    theirs, ours = got.posture(), meant.posture()
    start = ours.heads[0, 0] * [1, 1, 0]
    for joint in meant.skeleton.names:
        np.testing.assert_allclose(theirs.at(joint), ours.at(joint) - start, atol=metres, err_msg=joint)
        if turns:
            np.testing.assert_allclose(theirs.turns[:, theirs.skeleton.index(joint)], ours.turns[:, ours.skeleton.index(joint)], atol=2e-6, err_msg=joint)


def straight(clip: Clip) -> Clip:
    """The walk with its first frame facing -Y exactly, as ``settle`` turns it."""
    hips = clip.posture()
    across = hips.at("leftUpperLeg")[0] - hips.at("rightUpperLeg")[0]
    turn = about((0, 0, 1), -np.arctan2(across[1], across[0]))
    posture = clip.posture()
    return type(posture).of_turns(clip.skeleton, turn @ posture.turns, (posture.heads[:, 0] @ turn.T) - clip.skeleton.heads[0]).clip(clip.name, clip.fps)


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize(("order", "up", "units"), [("ZYX", "y", 100.0), ("XZY", "z", 1.0)])
def test_names_channel_orders_axes_and_units(tmp_path: Path, family: str, order: str, up: str, units: float) -> None:
    clip = walking(person(), cycles=1)
    (tmp_path / "a.bvh").write_text(bvh_text(clip, family, order, units, up))
    settled = read_motion(tmp_path / "a.bvh")
    assert settled.unit == {100.0: "centimetres", 1.0: "metres"}[units] and settled.height_m == pytest.approx(1.69, abs=0.02)
    assert settled.clip.fps == 60.0 and settled.clip.frames == clip.frames
    same_motion(settled.clip, straight(clip))


@pytest.mark.parametrize(("units", "unit"), [(1000.0, "millimetres"), (1 / 0.0254, "inches"), (0.45 / 0.0254, "CMU's units of 5.64 cm"), (12.5, "MikuMikuDance's units of 8 cm")])
def test_units_are_guessed_from_the_height_and_said(tmp_path: Path, units: float, unit: str) -> None:
    (tmp_path / "a.bvh").write_text(bvh_text(walking(person(), cycles=1), units_a_metre=units))
    settled = read_motion(tmp_path / "a.bvh")
    assert settled.unit == unit
    assert f"22 joints, 60 frames at 60 a second (0.98 s); lengths taken as {unit}, which makes the person 1.70 m tall" in settled.said("a.bvh")


def test_a_height_that_no_unit_explains_is_made_a_persons(tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text(bvh_text(walking(person(), cycles=1), units_a_metre=3.0))
    settled = read_motion(tmp_path / "a.bvh")
    assert settled.unit.startswith("units of which 5.0") and settled.height_m == pytest.approx(1.68)


def test_a_node_above_the_hips_and_a_first_frame_in_t_pose(tmp_path: Path) -> None:
    clip = walking(person(), cycles=1)
    text = bvh_text(clip, "bandai namco", root_node=True)
    (tmp_path / "a.bvh").write_text(text)
    same_motion(read_motion(tmp_path / "a.bvh").clip, straight(clip))
    rows = text.splitlines()
    at = rows.index(f"Frames: {clip.frames}")
    rows[at] = f"Frames: {clip.frames + 1}"
    rows.insert(at + 2, " ".join(["0"] * len(rows[at + 2].split())))
    (tmp_path / "b.bvh").write_text("\n".join(rows))
    begun = read_motion(tmp_path / "b.bvh").clip
    assert begun.frames == clip.frames
    same_motion(begun, straight(clip))


def test_rotations_apply_in_the_order_of_their_channels(tmp_path: Path) -> None:
    """X first and then Y: the turn of Y is about the axis that X has turned, in glTF's axes."""
    (tmp_path / "a.bvh").write_text(
        "HIERARCHY\nROOT Hips\n{\n OFFSET 0 0 0\n CHANNELS 5 Xrotation Zposition Yrotation Xposition Yposition\n End Site\n {\n OFFSET 0 1 0\n }\n}\n"
        "MOTION\nFrames: 2\nFrame Time: .0333333\n90 3 90 1 2\n0 0 0 0 0\n")
    recording = read_bvh(tmp_path / "a.bvh")
    assert recording.fps == 30.0
    np.testing.assert_allclose(recording.places, [[1, 2, 3], [0, 0, 0]])
    np.testing.assert_allclose(recording.turns[0, 0], about((1, 0, 0), np.pi / 2) @ about((0, 1, 0), np.pi / 2), atol=1e-12)
    np.testing.assert_allclose(recording.tails[0], [0, 1, 0])


GOOD = "HIERARCHY\nROOT Hips\n{\n OFFSET 0 0 0\n CHANNELS 3 Xrotation Yrotation Zrotation\n}\nMOTION\nFrames: 1\nFrame Time: 0.1\n0 0 0\n"


@pytest.mark.parametrize(("old", "new", "message"), [
    ("HIERARCHY", "<html>", "not a BVH file: expected HIERARCHY in the first line and MOTION later, got '<html>'"),
    ("OFFSET 0 0 0", "OFFSET 0 zero 0", "a.bvh:4: expected 3 numbers, got '0 zero 0'"),
    ("CHANNELS 3", "CHANNELS 4", "a.bvh:5: expected CHANNELS, how many"),
    ("Xrotation", "Wrotation", "a.bvh:5: expected CHANNELS, how many"),
    ("}\nMOTION", "MOTION", "1 joints and 1 braces that are not closed before MOTION"),
    ("Frames: 1", "Frames: 2", "it says 2 frames of 0.1 s, and 1 lines follow"),
    ("Frame Time: 0.1", "Frame Time: -1", "it says 1 frames of -1 s"),
    ("\n0 0 0\n", "\n0 0 nan\n", "a.bvh:10: expected 3 numbers, got '0 0 nan'"),
    ("\n0 0 0\n", "\n0 0\n", "a.bvh:10: expected 3 numbers, got '0 0'"),
    ("{\n OFFSET", "OFFSET", "a.bvh:3: expected ROOT, JOINT, End Site, OFFSET, CHANNELS or a brace in its place"),
    ("ROOT Hips", "ROOT Tail", "no bone stands for hips, spine, head"),
])
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    (tmp_path / "a.bvh").write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        read_motion(tmp_path / "a.bvh")
    assert message in str(caught.value) and "a.bvh" in str(caught.value)


def test_other_files_and_lying_figures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no motion is read from \*.fbx; expected one of .bvh, .glb, .vmd"):
        read_motion(tmp_path / "a.fbx")
    turn = about((0, 1, 0), np.radians(45))
    leaning = person()
    slanted = Skeleton(leaning.names, leaning.parents, leaning.heads @ turn.T, leaning.tails @ turn.T)
    still = Clip("a", 30.0, slanted, np.tile([1.0, 0, 0, 0], (3, 22, 1)), np.zeros((3, 3)))
    (tmp_path / "a.bvh").write_text(bvh_text(still))
    with pytest.raises(ConfigError, match="its rest pose is no standing figure, and on the whole the head is not over the feet; export the motion"):
        read_motion(tmp_path / "a.bvh")


@pytest.mark.parametrize("up", ["y", "z"])
def test_a_rest_pose_that_is_no_figure_is_replaced_by_the_most_upright_frame(tmp_path: Path, up: str) -> None:
    """Bones heaped along one axis at rest: limbs point where they do in the same motion with a T-pose at rest, in every frame, on another body too."""
    clip = walking(person(), cycles=1)
    clip = replace(clip, rotations_wxyz=np.concatenate([np.tile([1.0, 0, 0, 0], (5, 22, 1)), clip.rotations_wxyz]),
                   root_offset_m=np.concatenate([np.zeros((5, 3)), clip.root_offset_m]))
    for name, what in (("plain", clip), ("heap", heaped(clip))):
        (tmp_path / f"{name}.bvh").write_text(bvh_text(what, "bandai namco", "ZXY", up=up, root_node=True))
    plain, heap = (read_motion(tmp_path / f"{name}.bvh") for name in ("plain", "heap"))
    assert plain.rest_at_s is None and heap.rest_at_s < 5 / 60 and heap.unit == "centimetres"
    assert f"its rest pose is no standing figure, so the most upright pose, at {heap.rest_at_s:.2f} s, counts as one" in heap.said("heap.bvh")
    same_motion(heap.clip, plain.clip, 1e-4, turns=False)
    ours, theirs = (retarget(s.clip, load_base_body().skeleton, "x", hold=False).posture() for s in (plain, heap))
    for joint in ("leftHand", "rightHand", "leftFoot", "rightFoot", "head", "hips"):
        np.testing.assert_allclose(ours.at(joint), theirs.at(joint), atol=1e-3, err_msg=joint)


def test_a_part_starts_over_the_origin_facing_front() -> None:
    clip = walking(person())
    part = trimmed(clip, 0.5, 1.0, "a.bvh")
    assert part.frames == 31
    hips = part.posture()
    np.testing.assert_allclose(hips.heads[0, 0, :2], 0, atol=1e-9)
    across = hips.at("leftUpperLeg")[0] - hips.at("rightUpperLeg")[0]
    assert across[0] > 0 and across[1] == pytest.approx(0, abs=1e-12)
    with pytest.raises(ConfigError, match=r"a.bvh: there is nothing from 9 s to the end; it lasts 2.98 s"):
        trimmed(clip, 9.0, None, "a.bvh")
