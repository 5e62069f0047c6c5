"""Training of the small GroundingDINO and SAM: labels say what is asked, losses fall where they should, folders open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import SamModel

from scripts.train import detector, segmenter
from scripts.train.rounds import Round
from scripts.train.scenes import draw_scenes, plain_scene
from scripts.train.things import all_words
from tests.train.test_things import _shard
from third_party.models import locate


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
        assert np.abs(box - true).max() <= segmenter.MOST_PX


def test_a_segmenter_is_trained_on_from_what_is_shipped_and_at_full_size_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded = locate("embedded/sam").parent
    begun = []

    def taught(net: SamModel, data: Path, out: Path, minutes: float, seed: int, peak: float) -> dict[str, float]:
        assert peak < segmenter.PEAK_RATE
        begun.append((net.config.vision_config.image_size, minutes, {name: weight.clone() for name, weight in net.state_dict().items()}))
        return {}

    monkeypatch.setattr(segmenter, "taught", taught)
    segmenter.train(tmp_path, tmp_path / "out", 10, embedded)
    ((side, minutes, weights),) = begun
    shipped = SamModel.from_pretrained(embedded / "sam", local_files_only=True, dtype=torch.float32).state_dict()
    assert side == segmenter.SIDE and minutes == 10
    assert all(torch.equal(weights[name], weight) for name, weight in shipped.items())
    assert SamModel.from_pretrained(tmp_path / "out", local_files_only=True).config.vision_config.image_size == segmenter.SIDE


def test_an_interrupted_round_goes_on(tmp_path: Path) -> None:
    net = torch.nn.Linear(2, 2)
    first = Round(net, tmp_path, minutes=1)
    first.stepped(4, 1.0, dict)
    first.finish(lambda: {"right": 0.5})
    again = Round(fresh := torch.nn.Linear(2, 2), tmp_path, minutes=1)
    assert torch.equal(fresh.weight, net.weight) and again.pictures == 4 and again.share >= first.state["done_s"] / 60
    assert again.state["curve"][-1]["right"] == 0.5


def test_words_leave_the_text_model_apart_and_do_not_heed_their_neighbours() -> None:
    torch.manual_seed(0)
    reader = detector.tokenizer()
    net = detector.detector(len(reader)).eval()
    kept = {}
    net.model.encoder.register_forward_hook(lambda module, given, out: kept.update(text=out.last_hidden_state_text))

    def features(words: list[str]) -> torch.Tensor:
        text = reader([". ".join(words) + "."], return_tensors="pt")
        with torch.no_grad():
            net(pixel_values=torch.zeros(1, 3, detector.LONG_SIDE, detector.SHORT_SIDE), **text)
        return torch.stack([kept["text"][0, span].mean(0) for span in detector.word_spans(text["input_ids"][0].tolist(), 1012)])

    first = features(["hair", "girl", "face", "dress", "shoes"])
    again = features(["boots", "shoes", "hat", "hair"])
    unit = torch.nn.functional.normalize(first, dim=1)
    assert (unit @ unit.T - torch.eye(5)).max() < 0.5
    assert torch.nn.functional.cosine_similarity(first[0], again[3], dim=0) > 0.97
    assert torch.nn.functional.cosine_similarity(first[4], again[1], dim=0) > 0.97


def test_places_are_those_of_the_networks_first_stage() -> None:
    torch.manual_seed(0)
    reader = detector.tokenizer()
    text = reader(["girl. hair."], return_tensors="pt")
    with torch.no_grad():
        out = detector.detector(len(reader)).eval()(pixel_values=torch.zeros(1, 3, detector.LONG_SIDE, detector.SHORT_SIDE), **text)
    assert out.enc_outputs_class.shape[1] == len(detector.assigned_places(torch.zeros(0, 4))) == sum(h * w for h, w in detector.map_sizes())
    middles = [((r + 0.5) / h, (c + 0.5) / w) for h, w in detector.map_sizes() for r in range(h) for c in range(w)]
    for place, (y, x) in list(enumerate(middles))[::7]:
        at = detector.assigned_places(torch.tensor([[x, y, *_size_of(place)]]))
        assert at[place] == 0


def _size_of(place: int) -> tuple[float, float]:
    """Width and height, shares of the picture, of a thing that belongs on the map of ``place``."""
    level = int(np.searchsorted(np.cumsum([h * w for h, w in detector.map_sizes()]), place, side="right"))
    side = 2 * detector.STRIDES[level]
    return side / detector.SHORT_SIDE, side / detector.LONG_SIDE


def test_a_thing_is_asked_of_the_places_nearest_to_its_middle_on_the_map_of_its_size() -> None:
    small, large = [0.25, 0.25, 0.1, 0.1], [0.5, 0.5, 0.9, 0.95]
    taken = detector.assigned_places(torch.tensor([large, small]))
    fine, middle, coarse = taken.split([height * width for height, width in detector.map_sizes()])
    assert (fine == 1).sum() == detector.NEAREST and (coarse == 0).sum() == detector.NEAREST and (middle == -1).all()
    width = detector.map_sizes()[0][1]
    rows, columns = (fine == 1).nonzero()[:, 0] // width, (fine == 1).nonzero()[:, 0] % width
    assert ((rows + 0.5) * 8 - 0.25 * detector.LONG_SIDE).abs().max() < 16 and ((columns + 0.5) * 8 - 0.25 * detector.SHORT_SIDE).abs().max() < 16


def test_a_layers_loss_is_least_where_every_good_box_is_as_sure_as_it_is_good() -> None:
    true = torch.tensor([[0.5, 0.5, 0.4, 0.4]])
    boxes = torch.tensor([[[0.5, 0.5, 0.4, 0.4], [0.52, 0.5, 0.4, 0.4], [0.1, 0.1, 0.1, 0.1]]])
    maps, seen = (torch.tensor([[True, False]]),), torch.ones(1, 3, 2, dtype=torch.bool)
    labels = [{"class_labels": torch.tensor([0]), "boxes": true}]

    def loss(first: float, second: float, third: float) -> float:
        logits = torch.tensor([[[first, -6.0], [second, -6.0], [third, -6.0]]])
        return float(detector.layer_loss(logits, boxes, maps, seen, labels))

    right = loss(6.0, 2.2, -6.0)
    assert right < loss(6.0, -2.0, -6.0) and right < loss(-2.0, 2.2, -6.0) and right < loss(6.0, 2.2, 2.0)
    moved = torch.cat([boxes[:, :1] + 0.1, boxes[:, 1:]], 1)
    assert float(detector.layer_loss(torch.tensor([[[6.0, -6.0], [2.2, -6.0], [-6.0, -6.0]]]), moved, maps, seen, labels)) > right + 0.1


def test_the_first_stage_is_asked_for_words_and_boxes_at_assigned_places_alone() -> None:
    true = torch.tensor([[0.5, 0.5, 0.4, 0.4]])
    labels = [{"class_labels": torch.tensor([1]), "boxes": true}]
    maps, mask, assigned = (torch.tensor([[True, False], [False, True]]),), torch.ones(1, 2, dtype=torch.long), torch.tensor([[-1, 0, -1]])
    logits = torch.full((1, 3, 2), -8.0)
    logits[0, 1, 1] = 8.0
    boxes = torch.logit(torch.tensor([[[0.9, 0.9, 0.1, 0.1], [0.5, 0.5, 0.4, 0.4], [0.2, 0.2, 0.3, 0.1]]]))
    assert float(detector.first_stage_loss(logits, boxes, maps, mask, labels, assigned)) < 1e-3
    assert float(detector.first_stage_loss(logits.roll(1, 2), boxes, maps, mask, labels, assigned)) > 1
    assert float(detector.first_stage_loss(logits, boxes.roll(1, 1), maps, mask, labels, assigned)) > 1


def test_a_segmenter_that_saw_small_pictures_sees_larger_ones() -> None:
    torch.manual_seed(0)
    small, large = segmenter.segmenter(96), segmenter.segmenter(192)
    small.vision_encoder.pos_embed.data[:] = torch.linspace(0, 1, 12)[None, :, None, None]
    segmenter.enlarge(small, large)
    of = dict(small.named_parameters())
    for name, weight in large.named_parameters():
        if name != "vision_encoder.pos_embed":
            assert torch.equal(weight, of[name])
    grown = large.vision_encoder.pos_embed[0, :, 0, 0]
    assert (grown.diff() >= 0).all() and torch.allclose(grown.view(12, 2).mean(1)[1:-1], torch.linspace(0, 1, 12)[1:-1], atol=1e-6)
    assert large.shared_image_embedding.positional_embedding.std() < 2


def test_the_masks_of_an_untrained_segmenter_heed_the_box() -> None:
    torch.manual_seed(0)
    net = segmenter.segmenter(96).eval()
    picture = torch.randn(1, 3, 96, 96)
    boxes = torch.tensor([[[0.0, 0.0, 20.0, 20.0], [60.0, 60.0, 90.0, 90.0]]])
    with torch.no_grad():
        masks = net(pixel_values=picture, input_boxes=boxes, multimask_output=True).pred_masks[0]
    assert (masks[0] - masks[1]).abs().mean() > 0.1 * masks[0].std()


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
