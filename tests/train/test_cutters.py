"""Training of the small GroundingDINO and SAM: labels say what is asked, losses fall where they should, folders open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.train import detector, segmenter
from scripts.train.rounds import Round
from scripts.train.scenes import draw_scenes, plain_scene
from scripts.train.things import all_words
from tests.train.test_things import _shard


def test_every_word_is_read_and_special_tokens_stand_where_transformers_counts_on_them() -> None:
    reader = detector.tokenizer()
    for words in all_words():
        assert reader.unk_token_id not in reader(words)["input_ids"]
    ids = reader("girl. hair?")["input_ids"]
    assert ids[0] == 101 and ids[-1] == 102 and ids[2] == 1012 and ids[4] == 1029
    assert reader.pad_token_id == 0


def test_labels_point_at_the_words_that_are_in_the_picture() -> None:
    scene, rng = plain_scene(_shard(), 0, 0), np.random.default_rng(1)
    words, meant = detector.asked(scene, rng)
    assert len(words) == len(set(words)) <= detector.MOST_WORDS and set(meant) <= set(words)
    given = detector.inputs_of([scene], [(["dress", "face"], {"face": "face"})], detector.tokenizer())
    label = given["labels"][0]
    assert label["class_labels"].tolist() == [1]
    assert torch.allclose(label["boxes"], torch.tensor([[24 / 48, 22 / 64, 24 / 48, 12 / 64]]))


def test_words_for_absent_things_have_no_box() -> None:
    scene = plain_scene(_shard(), 0, 0)
    for seed in range(20):
        words, meant = detector.asked(scene, np.random.default_rng(seed))
        assert not ({"shoes", "hat", "skirt"} & set(meant))


def test_a_words_score_is_its_best_tokens() -> None:
    reader = detector.tokenizer()
    ids = torch.tensor(reader("cat ears. girl.")["input_ids"])
    scores = torch.zeros(2, len(ids))
    scores[1, 2], scores[0, 4] = 0.7, 0.4
    assert detector._word_scores(scores, ids).tolist() == [pytest.approx([0.0, 0.4]), pytest.approx([0.7, 0.0])]


def test_the_mask_loss_is_least_for_the_truth_and_asks_the_best_mask_alone() -> None:
    truth = torch.zeros(1, 1, 16, 16)
    truth[..., 4:12, 4:12] = 1
    right, wrong = (truth * 2 - 1) * 8, (1 - truth * 2) * 8
    quality = torch.tensor([[[1.0, 0.0, 0.0]]])
    one_right = segmenter.mask_loss(torch.stack([right, wrong, wrong], 2), quality, truth)
    all_wrong = segmenter.mask_loss(torch.stack([wrong, wrong, wrong], 2), quality * 0, truth)
    assert one_right < 0.01 < 1 < all_wrong
    conceited = segmenter.mask_loss(torch.stack([right, wrong, wrong], 2), torch.ones(1, 1, 3), truth)
    assert conceited > one_right + 0.5


def test_boundaries_count_within_two_pixels() -> None:
    truth = np.zeros((40, 40), bool)
    truth[10:30, 10:30] = True
    assert segmenter.boundary_f(truth, truth) == 1
    assert segmenter.boundary_f(np.roll(truth, 2, 1), truth) > 0.99
    assert segmenter.boundary_f(np.roll(truth, 6, 1), truth) < 0.75
    assert segmenter.boundary_f(np.zeros_like(truth), truth) == 0


def test_prompts_lie_in_their_things() -> None:
    scene = plain_scene(_shard(), 0, 0)
    masks, boxes, points = segmenter.prompts_of(scene, np.random.default_rng(0))
    for mask, box, (x, y) in zip(masks, boxes, points, strict=True):
        assert mask[int(y), int(x)]
        true = segmenter.box_of(mask)
        assert np.abs(box - true).max() <= 12


def test_an_interrupted_round_goes_on(tmp_path: Path) -> None:
    net = torch.nn.Linear(2, 2)
    first = Round(net, tmp_path, minutes=1)
    first.stepped(4, 1.0, dict)
    first.finish(lambda: {"right": 0.5})
    again = Round(fresh := torch.nn.Linear(2, 2), tmp_path, minutes=1)
    assert torch.equal(fresh.weight, net.weight) and again.pictures == 4 and again.share >= first.state["done_s"] / 60
    assert again.state["curve"][-1]["right"] == 0.5


def test_a_few_steps_of_both_lower_the_loss() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    reader = detector.tokenizer()
    net = detector.detector(len(reader))
    scenes = draw_scenes([_shard()], 2, rng)
    asks = [(["hair", "top"], {"hair": "hair", "top": "top"} if "hair" in s.things and "top" in s.things else {"top": "top"}) for s in scenes]
    batch = detector.inputs_of(scenes, asks, reader)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4)
    losses = []
    for _ in range(6):
        loss = detector.loss_of(net, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
