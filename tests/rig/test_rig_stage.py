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
from tests.rig.figures import body, skeleton
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


def test_an_empty_folder_is_no_rig(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no rig.safetensors"):
        Rig.open(tmp_path)
