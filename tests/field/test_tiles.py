"""Half of a batch goes where the field errs; the other half goes everywhere."""

from __future__ import annotations

import numpy as np

from stages.field.tiles import SIDE_PX, UNKNOWN, Tiles, tile_numbers


def test_tiles_are_squares_of_the_picture() -> None:
    tile, count = tile_numbers(2 * SIDE_PX + 1, SIDE_PX)
    assert count == 3 and tile.shape == ((2 * SIDE_PX + 1) * SIDE_PX,)
    assert np.bincount(tile).tolist() == [SIDE_PX**2, SIDE_PX**2, SIDE_PX]


def test_rays_by_error_follow_the_errors_and_the_sizes() -> None:
    tile = np.array([2, 0, 0, 2, 2, 0, 3, 2])  # tile 1 has no pixel
    tiles = Tiles(tile, 4)
    tiles.error = np.array([0.1, 9.0, 0.3, 0.0], np.float32)
    drawn = tile[tiles.draw(np.random.default_rng(0), 40_000, 40_000)]
    share = np.bincount(drawn, minlength=4) / len(drawn)
    np.testing.assert_allclose(share, [0.3 / 1.5, 0, 1.2 / 1.5, 0], atol=0.01)
    even = tiles.draw(np.random.default_rng(0), 40_000, 0)
    np.testing.assert_allclose(np.bincount(even, minlength=8) / len(even), 1 / 8, atol=0.01)
    both = tiles.draw(np.random.default_rng(0), 40_000, 10_000)
    np.testing.assert_allclose((tile[both[:30_000]] == 3).mean(), 1 / 8, atol=0.01)
    assert not (tile[both[30_000:]] == 3).any()


def test_every_pixel_of_a_tile_is_drawn_alike() -> None:
    tiles = Tiles(np.array([1, 0, 1, 1]), 2)
    tiles.error = np.array([0.0, 1.0], np.float32)
    share = np.bincount(tiles.draw(np.random.default_rng(1), 30_000, 30_000), minlength=4) / 30_000
    np.testing.assert_allclose(share, [1 / 3, 0, 1 / 3, 1 / 3], atol=0.01)


def test_errors_are_remembered_where_rays_went_and_nowhere_else() -> None:
    tiles = Tiles(np.array([0, 0, 1, 2]), 3)
    tiles.learn(np.array([0, 1, 2]), np.array([0.04, 0.16, 0.0], np.float32))
    np.testing.assert_allclose(tiles.error, [0.7 * UNKNOWN + 0.3 * 0.3, 0.7 * UNKNOWN, UNKNOWN], rtol=1e-6)
