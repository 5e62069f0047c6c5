"""The rig stage on folders, and its artifact."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ArtifactError, StageError
from stages.artifacts.body import skin
from stages.artifacts.conditions import ConditionSet, write_body
from stages.artifacts.rig import Rig
from stages.artifacts.showcase_poses import showcase_pose
from stages.rig import STAGE, RigInputs
from stages.rig.motion.builtin import made_clip
from stages.rig.motion.reading import read_motion
from stages.rig.motion.retarget import retarget
from tests.rig.figures import body, skeleton, skirted
from tests.rig.motions import bvh_text, person, walking
from tests.rig.stage_folders import context_in, mesh_asset


def conditions_in(folder: Path, rest2posed: np.ndarray) -> ConditionSet:
    """Enough of a conditions folder for the rig: the body."""
    folder.mkdir()
    (folder / "transforms.json").write_text('{"frames": []}')
    write_body(folder, body(), rest2posed)
    return ConditionSet.open(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rig, RigInputs]:
    folder = tmp_path_factory.mktemp("rig")
    rest2posed = skeleton().joint_transforms(showcase_pose(skeleton(), "walk"))
    posed = skin(body().v_pos, body().weights, rest2posed)
    inputs = RigInputs(mesh_asset(folder / "mesh", posed, body().t_pos_idx), conditions_in(folder / "conditions", rest2posed))
    return folder, STAGE.run(STAGE.settings(preview_px=96), inputs, context_in(folder)), inputs


def test_the_artifact_is_whole_and_stands_in_rest_pose(made) -> None:
    folder, rig, inputs = made
    rig.validate()
    skinning = rig.skinning
    assert skinning.skeleton.names == skeleton().names
    np.testing.assert_allclose(skinning.skeleton.heads, skeleton().heads)
    np.testing.assert_allclose(skinning.posed(inputs.conditions.rest2posed), inputs.mesh.v_pos, atol=1e-5)
    assert np.percentile(np.linalg.norm(skinning.v_pos_rest - body().v_pos, axis=-1), 95) < 0.004
    assert rig.metrics["vertices"] == len(body().v_pos) and rig.metrics["trusted_share"] > 0.99 and rig.metrics["unpose_error_m"] < 1e-5
    bones = json.loads((rig.folder / "skeleton.json").read_text())["bones"]
    assert bones["head"]["parent"] == "neck" and bones["hips"]["parent"] is None
    assert {p.name for p in (rig.folder / "preview").iterdir()} == {"poses.png", "weights.png"}


    assert rig.colliders == () and not (rig.folder / "colliders.json").exists() and rig.metrics["chain_joints"] == 0


@pytest.fixture(scope="module")
def skirted_rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    folder = tmp_path_factory.mktemp("skirted")
    still = np.tile(np.eye(4), (len(skeleton().names), 1, 1))
    inputs = RigInputs(mesh_asset(folder / "mesh", *skirted()), conditions_in(folder / "conditions", still))
    return STAGE.run(STAGE.settings(preview_px=96), inputs, context_in(folder))


def test_a_skirt_gets_chains_colliders_and_a_picture(skirted_rig: Rig) -> None:
    skirted_rig.validate()
    assert skirted_rig.metrics["skirt_chains"] == 8 and skirted_rig.metrics["hair_chains"] == 0 and skirted_rig.metrics["unpose_error_m"] < 1e-5
    assert skirted_rig.metrics["chain_joints"] == len(skirted_rig.skeleton.names) - len(skeleton().names) > 15
    assert {p.name for p in (skirted_rig.folder / "preview").iterdir()} == {"poses.png", "weights.png", "chains.png"}
    assert {c.joint for c in skirted_rig.colliders} >= {"head", "hips", "leftUpperLeg", "rightUpperLeg"}


@pytest.mark.parametrize(("text", "message"), [
    ("[{}]", "colliders.json cannot be read (KeyError: 'joint')"), ("{", "colliders.json cannot be read (JSONDecodeError"),
    ('[{"joint": "tentacle", "start_m": [0, 0, 0], "end_m": [0, 0, 0], "radius_m": 1}]', "colliders hang on joints that there are not: tentacle"),
])
def test_spoilt_colliders_are_refused(skirted_rig: Rig, tmp_path: Path, text: str, message: str) -> None:
    for name in ("rig.safetensors", "skeleton.json"):
        (tmp_path / name).write_bytes((skirted_rig.folder / name).read_bytes())
    (tmp_path / "colliders.json").write_text(text)
    with pytest.raises(ArtifactError) as error:
        Rig.open(tmp_path).validate()
    assert message in str(error.value)


def test_a_second_run_writes_the_same_bytes(made, tmp_path: Path) -> None:
    _, rig, inputs = made
    again = STAGE.run(STAGE.settings(preview_px=64), inputs, context_in(tmp_path))
    for name in ("rig.safetensors", "skeleton.json", "metrics.json"):
        assert (rig.folder / name).read_bytes() == (again.folder / name).read_bytes()


def test_a_mesh_in_another_frame_is_refused_with_what_to_look_at(made, tmp_path: Path) -> None:
    _, _, inputs = made
    away = mesh_asset(tmp_path / "mesh", body().v_pos + [5.0, 0, 0], body().t_pos_idx)
    with pytest.raises(StageError, match=r"only 0.0% of the surface lies within 0.05 m.*not in one frame"):
        STAGE.run(STAGE.settings(), RigInputs(away, inputs.conditions), context_in(tmp_path / "run"))


@pytest.mark.parametrize(("tensor", "change", "message"), [
    ("weights", lambda w: w * 0.5, "must sum to 1"),
    ("joints", lambda j: j + 60, "past the last of 20 joints"),
    ("v_pos_rest", lambda v: v[:-1], "same number of rows"),
    ("v_pos_rest", lambda v: v * np.nan, "not finite"),
    ("parents", lambda p: p[::-1].copy(), "parents must come before their children"),
    ("weights", lambda w: w.astype(np.float64), "expected float32"),
    ("heads", lambda h: None, "no tensor 'heads'"),
])
def test_spoilt_artifacts_are_refused(made, tmp_path: Path, tensor: str, change, message: str) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(made[1].folder / "rig.safetensors")
    changed = change(tensors.pop(tensor))
    if changed is not None:
        tensors[tensor] = changed
    save_file(tensors, tmp_path / "rig.safetensors")
    (tmp_path / "skeleton.json").write_bytes((made[1].folder / "skeleton.json").read_bytes())
    with pytest.raises(ArtifactError, match=message):
        Rig.open(tmp_path).validate()


MOVING = {"preview_px": 64, "clip_preview_s": 0.2}


@pytest.fixture(scope="module")
def moving(made, tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """The same figure with a motion of the user's and two clips."""
    folder = tmp_path_factory.mktemp("moving")
    (folder / "stroll.bvh").write_text(bvh_text(walking(person(), 60.0), "mixamo"))
    settings = STAGE.settings(motion=folder / "stroll.bvh", motion_name="stroll", clips=("idle", "wave", "idle"), **MOVING)
    return STAGE.run(settings, made[2], context_in(folder))


def test_clips_are_carried_with_the_rig(moving: Rig) -> None:
    moving.validate()
    assert [(c.name, c.fps, c.frames, c.loops) for c in moving.clips] == [("stroll", 30.0, 90, False), ("idle", 30.0, 241, True), ("wave", 30.0, 121, True)]
    source = walking(person(), 60.0)
    again = retarget(read_motion(moving.folder.parent / "stroll.bvh").clip.resampled(30.0), skeleton(), "stroll", reach=STAGE.settings().reach)
    np.testing.assert_allclose(moving.clips[0].rotations_wxyz, again.rotations_wxyz, atol=1e-6)
    for clip in moving.clips[1:]:
        np.testing.assert_allclose(clip.rotations_wxyz, made_clip(clip.name, skeleton(), 30.0).rotations_wxyz, atol=1e-6)
    assert source.duration_s - 1 / 30 < moving.clips[0].duration_s <= source.duration_s
    assert {p.name for p in (moving.folder / "preview").iterdir()} == {"poses.png", "weights.png", "clip_stroll.mp4", "motion.json"}
    said = json.loads((moving.folder / "preview" / "motion.json").read_text())["read"]
    assert said.startswith("stroll.bvh: 22 joints, 180 frames at 60 a second (2.98 s); lengths taken as centimetres, which makes the person 1.70 m tall")
    assert (moving.folder / "preview" / "clip_stroll.mp4").read_bytes()[4:8] == b"ftyp"


def test_the_figure_without_clips_is_the_same(moving: Rig, made) -> None:
    for name in ("rig.safetensors", "skeleton.json", "metrics.json"):
        assert (moving.folder / name).read_bytes() == (made[1].folder / name).read_bytes()
    assert made[1].clips == () and not (made[1].folder / "clips.json").exists()


def test_clips_twice_are_the_same_bytes(moving: Rig, made, tmp_path: Path) -> None:
    settings = STAGE.settings(motion=moving.folder.parent / "stroll.bvh", motion_name="stroll", clips=("idle", "wave"), **MOVING)
    again = STAGE.run(settings, made[2], context_in(tmp_path))
    for name in ("clips.safetensors", "clips.json", "preview/clip_stroll.mp4"):
        assert (moving.folder / name).read_bytes() == (again.folder / name).read_bytes()


def test_in_place_other_rates_a_part_and_no_video(moving: Rig, made, tmp_path: Path) -> None:
    settings = STAGE.settings(motion=moving.folder.parent / "stroll.bvh", clips=("walk",), in_place=True, clip_fps=0,
                              motion_start_s=0.5, motion_end_s=1.5, clip_preview_s=0, preview_px=64)
    clips = STAGE.run(settings, made[2], context_in(tmp_path)).clips
    assert [(c.name, c.fps, c.frames) for c in clips] == [("motion", 60.0, 61), ("walk", 30.0, 31)]
    assert (clips[0].root_offset_m[:, :2] == 0).all() and np.ptp(clips[0].root_offset_m[:, 2]) > 0.01
    assert {p.name for p in (tmp_path / "out" / "preview").iterdir()} == {"poses.png", "weights.png", "motion.json"}


def test_a_built_in_clip_as_the_motion_comes_first_and_once(made, tmp_path: Path) -> None:
    settings = STAGE.settings(motion="wave", clips=("idle", "wave"), clip_preview_s=0, preview_px=64)
    assert [c.name for c in STAGE.run(settings, made[2], context_in(tmp_path)).clips] == ["wave", "idle"]


@pytest.mark.parametrize(("change", "message"), [
    (lambda t, j: t.pop("rotations_wxyz.0"), "the clips cannot be read"),
    (lambda t, j: t.update({"rotations_wxyz.0": t["rotations_wxyz.0"] * 2}), "clip 'stroll' holds quaternions that are not of length 1"),
    (lambda t, j: t.update({"root_offset_m.0": t["root_offset_m.0"] * np.nan}), "clip 'stroll' holds numbers that are not finite"),
    (lambda t, j: t.update({"root_offset_m.0": t["root_offset_m.0"][1:]}), "expected 90 frames of 20 joints"),
    (lambda t, j: j.update(joints=["a"]), "the clips are of another skeleton"),
])
def test_spoilt_clips_are_refused(moving: Rig, tmp_path: Path, change, message: str) -> None:
    from safetensors.numpy import load_file, save_file

    for name in ("rig.safetensors", "skeleton.json"):
        (tmp_path / name).write_bytes((moving.folder / name).read_bytes())
    tensors, listing = load_file(moving.folder / "clips.safetensors"), json.loads((moving.folder / "clips.json").read_text())
    change(tensors, listing)
    save_file(tensors, tmp_path / "clips.safetensors")
    (tmp_path / "clips.json").write_text(json.dumps(listing))
    with pytest.raises(ArtifactError, match=message):
        Rig.open(tmp_path).validate()


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(ValueError, match=r"motion_start_s 3.0 must be less than motion_end_s 2.0"):
        STAGE.settings(motion="idle", motion_start_s=3.0, motion_end_s=2.0)
    with pytest.raises(ValueError, match="motion_name 'walk' is the name of one of the clips as well"):
        STAGE.settings(motion="idle", motion_name="walk", clips=("walk",))
    with pytest.raises(ValueError, match="'idle', 'walk', 'wave' or 'turn'"):
        STAGE.settings(clips=("fly",))


def test_an_empty_folder_is_no_rig(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no rig.safetensors"):
        Rig.open(tmp_path)
