"""Chains of joints in hair and skirts: where there are any, where they lie, what they move and what they leave alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stages.artifacts.body import Skeleton, axis_angle_wxyz
from stages.artifacts.chains import chains_of, free_number, joint_name
from stages.artifacts.rig import Skinning
from stages.artifacts.showcase_poses import POSES, showcase_pose
from stages.rig.bind import chained
from stages.rig.chain_settings import ChainSettings
from stages.rig.chain_weights import fewest, following
from stages.rig.geodesic import geodesic_m, vertex_areas
from stages.rig.loose import loose_parts
from stages.rig.settings import RigSettings
from tests.rig.figures import skeleton
from tests.rig.swinging import bound

OWN = len(skeleton().names)


def with_chains(*worn: str, **limits: float) -> Skinning:
    skinning, transfer, triangles, _ = bound(*worn)
    return chained(skinning, triangles, transfer, RigSettings(chain_limits=ChainSettings(**limits)))


def bent(skinning: Skinning, kind: str, degrees: float, axis: tuple[float, float, float] = (1, 0, 0)) -> np.ndarray:
    """(V,) metres that each vertex moves if the root of every chain of ``kind`` is turned."""
    turn = axis_angle_wxyz(np.array(axis, float), degrees)
    bones = skinning.skeleton
    pose = {bones.names[chain.joints[0]]: turn for chain in chains_of(bones) if chain.kind == kind}
    return np.linalg.norm(skinning.posed(bones.joint_transforms(pose)) - skinning.v_pos_rest, axis=-1)


@pytest.mark.parametrize("worn", [(), ("cap",)])
def test_bare_skin_trousers_and_a_bob_have_none(worn: tuple[str, ...]) -> None:
    skinning = bound(*worn)[0]
    assert with_chains(*worn) is skinning
    assert chains_of(skinning.skeleton) == []


def test_two_tails_have_a_chain_each_down_their_middles() -> None:
    made = with_chains("cap", "tails")
    bones, chains = made.skeleton, chains_of(made.skeleton)
    heads = [c for c in chains if bones.names[c.anchor] == "head"]
    assert len(heads) == 2 and {c.kind for c in chains} == {"hair"}
    assert [bones.names[j] for j in chains[0].joints] == [f"hair_01_{k + 1}" for k in range(len(chains[0].joints))]
    for chain in chains:
        points = np.concatenate([bones.heads[list(chain.joints)], bones.tails[list(chain.joints[-1:])]])
        assert 2 <= len(chain.joints) <= 4 and (np.diff(points[:, 2]) < 0).all()
        straight = points[points[:, 2] < 1.42]
        rod = np.interp(straight[:, 2], [1.24, 1.46], [0.25, 0.22])
        assert np.abs(np.abs(straight[:, 0]) - rod).max() < 0.015  # half the rod's thickness: inside of it
        np.testing.assert_array_equal(bones.tails[list(chain.joints[:-1])], bones.heads[list(chain.joints[1:])])
        assert [int(bones.parents[j]) for j in chain.joints] == [chain.anchor, *chain.joints[:-1]]
    assert max(bones.tails[c.joints[-1], 2] for c in chains) < 1.25


def test_a_symmetric_figure_has_symmetric_chains() -> None:
    made = with_chains("cap", "tails", "skirt")
    bones = made.skeleton
    assert {c.kind for c in chains_of(bones)} == {"hair", "skirt"}
    heads = bones.heads[OWN:]
    mirrored = heads * [-1, 1, 1]
    apart = np.linalg.norm(heads[:, None] - mirrored[None], axis=-1).min(-1)
    assert apart.max() < 0.012  # the grid of the surface, 0.02, is not symmetric to the last cell


def test_a_skirt_has_panels_all_round_from_the_hips_to_the_hem() -> None:
    made = with_chains("skirt")
    bones, chains = made.skeleton, chains_of(made.skeleton)
    assert len(chains) == 8 and all(c.kind == "skirt" for c in chains)
    tips = np.array([bones.tails[c.joints[-1]] for c in chains])
    assert [bones.names[c.anchor] for c in chains] == ["leftUpperLeg"] * 4 + ["rightUpperLeg"] * 4
    assert (tips[:4, 0] > 0).all() and (tips[4:, 0] < 0).all()  # each half hangs on its own leg
    angles = np.sort(np.arctan2(tips[:, 0], -tips[:, 1]))
    np.testing.assert_allclose(np.diff(angles), np.pi / 4, atol=0.25)
    assert tips[:, 2].max() < 0.58 and np.linalg.norm(tips[:, :2], axis=-1).min() > 0.2
    assert bones.heads[[c.joints[0] for c in chains], 2].min() > 0.78


def test_a_skirt_that_begins_low_hangs_from_its_own_waistband() -> None:
    made = with_chains("low_skirt")
    bones, chains = made.skeleton, chains_of(made.skeleton)
    assert len(chains) == 8 and bones.tails[[c.joints[-1] for c in chains], 2].max() < 0.56
    assert 0.7 < bones.heads[[c.joints[0] for c in chains], 2].min()
    assert bent(made, "skirt", 30)[made.v_pos_rest[:, 2] > 0.82].max() < 0.001


def test_a_long_skirt_swings_from_the_knees_down() -> None:
    made = with_chains("long_skirt")
    bones, chains = made.skeleton, chains_of(made.skeleton)
    assert [bones.names[c.anchor] for c in chains] == ["leftLowerLeg"] * 4 + ["rightLowerLeg"] * 4
    moved, height = bent(made, "skirt", 30), made.v_pos_rest[:, 2]
    wall = (np.linalg.norm(made.v_pos_rest[:, :2], axis=-1) > 0.2) & (np.abs(made.v_pos_rest[:, 0]) < 0.32)
    assert moved[wall & (height > 0.55)].max() < 0.001 and moved[wall & (height > 0.18) & (height < 0.22)].mean() > 0.03


@pytest.mark.parametrize("worn", [("cap", "tails"), ("cap", "pony"), ("skirt",), ("long_skirt",), ("cap", "pony", "skirt")])
def test_unturned_chains_change_nothing(worn: tuple[str, ...]) -> None:
    base, made = bound(*worn)[0], with_chains(*worn)
    assert len(made.skeleton.names) > OWN and made.skeleton.names[:OWN] == base.skeleton.names
    assert made.v_pos_rest is base.v_pos_rest and made.joints.shape == base.joints.shape
    assert made.joints.dtype == np.uint16 and made.weights.dtype == np.float32 and made.weights.min() >= 0
    np.testing.assert_allclose(made.weights.sum(-1, dtype=np.float64), 1, atol=1e-6)
    for name in POSES:
        own = base.skeleton.joint_transforms(showcase_pose(base.skeleton, name))
        transforms = made.skeleton.joint_transforms(showcase_pose(made.skeleton, name))
        np.testing.assert_allclose(following(own, made.skeleton), transforms, atol=1e-12)
        np.testing.assert_allclose(made.posed(transforms), base.posed(own), atol=2e-6)


@pytest.mark.parametrize("worn", [("cap", "tails"), ("cap", "pony")])
def test_bent_hair_moves_and_the_skin_does_not(worn: tuple[str, ...]) -> None:
    made, hair = with_chains(*worn), bound(*worn)[3]
    for axis in ((1, 0, 0), (0, 1, 0)):
        moved = bent(made, "hair", 30, axis)
        assert moved[hair].max() > 0.1
        assert moved[~hair].max() < 0.001
    above = made.v_pos_rest[:, 2] > 1.52
    assert moved[above].max() < 0.001


def test_legs_and_trunk_stay_when_a_skirt_swings_and_the_hem_goes_furthest() -> None:
    made = with_chains("skirt")
    moved = bent(made, "skirt", 30)
    radius, height = np.linalg.norm(made.v_pos_rest[:, :2], axis=-1), made.v_pos_rest[:, 2]
    assert moved[(height > 0.88) | (height < 0.46) | (np.abs(made.v_pos_rest[:, 0]) > 0.42)].max() < 0.001
    wall = (radius > 0.2) & (height < 0.8) & (height > 0.51) & (np.abs(made.v_pos_rest[:, 0]) < 0.3)
    means = [moved[wall & (height > low) & (height <= low + 0.06)].mean() for low in (0.69, 0.63, 0.57, 0.51)]
    assert (np.diff(means) > 0).all() and means[-1] > 0.05


def test_panels_take_from_the_thighs_alone() -> None:
    base, made = bound("skirt")[0], with_chains("skirt")
    for j, name in enumerate(base.skeleton.names):
        before, after = (np.where(s.joints == j, s.weights, 0).sum(-1) for s in (base, made))
        if name.endswith("UpperLeg"):
            assert (after <= before + 1e-6).all() and after.sum() < 0.8 * before.sum()
        else:
            np.testing.assert_allclose(after, before, atol=1e-6, err_msg=name)


def test_a_raised_thigh_carries_its_panels() -> None:
    made = with_chains("skirt")
    bones = made.skeleton.posed(made.skeleton.joint_transforms({"leftUpperLeg": axis_angle_wxyz(np.array([1.0, 0, 0]), -80)}))
    tips = np.array([[s.tails[c.joints[-1]] for c in chains_of(s)] for s in (made.skeleton, bones)])
    assert np.linalg.norm(tips[1] - tips[0], axis=-1)[:4].min() > 0.2
    np.testing.assert_array_equal(tips[1, 4:], tips[0, 4:])


def test_nothing_tears_where_a_tail_bends() -> None:
    made, triangles = with_chains("cap", "pony"), bound("cap", "pony")[2]
    bones = made.skeleton
    turn = axis_angle_wxyz(np.array([0.0, 1.0, 0.0]), 15)
    posed = made.posed(bones.joint_transforms({bones.names[j]: turn for c in chains_of(bones) if bones.names[c.anchor] == "head" for j in c.joints}))
    a, b = triangles[:, [0, 1, 2]].ravel(), triangles[:, [1, 2, 0]].ravel()
    longer = np.linalg.norm(posed[a] - posed[b], axis=-1) - np.linalg.norm(made.v_pos_rest[a] - made.v_pos_rest[b], axis=-1)
    assert longer.max() < 0.03  # a cell and a half of the surface, at 15 degrees in every joint


def test_long_hair_hangs_on_the_head_and_further_down_on_the_chest() -> None:
    bones = with_chains("cap", "pony").skeleton
    anchors = [bones.names[c.anchor] for c in chains_of(bones)]
    assert anchors == ["head", "upperChest"]
    upper, lower = chains_of(bones)
    np.testing.assert_allclose(bones.tails[upper.joints[-1]], bones.heads[lower.joints[0]], atol=0.03)


def test_limits_are_kept() -> None:
    worn = ("cap", "tails", "skirt")
    count = lambda s: {k: sum(c.kind == k for c in chains_of(s.skeleton)) for k in ("hair", "skirt")}  # noqa: E731
    assert count(with_chains(*worn, skirt=0))["skirt"] == 0 < count(with_chains(*worn, skirt=0))["hair"]
    assert count(with_chains(*worn, hair=0))["hair"] == 0
    assert count(with_chains(*worn, skirt=5))["skirt"] == 4 and count(with_chains(*worn, skirt=3))["skirt"] == 0
    longest = max(len(c.joints) for c in chains_of(with_chains(*worn, joints=5, bones=200).skeleton))
    assert longest > max(len(c.joints) for c in chains_of(with_chains(*worn, joints=2).skeleton)) == 2
    for bones in (0, 5, 20, 30):
        assert len(with_chains(*worn, bones=bones).skeleton.names) - OWN <= bones
    assert len(with_chains(*worn, bones=20).skeleton.names) - OWN >= 16
    assert with_chains(*worn, least_m=1.0) is bound(*worn)[0]
    skinning, transfer, triangles, _ = bound(*worn)
    assert chained(skinning, triangles, transfer, RigSettings(chains="none")) is skinning


def test_laying_again_gives_the_same_bytes() -> None:
    first, second = (with_chains("cap", "tails", "skirt") for _ in range(2))
    assert first.joints.tobytes() == second.joints.tobytes() and first.weights.tobytes() == second.weights.tobytes()
    assert first.skeleton.heads.tobytes() == second.skeleton.heads.tobytes() and first.skeleton.names == second.skeleton.names


def test_a_body_that_brings_chains_keeps_them_and_ours_are_counted_on() -> None:
    bones = skeleton()
    brought = Skeleton((*bones.names, "hair_02_1", "hair_02_2"), np.r_[bones.parents, bones.index("head"), OWN],
                       np.r_[bones.heads, [[0, 0, 1.5], [0, 0, 1.4]]], np.r_[bones.tails, [[0, 0, 1.4], [0, 0, 1.3]]])
    assert (free_number(brought, "hair"), free_number(brought, "skirt"), joint_name("hair", 3, 1)) == (3, 1, "hair_03_1")
    (chain,) = chains_of(brought)
    assert (chain.kind, chain.name, brought.names[chain.anchor], chain.joints) == ("hair", "hair_02", "head", (OWN, OWN + 1))
    skinning, transfer, triangles, _ = bound("cap", "tails")
    made = chained(replace(skinning, skeleton=brought), triangles, transfer, RigSettings())
    assert made.skeleton.names[OWN + 2] == "hair_03_1" and len(set(made.skeleton.names)) == len(made.skeleton.names)


def test_a_family_of_weights_gives_up_its_least_without_a_jump() -> None:
    family = np.array([[0.5, 0.3, 0.15, 0.05], [0.4, 0.2, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.0, 0.0], [0.1, 0.499, 0.3, 0.101]])
    got = fewest(family, np.array([2, 2, 3, 1, 1]))
    np.testing.assert_allclose(got.sum(-1), family.sum(-1), atol=1e-12)
    np.testing.assert_allclose(got[0], [0.7, 0.3, 0, 0])  # 0.35 and 0.15, scaled to a sum of 1
    np.testing.assert_allclose(got[1], family[1])
    np.testing.assert_allclose(got[2], [1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(got[4], [0, 1, 0, 0])
    x = np.linspace(0, 1, 201)[:, None]
    slide = fewest(np.concatenate([0.5 + 0 * x, 0.5 * (1 - x) * 0.7, 0.5 * x * 0.8, 0.5 * (1 - 0.7 * (1 - x) - 0.8 * x)], -1), np.full(201, 2))
    assert np.abs(np.diff(slide, axis=0)).max() < 0.02 and ((slide > 0).sum(-1) <= 2).all()


def test_geodesics_go_along_the_surface_and_areas_sum_up() -> None:
    grid = np.stack(np.meshgrid(np.arange(5.0), np.arange(3.0), indexing="ij"), -1).reshape(-1, 2)
    v_pos = np.c_[grid, np.zeros(15)]
    corner = np.array([i * 3 + j for i in range(4) for j in range(2)])
    triangles = np.concatenate([corner[:, None] + [0, 3, 1], corner[:, None] + [3, 4, 1]])
    start = np.arange(15) == 0
    down = geodesic_m(v_pos, triangles, start, np.ones(15, bool))
    assert down[0] == 0 and down[12] == pytest.approx(4) and down[14] == pytest.approx(6)
    wall = np.ones(15, bool)
    wall[[6, 7]] = False
    assert geodesic_m(v_pos, triangles, start, wall)[12] > 4.8 and np.isinf(geodesic_m(v_pos, triangles, start, wall)[6])
    assert np.isinf(geodesic_m(v_pos, triangles, ~wall, wall)).all()
    assert vertex_areas(v_pos, triangles).sum() == pytest.approx(8)


def test_parts_are_described_along_and_across() -> None:
    skinning, transfer, triangles, hair = bound("cap", "tails", "skirt")
    parts = loose_parts(skinning, triangles, transfer)
    assert [p.kind for p in parts] == ["hair", "hair", "hair", "skirt", "skirt"] and not any(p.closed for p in parts)
    assert parts[2].down_m[parts[2].freedom > 0].max() < 0.08  # the cap below the eyes, behind
    for part in parts:
        inside = part.freedom > 0
        assert np.isfinite(part.down_m[inside]).all() and part.freedom.max() == 1 and part.freedom.min() == 0
        assert part.first_rad < part.last_rad and (part.mass >= 0).all()
    assert sum(p.freedom for p in parts[:3])[~hair].max() == 0
    a, b = sorted((p.first_rad + p.last_rad) / 2 % (2 * np.pi) for p in parts[:2])
    assert a + b == pytest.approx(2 * np.pi, abs=0.1)
