"""Brushes against what they mean: distances and areas; texture places; mip levels."""

import numpy as np

from scripts.generator.atlas import SIZE, TILES, Atlas, place
from scripts.generator.draw import mip_chain
from scripts.generator.paint import Canvas, curve, smoothstep, taper


def canvas(size: int = 64) -> Canvas:
    return Canvas(np.zeros((size, size, 3), np.float32), (-1.0, -1.0), (1.0, 1.0))


def test_a_stroke_covers_what_lies_within_half_its_width() -> None:
    c = canvas()
    cover = c.stroke_cover(np.array([[-0.5, 0.2], [0.5, 0.2]]), 0.25)
    x, y = c.grid()
    d = np.hypot(np.maximum(np.abs(x) - 0.5, 0), y - 0.2)
    assert np.all(cover[d < 0.125 - c.texel] == 1) and np.all(cover[d > 0.125 + c.texel] == 0)


def test_a_polygon_has_its_area_and_its_window_paints_the_same_texels() -> None:
    c = canvas(128)
    triangle = np.array([[-0.7, -0.6], [0.8, -0.5], [0.1, 0.9]])
    cover = c.polygon_cover(triangle)
    area = 0.5 * abs(np.linalg.det(triangle[1:] - triangle[0]))
    assert abs(cover.sum() * c.texel**2 - area) < 0.005 * area
    c.polygon(triangle, np.array([1.0, 0.5, 0.25]))
    assert np.allclose(c.pixels, cover[..., None] * [1.0, 0.5, 0.25], atol=2e-3)


def test_windows_share_pixels_and_coordinates() -> None:
    c = canvas()
    near = c.window(np.array([-0.3, 0.1]), np.array([0.2, 0.6]))
    near.fill(np.array([1.0, 1.0, 1.0]))
    x, y = c.grid()
    painted = c.pixels[..., 0] > 0
    wanted = (np.abs(x + 0.05) <= 0.25) & (np.abs(y - 0.35) <= 0.25)
    assert np.all(painted[wanted]) and painted.sum() <= (np.sqrt(wanted.sum()) + 3) ** 2
    assert np.allclose(near.texel, c.texel)


def test_places_lie_in_their_tiles_and_tiles_do_not_overlap() -> None:
    used = np.zeros((SIZE, SIZE), int)
    for name, (x, y, w, h) in TILES.items():
        used[y : y + h, x : x + w] += 1
        uv = place(name, np.array([0.0, 1.0]), np.array([0.0, 1.0]))
        assert np.all(uv[:, 0] * SIZE > x) and np.all(uv[:, 0] * SIZE < x + w)
        assert np.all((1 - uv[:, 1]) * SIZE > y) and np.all((1 - uv[:, 1]) * SIZE < y + h)
    assert used.max() == 1


def test_a_canvas_and_a_place_agree() -> None:
    atlas = Atlas()
    atlas.canvas("top").polygon(np.array([[0.2, 0.6], [0.4, 0.6], [0.4, 0.8], [0.2, 0.8]]), np.zeros(3))
    u, v = place("top", np.array(0.3), np.array(0.7))
    assert atlas.kd[int((1 - v) * SIZE), int(u * SIZE)].max() < 1e-3


def test_mip_levels_keep_the_mean() -> None:
    kd = np.random.default_rng(0).random((64, 64, 3), np.float32)
    for level in mip_chain(kd):
        assert np.allclose(level.mean((0, 1)), kd.mean((0, 1)), atol=1e-5)


def test_curves_pass_through_their_points_and_tapers_end_thin() -> None:
    points = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]])
    assert np.allclose(curve(points, 5)[[0, 2, 4]], points)
    widths = taper(11, 2.0, 0.1, 0.0)
    assert np.isclose(widths.max(), 2.0, atol=1e-6) and widths[-1] < 1e-6 and np.isclose(widths[0], 0.2)
    assert smoothstep(0.5, 1.0, 0.0) == 0.5
