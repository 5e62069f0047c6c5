"""Timesteps lean to the noisy end and are spread within a batch."""

from __future__ import annotations

import numpy as np

from scripts.train.diffusion import noisy_first


def test_two_fifths_of_the_timesteps_lie_in_the_noisiest_quarter() -> None:
    drawn = np.concatenate([noisy_first(4, 1000, 1.5, np.random.default_rng(i)) for i in range(2000)])
    assert drawn.min() >= 0 and drawn.max() == 999
    assert abs((drawn >= 750).mean() - 0.25 ** (2 / 3)) < 0.02 and 0.03 < (drawn < 100).mean() < 0.1


def test_each_batch_holds_one_of_each_share() -> None:
    for seed in range(50):
        t = np.sort(noisy_first(4, 1000, 1.5, np.random.default_rng(seed)))[::-1]
        edges = 1000 * (1 - (np.arange(5) / 4) ** 1.5)
        assert all(edges[k + 1] - 1 <= t[k] <= edges[k] for k in range(4))
