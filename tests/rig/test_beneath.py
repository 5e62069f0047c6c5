"""The body beneath: closed, under the surface, in the colour of the skin, moving with the cloth that lies close."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from stages.artifacts.attachments import Attachment
from stages.artifacts.closest import closest_points
from stages.artifacts.normals import vertex_normals
from stages.artifacts.rig import Skinning, skin_sparse
from stages.artifacts.showcase_poses import showcase_pose
from stages.rendering.viewpoint import turntable
from stages.rendering.zbuffer import rasterize
from stages.rig.beneath import MARGIN_M, behind, body_beneath, drawn_in
from stages.rig.bind import bind
from stages.rig.hands.loops import border_loops
from stages.rig.settings import RigSettings
from tests.rig.figures import body, inflated, skirted

SKIN = np.array([0.9, 0.75, 0.7])
STILL = np.tile(np.eye(4), (20, 1, 1))


@lru_cache
def laid(kind: str) -> tuple[np.ndarray, np.ndarray, Skinning, Attachment]:
    """A figure dressed in cloth 1.5 cm thick, or thinner than the body by 1 cm, or in a skirt; and the body beneath it."""
    v_pos, faces = skirted() if kind == "skirt" else inflated({"thick": 0.015, "thin": -0.01}[kind])
    b = body()
    skinning, transfer = bind(v_pos, faces, b, b, STILL, RigSettings())
    return v_pos, faces, skinning, body_beneath(skinning, v_pos, faces, transfer, (), SKIN, b, STILL)


def depth(points: np.ndarray, v_pos: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Metres under the surface, negative above it."""
    near = closest_points(points, v_pos, faces)
    return ((near.point - points) * near.interpolate(vertex_normals(v_pos, faces), faces)).sum(-1)


def test_it_is_one_closed_surface_in_the_colour_of_the_skin() -> None:
    _, faces, _, under = laid("thick")
    assert border_loops(under.t_pos_idx) == [] and under.name == "beneath" and under.own_mesh and not under.morphs
    assert len(under.t_pos_idx) <= max(2000, len(faces) // 4)
    assert np.abs(np.median(under.kd.reshape(-1, 3), 0) / 255 - SKIN).max() < 0.03 and (under.kd[..., 0] >= under.kd[..., 2]).all()


def test_it_lies_under_the_surface_also_where_the_figure_is_thinner_than_the_body() -> None:
    for kind in ("thick", "thin"):
        v_pos, faces, _, under = laid(kind)
        under_m = depth(under.v_pos_rest, v_pos, faces)
        assert np.percentile(under_m, 1) > 0.25 * MARGIN_M, kind
        assert (under_m < 0).mean() < 0.002


def test_what_lies_deep_enough_stays_where_it_is() -> None:
    b = body()
    v_pos, faces = inflated(0.03)
    deep = depth(b.v_pos, v_pos, faces) > 0.02
    assert deep.mean() > 0.9
    moved = np.linalg.norm(drawn_in(b.v_pos, b.t_pos_idx, v_pos, faces) - b.v_pos, axis=-1)
    assert np.percentile(moved[deep], 99) < 1e-3


@pytest.mark.parametrize("pose", ["T-pose", "walk", "arms up", "wave"])
def test_it_does_not_come_through_cloth_that_moves(pose: str) -> None:
    _, faces, skinning, under = laid("thick")
    transforms = skinning.skeleton.joint_transforms(showcase_pose(skinning.skeleton, pose))
    cloth, posed = skinning.posed(transforms), skin_sparse(under.v_pos_rest, under.joints, under.weights, transforms)
    both, triangles = np.concatenate([cloth, posed]), np.concatenate([faces, under.t_pos_idx + len(cloth)])
    seen = np.concatenate([rasterize(np.c_[both, np.ones(len(both))] @ camera.w2clip().T, triangles, 384, 256)[0].ravel() for camera in turntable(both, 6, 256, 384)])
    assert (seen >= len(faces)).sum() < 0.01 * (seen >= 0).sum()


def test_thighs_move_with_the_skirt_over_them() -> None:
    v_pos, faces, skinning, under = laid("skirt")
    b, legs = body(), [skinning.skeleton.names.index(name) for name in ("leftUpperLeg", "rightUpperLeg")]

    def shares(joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.stack([np.where(joints == leg, weights, 0).sum(1) for leg in legs], 1)

    covered = (under.v_pos_rest[:, 2] > 0.58) & (under.v_pos_rest[:, 2] < 0.72)
    own, cloth = shares(under.joints, under.weights)[covered], shares(skinning.joints, skinning.weights)
    bare = closest_points(under.v_pos_rest[covered], b.v_pos, b.t_pos_idx).interpolate(b.weights[:, legs], b.t_pos_idx)
    over = closest_points(under.v_pos_rest[covered], v_pos, faces).interpolate(cloth, faces)
    assert np.abs(over - bare).mean() > 0.05  # a skirt shares its weight between the legs, as skin does not
    assert np.abs(own - over).mean() < 0.3 * np.abs(bare - over).mean()
    shins = under.v_pos_rest[:, 2] < 0.35
    assert np.median(1 - shares(under.joints, under.weights)[shins].sum(1)) > 0.95


def test_it_keeps_behind_a_mouth_that_reaches_into_the_head() -> None:
    mouth = np.array([[0.0, -0.05, 1.4], [0.005, -0.01, 1.4]])
    sheet = np.array([[0.0, -0.1, 1.4], [0.01, -0.1, 1.41], [0.05, -0.1, 1.4], [0.0, 0.2, 1.4]])
    moved = behind(sheet, mouth)
    np.testing.assert_allclose(moved[:2, 1], -0.01 + MARGIN_M)
    assert np.array_equal(moved[2:], sheet[2:]) and np.array_equal(moved[:, [0, 2]], sheet[:, [0, 2]])
