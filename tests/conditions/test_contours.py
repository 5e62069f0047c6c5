"""lineart, softedge and canny: which edges are found, and how they are drawn."""

from dataclasses import replace

import numpy as np
import pytest

from stages.artifacts.body import BodyModel
from stages.artifacts.cameras import orbit
from stages.conditions.buffers import ViewBuffers
from stages.conditions.contours import FEATURES, HEMS, _drawn_borders, find_contours, line_width, lineart_picture
from stages.conditions.edges import canny_picture, softedge_picture
from stages.conditions.maps import shaded
from stages.conditions.palette import PART_COLOURS
from stages.conditions.single_view import fine_view
from tests.conditions.mannequin import ellipsoid, mannequin


def of_shape(v_pos: np.ndarray, faces: np.ndarray, part: np.ndarray | None = None, names: tuple[str, ...] = ("chest", "face", "mouth")) -> BodyModel:
    return replace(
        mannequin(), v_pos=v_pos, t_pos_idx=faces, t_tex_idx=faces, v_tex=np.full((len(v_pos), 2), 0.5), part_names=names,
        t_part=np.zeros(len(faces), int) if part is None else part,
    )


def camera(size: int = 128) -> object:
    return orbit("a", np.array([0, 0, 1.0]), 4.0, 0.0, 0.0, 5.0 * size, size, size)


def ball() -> tuple[np.ndarray, np.ndarray]:
    return ellipsoid(np.array([0, 0, 1.0]), np.diag([0.25, 0.25, 0.25]), 48, 64)


def test_a_ball_is_one_ring_and_nothing_inside() -> None:
    view = fine_view(of_shape(*ball()), camera(), 1)
    found = find_contours(view, ("chest", "face", "mouth"))
    y, x = np.nonzero(found.outline)
    radius = np.hypot(x + 0.5 - 64, y + 0.5 - 64)
    expected = 640 * 0.25 / np.sqrt(16 - 0.0625)
    assert np.abs(radius - expected).max() < 2.0
    angles = np.degrees(np.arctan2(y - 64, x - 64))
    assert np.diff(np.sort(angles)).max() < 4  # closed
    assert not found.inner.any()


def quads(*corners: list[tuple[float, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    v_pos = np.array([p for quad in corners for p in quad], float)
    return v_pos, np.array([[4 * i + a, 4 * i + b, 4 * i + c] for i in range(len(corners)) for a, b, c in ((0, 1, 2), (0, 2, 3))])


def sheet(y: float, x0: float, x1: float, z0: float = 0.7, z1: float = 1.3) -> list[tuple[float, float, float]]:
    return [(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)]


def test_a_step_in_depth_is_drawn_and_belongs_to_what_is_in_front() -> None:
    view = fine_view(of_shape(*quads(sheet(0.0, -0.3, 0.3), sheet(-0.05, -0.1, 0.1, 0.9, 1.1))), camera(), 1)
    found = find_contours(view, ("chest", "face", "mouth"))
    ring = found.outline[30:98, 30:98]
    assert ring.any() and (view.depth[30:98, 30:98][ring] < 3.96).all()
    far = fine_view(of_shape(*quads(sheet(0.0, -0.3, 0.3), sheet(-0.0005, -0.1, 0.1, 0.9, 1.1))), camera(), 1)
    assert not find_contours(far, ("chest", "face", "mouth")).outline[30:98, 30:98].any()


def test_a_slanted_plane_is_no_edge_and_a_fold_is() -> None:
    slanted = [(-0.25, 0.7, 0.7), (0.25, -0.7, 0.7), (0.25, -0.7, 1.3), (-0.25, 0.7, 1.3)]
    view = fine_view(of_shape(*quads(slanted)), camera(), 1)
    found = find_contours(view, ("chest", "face", "mouth"))
    inside = view.covered.copy()
    for shift in ((0, 3), (0, -3), (1, 3), (1, -3)):
        inside &= np.roll(view.covered, shift[1], shift[0])
    assert not (found.outline | found.inner)[inside].any()
    fold = quads([(-0.2, 0.1, 0.8), (0, -0.1, 0.8), (0, -0.1, 1.2), (-0.2, 0.1, 1.2)], [(0, -0.1, 0.8), (0.2, 0.1, 0.8), (0.2, 0.1, 1.2), (0, -0.1, 1.2)])
    found = find_contours(fine_view(of_shape(*fold), camera(), 1), ("chest", "face", "mouth"))
    rows = found.inner[45:83]
    assert (rows.sum(1) >= 1).all() and set(np.nonzero(rows)[1]) <= {62, 63, 64, 65}


def test_features_and_hems_are_drawn_and_limbs_are_not_divided() -> None:
    v_pos, faces = quads(sheet(0.0, -0.3, 0.0), sheet(0.0, 0.0, 0.3))
    names = ("face", "mouth", "upper_arm_l", "lower_arm_l", "hand_l", "chest", "neck", "upper_back")

    def line_between(a: str, b: str) -> bool:
        part = np.array([names.index(a)] * 2 + [names.index(b)] * 2)
        return bool(find_contours(fine_view(of_shape(v_pos, faces, part, names), camera(), 1), names).inner.any())

    assert line_between("face", "mouth") and line_between("lower_arm_l", "hand_l") and line_between("neck", "chest")
    assert not line_between("upper_arm_l", "lower_arm_l") and not line_between("face", "neck") and not line_between("chest", "upper_back")
    assert set(FEATURES) | set(HEMS) <= set(PART_COLOURS)
    table = _drawn_borders(names)
    assert np.array_equal(table, table.T) and not table.diagonal().any() and not table[-1].any()


def test_lines_are_as_wide_as_they_say_and_antialiased() -> None:
    mannequin_body = mannequin()
    for size in (96, 640):
        view = fine_view(of_shape(*quads(sheet(0.0, -0.15, 0.15, 0.85, 1.15))), camera(size), 2)
        picture = lineart_picture(find_contours(view, mannequin_body.part_names), 2, size)
        across = picture[size // 2, : size // 2, 0].sum()
        assert across == pytest.approx(line_width(size), abs=0.6)
        assert picture.shape == (size, size, 3) and picture.max() > 0.8
    assert line_width(100) == 1.0 and line_width(1280) == 4.0


def test_softedge_is_graded_and_outlines_outshine_features() -> None:
    v_pos, faces = quads(sheet(0.0, -0.3, 0.0), sheet(0.0, 0.0, 0.3))
    names = ("face", "mouth")
    view = fine_view(of_shape(v_pos, faces, np.array([0, 0, 1, 1]), names), camera(256), 2)
    picture = softedge_picture(find_contours(view, names), shaded(view), 2, 256)
    row = picture[128, :, 0]
    outline, feature = row[:70].max(), row[120:136].max()
    assert outline > 0.75 > feature > 0.35
    assert 6 < len(np.unique(np.round(row[:70], 3))) and ((row[:70] > 0.1) & (row[:70] < 0.6)).sum() >= 4
    assert row[90] < 0.05


def slow_canny(grey: np.ndarray, low: float, high: float) -> np.ndarray:
    """Pixel by pixel."""
    height, width = grey.shape
    padded = np.pad(grey, 1, mode="edge")
    gx, gy, strength = (np.zeros((height, width)) for _ in range(3))
    for y in range(height):
        for x in range(width):
            w = padded[y : y + 3, x : x + 3]
            gx[y, x] = w[0, 2] + 2 * w[1, 2] + w[2, 2] - w[0, 0] - 2 * w[1, 0] - w[2, 0]
            gy[y, x] = w[2, 0] + 2 * w[2, 1] + w[2, 2] - w[0, 0] - 2 * w[0, 1] - w[0, 2]
            strength[y, x] = abs(gx[y, x]) + abs(gy[y, x])
    kept = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            angle = np.degrees(np.arctan2(gy[y, x], gx[y, x])) % 180
            dy, dx = (0, 1) if angle < 22.5 or angle > 157.5 else (1, 1) if angle <= 67.5 else (1, 0) if angle < 112.5 else (1, -1)
            at = lambda yy, xx: strength[yy, xx] if 0 <= yy < height and 0 <= xx < width else 0.0  # noqa: E731
            kept[y, x] = strength[y, x] > low and strength[y, x] > at(y - dy, x - dx) and strength[y, x] >= at(y + dy, x + dx)
    found = kept & (strength > high)
    stack = [tuple(p) for p in np.argwhere(found)]
    while stack:
        y, x = stack.pop()
        for yy in range(max(y - 1, 0), min(y + 2, height)):
            for xx in range(max(x - 1, 0), min(x + 2, width)):
                if kept[yy, xx] and not found[yy, xx]:
                    found[yy, xx] = True
                    stack.append((yy, xx))
    return found


def test_canny_is_its_slow_twin() -> None:
    from scipy.ndimage import gaussian_filter

    luma = np.clip(gaussian_filter(np.random.default_rng(3).random((40, 50)), 1.5) * 6 - 2.5, 0, 1)
    luma[10:25, 12:30] = 0.9
    picture = canny_picture(luma)
    assert np.array_equal(picture[..., 0] > 0, slow_canny(np.round(luma * 255), 100, 200))
    assert set(np.unique(picture)) == {0.0, 1.0} and not canny_picture(np.zeros((8, 8))).any()


def test_an_empty_view_gives_black_pictures() -> None:
    view: ViewBuffers = fine_view(of_shape(*quads(sheet(0.0, 40, 41))), camera(), 2)
    found = find_contours(view, ("chest", "face", "mouth"))
    assert not view.covered.any() and not lineart_picture(found, 2, 128).any() and not softedge_picture(found, shaded(view), 2, 128).any()
