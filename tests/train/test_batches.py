"""What a batch holds, and what each latent counts for in the loss."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from scripts.generator.attributes import DEFAULT
from scripts.generator.captions import vocabulary
from scripts.train.batches import FACE_WEIGHT, FIGURE_WEIGHT, Source, weight_of
from scripts.train.shards import View
from scripts.train.vocabulary import build_tokenizer
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


def test_only_the_first_view_is_told_what_the_character_looks_like(tmp_path: Path) -> None:
    """Told, every caption names hair and clothes; untold, the others say from where they look and nothing else."""
    views = (View("body", 0.0), View("body", 90.0), View("head", 180.0))
    shard = SimpleNamespace(attributes=(DEFAULT,), views=(views,), parts=np.zeros((1, 3, 32, 16), np.uint8))
    tokenizer = build_tokenizer(vocabulary(), tmp_path)
    source = Source(tmp_path, tmp_path, None, 1.0, tokenizer)
    source.ready["full"] = [(shard, np.zeros((1, 3, 8, 4, 2), np.float16))]
    named = {True: np.zeros(3), False: np.zeros(3)}
    for told in named:
        for seed in range(12):
            tokens = source.draw("full", 1, np.random.default_rng(seed), told).tokens
            texts = [tokenizer.decode(row, skip_special_tokens=True) for row in tokens]
            named[told] += [DEFAULT.bottom_color in text or DEFAULT.top_color in text for text in texts]
    assert named[True].min() >= 8 and named[False][0] >= 8
    assert named[False][1:].max() == 0
