"""Unwrapping, texels, projection, normals, light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from stages.artifacts.cameras import ring
from stages.artifacts.normals import vertex_normals
from stages.artifacts.views import ViewSet, write_view_set
from stages.mesh.normals import baked_normal_map, tangents
from stages.mesh.observed import Observed, close_ups, observe
from stages.mesh.overlap import unfolded
from stages.mesh.paint import calmed, filled, painted
from stages.mesh.project import CUT_WORTH, project, wholeness
from stages.mesh.texels import texels_of
from stages.mesh.unwrap import unwrap
from stages.rendering.clip import view_clip_matrices
from stages.rendering.zbuffer import interpolate, rasterize


@pytest.fixture(scope="module")
def ball() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A unit-ish sphere with charts: v_pos, faces, v_tex, t_tex_idx."""
    m = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    v, f = np.asarray(m.vertices, np.float32), np.asarray(m.faces, np.int32)
    return v, f, *unwrap(v, f, 256)


def overlap(v_tex: np.ndarray, t_tex_idx: np.ndarray, size: int) -> int:
    """Texel centres inside more than one triangle, by brute force."""
    x, y = np.meshgrid((np.arange(size) + 0.5) / size, (np.arange(size) + 0.5) / size)
    count = np.zeros((size, size), int)
    for a, b, c in v_tex[t_tex_idx].astype(np.float64):
        s = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        count += np.all([k > 1e-9 for k in s], 0) | np.all([k < -1e-9 for k in s], 0)
    return int((count > 1).sum())


def test_charts_do_not_overlap_and_fill_the_square(ball) -> None:
    v, f, v_tex, t_tex_idx = ball
    assert v_tex.min() >= 0 and v_tex.max() <= 1 and len(t_tex_idx) == len(f)
    assert overlap(v_tex, t_tex_idx, 128) == 0
    assert len(texels_of(v_tex, t_tex_idx, 256, border_px=0).place) > 0.3 * 256**2


def test_texture_corners_belong_to_their_positions(ball) -> None:
    v, f, v_tex, t_tex_idx = ball
    owner = np.full(len(v_tex), -1)
    owner[t_tex_idx.ravel()] = f.ravel()
    np.testing.assert_array_equal(owner[t_tex_idx], f)


def test_detailed_faces_get_more_texels() -> None:
    m = trimesh.creation.icosphere(subdivisions=3, radius=0.5)
    v, f = np.asarray(m.vertices), np.asarray(m.faces, np.int32)
    top = v[f].mean(1)[:, 2] > 0
    v_tex, t = unwrap(v, f, 256, top, 3.0)
    p = v_tex[t].astype(np.float64)
    e, g = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    area = np.abs(e[:, 0] * g[:, 1] - e[:, 1] * g[:, 0])
    assert area[top].sum() / area[~top].sum() == pytest.approx(3.0, rel=0.15)
    assert overlap(v_tex, t, 128) == 0


def folded_square(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Two large triangles side by side, a sliver folded over the first and a small one on top of the second; texture corners in [0, 1]."""
    px = [[4, 4], [40, 4], [4, 40], [40, 40], [4, 4.2], [30, 12], [28, 28], [36, 30], [30, 36]]
    return np.array(px, np.float32) / size, np.array([[0, 1, 2], [1, 3, 2], [4, 5, 0], [6, 7, 8]], np.int32)


def test_folded_triangles_move_to_a_free_corner() -> None:
    """Nothing is covered twice any more, what did not overlap stays, and a moved triangle has a texel of its own at least."""
    v_tex, t = folded_square(64)
    assert overlap(v_tex, t, 64) > 10
    apart, moved = unfolded(v_tex, t, 64)
    assert overlap(apart, moved, 64) == 0 and 0 <= apart.min() and apart.max() <= 1
    np.testing.assert_array_equal(moved[:2], t[:2])
    np.testing.assert_array_equal(apart[: len(v_tex)], v_tex)
    assert set(np.unique(rasterized_faces(apart, moved, 64))) == {-1, 0, 1, 2, 3}


def rasterized_faces(v_tex: np.ndarray, t: np.ndarray, size: int) -> np.ndarray:
    """Which triangle covers each texel, -1 for none."""
    clip = np.concatenate([v_tex * 2.0 - 1.0, np.zeros((len(v_tex), 1)), np.ones((len(v_tex), 1))], 1)
    return rasterize(clip, t, size, size)[0]


def test_folded_triangles_stay_where_there_is_no_room() -> None:
    v_tex = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.4, 0.4], [0.6, 0.4], [0.4, 0.6]], np.float32)
    t = np.array([[0, 1, 2], [1, 3, 2], [4, 5, 6]], np.int32)
    apart, moved = unfolded(v_tex, t, 32)
    np.testing.assert_array_equal(apart, v_tex)
    np.testing.assert_array_equal(moved, t)


def test_texels_lie_on_the_surface_and_fill_their_neighbourhood(ball) -> None:
    v, f, v_tex, t_tex_idx = ball
    texels = texels_of(v_tex, t_tex_idx, 256, border_px=2)
    r = np.linalg.norm(texels.carry(v, f), axis=1)
    assert np.abs(r - 0.5).max() < 0.02
    picture = texels.picture(np.ones((len(texels.place), 3), np.float32))
    assert (picture == 1).all()


def views_of(v: np.ndarray, f: np.ndarray, colour, count: int = 10, focal: float = 260.0) -> Observed:
    """Pictures of a mesh whose colour is a function of position."""
    cameras = ring("t", count, np.zeros(3), 3.0, 0.0, focal, 96, 96)
    images = []
    for c in cameras:
        clip = np.concatenate([v, np.ones((len(v), 1))], 1) @ c.w2clip().T
        ids, bary, _ = rasterize(clip, f, 96, 96)
        images.append(np.concatenate([colour(interpolate(v, f, ids, bary)), (ids >= 0)[..., None]], -1) * (ids >= 0)[..., None])
    stack = torch.tensor(np.stack(images), dtype=torch.float32)
    return Observed(cameras, stack[..., :3].contiguous(), stack[..., 3:].contiguous(), view_clip_matrices(cameras))


def stripes(p: np.ndarray) -> np.ndarray:
    """A smooth pattern in space."""
    return 0.5 + 0.4 * np.sin(p * 9.0)


def test_projection_brings_the_views_colours_to_their_points(ball) -> None:
    v, f, v_tex, t_tex_idx = ball
    texels = texels_of(v_tex, t_tex_idx, 256)
    colour, _ = painted(texels, v, f, [views_of(v, f, stripes)], 6.0)
    point = texels.carry(v, f)
    side = np.abs(point[:, 2]) < 0.35
    error = np.abs(colour - stripes(point))
    assert error[side].mean() < 0.02
    assert error.max() < 0.6 and colour.min() > 0.05  # the poles, unseen, take colours from beside them


def test_calmed_normals_of_a_crumpled_ball_look_outwards_again() -> None:
    m = trimesh.creation.icosphere(subdivisions=4)
    out = np.asarray(m.vertices)
    crumpled = out * (1 + 0.03 * np.random.default_rng(0).normal(size=(len(out), 1)))
    normals = vertex_normals(crumpled, m.faces)
    calm = calmed(normals, m.faces)
    calm /= np.linalg.norm(calm, axis=-1, keepdims=True)
    before, after = (np.degrees(np.arccos(np.clip((n * out).sum(-1), -1, 1))) for n in (normals, calm))
    assert np.quantile(before, 0.95) > 25 and np.quantile(after, 0.95) < 0.5 * np.quantile(before, 0.95)


def test_occluded_points_do_not_take_their_occluders_colour() -> None:
    big, small = trimesh.creation.icosphere(subdivisions=3, radius=0.3), trimesh.creation.icosphere(subdivisions=3, radius=0.1)
    v = np.concatenate([big.vertices, small.vertices + [0, -0.6, 0]])
    f = np.concatenate([big.faces, small.faces + len(big.vertices)]).astype(np.int32)
    red_in_front = lambda p: np.where(p[..., 1:2] < -0.45, [1.0, 0, 0], [0, 0, 1.0])  # noqa: E731
    v_tex, t = unwrap(v, f, 256)
    texels = texels_of(v_tex, t, 256)
    colour, _ = painted(texels, v, f, [views_of(v, f, red_in_front)], 6.0)
    on_big = texels.carry(v, f)[:, 1] > -0.4
    assert colour[on_big, 0].max() < 0.05 and colour[on_big, 2].min() > 0.95


def test_where_close_ups_end_they_give_way_by_degrees(ball) -> None:
    """Close-ups in white that their pictures' borders cut off, whole views in black: no line where the last close-up ends."""
    v, f, _, _ = ball
    plain = lambda value: lambda p: np.full((*p.shape[:-1], 3), value)  # noqa: E731
    z = np.linspace(-0.45, 0.45, 721)
    out = np.stack([np.zeros_like(z), -np.sqrt(0.25 - z**2), z], -1)
    given = [views_of(v, f, plain(0.0), 12), views_of(v, f, plain(1.0), 12, focal=520.0)]
    colour, weight = project(0.995 * out, 2 * out, v, f, given, 6.0)
    assert weight.min() > 0
    assert colour[np.abs(z) < 0.1].min() > 0.7 and colour[np.abs(z) > 0.3].max() < 0.01
    assert np.abs(np.diff(colour[:, 0])).max() < 0.1


def test_a_figure_counts_less_only_where_a_border_cuts_it_off() -> None:
    alpha = np.zeros((100, 80))
    alpha[2:60, 3:70] = 1
    np.testing.assert_array_equal(wholeness(alpha), 1)
    alpha[60:, 30:50] = 1
    got = wholeness(alpha)
    assert got[99, 40] == pytest.approx(CUT_WORTH) and got[94, 40] == pytest.approx(CUT_WORTH**0.5) and got[89, 40] == 1
    assert (got[:88] == 1).all() and got[99, 10] == 1 and got[99, 25] == pytest.approx(CUT_WORTH**0.5)


def test_what_only_a_cut_off_picture_shows_is_seen(ball) -> None:
    """One close-up, whose borders cut the ball: at the very border its colours are kept."""
    v, f, _, _ = ball
    close = views_of(v, f, stripes, 1, focal=520.0)
    points = np.stack([np.zeros(200), -np.ones(200), np.linspace(-0.25, 0.25, 200)], -1)
    points *= 0.5 / np.linalg.norm(points, axis=1, keepdims=True)
    colour, weight = project(0.995 * points, 2 * points, v, f, [close], 24.0)
    shown = np.abs(points[:, 2]) < 0.195
    assert weight[shown].min() > 0.05 * weight.max()
    np.testing.assert_allclose(colour[shown], stripes(points)[shown], atol=0.05)


def test_the_portrait_paints_more_than_its_share_and_only_what_it_sees(ball) -> None:
    """Views that disagree, the portrait green and the others red: with a lead, green reaches as much further round."""
    v, f, v_tex, t = ball
    texels = texels_of(v_tex, t, 256)
    views = views_of(v, f, lambda p: np.broadcast_to([1.0, 0, 0], (*p.shape[:-1], 3)), 8)
    views.rgb[0] = views.rgb[0].flip(-1).roll(-1, -1)
    views = replace(views, portrait=0)
    azimuth = np.degrees(np.arctan2(*texels.carry(v, f)[:, :2].T * [[1], [-1]]))
    level = np.abs(texels.carry(v, f)[:, 2]) < 0.1
    reach = {}
    for lead in (0.0, 20.0):
        colour, _ = painted(texels, v, f, [views], 24.0, lead)
        reach[lead] = np.abs(azimuth[level & (colour[:, 1] > 0.5)]).max()
    assert reach[0.0] == pytest.approx(22.5, abs=4) and reach[20.0] == pytest.approx(32.5, abs=4)


def test_tangents_are_square_to_normals_and_run_along_u(ball) -> None:
    v, f, v_tex, t_tex_idx = ball
    n = vertex_normals(v, f)
    np.testing.assert_allclose(n, v / 0.5, atol=0.02)
    t = tangents(v, n, f, v_tex, t_tex_idx)
    at = np.zeros((len(v_tex), 3))
    at[t_tex_idx.ravel()] = n[f.ravel()]
    np.testing.assert_allclose((t[:, :3] * at).sum(1), 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(t[:, :3], axis=1), 1, atol=1e-6)
    e1, e2 = v[f[:, 1]] - v[f[:, 0]], v[f[:, 2]] - v[f[:, 0]]
    d1, d2 = (v_tex[t_tex_idx[:, k]] - v_tex[t_tex_idx[:, 0]] for k in (1, 2))
    area = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    along_u = (e1 * d2[:, 1:] - e2 * d1[:, 1:]) / area[:, None]
    assert np.mean((along_u * t[t_tex_idx[:, 0], :3]).sum(1) > 0) > 0.98
    np.testing.assert_array_equal(np.unique(np.abs(t[:, 3])), [1.0])


def test_normal_map_of_a_surface_on_itself_is_flat_and_of_a_finer_one_brings_its_normals(ball) -> None:
    v, f, v_tex, t_tex_idx = ball
    texels = texels_of(v_tex, t_tex_idx, 256)
    fine = trimesh.creation.icosphere(subdivisions=5, radius=0.5)
    image = baked_normal_map(texels, (v, f), (np.asarray(fine.vertices), np.asarray(fine.faces)), v_tex, t_tex_idx)
    n = image[texels.place[:, 0], texels.place[:, 1]] * 2 - 1
    assert n[:, 2].min() > 0.98
    tilted = np.asarray(fine.vertices) * [1, 1, 1.6]
    image = baked_normal_map(texels, (v, f), (tilted, np.asarray(fine.faces)), v_tex, t_tex_idx)
    assert (image[texels.place[:, 0], texels.place[:, 1], 2] * 2 - 1).min() < 0.95


def test_close_ups_are_where_the_long_lenses_look() -> None:
    v = np.random.default_rng(1).uniform(-0.8, 0.8, (500, 3))
    far, near = ring("b", 6, np.zeros(3), 4.0, 0.0, 100.0, 96, 96), ring("h", 4, np.array([0, 0, 0.5]), 4.0, 0.0, 600.0, 96, 96)
    group = lambda c: Observed(c, torch.zeros(1), torch.zeros(1), view_clip_matrices(c))  # noqa: E731
    found = close_ups(v, [group(far), group(near)])
    assert found.any() and (v[found, 2] > 0).all()
    assert not close_ups(v, [group(far)]).any()


def test_the_portrait_is_the_head_rings_front(tmp_path) -> None:
    """Not the body's front, and none where the head ring's front was left out."""
    cameras = [*ring("body", 4, np.zeros(3), 3.0, 0.0, 20.0, 16, 16), *ring("head", 4, np.zeros(3), 3.0, 0.0, 60.0, 16, 16)]
    for left_out, expected in ((None, 4), ("head_00", None)):
        shown = [c for c in cameras if c.name != left_out]
        write_view_set(tmp_path, ((c, np.ones((16, 16, 4), np.float32)) for c in shown), [{"ring": c.name.split("_")[0]} for c in shown])
        (group,) = observe(ViewSet.open(tmp_path))
        assert group.portrait == expected


def test_what_no_view_sees_takes_colours_of_its_own_surface() -> None:
    """Two balls an inch apart: where they face one another nothing is seen, and the nearest seen point would be the other ball's."""
    one = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    v = np.concatenate([one.vertices - (0.51, 0, 0), one.vertices + (0.51, 0, 0)]).astype(np.float32)
    f = np.concatenate([one.faces, one.faces + len(one.vertices)]).astype(np.int32)
    v_tex, t_tex_idx = unwrap(v, f, 256)
    texels = texels_of(v_tex, t_tex_idx, 256)
    place = texels.carry(v, f)
    true = np.where(place[:, :1] < 0, [1.0, 0.0, 0.1], [0.0, 0.0, 1.0]).astype(np.float32)
    seen = np.abs(place[:, 0]) > 0.3
    got = filled(np.where(seen[:, None], true, 0.5), seen, texels, f)
    assert 0.05 < (~seen).mean() < 0.5
    np.testing.assert_allclose(got, true, atol=1e-3)


def test_colours_between_seen_places_lie_between_theirs(ball) -> None:
    v, f, v_tex, t_tex_idx = ball
    texels = texels_of(v_tex, t_tex_idx, 256)
    height = texels.carry(v, f)[:, 2]
    true = np.repeat(np.where(height[:, None] > 0, 0.9, 0.2), 3, 1).astype(np.float32)
    seen = np.abs(height) > 0.2
    got = filled(true, seen, texels, f)
    assert got.min() >= 0.2 - 1e-6 and got.max() <= 0.9 + 1e-6
    middle = got[np.abs(height) < 0.02]
    assert 0.45 < middle.mean() < 0.65 and middle.std() < 0.1
