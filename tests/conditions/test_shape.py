"""Other figures from the base body: sound surfaces, joints inside them, what was asked for and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial import cKDTree

import stages
from stages.artifacts.body import BodyModel
from stages.conditions.body import POSES, load_base_body
from stages.conditions.body.shape import FIGURES, Shape, shaped
from stages.conditions.figure import disagreement
from stages.conditions.run import load_body
from stages.conditions.settings import ConditionsSettings
from stages.views.settings import ViewsSettings

SHAPES = {
    "male": FIGURES["male"], "broad": FIGURES["male"] * Shape(shoulders=1.1, limbs=1.15, waist=1.1), "slim": Shape(waist=0.9, hips=0.92, limbs=0.85, bust=0.5),
    "small": Shape(height=0.85, head=1.15, legs=0.92), "long legs": Shape(legs=1.12), "full": Shape(bust=1.4, hips=1.15),
}  # fmt: skip


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_base_body()


def volume(body: BodyModel) -> float:
    a, b, c = np.moveaxis(body.v_pos[body.t_pos_idx], 1, 0)
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def width(body: BodyModel, joint: str) -> float:
    return float(2 * abs(body.skeleton.heads[body.skeleton.index(joint)][0]))


def test_no_shape_is_the_very_body(body: BodyModel) -> None:
    assert shaped(body, Shape()) is body and shaped(body, FIGURES["female"]) is body


@pytest.mark.parametrize("name", SHAPES)
def test_surface_stays_sound_and_mirrored(body: BodyModel, name: str) -> None:
    other = shaped(body, SHAPES[name])
    before, after = (np.cross(b.v_pos[b.t_pos_idx[:, 1]] - b.v_pos[b.t_pos_idx[:, 0]], b.v_pos[b.t_pos_idx[:, 2]] - b.v_pos[b.t_pos_idx[:, 0]]) for b in (body, other))
    assert (np.einsum("ij,ij->i", before, after) > 0).mean() > 0.998, "triangles turned over"
    assert abs(other.v_pos[:, 2].min()) < 1e-9
    edges = np.unique(np.sort(np.concatenate([body.t_pos_idx[:, [0, 1]], body.t_pos_idx[:, [1, 2]]]), 1), axis=0)
    stretch = np.linalg.norm(np.diff(other.v_pos[edges], axis=1), axis=2) / np.linalg.norm(np.diff(body.v_pos[edges], axis=1), axis=2)
    assert 0.5 < np.percentile(stretch, 0.5) and np.percentile(stretch, 99.5) < 1.8
    flipped = other.v_pos * (-1, 1, 1)
    assert cKDTree(other.v_pos).query(flipped)[0].max() < 1e-6 + cKDTree(body.v_pos).query(body.v_pos * (-1, 1, 1))[0].max() * 1.5
    left, right = (other.skeleton.heads[other.skeleton.index(side + "Hand")] for side in ("left", "right"))
    assert np.allclose(left, right * (-1, 1, 1))


@pytest.mark.parametrize("name", SHAPES)
def test_legs_do_not_meet(body: BodyModel, name: str) -> None:
    other = shaped(body, SHAPES[name])
    left = other.weights[:, [i for i, n in enumerate(other.skeleton.names) if n in ("leftUpperLeg", "leftLowerLeg", "leftFoot")]].sum(1) > 0.9
    crotch = other.skeleton.heads[other.skeleton.index("leftUpperLeg")][2] - 0.12
    assert other.v_pos[left & (other.v_pos[:, 2] < crotch), 0].min() > 0


@pytest.mark.parametrize("name", SHAPES)
def test_joints_go_with_the_surface(body: BodyModel, name: str) -> None:
    """The middle of the vertices near a joint lies from it as on the base body, by the size of the limb there."""
    other = shaped(body, SHAPES[name])
    for joint in ("leftLowerArm", "leftHand", "leftLowerLeg", "leftFoot", "head", "leftUpperArm"):
        j = body.skeleton.index(joint)
        near = np.linalg.norm(body.v_pos - body.skeleton.heads[j], axis=1) < 0.07
        off = [b.v_pos[near].mean(0) - b.skeleton.heads[j] for b in (body, other)]
        assert np.linalg.norm(off[1] - off[0]) < 0.015, joint


def test_each_factor_does_what_it_says(body: BodyModel) -> None:
    assert width(shaped(body, Shape(shoulders=1.2)), "leftUpperArm") == pytest.approx(1.2 * width(body, "leftUpperArm"))
    assert width(shaped(body, Shape(hips=1.1)), "leftUpperLeg") == pytest.approx(1.1 * width(body, "leftUpperLeg"))
    tall = shaped(body, Shape(height=1.1))
    assert np.allclose(tall.v_pos, 1.1 * body.v_pos) and np.allclose(tall.skeleton.tails, 1.1 * body.skeleton.tails)
    hip = body.skeleton.index("leftUpperLeg")
    assert shaped(body, Shape(legs=1.1)).skeleton.heads[hip][2] == pytest.approx(1.1 * body.skeleton.heads[hip][2])
    flat, chest = shaped(body, Shape(bust=0.0)), body.skeleton.heads[body.skeleton.index("upperChest")][2]
    row = np.abs(body.v_pos[:, 2] - chest) < 0.05
    assert flat.v_pos[row, 1].min() > body.v_pos[row, 1].min() + 0.015
    assert volume(shaped(body, FIGURES["male"])) > 1.15 * volume(body)
    head = np.array([n in ("scalp", "face") for n in body.part_names])[body.t_part]
    size = lambda b: np.ptp(b.v_pos[np.unique(b.t_pos_idx[head])], axis=0)  # noqa: E731
    assert np.allclose(size(shaped(body, Shape(head=1.2))), 1.2 * size(body), rtol=0.03)


def test_one_shape_after_another() -> None:
    assert FIGURES["male"] * Shape() == FIGURES["male"]
    assert (Shape(height=1.1) * Shape(height=0.5, legs=0.9)) == Shape(height=0.55, legs=0.9)


def test_poses_of_a_shaped_body_are_the_same_turns(body: BodyModel) -> None:
    man = shaped(body, FIGURES["male"]).posed(POSES["t_pose"])
    shoulder, wrist = (man.skeleton.heads[man.skeleton.index(n)] for n in ("leftUpperArm", "leftHand"))
    assert abs(wrist[2] - shoulder[2]) < 0.03


def test_the_setting_reaches_the_body(body: BodyModel) -> None:
    asked = ConditionsSettings(figure="male", shape={"height": 0.95})
    found = load_body(asked, context=None)  # type: ignore[arg-type]  # nothing of it is needed for our own body
    assert np.array_equal(found.v_pos, shaped(body, FIGURES["male"] * Shape(height=0.95)).v_pos)


def test_words_that_do_not_go_with_the_figure_are_told_of() -> None:
    assert disagreement("a boy with spiky hair", "female") == (
        "the prompt says boy, and the body that the pictures are drawn over is a woman's: `conditions: {figure: male}` takes a man's")
    assert "figure: female" in disagreement("1girl, long hair", "male")
    for prompt, figure in (("a boy", "male"), ("a girl and a boy", "female"), ("a character", "male"), ("a girlish cowboy", "female")):
        assert disagreement(prompt, figure) is None
    noted = stages.character().notices
    prompted = lambda prompt, **more: {"conditions": ConditionsSettings(**more), "views": ViewsSettings(prompt=prompt)}  # noqa: E731
    assert list(noted(prompted("a man in a coat"))) == ["conditions"] and not noted(prompted("a man in a coat", figure="male"))


def test_a_body_of_the_users_keeps_its_figure(tmp_path) -> None:
    (tmp_path / "mine.glb").write_bytes(b"x")
    with pytest.raises(ValidationError, match="a body of your own keeps its figure"):
        ConditionsSettings(body=tmp_path / "mine.glb", figure="male")
    with pytest.raises(ValidationError, match="less than or equal to 1.3"):
        ConditionsSettings(shape={"height": 2.0})
