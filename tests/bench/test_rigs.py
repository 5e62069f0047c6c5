"""Rigs against their makers': a surface with the maker's own weights has no error, and a file's rig is read in its own pose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scripts.bench.rigs import RigTruth, joint_errors, mean_of, of_file, of_generator, posed_errors, truths_in
from stages.artifacts.closest import closest_points
from stages.artifacts.glb import GlbMaterial, GlbMesh, write_glb
from stages.artifacts.rig import Skinning
from stages.artifacts.showcase_poses import showcase_pose
from stages.conditions.body import load_base_body
from stages.rig.inpaint import strongest
from tests.rig.figures import body, bone_weights, inflated, skeleton


def truth(moved: np.ndarray | None = None) -> RigTruth:
    """The capsule humanoid as its own maker's figure, with the maker's joints ``moved`` (3,)."""
    b = body()
    still = np.tile(np.eye(4), (len(b.skeleton.names), 1, 1))
    theirs = b.skeleton if moved is None else replace(b.skeleton, heads=b.skeleton.heads + moved)
    return RigTruth("test", b.v_pos, b.t_pos_idx, b.weights, theirs, b, still)


class Mesh:
    """What the figures read of a mesh."""

    def __init__(self, v_pos: np.ndarray, t_pos_idx: np.ndarray) -> None:
        self.v_pos, self.t_pos_idx = v_pos, t_pos_idx


def test_the_makers_weights_are_read_at_the_closest_point_that_faces_alike() -> None:
    v_pos, triangles = inflated(0.004)
    got = truth().weights_at(v_pos, triangles)
    np.testing.assert_allclose(got.sum(-1), 1)
    assert np.abs(got - bone_weights(v_pos)).sum(-1).mean() < 0.03


def test_the_makers_own_skin_has_no_error_and_a_rigid_one_has() -> None:
    t = truth()
    joints, weights = strongest(t.weights)
    mesh = Mesh(t.v_pos, t.t_pos_idx)
    own = Skinning(t.v_pos.astype(np.float32), joints, weights, skeleton())
    assert np.percentile(posed_errors(t, mesh, own, t.weights), 99) < 1e-3  # four influences of the maker's five
    rigid = Skinning(own.v_pos_rest, np.zeros((len(joints), 1), np.uint16), np.ones((len(joints), 1), np.float32), skeleton())
    assert np.percentile(posed_errors(t, mesh, rigid, t.weights), 95) > 0.3


def test_joints_are_compared_in_the_pose_of_the_pictures() -> None:
    own = Skinning(body().v_pos.astype(np.float32), np.zeros((1, 1)), np.ones((1, 1)), skeleton())
    assert joint_errors(truth(), own).max() == 0
    np.testing.assert_allclose(joint_errors(truth(np.array([0, 0.03, 0.04])), own), 0.05)


def test_a_files_body_is_put_back_into_the_pose_that_it_came_in(tmp_path: Path) -> None:
    """The humanoid in T-pose and off the origin; the body that is made of it rests with its arms down, and stands where it stood again."""
    came = body().posed(showcase_pose(skeleton(), "T-pose"), np.array([0.2, 0.1, 0.0]))
    joints, weights = strongest(body().weights)
    path = tmp_path / "Figure.glb"
    write_glb(path, GlbMesh(came.v_pos.astype(np.float32), came.t_pos_idx.astype(np.uint32)), GlbMaterial("m"), came.skeleton, joints, weights)
    t = of_file(path)
    assert t.name == "figure" and t.body.skeleton.names[0] == "hips"
    np.testing.assert_allclose(t.v_pos, came.v_pos, atol=1e-6)
    hand, shoulder = (t.body.skeleton.heads[t.body.skeleton.index(name)] for name in ("leftHand", "leftUpperArm"))
    assert np.degrees(np.arctan2(shoulder[2] - hand[2], hand[0] - shoulder[0])) == pytest.approx(40, abs=0.1)
    off = closest_points(t.body_posed.v_pos, t.v_pos, t.t_pos_idx).distance
    assert np.median(off) < 1e-6 and np.percentile(off, 95) < 0.002 and off.max() < 0.01  # blends bent there and back are not quite the same
    np.testing.assert_allclose(t.body_posed.skeleton.heads, t.skeleton.heads, atol=1e-5)
    np.testing.assert_allclose(t.posed2pose("a_pose") @ t.rest2posed, np.tile(np.eye(4), (len(t.skeleton.names), 1, 1)), atol=1e-6)


def test_a_character_of_the_generator_stands_on_the_base_body() -> None:
    t = of_generator(0)
    assert t.name == "character_00" and t.body.skeleton.names == load_base_body().skeleton.names
    np.testing.assert_allclose(t.weights.sum(-1), 1, atol=1e-6)
    np.testing.assert_allclose(t.body_posed.v_pos, t.body.v_pos, atol=1e-9)  # it rests in A-pose
    assert 1.4 < t.height_m < 1.9


def test_only_finished_reconstructions_count(tmp_path: Path) -> None:
    (tmp_path / "character_03" / "mesh").mkdir(parents=True)
    (tmp_path / "knight" / "mesh").mkdir(parents=True)
    assert truths_in(tmp_path, [Path("Knight.glb")]) == []


def test_means_are_of_numbers_only() -> None:
    assert mean_of([{"a": 1.0, "pose": "sit"}, {"a": 2.0, "pose": "bow"}]) == {"a": 1.5} and mean_of([]) == {}
