"""Whole characters: sound meshes, true colours, lines, pictures that depend on nothing but the words."""

import dataclasses

import numpy as np
import pytest

from scripts.generator import palette
from scripts.generator.assemble import PARTS, Character, Piece, build_character, character_mesh, joined
from scripts.generator.attributes import ACCESSORIES, BOTTOMS, DEFAULT, FIGURES, HAIR_STYLES, SHOES, TOPS, Attributes
from scripts.generator.draw import render, render_all
from scripts.generator.sampling import sample_pose, training_camera, vary_body
from stages.artifacts.body import BodyModel, axis_angle_wxyz
from stages.artifacts.cameras import orbit
from stages.artifacts.framing import body_ring, head_ring
from stages.conditions.body import load_base_body, shape
from stages.conditions.body.shape import shaped
from stages.rendering.zbuffer import rasterize


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_base_body()


@pytest.fixture(scope="module")
def default(body: BodyModel) -> Character:
    return build_character(DEFAULT, body)


def wardrobes() -> list[Attributes]:
    """Every kind of everything at least once."""
    out = []
    for i, style in enumerate(HAIR_STYLES):
        top = TOPS[i % len(TOPS)]
        bottom = "none" if top == "dress" else BOTTOMS[i % 4]
        out.append(dataclasses.replace(
            DEFAULT, hair_style=style, top=top, bottom=bottom, accessory=ACCESSORIES[i % len(ACCESSORIES)], figure=FIGURES[i % 2], shoes=SHOES[i % 3],
            legwear=("bare", "socks", "stockings")[i % 3], skin=("pale", "tan", "dark")[i % 3], seed=i,
        ))
    return out


@pytest.mark.parametrize("attributes", wardrobes(), ids=lambda a: f"{a.hair_style}-{a.top}-{a.bottom}-{a.accessory}".replace(" ", "_"))
def test_every_kind_makes_a_sound_mesh(attributes: Attributes, body: BodyModel) -> None:
    body = shaped(body, shape.FIGURES[attributes.figure])
    c = build_character(attributes, body)
    assert np.isfinite(c.v_pos).all() and np.isfinite(c.t_uv).all()
    assert c.t_pos_idx.min() == 0 and c.t_pos_idx.max() == len(c.v_pos) - 1
    assert np.allclose(c.weights.sum(1), 1, atol=1e-6) and c.weights.min() >= 0
    assert c.t_uv.min() >= 0 and c.t_uv.max() <= 1
    assert 15_000 < len(c.t_pos_idx) < 70_000
    low, high = c.v_pos.min(0), c.v_pos.max(0)
    assert low[2] > -0.02 and high[2] < body.v_pos[:, 2].max() + 0.14
    shown = {PARTS[i] for i in np.unique(c.t_part)}
    assert {"skin", "hair", "eye", "top", "shoes"} <= shown and ("bottom" in shown) == (attributes.bottom != "none")
    assert ("legwear" in shown) == (attributes.legwear != "bare")


def test_the_same_words_make_the_same_bytes(default: Character, body: BodyModel) -> None:
    again = build_character(DEFAULT, body)
    assert np.array_equal(again.v_pos, default.v_pos) and np.array_equal(again.kd, default.kd)
    other = build_character(dataclasses.replace(DEFAULT, seed=1), body)
    assert not np.array_equal(other.kd, default.kd)


def test_colours_in_the_picture_are_the_words(default: Character, body: BodyModel) -> None:
    picture = render_all(default, body_ring(body, 24, 288, 384)[0])
    for part, rgb in (("top", palette.CLOTH["white"]), ("bottom", palette.CLOTH["navy"]), ("hair", palette.HAIR["pink"]), ("legwear", palette.CLOTH["black"])):
        seen = np.median(picture.rgb[picture.part == PARTS.index(part)], 0)
        assert np.abs(seen - rgb).max() < 0.12, (part, seen, rgb)


def test_the_figure_covers_the_body_and_stands_on_white(default: Character, body: BodyModel) -> None:
    for camera in body_ring(body, 4, 288, 384):
        rgb, alpha = render(default, camera)
        v = np.c_[body.v_pos, np.ones(len(body.v_pos))] @ camera.w2clip().T
        bare = rasterize(v, body.t_pos_idx, 384, 288)[0] >= 0
        assert (alpha[bare] > 0).mean() > 0.985
        assert np.all(rgb[alpha == 0] == 1.0)
        assert not alpha[[0, -1]].any() and not alpha[:, [0, -1]].any()
    assert all(render(default, c)[1][:2].max() == 0 for c in head_ring(body, 2, 288, 384))


def square(colors: np.ndarray, y: float = 0.0) -> Piece:
    """An upright square that faces -Y, one colour for each triangle of a texture with two halves."""
    v = np.array([[-0.5, y, 0.5], [0.5, y, 0.5], [0.5, y, 1.5], [-0.5, y, 1.5]])
    tri = np.array([[0, 1, 2], [0, 2, 3]])
    uv = np.broadcast_to(colors[:, None, :], (2, 3, 2))
    return Piece(v, tri, uv, np.ones((4, 1)), "top", quiet=True)


def test_colour_is_flat_from_everywhere_and_depth_is_the_planes() -> None:
    skeleton = load_base_body().skeleton
    kd = np.ones((64, 64, 3), np.float32) * np.array([0.2, 0.5, 0.8], np.float32)
    c = joined([square(np.full((2, 2), 0.5))], kd, skeleton)
    for azimuth in (0.0, 30.0, -50.0):
        camera = orbit("x", np.array([0.0, 0.0, 1.0]), 4.0, azimuth, 0.0, 300.0, 96, 128)
        picture = render_all(c, camera)
        assert np.allclose(picture.rgb[56:72, 44:52], [0.2, 0.5, 0.8], atol=1e-5)
        o, d = camera.rays()
        t = -o[..., 1] / d[..., 1]
        along = t * (d @ -camera.c2w[:3, 2])
        inside = picture.part == PARTS.index("top")
        assert np.abs(picture.depth_m - along)[inside].max() < 0.02 and np.allclose(picture.normal[inside], [0, -1, 0], atol=1e-6)


def test_lines_stand_at_outlines_and_jumps_only() -> None:
    skeleton = load_base_body().skeleton
    kd = np.full((64, 64, 3), 0.8, np.float32)
    near = square(np.full((2, 2), 0.5), y=-0.3)
    near = dataclasses.replace(near, v_pos=near.v_pos * (0.4, 1, 1))
    c = joined([square(np.full((2, 2), 0.5)), near], kd, skeleton)
    rgb = render(c, orbit("x", np.array([0.0, 0.0, 1.0]), 4.0, 0.0, 0.0, 300.0, 96, 128))[0]
    row = rgb[64, :, 0]
    dark = np.flatnonzero(row < 0.75)
    assert 2 <= len(dark) <= 12
    edges = 48 + np.array([-37.5, -16.2, 16.2, 37.5])
    assert np.abs(dark[:, None] + 0.5 - edges).min(1).max() < 2.5


def test_a_posed_character_moves_with_its_body(default: Character, body: BodyModel) -> None:
    pose = {"leftUpperArm": axis_angle_wxyz(np.array([0, 1.0, 0]), 25.0), "head": axis_angle_wxyz(np.array([0, 0, 1.0]), 20.0)}
    moved, posed = default.posed(pose), body.posed(pose)
    hair = np.unique(default.t_pos_idx[default.t_part == PARTS.index("hair")])
    crown = body.landmarks["crown"]
    near = hair[np.linalg.norm(default.v_pos[hair] - body.v_pos[crown], axis=1) < 0.05]
    shift = np.linalg.norm(moved.v_pos[near] - posed.v_pos[crown], axis=1) - np.linalg.norm(default.v_pos[near] - body.v_pos[crown], axis=1)
    assert len(near) and np.abs(shift).max() < 1e-6
    assert np.allclose(moved.skeleton.heads, posed.skeleton.heads)


def test_the_mesh_carries_its_colours(default: Character) -> None:
    v, tri, color = character_mesh(default)
    assert v.shape == color.shape and tri.max() < len(v) and color.min() >= 0 and color.max() <= 1
    hair = np.unique(tri[default.t_part == PARTS.index("hair")])
    assert np.abs(np.median(color[hair], 0) - palette.HAIR["pink"]).max() < 0.08
    assert default.v_tex[default.t_tex_idx].shape == default.t_uv.shape


def test_samples_vary_within_bounds(body: BodyModel) -> None:
    rng = np.random.default_rng(0)
    other = vary_body(body, rng)
    assert 0 < np.abs(other.v_pos - body.v_pos).max() < 0.20 and abs(other.v_pos[:, 2].min() - body.v_pos[:, 2].min()) < 1e-3
    poses = [sample_pose(rng) for _ in range(20)]
    assert any(not p for p in poses) and all(np.isclose(np.linalg.norm(q), 1) for p in poses for q in p.values())
    azimuths = [training_camera(body, rng, ring).azimuth_deg for ring in ("body", "head") for _ in range(40)]
    assert np.ptp(azimuths) > 300
