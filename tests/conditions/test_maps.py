"""Depth, normal, parts, albedo, mask: each formula, on a sphere and on the mannequin."""

from dataclasses import replace

import numpy as np
import pytest

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import orbit
from stages.artifacts.images import to_u8
from stages.conditions import maps
from stages.conditions.buffers import ViewBuffers, box_down, resolved
from stages.conditions.palette import PART_COLOURS, colours_of
from stages.conditions.single_view import fine_view, parts_view
from stages.conditions.software import vertex_normals
from tests.conditions.mannequin import ellipsoid, mannequin

CAMERA = orbit("a", np.array([0, 0, 1.0]), 4.0, 0.0, 0.0, 300.0, 64, 64)


@pytest.fixture(scope="module")
def sphere() -> ViewBuffers:
    v_pos, faces = ellipsoid(np.array([0, 0, 1.0]), np.diag([0.3, 0.3, 0.3]), 64, 96)
    body = replace(mannequin(), v_pos=v_pos, t_pos_idx=faces, t_tex_idx=faces, v_tex=np.full((len(v_pos), 2), 0.5), t_part=np.zeros(len(faces), int))
    return fine_view(body, CAMERA, 1)


def test_geometry_of_a_sphere_is_exact(sphere: ViewBuffers) -> None:
    y, x = np.nonzero(sphere.covered)
    origin, direction = (a[y, x] for a in CAMERA.rays())
    b = (direction * (origin - [0, 0, 1.0])).sum(1)
    t = -b - np.sqrt(np.maximum(b * b - (16 - 0.09), 0))
    hit = origin + t[:, None] * direction
    _, depth = CAMERA.project(hit)
    inner = np.abs(sphere.normal[y, x] @ CAMERA.c2w[:3, 2]) > 0.4
    assert np.abs(sphere.depth[y, x] - depth)[inner].max() < 2e-3
    assert ((sphere.normal[y, x] * (hit - [0, 0, 1.0]) / 0.3).sum(1))[inner].min() > 0.998
    radius = 300.0 * 0.3 / np.sqrt(16 - 0.09)
    assert sphere.covered.sum() == pytest.approx(np.pi * radius**2, rel=0.01)


def test_depth_is_nearest_brightest_and_can_be_undone(sphere: ViewBuffers) -> None:
    near, far = maps.depth_range(sphere)
    picture = maps.depth_picture(sphere, near, far)
    assert picture.shape == (64, 64, 3) and picture.max() == pytest.approx(1.0) and picture[sphere.covered].min() == pytest.approx(0.2)
    assert (picture[~sphere.covered] == 0).all()
    assert np.unravel_index(picture[..., 0].argmax(), (64, 64)) in [(31, 31), (31, 32), (32, 31), (32, 32)]
    back = maps.depth_from_picture(to_u8(picture)[..., 0] / 255, near, far)
    assert np.abs(back[sphere.covered] - sphere.depth[sphere.covered]).max() < 0.6 * (far - near) / 200
    assert np.isinf(back[~sphere.covered]).all()


def test_normal_is_blue_to_the_camera_red_to_the_left_green_up(sphere: ViewBuffers) -> None:
    picture = maps.normal_picture(sphere)
    assert np.allclose(picture[32, 32], [0.5, 0.5, 1.0], atol=0.03)
    assert picture[32, 12, 0] > 0.85 > 0.15 > picture[32, 51, 0]
    assert picture[12, 32, 1] > 0.85 > 0.15 > picture[51, 32, 1]
    n = picture[sphere.covered] * 2 - 1
    assert np.allclose(np.linalg.norm(n, axis=-1), 1, atol=1e-3) and n[:, 2].min() > -0.1


def test_parts_are_palette_colours_and_nothing_between() -> None:
    body = mannequin()
    picture = parts_view(body, orbit("a", np.array([0, 0, 0.8]), 4.0, 0.0, 0.0, 200.0, 72, 96))
    known = {(0, 0, 0)} | {PART_COLOURS[n] for n in body.part_names}
    found = {tuple(c) for c in picture.reshape(-1, 3).tolist()}
    assert found <= known
    assert {PART_COLOURS[n] for n in ("face", "chest", "upper_arm_l", "upper_arm_r", "lower_leg_l", "foot_r")} <= found
    assert not {PART_COLOURS[n] for n in ("upper_back", "lower_back")} & found


def test_the_palette_keeps_every_two_parts_apart() -> None:
    names = list(PART_COLOURS)
    colours = np.array([PART_COLOURS[n] for n in names])
    distance = np.abs(colours[:, None] - colours[None]).max(-1) + 255 * np.eye(len(names), dtype=int)
    assert distance.min() >= 63
    assert np.abs(colours).max(1).min() >= 64  # none is lost in the background
    for left in (n for n in names if n.endswith("_l")):
        assert np.abs(colours[names.index(left)] - colours[names.index(left[:-1] + "r")]).sum() >= 64
    assert np.array_equal(colours_of(("neck",)) * 255, [[255, 255, 0]])
    with pytest.raises(KeyError):
        colours_of(("tail",))


def test_mask_and_albedo_carry_coverage() -> None:
    fine = fine_view(mannequin(), orbit("a", np.array([0, 0, 0.8]), 4.0, 20.0, 0.0, 200.0, 72, 96), 3)
    mask = maps.mask_picture(fine, 3)
    assert np.allclose(np.unique(np.round(mask * 9)), np.arange(10)) and np.allclose(mask[..., 0], mask[..., 2])
    assert np.allclose(maps.albedo_picture(fine, 3), box_down(fine.albedo, 3))


def test_box_down_is_the_mean() -> None:
    image = np.random.default_rng(0).random((6, 9, 2)).astype(np.float32)
    assert np.allclose(box_down(image, 3), image.reshape(2, 3, 3, 3, 2).mean((1, 3)), atol=1e-6)


def test_resolving_takes_the_majority_and_the_nearer_of_a_tie() -> None:
    part = np.array([[0, 0, -1, -1], [0, 1, 2, 2]], np.int16)
    depth = np.where(part < 0, np.inf, np.array([[4, 4.2, 9, 9], [4.4, 1, 3, 3]])).astype(np.float32)
    normal = np.zeros((2, 4, 3), np.float32)
    normal[..., 1] = -1
    fine = ViewBuffers(CAMERA.resized(4, 2), np.arange(8, dtype=np.int32).reshape(2, 4), part, depth, normal, np.zeros((2, 4, 3), np.float32))
    fine = replace(fine, tri_id=np.where(part < 0, -1, fine.tri_id).astype(np.int32))
    found = resolved(fine, 2)
    assert found.part.tolist() == [[0, 2]] and found.depth[0, 0] == pytest.approx(4.2) and found.depth[0, 1] == 3
    assert found.tri_id.tolist() == [[0, 6]] and np.allclose(found.normal[0, 0], [0, -1, 0]) and (found.camera.width, found.camera.height) == (2, 1)


def test_vertex_normals_are_the_slow_sum(sphere: ViewBuffers) -> None:
    body: BodyModel = mannequin()
    v_pos, faces = body.v_pos, body.t_pos_idx
    fast = vertex_normals(v_pos, faces)
    for vertex in (5, 40, 400, 3000):
        total = np.zeros(3)
        for face in faces[(faces == vertex).any(1)]:
            k = int(np.flatnonzero(face == vertex)[0])
            a, b, c = (v_pos[face[(k + i) % 3]] for i in range(3))
            area = np.cross(b - a, c - a)
            if np.linalg.norm(area) < 1e-12:
                continue
            cosine = (b - a) @ (c - a) / np.linalg.norm(b - a) / np.linalg.norm(c - a)
            total += np.arccos(np.clip(cosine, -1, 1)) * area / np.linalg.norm(area)
        assert np.allclose(fast[vertex], total / np.linalg.norm(total), atol=1e-6)


def test_the_documentation_has_the_palette() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text(encoding="utf-8")
    for name, (r, g, b) in PART_COLOURS.items():
        assert f"| `{name}` | {r} {g} {b} |" in text
