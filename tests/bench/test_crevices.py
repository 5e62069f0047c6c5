"""How many pictures see a point, and what perfect depth would give."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from scripts.bench import crevices, evaluate_mesh
from scripts.bench.crevices import carved, measured, seen_by
from scripts.bench.truths import Truth
from stages.mesh.repair import is_edge_manifold
from stages.rendering.picture import Surface

CELLS = 60


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crevices, "FINER", 1)
    monkeypatch.setattr(evaluate_mesh, "DEPTH_PX", 256)
    monkeypatch.setattr(evaluate_mesh, "SAMPLES", 10_000)


@pytest.fixture(scope="module")
def vase() -> Truth:
    """A thick cylinder with a narrow, deep hole from above: few cameras look into it, none to its bottom."""
    ring = trimesh.creation.annulus(r_min=0.06, r_max=0.4, height=1.0, sections=48)
    foot = trimesh.creation.cylinder(radius=0.4, height=0.1, sections=48, transform=trimesh.transformations.translation_matrix([0, 0, -0.55]))
    v = np.concatenate([ring.vertices, foot.vertices])
    f = np.concatenate([ring.faces, foot.faces + len(ring.vertices)]).astype(np.int64)
    look = Surface(np.zeros_like(v), f, np.zeros((len(v), 2)), f, np.zeros((1, 1, 3), np.uint8))
    return Truth("vase", v, f, np.zeros(len(f), bool), look, np.zeros_like(v))


def test_outside_is_seen_by_many_and_the_hole_by_none(vase: Truth) -> None:
    points = np.array([[0.4, 0.0, 0.0], [0.2, 0.0, 0.5], [0.06, 0.0, -0.3], [0.02, 0.0, -0.5]])
    normals = np.array([[1.0, 0, 0], [0, 0, 1], [-1, 0, 0], [0, 0, 1]])
    side, top, wall, bottom = seen_by(vase, points, normals)
    towards = np.stack([c.position - points[:2] for c in vase.cameras()])
    facing = (towards * normals[:2]).sum(-1) > crevices.GRAZING * np.linalg.norm(towards, axis=-1)
    assert [side, top] == facing.sum(0).tolist() and min(side, top) > 10  # nothing stands before these two
    assert wall == bottom == 0


def test_what_no_picture_sees_stays_full_and_all_else_is_found(vase: Truth) -> None:
    v_pos, faces = carved(vase, CELLS)
    cell, radius = np.ptp(vase.v_pos, axis=0).max() / CELLS, np.linalg.norm(v_pos[:, :2], axis=1)
    assert is_edge_manifold(faces)
    assert not ((radius < 0.05) & (np.abs(v_pos[:, 2] + 0.15) < 0.25)).any()  # the depth of the hole
    height = np.abs(v_pos[:, 2] + 0.05) < 0.4
    assert (np.abs(radius[height] - 0.4) < 2 * cell).mean() > 0.999
    assert v_pos[:, 2].max() == pytest.approx(0.5, abs=2 * cell)


def test_recall_is_told_group_by_group(vase: Truth) -> None:
    """Half of a surface: found is what lies in it, whichever pictures see it."""
    half = vase.t_pos_idx[vase.v_pos[vase.t_pos_idx].mean(1)[:, 0] > 0]
    figures = measured(vase, {"truth": (vase.v_pos, vase.t_pos_idx), "half": (vase.v_pos, half)})
    share = figures["share_of_surface"]
    assert list(share) == ["0", "1", "2-3", "4-6", "7+"] and sum(share.values()) == pytest.approx(1)
    assert figures["truth"]["f_score"] > 0.999 and {r for r in figures["truth"]["recall"].values() if r is not None} == {1.0}
    assert figures["half"]["recall"]["7+"] == pytest.approx(0.5, abs=0.06)
