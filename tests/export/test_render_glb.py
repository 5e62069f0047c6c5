"""What Blender is asked to render, and the closed skins that benchmarks measure on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scripts.bench.surface_nets import outer_skin
from scripts.render_glb import POSES, SIDES, shots_of
from stages.artifacts.cameras import Camera
from stages.artifacts.closest import closest_points
from stages.artifacts.glb import GlbMesh, write_glb
from stages.artifacts.glb_reader import read_glb
from stages.rig.inpaint import strongest
from tests.rig.figures import body


def test_eight_sides_and_three_poses_each_hold_the_figure(tmp_path: Path) -> None:
    b = body(0.04)
    write_glb(tmp_path / "a.glb", GlbMesh(b.v_pos, b.t_pos_idx), None, b.skeleton, *strongest(b.weights))
    shots = shots_of(read_glb(tmp_path / "a.glb"), 70, 100)
    assert [s["name"] for s in shots] == [f"{45 * i}" for i in range(SIDES)] + list(POSES)
    for shot in shots:
        camera = Camera("shot", np.array(shot["c2w"]), shot["focal_px"], shot["focal_px"], 35, 50, 70, 100)
        posed = b.v_pos if not shot["transforms"] else None
        if posed is None:
            transforms = np.array([shot["transforms"][n] for n in b.skeleton.names])
            posed = np.einsum("vj,jab,vb->va", b.weights, transforms, np.c_[b.v_pos, np.ones(len(b.v_pos))])[:, :3]
        pixels, _ = camera.project(posed)
        assert (pixels > 0).all() and (pixels < [70, 100]).all(), shot["name"]


def test_without_a_humanoid_skeleton_there_are_only_sides(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", GlbMesh(body(0.04).v_pos, body(0.04).t_pos_idx))
    assert len(shots_of(read_glb(tmp_path / "a.glb"), 70, 100)) == SIDES


def test_outer_skin_is_closed_and_lies_on_the_figure() -> None:
    """The body twice, one inside the other, becomes one closed surface at the outer one, but for hollows that no view sees into."""
    b = body(0.04)
    inside = b.v_pos - 0.015 * np.sign(b.v_pos - b.v_pos.mean(0))
    v_pos, triangles = outer_skin(np.concatenate([b.v_pos, inside]), np.concatenate([b.t_pos_idx, b.t_pos_idx + len(b.v_pos)]), 0.03, 256)
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert (count % 2 == 0).all()
    distance = closest_points(v_pos, b.v_pos, b.t_pos_idx).distance
    assert np.percentile(distance, 90) < 0.015
