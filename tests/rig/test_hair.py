"""Hair is told from clothes by its colour, and follows the head."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.bench.surface_nets import surface_of
from stages.artifacts.closest import closest_points
from stages.rig.bind import corner_mean
from stages.rig.hair import distance_to_tones, hair_weights, reached, smoothed, tones
from stages.rig.settings import RigSettings
from stages.rig.transfer import transfer_weights
from tests.rig.figures import HIGH, LOW, body, bone_distances, skeleton
from tests.rig.swinging import HAIR, SHIRT, SKIN, labelled


@pytest.fixture(scope="module")
def long_haired() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(v_pos, triangles, lies on hair): a slab of hair down the back and a strand over the left shoulder, one surface with the body."""

    def hair(p: np.ndarray) -> np.ndarray:
        slab = np.abs(p - [0, 0.13, 1.27]) - [0.1, 0.03, 0.25]
        strand = np.abs(p - [0.13, -0.02, 1.34]) - [0.03, 0.03, 0.13]
        cap = np.maximum(np.linalg.norm(p - [0, 0, 1.5], axis=-1) - 0.14, 1.42 + 0.8 * (0.0 - p[:, 1]) - p[:, 2])
        return np.minimum(cap, np.minimum(slab.max(-1), strand.max(-1)))

    v_pos, triangles = surface_of(lambda p: np.minimum(bone_distances(p, 0.005).min(-1), hair(p)), LOW, HIGH, 0.025)
    return v_pos, triangles, hair(v_pos) < 0.004


def painted(v_pos: np.ndarray, hair: np.ndarray, shirt: np.ndarray = SHIRT) -> np.ndarray:
    """Colours with cel shading, noise and a shirt below the neck."""
    rng = np.random.default_rng(0)
    base = np.where(hair[:, None], HAIR, np.where(v_pos[:, 2:] > 1.34, SKIN, shirt))
    shade = np.where(v_pos[:, :1] > 0, 1.0, 0.85)
    return np.clip(base * shade + rng.normal(0, 0.02, base.shape), 0, 1)


def test_hair_is_found_and_follows_the_head_not_the_arm(long_haired) -> None:
    v_pos, triangles, hair = long_haired
    transfer = transfer_weights(v_pos, triangles, labelled(), RigSettings(), painted(v_pos, hair))
    assert transfer.hair[hair].mean() > 0.9 and transfer.hair[~hair].mean() < 0.03
    arm = [j for j, n in enumerate(skeleton().names) if "Shoulder" in n or "Arm" in n]
    strand = hair & (v_pos[:, 0] > 0.11) & (v_pos[:, 2] > 1.28)
    blind = transfer_weights(v_pos, triangles, labelled(), RigSettings())
    assert transfer.weights[strand][:, arm].sum(-1).mean() < 0.5 * blind.weights[strand][:, arm].sum(-1).mean()
    head = skeleton().index("head")
    assert transfer.weights[hair & (v_pos[:, 2] > 1.45), head].min() > 0.8
    low = hair & (v_pos[:, 2] < 1.08)
    assert low.any() and transfer.weights[low, skeleton().index("upperChest")].mean() > 0.8
    np.testing.assert_allclose(transfer.weights.sum(-1), 1, atol=1e-12)


def test_a_fringe_over_the_face_says_nothing_of_the_skin() -> None:
    """Most of what lies over this face is hair; its tones are not taken for those of skin."""

    def hair(p: np.ndarray) -> np.ndarray:
        shell = np.abs(np.linalg.norm(p - [0, 0, 1.44], axis=-1) - 0.15) - 0.015
        mouth = 0.06 - np.linalg.norm((p - [0, -0.15, 1.42]) * [1, 0.2, 1], axis=-1)
        return np.maximum(np.maximum(shell, mouth), 1.36 - p[:, 2])

    v_pos, triangles = surface_of(lambda p: np.minimum(bone_distances(p, 0.004).min(-1), hair(p)), LOW, HIGH, 0.02)
    is_hair = hair(v_pos) < 0.004
    face = labelled().part_names.index("face")
    over_face = labelled().t_part[closest_points(v_pos, labelled().v_pos, labelled().t_pos_idx).triangle] == face
    assert is_hair[over_face].mean() > 0.6
    found = transfer_weights(v_pos, triangles, labelled(), RigSettings(), painted(v_pos, is_hair)).hair
    assert found[is_hair & over_face].mean() > 0.8 and found[~is_hair].mean() < 0.03


def test_hair_in_the_colour_of_the_shirt_is_left_alone(long_haired) -> None:
    v_pos, triangles, hair = long_haired
    transfer = transfer_weights(v_pos, triangles, labelled(), RigSettings(), painted(v_pos, hair, HAIR))
    assert not transfer.hair.any()


def test_a_body_without_parts_or_a_bald_head_has_no_hair(long_haired) -> None:
    v_pos, triangles, hair = long_haired
    assert not transfer_weights(v_pos, triangles, body(), RigSettings(), painted(v_pos, hair)).hair.any()
    assert not transfer_weights(v_pos, triangles, labelled(), RigSettings(), np.tile(SKIN, (len(v_pos), 1))).hair.any()


def test_hair_weights_change_smoothly_from_head_to_chest() -> None:
    heights = np.linspace(1.7, 0.8, 50)
    w = hair_weights(np.stack([0 * heights, 0 * heights, heights], -1), skeleton())
    np.testing.assert_allclose(w.sum(-1), 1)
    head, chest = w[:, skeleton().index("head")], w[:, skeleton().index("upperChest")]
    assert head[0] == 1 and chest[-1] == 1 and (np.diff(head) <= 0).all() and np.abs(np.diff(head)).max() < 0.3


def test_flood_smoothing_and_tones() -> None:
    triangles = np.array([[0, 1, 2], [1, 2, 3], [4, 5, 6], [5, 6, 7]])
    start = np.array([1, 0, 0, 0, 0, 0, 0, 0], bool)
    allowed = np.array([1, 1, 0, 1, 1, 1, 1, 1], bool)
    assert reached(start, allowed, triangles).tolist() == [True, True, False, True] + [False] * 4
    assert not reached(start, ~start, triangles).any()
    values = np.arange(8.0)[:, None]
    assert smoothed(values, triangles, 1)[0, 0] == pytest.approx((0 + 1 + 2) / 3)
    np.testing.assert_allclose(smoothed(np.ones((8, 1)), triangles), 1)
    greys = np.repeat(np.array([0.9, 0.1, 0.5])[:, None], 3, 1)
    np.testing.assert_allclose(tones(greys)[:, 0], [0.1, 0.5, 0.9])
    np.testing.assert_allclose(distance_to_tones(greys + 0.1, tones(greys)), np.sqrt(0.03))
    corners = np.arange(12.0).reshape(4, 3, 1)
    assert corner_mean(corners, triangles, 8)[1, 0] == pytest.approx((1 + 3) / 2)
