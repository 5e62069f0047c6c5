"""The evaluator: figure PSNR over both silhouettes, gradient energy."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from stages.artifacts.scores import figure_psnr, figure_region, gradient_energy_ratio, psnr


def disc(radius: float, colour: tuple[float, float, float]) -> np.ndarray:
    y, x = np.mgrid[:64, :64] - 31.5
    out = np.zeros((64, 64, 4))
    out[x**2 + y**2 < radius**2] = (*colour, 1)
    return out


def test_region_is_the_union_grown_by_four_pixels() -> None:
    a, b = disc(8, (0, 0, 0)), disc(14, (0, 0, 0))
    want = ndimage.binary_dilation(b[..., 3] > 0, structure=np.hypot(*(np.mgrid[-4:5, -4:5])) <= 4)
    np.testing.assert_array_equal(figure_region(a[..., 3], b[..., 3]), want)
    np.testing.assert_array_equal(figure_region(b[..., 3], a[..., 3]), want)


def test_known_error_gives_known_decibels() -> None:
    a, b = disc(10, (0.5, 0.5, 0.5)), disc(10, (0.6, 0.4, 0.5))
    region = figure_region(a[..., 3], b[..., 3])
    share = (a[..., 3] > 0)[region].mean()
    np.testing.assert_allclose(figure_psnr(a, b), -10 * np.log10(share * 0.02 / 3), rtol=1e-9)
    assert figure_psnr(a, a) == np.inf
    assert psnr(np.zeros(4), np.ones(4)) == 0


def test_background_counts_for_nothing() -> None:
    a, b = disc(10, (0.5, 0.5, 0.5)), disc(10, (0.6, 0.4, 0.5))
    wide = [np.pad(x, ((50, 50), (50, 50), (0, 0))) for x in (a, b)]
    np.testing.assert_allclose(figure_psnr(*wide), figure_psnr(a, b), rtol=1e-12)


def test_blur_lowers_gradient_energy() -> None:
    rng = np.random.default_rng(0)
    a = disc(20, (0, 0, 0))
    a[..., :3] = rng.random((64, 64, 3))
    b = a.copy()
    b[..., :3] = ndimage.gaussian_filter(a[..., :3], (1, 1, 0))
    assert gradient_energy_ratio(a, b) < 0.5
    np.testing.assert_allclose(gradient_energy_ratio(a, a), 1)
