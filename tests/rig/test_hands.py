"""Hands of the body in the place of mittens: joined without a gap in any pose, in the figure's colours, or left alone with a reason."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from stages.artifacts.body import BodyModel
from stages.artifacts.rig import Skinning, skin_sparse
from stages.artifacts.showcase_poses import showcase_pose
from stages.conditions.body import POSES, load_base_body
from stages.rendering.picture import Surface, draw
from stages.rendering.viewpoint import looking_at
from stages.rig.bind import bind
from stages.rig.hands.colour import PALE, baked, skin_colour
from stages.rig.hands.fit import NO_HANDS, Hands, fitted_hands
from stages.rig.hands.graft import is_glove
from stages.rig.hands.loops import border_loops, bridge
from stages.rig.hands.wrist import arm_of
from stages.rig.settings import RigSettings
from stages.rig.transfer import Transfer
from tests.rig import figures

SKIN, SLEEVE = np.array([0.9, 0.75, 0.7]), np.array([0.15, 0.2, 0.6])


@lru_cache
def mittened() -> tuple[BodyModel, BodyModel, np.ndarray, np.ndarray, np.ndarray]:
    """The base body at rest and posed, how it was posed, and itself a little swollen as the reconstruction, with sleeves to the wrist."""
    body = load_base_body()
    rest2posed = body.skeleton.joint_transforms(POSES["a_pose"])
    posed = body.posed(POSES["a_pose"])
    from stages.artifacts.normals import vertex_normals

    v_pos = posed.v_pos + 0.003 * vertex_normals(posed.v_pos, posed.t_pos_idx)
    arm = np.isin(posed.t_part, [posed.part_names.index(n) for n in ("lower_arm_l", "upper_arm_l")])
    v_rgb = np.tile(SKIN, (len(v_pos), 1))
    v_rgb[np.unique(posed.t_pos_idx[arm])] = SLEEVE
    return body, posed, rest2posed, v_pos, v_rgb


@lru_cache
def fitted() -> tuple[Hands, Skinning, Transfer]:
    body, posed, rest2posed, v_pos, v_rgb = mittened()
    skinning, transfer = bind(v_pos, posed.t_pos_idx, body, posed, rest2posed, RigSettings(), v_rgb)
    return fitted_hands(skinning, v_pos, posed.t_pos_idx, v_rgb, transfer, posed, rest2posed, pytest.fail), skinning, transfer


def joined(hands: Hands, skinning: Skinning) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions at rest, triangles, joints and weights of the seen main surface and the hands together."""
    seen = mittened()[1].t_pos_idx[~hands.hidden]
    a = hands.attachment
    return (np.concatenate([skinning.v_pos_rest, a.v_pos_rest]), np.concatenate([seen, a.t_pos_idx + len(skinning.v_pos_rest)]),
            np.concatenate([skinning.joints, a.joints]), np.concatenate([skinning.weights, a.weights]))


def test_both_hands_are_fitted_and_have_fingers() -> None:
    hands, _, _ = fitted()
    names = mittened()[0].skeleton.names
    used = {names[j] for j in np.unique(hands.attachment.joints[hands.attachment.weights > 0.3])}
    assert hands.sides == ("left", "right") and hands.attachment.name == "hands"
    assert {side + finger + "Distal" for side in hands.sides for finger in ("Thumb", "Index", "Middle", "Ring", "Little")} <= used
    middle = mittened()[1].t_pos_idx[hands.hidden]
    assert set(np.unique(mittened()[1].t_part[hands.hidden])) <= {mittened()[1].part_names.index(n) for n in ("hand_l", "hand_r", "lower_arm_l", "lower_arm_r")}
    assert len(middle) > 2000


@pytest.mark.parametrize("pose", ["rest", "T-pose", "wave", "squat"])
def test_the_join_has_no_gap_in_any_pose(pose: str) -> None:
    hands, skinning, _ = fitted()
    v_rest, triangles, joints, weights = joined(hands, skinning)
    transforms = skinning.skeleton.joint_transforms({} if pose == "rest" else showcase_pose(skinning.skeleton, pose))
    v_pos = skin_sparse(v_rest, joints, weights, transforms)
    _, welded = np.unique(v_pos.round(7), axis=0, return_inverse=True)
    assert len(border_loops(welded.reshape(-1)[triangles])) == len(border_loops(mittened()[1].t_pos_idx))  # the body's own openings and no other
    assert np.isfinite(v_pos).all()


def test_hands_are_coloured_as_the_figure_is_and_begin_in_the_colour_of_the_sleeve() -> None:
    hands, _, _ = fitted()
    a = hands.attachment
    kd = a.kd[np.clip(((1 - a.v_tex[:, 1]) * 256).astype(int), 0, 255), np.clip((a.v_tex[:, 0] * 256).astype(int), 0, 255)] / 255.0
    corner = np.zeros((len(a.v_pos_rest), 3))
    corner[a.t_pos_idx.ravel()] = kd[a.t_tex_idx.ravel()]
    tips = np.flatnonzero(np.isin(a.joints[:, 0], [mittened()[0].skeleton.index(f"leftMiddle{s}") for s in ("Intermediate", "Distal")]))
    assert np.abs(np.median(corner[tips], 0) - SKIN).max() < 0.06
    assert (np.abs(corner - SLEEVE).max(-1) < 0.06).sum() > 8  # the left wrist's ring, and nothing far from it
    wrist = mittened()[0].skeleton.heads[mittened()[0].skeleton.index("leftHand")]
    assert np.linalg.norm(a.v_pos_rest[np.abs(corner - SLEEVE).max(-1) < 0.06] - wrist, axis=-1).max() < 0.06


@pytest.mark.parametrize(("seen", "glove"), [
    ([0.1, 0.1, 0.1], True), ([1.0, 1.0, 1.0], True), ([0.8, 0.1, 0.1], True), ([0.2, 0.25, 0.6], True), ([0.9, 0.5, 0.1], True),
    ([0.95, 0.85, 0.78], False), ([0.5, 0.33, 0.2], False), ([0.42, 0.34, 0.3], False),
])
def test_a_shade_of_the_skin_is_no_glove(seen: list[float], glove: bool) -> None:
    """Black, white, red, blue and orange are; brown is a sleeve's dark run into the skin."""
    assert is_glove(np.array(seen), np.array([1.0, 0.88, 0.8])) == glove


def test_a_glove_keeps_its_colour() -> None:
    body, posed, rest2posed, v_pos, v_rgb = mittened()
    _, skinning, transfer = fitted()
    glove = v_rgb.copy()
    glove[np.unique(posed.t_pos_idx[np.isin(posed.t_part, [posed.part_names.index("hand_r")])])] = [0.1, 0.1, 0.1]
    hands = fitted_hands(skinning, v_pos, posed.t_pos_idx, glove, transfer, posed, rest2posed, pytest.fail)
    dark = (hands.attachment.kd.max(-1) < 50).mean()
    assert 0.3 < dark < 0.7


def moved_hand(stretch: float, thicken: float = 1.0) -> np.ndarray:
    """The reconstruction with its left hand so many times as long and thick."""
    _, posed, _, v_pos, _ = mittened()
    arm = arm_of(posed, "left")
    out = v_pos - arm.wrist
    along = out @ arm.axis
    hand = (along > 0.005) & (np.linalg.norm(out, axis=-1) < 0.3) & (v_pos[:, 0] > 0.3)
    across = out - along[:, None] * arm.axis
    return np.where(hand[:, None], arm.wrist + stretch * along[:, None] * arm.axis + thicken * across, v_pos)


@pytest.mark.parametrize(("stretch", "thicken", "reason"), [
    (1.7, 1.0, r"1\.\d times as long and 1\.\d times as thick as a hand: something is held, or worn"),
    (1.0, 2.2, r"times as thick as a hand"), (0.3, 1.0, r"only \d+% of a hand's length was reconstructed"),
])
def test_what_is_no_bare_hand_stays_and_is_told_of(stretch: float, thicken: float, reason: str) -> None:
    import re

    body, posed, rest2posed, _, v_rgb = mittened()
    _, skinning, transfer = fitted()
    told: list[str] = []
    hands = fitted_hands(skinning, moved_hand(stretch, thicken), posed.t_pos_idx, v_rgb, transfer, posed, rest2posed, told.append)
    assert hands.sides == ("right",) and len(told) == 1
    assert told[0].startswith("the left hand stays as it was reconstructed: ") and re.search(reason, told[0]), told


def test_a_body_without_fingers_has_no_hands_to_give() -> None:
    body = figures.body()
    skinning, transfer = bind(body.v_pos, body.t_pos_idx, body, body, np.tile(np.eye(4), (20, 1, 1)), RigSettings())
    assert fitted_hands(skinning, body.v_pos, body.t_pos_idx, np.ones((len(body.v_pos), 3)), transfer, body, np.tile(np.eye(4), (20, 1, 1)), pytest.fail) is NO_HANDS


def test_skin_is_the_colour_of_the_face_and_not_of_the_hair() -> None:
    _, posed, _, v_pos, v_rgb = mittened()
    none = np.zeros(len(v_pos), bool)
    np.testing.assert_allclose(skin_colour(v_pos, posed.t_pos_idx, v_rgb, none, posed), SKIN, atol=1e-6)
    assert np.array_equal(skin_colour(v_pos, posed.t_pos_idx, v_rgb, ~none, posed), PALE)
    assert np.array_equal(skin_colour(v_pos + 1.0, posed.t_pos_idx, v_rgb, none, posed), PALE)


def test_a_bridge_goes_once_round_both_loops() -> None:
    turn = lambda n, z, r: np.stack([r * np.cos(np.arange(n) * 2 * np.pi / n), r * np.sin(np.arange(n) * 2 * np.pi / n), np.full(n, z)], 1)  # noqa: E731
    v_pos = np.concatenate([turn(7, 0.0, 1.0), turn(11, 1.0, 0.8)])
    band = bridge(np.arange(7), np.arange(7, 18), v_pos)
    assert len(band) == 18 and set(np.unique(band)) == set(range(18))
    loops = sorted(border_loops(band), key=len)
    assert [len(loop) for loop in loops] == [7, 11]
    p = v_pos[band]
    outward = (np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]) * p.mean(1) * [1, 1, 0]).sum(-1)
    assert (outward > 0).all()


def test_a_baked_texture_shows_the_colours_at_the_vertices() -> None:
    b = figures.body(0.04)
    v_rgb = 0.5 + 0.4 * np.sin(b.v_pos * 5)
    v_tex, t_tex_idx, kd = baked(b.v_pos, b.t_pos_idx, v_rgb, 512)
    assert v_tex.min() >= 0 and v_tex.max() <= 1 and len(t_tex_idx) == len(b.t_pos_idx)
    camera = looking_at(b.v_pos, 20.0, 200, 300)
    drawn = draw(Surface(b.v_pos, b.t_pos_idx, v_tex, t_tex_idx, kd), b.v_pos, camera).astype(float)
    from stages.rendering.picture import draw_colours

    assert np.percentile(np.abs(drawn - draw_colours(b.v_pos, b.t_pos_idx, v_rgb, camera)), 99) < 16


def test_the_stage_says_and_shows_what_it_did(tmp_path: Path) -> None:
    from stages.artifacts.conditions import ConditionSet, write_body
    from stages.rig import STAGE, RigInputs
    from tests.rig.stage_folders import context_in, mesh_asset

    body, posed, rest2posed, v_pos, _ = mittened()
    (tmp_path / "conditions").mkdir()
    (tmp_path / "conditions" / "transforms.json").write_text('{"frames": []}')
    write_body(tmp_path / "conditions", body, rest2posed)
    inputs = RigInputs(mesh_asset(tmp_path / "mesh", v_pos, posed.t_pos_idx), ConditionSet.open(tmp_path / "conditions"))
    rig = STAGE.run(STAGE.settings(preview_px=96, chains="none"), inputs, context_in(tmp_path / "auto"))
    rig.validate()
    assert rig.metrics["hands"] == ["left", "right"] and [a.name for a in rig.attachments] == ["hands"] and rig.hidden.any()
    assert (rig.folder / "preview" / "hands.png").is_file()
    plain = STAGE.run(STAGE.settings(preview_px=96, chains="none", hands="none"), inputs, context_in(tmp_path / "none"))
    assert plain.attachments == () and plain.hidden is None and plain.metrics["hands"] == []
