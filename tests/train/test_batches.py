"""What each latent counts for in the loss."""

from __future__ import annotations

import numpy as np

from scripts.train.batches import FACE_WEIGHT, FIGURE_WEIGHT, weight_of
from stages.conditions.body import load_base_body


def test_a_face_counts_more_than_the_figure_and_that_more_than_the_background() -> None:
    names = load_base_body().part_names
    labels = np.zeros((1, 96, 96), np.uint8)
    labels[0, 40:56, 40:56] = 1 + names.index("chest")
    labels[0, 40:48, 40:48] = 1 + names.index("iris_l")
    weight = weight_of(labels)[0, 0].numpy()
    assert weight.shape == (12, 12) and abs(weight.mean() - 1) < 1e-6
    scaled = weight / weight[0, 0]
    np.testing.assert_allclose([scaled[5, 5], scaled[6, 6], scaled[3, 3], scaled[2, 2]], [FACE_WEIGHT, FIGURE_WEIGHT, FIGURE_WEIGHT, 1], rtol=1e-6)
