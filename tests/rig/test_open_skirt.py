"""A skirt opened beneath: its underside left out, the inside of the cloth and the legs in its place."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from stages.artifacts.attachments import Attachment
from stages.artifacts.body import axis_angle_wxyz
from stages.artifacts.closest import SurfaceTree, closest_points
from stages.artifacts.conditions import ConditionSet, write_body
from stages.artifacts.rig import Skinning, skin_sparse
from stages.rig import STAGE, RigInputs
from stages.rig.bind import bind
from stages.rig.inpaint import components_of
from stages.rig.open_skirt import AROUND, CLOTH_M, NAME, Opened, cloth_inside, opened, ring_triangles
from stages.rig.settings import RigSettings
from stages.rig.skirt import sight
from stages.rig.transfer import Transfer
from stages.rig.underside import Axis
from tests.rig.figures import body, inflated, skeleton, skirted
from tests.rig.stage_folders import context_in, mesh_asset

STILL = np.tile(np.eye(4), (20, 1, 1))
HIP, HEM = 0.83, 0.5
NAVY, BLACK = np.array([0.1, 0.1, 0.4]), np.array([0.05, 0.05, 0.05])


def _normals(v_pos: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return SurfaceTree.of(v_pos, faces).normals


def _colours(v_pos: np.ndarray) -> np.ndarray:
    return np.where(v_pos[:, 2:] > HEM - 0.01, NAVY, BLACK)


def _pieces(skirt: Opened) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V,) bool of the inside and of the legs; the triangles of the inside come first."""
    (both,) = skirt.attachments
    label = components_of(both.t_pos_idx, len(both.v_pos_rest))
    inside = label == label[both.t_pos_idx[0, 0]]
    assert inside.sum() % AROUND == 0 and (~inside).any()
    return inside, ~inside


def _texels(a: Attachment) -> np.ndarray:
    """(V, 3) sRGB at each vertex of a surface whose triangles have charts."""
    size, at = len(a.kd), np.zeros((len(a.v_pos_rest), 2))
    at[a.t_pos_idx.ravel()] = a.v_tex[a.t_tex_idx.ravel()]
    column, row = np.clip((at * [size, -size] + [0, size]).astype(int), 0, size - 1).T
    return a.kd[row, column] / 255


@lru_cache
def dressed(skirt: bool = True) -> tuple[np.ndarray, np.ndarray, Skinning, Transfer, Opened]:
    """The test humanoid in a solid skirt, or in close clothes."""
    v_pos, faces = skirted() if skirt else inflated(0.008)
    skinning, transfer = bind(v_pos, faces, body(), body(), STILL, RigSettings())
    return v_pos, faces, skinning, transfer, opened(skinning, v_pos, faces, _colours(v_pos), transfer, body(), STILL)


def test_the_underside_is_left_out_and_nothing_else() -> None:
    v_pos, faces, _, _, skirt = dressed()
    middle = v_pos[faces].mean(1)
    under = (_normals(v_pos, faces)[:, 2] < -0.8) & (np.abs(middle[:, 2] - HEM) < 0.03)
    legs = np.abs(np.abs(middle[:, 0]) - 0.085) + np.abs(middle[:, 1]) < 0.12
    lip = np.linalg.norm(middle[:, :2], axis=-1) > 0.23
    assert skirt.hidden[under & ~legs & ~lip].mean() > 0.95
    assert np.abs(middle[skirt.hidden, 2] - HEM).max() < 0.05 and not skirt.hidden[_normals(v_pos, faces)[:, 2] > 0].any()


def test_without_it_the_legs_hang_together_with_nothing_above() -> None:
    v_pos, faces, _, _, skirt = dressed()
    label = components_of(faces[~skirt.hidden], len(v_pos))
    feet, head = v_pos[:, 2].argmin(), v_pos[:, 2].argmax()
    assert label[feet] != label[head]


def test_the_inside_looks_at_the_legs_and_lies_within_the_cloth() -> None:
    v_pos, faces, _, _, skirt = dressed()
    (both,), (inside, _) = skirt.attachments, _pieces(skirt)
    points, own = both.v_pos_rest[inside].astype(float), both.t_pos_idx[inside[both.t_pos_idx[:, 0]]]
    outward = Axis.of(body()).outward(both.v_pos_rest[own].mean(1))
    assert ((_normals(both.v_pos_rest, own) * outward).sum(-1) < 0).mean() > 0.99
    near = closest_points(points, v_pos, faces[~skirt.hidden])
    assert CLOTH_M - 0.002 < np.median(near.distance) < 2 * CLOTH_M
    beneath = ((near.point - points) * _normals(v_pos, faces[~skirt.hidden])[near.triangle]).sum(-1)
    assert (beneath > 0).mean() > 0.95 and beneath.min() > -0.01  # the hem's own curl
    assert points[:, 2].min() > HEM - 0.02 and points[:, 2].max() > HIP
    colour = _texels(both)[inside]
    assert (colour < NAVY + 0.02).all(1).mean() > 0.9 and (colour[:, 2] > 2 * colour[:, 0]).mean() > 0.9


def test_the_legs_go_on_from_under_the_hem_to_the_hips() -> None:
    v_pos, faces, _, _, skirt = dressed()
    (both,), (_, legs) = skirt.attachments, _pieces(skirt)
    points = both.v_pos_rest[legs].astype(float)
    assert HEM - 0.08 < points[:, 2].min() < HEM - 0.02 and points[:, 2].max() > HIP
    assert np.abs(_texels(both)[legs] - BLACK).max() < 0.02
    near = closest_points(points, v_pos, faces[~skirt.hidden])
    outward = _normals(v_pos, faces[~skirt.hidden])[near.triangle]
    beneath = ((near.point - points) * outward).sum(-1)
    assert np.percentile(beneath, 5) > 0


def test_where_no_cloth_is_met_the_wall_goes_on_along_the_cloth() -> None:
    v_pos, faces, _, transfer, skirt = dressed()
    axis = Axis.of(body())
    cloth = faces[(transfer.skirt[faces].min(1) > 0.3) & ~skirt.hidden]
    whole = cloth_inside(v_pos, cloth, np.full(AROUND, HIP - HEM), axis)
    depth, behind = axis.depth(v_pos[cloth].mean(1)), v_pos[cloth].mean(1)[:, 1] > 0
    torn = cloth_inside(v_pos, cloth[~(behind & (depth > 0.12) & (depth < 0.17))], np.full(AROUND, HIP - HEM), axis)
    assert np.abs(torn.points - whole.points).max() < 0.02
    assert cloth_inside(v_pos, cloth[~behind], np.full(AROUND, HIP - HEM), axis) is None  # half a skirt is an apron


def test_cloth_and_its_inside_move_as_one() -> None:
    v_pos, faces, skinning, _, skirt = dressed()
    (both,), (inside, _) = skirt.attachments, _pieces(skirt)
    transforms = skeleton().joint_transforms({"leftUpperLeg": axis_angle_wxyz(np.array([1.0, 0, 0]), -70)})
    posed = skin_sparse(both.v_pos_rest, both.joints, both.weights, transforms)[inside]
    moved = np.linalg.norm(posed - both.v_pos_rest[inside], axis=-1)
    distance = closest_points(posed, skinning.posed(transforms), faces[~skirt.hidden]).distance
    assert moved.max() > 0.2 and np.percentile(distance, 95) < 2.5 * CLOTH_M


def test_a_skirt_that_cannot_be_opened_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.rig.open_skirt.cloth_inside", lambda *_: None)
    context = context_in(tmp_path / "rig")
    rig = STAGE.run(STAGE.settings(preview_px=96, face="none", hands="none"), _inputs(tmp_path, *skirted()), context)
    assert not rig.metrics["skirt_opened"] and rig.attachments == () and rig.hidden is None
    assert context.warnings == ["The skirt stays closed beneath: its cloth does not go all the way round."]


def test_close_clothes_and_spread_legs_are_left_alone() -> None:
    assert dressed(skirt=False)[-1] == Opened()
    astride = body().posed({"leftUpperLeg": axis_angle_wxyz(np.array([0, 1.0, 0]), -50), "rightUpperLeg": axis_angle_wxyz(np.array([0, 1.0, 0]), 50)})
    assert Axis.of(astride) is None and Axis.of(body()).thigh_m > 0.3


def test_rings_are_a_tube_of_two_triangles_a_field() -> None:
    faces = ring_triangles(3, 5)
    assert faces.shape == (20, 3) and faces.max() == 14
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert sorted(set(np.unique(edges, axis=0, return_counts=True)[1])) == [1, 2]


def test_a_look_meets_the_furthest_within_half_a_metre() -> None:
    walls = np.array([[-1, y, -1] for y in (-0.2, -0.4, -0.7)] + [[1, y, -1] for y in (-0.2, -0.4, -0.7)] + [[0, y, 1.0] for y in (-0.2, -0.4, -0.7)])
    three = np.array([[k, k + 3, k + 6] for k in range(3)])
    np.testing.assert_allclose(sight(np.zeros((1, 3)), np.array([0, -1.0, 0]), walls, three), [0.4])
    assert np.isnan(sight(np.zeros((1, 3)), np.array([0, 1.0, 0]), walls, three)).all()


def _inputs(folder: Path, v_pos: np.ndarray, faces: np.ndarray) -> RigInputs:
    """What the rig stage is given: a surface, and the test humanoid as the body."""
    (folder / "conditions").mkdir()
    (folder / "conditions" / "transforms.json").write_text('{"frames": []}')
    write_body(folder / "conditions", body(), STILL[: len(skeleton().names)])
    return RigInputs(mesh_asset(folder / "mesh", v_pos, faces), ConditionSet.open(folder / "conditions"))


def test_the_stage_opens_a_skirt_unless_told_not_to(tmp_path: Path) -> None:
    inputs, rigs = _inputs(tmp_path, *skirted()), {}
    for skirts in ("auto", "closed"):
        settings = STAGE.settings(preview_px=96, face="none", hands="none", skirts=skirts)
        rigs[skirts] = STAGE.run(settings, inputs, context_in(tmp_path / skirts))
        rigs[skirts].validate()
    opened_one, closed = rigs["auto"], rigs["closed"]
    assert opened_one.metrics["skirt_opened"] and [a.name for a in opened_one.attachments] == [NAME] and opened_one.hidden.any()
    assert not closed.metrics["skirt_opened"] and closed.attachments == () and closed.hidden is None
    chains = [j for j, name in enumerate(opened_one.skeleton.names) if name.startswith("skirt_")]
    (both,) = opened_one.attachments
    assert chains and both.weights[np.isin(both.joints, chains)].max() > 0.3  # the inside swings with the cloth
