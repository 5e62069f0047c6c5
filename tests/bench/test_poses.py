"""Figures of a surface in poses: lines where it runs through itself, stretch, volume."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from scripts.bench import poses
from scripts.bench.poses import SUITE, crossing_keys, crossing_length, edge_stretch, figures_of, volume, within
from scripts.bench.rigs import RigTruth
from stages.artifacts.mesh import TexturedMesh
from stages.artifacts.normals import vertex_normals
from stages.conditions.body import load_base_body
from stages.rig.inpaint import edges_of
from stages.rig.settings import RigSettings
from tests.rig.figures import body

CROSSED = np.array([[-1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0.5, -1], [0, 0.5, 1], [0, -1.5, 0.0]])
TWO = np.array([[0, 1, 2], [3, 4, 5]])


def test_a_crossing_is_as_long_as_the_line_in_which_two_triangles_meet() -> None:
    keys = crossing_keys(CROSSED, TWO)
    assert keys.tolist() == [1]
    assert crossing_length(CROSSED, TWO, keys) == pytest.approx(0.5)  # from the base at y = 0 to the upright's edge at y = 0.5
    apart = CROSSED.copy()
    apart[3:, 2] += 5
    assert not len(crossing_keys(apart, TWO)) and crossing_length(apart, TWO, crossing_keys(apart, TWO)) == 0


def test_a_finer_mesh_crosses_itself_along_the_same_length() -> None:
    v_pos = np.concatenate([CROSSED, [CROSSED[5] + 0.85 * (CROSSED[3] - CROSSED[5])]])
    fine = np.array([[0, 1, 2], [3, 4, 6], [6, 4, 5]])
    assert len(crossing_keys(v_pos, fine)) == 2
    assert crossing_length(v_pos, fine, crossing_keys(v_pos, fine)) == pytest.approx(0.5)


def test_volume_and_stretch_of_a_surface_that_grows() -> None:
    b = body()
    edges = edges_of(b.t_pos_idx)
    assert volume(2 * b.v_pos, b.t_pos_idx) == pytest.approx(8 * volume(b.v_pos, b.t_pos_idx))
    assert volume(b.v_pos + 3, b.t_pos_idx) == pytest.approx(volume(b.v_pos, b.t_pos_idx)) and volume(b.v_pos, b.t_pos_idx) > 0
    assert edge_stretch(b.v_pos, 0.5 * b.v_pos, edges) == pytest.approx(2) == edge_stretch(b.v_pos, 2 * b.v_pos, edges)


def test_a_surface_that_keeps_its_shape_has_no_figures() -> None:
    b = body()
    (row,) = figures_of(b.v_pos, {"moved": b.v_pos + [1.0, 0, 0]}, b.t_pos_idx).values()
    assert row == {"crossing_heights": 0.0, "edge_stretch_p99": 1.0, "volume_change": 0.0}


def test_figures_are_told_in_those_of_the_body_and_stretch_by_what_is_beyond_one() -> None:
    row = {"crossing_heights": 0.3, "edge_stretch_p99": 1.6, "volume_change": 0.01}
    bare = {"crossing_heights": 0.1, "edge_stretch_p99": 1.3, "volume_change": 0.0001}
    assert within(row, bare) == {"crossing_heights": 3.0, "edge_stretch_p99": 2.0, "volume_change": 0.5}  # of a change below 0.02 the half


def test_the_poses_turn_joints_that_bodies_have() -> None:
    names = set(load_base_body().skeleton.names)
    assert len(SUITE) >= 12 and all(set(turns) <= names for turns in SUITE.values())


def test_a_reconstruction_stands_beside_its_body_and_its_makers_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base body as the reconstruction of itself: nothing is worse than it was made, and the picture shows both."""
    base = load_base_body()
    still = np.tile(np.eye(4), (len(base.skeleton.names), 1, 1))
    truth = RigTruth("base", base.v_pos, base.t_pos_idx, base.weights, base.skeleton, base, still)
    grey, normals = np.full((4, 4, 3), 0.5, np.float32), vertex_normals(base.v_pos, base.t_pos_idx)
    tangents = np.zeros((len(base.v_tex), 4), np.float32)
    mesh = TexturedMesh(base.v_pos, normals, tangents, base.v_tex, base.t_pos_idx, base.t_tex_idx, grey, grey, grey)
    monkeypatch.setattr(poses, "SUITE", {"squat": SUITE["squat"]})
    row, tiles = poses.compared(truth, SimpleNamespace(mesh=mesh, v_pos=mesh.v_pos, t_pos_idx=mesh.t_pos_idx), RigSettings())
    assert row["body"] == row["maker"] and row["body"]["squat"]["edge_stretch_p99"] > 1.1
    assert row["times_the_body"] == row["times_the_maker"] and all(0.5 < times < 1.6 for times in row["times_the_body"].values())
    assert len(tiles) == 2 and all((tile < 230).any(-1).mean() > 0.05 for tile in tiles)
