"""Ray marching: which steps are sampled, and where a ray may end."""

from __future__ import annotations

import numpy as np

from stages.field.encoding import BLOCK
from stages.field.hull import Box
from stages.field.march import LEAST_OPACITY, TURNS, Occupancy


def setting(seed: int = 0) -> tuple[Box, Occupancy, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    box = Box.around(np.array([-1.0, -0.5, 0.0]), np.array([1.0, 0.5, 2.0]))
    hull = rng.random((20, 10, 20)) < 0.2
    occupancy = Occupancy(box, hull, 20, 100)
    world = rng.normal(size=(40, 3))
    world /= np.linalg.norm(world, axis=1, keepdims=True)
    aim = rng.uniform([-0.9, -0.4, 0.1], [0.9, 0.4, 1.9], (40, 3))
    return box, occupancy, box.to_unit(aim - 3 * world), (world / box.size_m).astype(np.float32), rng.random(40, np.float32)


def test_every_step_in_an_occupied_cell_is_sampled_and_no_other() -> None:
    _, occupancy, origins, directions, jitter = setting()
    samples = occupancy.sample(origins, directions, jitter)
    assert samples.count > 200 and len(samples.t) % BLOCK == 0
    step = float(occupancy.step_m)
    for r in range(40):
        t = samples.t[samples.start[r] : samples.start[r + 1]]
        points = samples.points[samples.start[r] : samples.start[r + 1]]
        np.testing.assert_allclose(points, origins[r] + t[:, None] * directions[r], atol=2e-6)
        lattice = t / step - t[0] / step if len(t) else t
        np.testing.assert_allclose(lattice, np.round(lattice), atol=2e-2)
        cells = np.minimum((points * 20).astype(int), np.array(occupancy.hull.shape) - 1)
        assert occupancy.hull[tuple(cells.T)].mean() > 0.97 if len(t) else True  # rounding at cell faces
        if not len(t):
            continue
        all_t = t[0] + step * np.arange(-200, 400)
        at = origins[r] + all_t[:, None] * directions[r]
        inside = ((at > 1e-3) & (at < np.array([1, 0.5, 1]) - 1e-3)).all(1)
        edge = (np.abs(at * 20 - np.round(at * 20)) < 5e-3).any(1)
        sure = inside & ~edge
        hit = np.zeros(len(at), bool)
        hit[sure] = occupancy.hull[tuple((at[sure] * 20).astype(int).T)]
        missing = [x for x in all_t[hit] if np.abs(t - x).min() > 1e-3]
        assert not missing


def test_rays_end_behind_what_is_known_to_be_opaque() -> None:
    box = Box.around(np.zeros(3), np.ones(3))
    occupancy = Occupancy(box, np.ones((20, 20, 20), bool), 20, 200)
    origins, directions = np.array([[-1, 0.5, 0.5]], np.float32), np.array([[1, 0, 0]], np.float32)
    half = np.full(1, 0.5, np.float32)
    assert occupancy.sample(origins, directions, half).count == 200
    occupancy.density[10] = 1e4
    occupancy.density[:10] = occupancy.density[11:] = 5.0
    occupancy.mark()
    assert occupancy.sample(origins, directions, half).count == 200  # dense somewhere in its cells: what lies behind may be seen past it
    occupancy.least[10] = 1e4
    t = occupancy.sample(origins, directions, half).t
    assert 1.5 + 1.5 / 20 < t.max() < 1.5 + 3 / 20


def test_a_cell_that_a_surface_cuts_is_dense_but_ends_no_ray() -> None:
    box = Box.around(np.zeros(3), np.ones(3))
    occupancy = Occupancy(box, np.ones((10, 10, 10), bool), 10, 100)
    rng = np.random.default_rng(0)
    for turn in range(200):
        occupancy.update(lambda p: np.where(p[:, 0] > 0.55, 1e4, 5.0), rng, turn)
    assert (occupancy.density[5] > 1e3).mean() > 0.95 and (occupancy.least[5] < 1e3).mean() > 0.95
    assert (occupancy.least[6:] == 1e4).all() and (occupancy.density[:5] <= 5.0).all()
    for turn in range(40):  # the surface goes: what was dense is forgotten, and found again when it comes back
        occupancy.update(lambda p: np.full(len(p), 5.0), rng, turn)
    assert (occupancy.least == 5.0).all()
    for turn in range(60):
        occupancy.update(lambda p: np.full(len(p), 1e4), rng, turn)
    assert (occupancy.least == 1e4).all()


def test_update_drops_empty_cells_and_finds_them_again() -> None:
    _, occupancy, *_ = setting()
    rng = np.random.default_rng(1)
    full = lambda points: np.where(points[:, 0] < 0.5, 100.0, 0.0).astype(np.float32)  # noqa: E731
    for turn in range(TURNS):
        occupancy.update(full, rng, turn)
    left = np.zeros_like(occupancy.hull)
    left[:10] = True
    np.testing.assert_array_equal(occupancy.occupied.astype(bool), occupancy.hull & left)
    for turn in range(TURNS, 2 * TURNS):
        occupancy.update(lambda points: np.full(len(points), 100.0, np.float32), rng, turn)
    np.testing.assert_array_equal(occupancy.occupied.astype(bool), occupancy.hull)
    assert LEAST_OPACITY > 0


def test_rays_that_miss_the_hull_are_known() -> None:
    box = Box.around(np.zeros(3), np.ones(3))
    hull = np.zeros((10, 10, 10), bool)
    hull[5, 5, 5] = True
    occupancy = Occupancy(box, hull, 10, 100)
    origins = np.array([[-1, 0.55, 0.55], [-1, 0.75, 0.55], [-1, 5, 5]], np.float32)
    directions = np.tile(np.array([[1, 0, 0]], np.float32), (3, 1))
    assert occupancy.meets_hull(origins, directions).tolist() == [True, False, False]
