"""What training pictures are asked about: words, pixels, boxes, and scenes in which all of that moves together."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from scripts.generator.assemble import PARTS
from scripts.generator.attributes import DEFAULT, Attributes
from scripts.train.scenes import draw_scenes, normalised, plain_scene
from scripts.train.things import LEAST_PX, all_words, box_of, things_in, words_for
from stages.conditions.body import load_base_body


def _shard(count: int = 1) -> SimpleNamespace:
    """Characters of one view: hair above a face above a top, red, green and blue on white."""
    face = 1 + load_base_body().part_names.index("face")
    labels, parts = np.zeros((count, 1, 64, 48), np.uint8), np.zeros((count, 1, 64, 48), np.uint8)
    rgb = np.full((count, 1, 64, 48, 3), 255, np.uint8)
    for part, rows, colour in (("hair", slice(8, 16), (255, 0, 0)), ("skin", slice(16, 28), (0, 255, 0)), ("top", slice(28, 56), (0, 0, 255))):
        labels[..., rows, 12:36] = 1 + PARTS.index(part)
        rgb[..., rows, 12:36, :] = colour
    parts[..., 16:28, 12:36] = face
    return SimpleNamespace(rgb=rgb, labels=labels, parts=parts, attributes=(DEFAULT,) * count)


def test_words_name_what_is_worn_and_only_that() -> None:
    assert "skirt" in words_for("bottom", DEFAULT) and "trousers" not in words_for("bottom", DEFAULT)
    dress = Attributes(top="dress", bottom="none")
    assert "dress" in words_for("top", dress) and "top" not in words_for("top", dress)
    assert words_for("accessory", Attributes(accessory="hat")) == ("accessory", "hat")
    assert {"girl", "hair", "face", "dress", "shoes"} <= set(all_words()) and "bare legs" not in all_words()


def test_things_are_where_their_labels_are_and_a_face_is_where_nothing_covers_it() -> None:
    shard = _shard()
    things = things_in(shard.labels[0, 0], shard.parts[0, 0])
    assert set(things) == {"girl", "hair", "face", "top"}
    assert things["girl"].sum() == things["hair"].sum() + things["face"].sum() + things["top"].sum()
    assert box_of(things["face"]).tolist() == [12, 16, 36, 28]
    covered = shard.labels[0, 0].copy()
    covered[16:28, 12:36] = 1 + PARTS.index("hair")
    assert "face" not in things_in(covered, shard.parts[0, 0])
    few = np.zeros((8, 8), np.uint8)
    few.ravel()[: LEAST_PX - 1] = 1
    assert things_in(few, few * 0) == {}


def test_in_a_scene_pixels_and_things_move_together() -> None:
    shard, rng = _shard(), np.random.default_rng(0)
    seen_moved = False
    for scene in draw_scenes([shard], 30, rng):
        assert scene.picture.shape == (3, 64, 48)
        top, hair = scene.things.get("top"), scene.things.get("hair")
        seen_moved |= top is not None and box_of(top).tolist() != [12, 28, 36, 56]
        for mask, channel in ((top, 2), (hair, 0)):
            if mask is not None and mask.sum() > 100:  # its colour is strongest where the thing is said to be
                inner = scene.picture[:, torch.from_numpy(mask)].mean(1)
                assert int(inner.argmax()) == channel
    assert seen_moved


def test_another_background_leaves_the_figure() -> None:
    rng, shard = np.random.default_rng(3), _shard()
    others = [s for s in draw_scenes([shard], 40, rng) if "girl" in s.things and float(s.picture[:, :4].amin()) < 0.2]
    assert others, "no scene had another background"
    plain = plain_scene(shard, 0, 0)
    assert torch.equal(plain.picture[:, 0, 0], torch.ones(3))


def test_networks_are_fed_as_their_processors_feed_them() -> None:
    from transformers import SamImageProcessorPil

    picture = np.random.default_rng(0).integers(0, 256, (1, 16, 24, 3), dtype=np.uint8)
    processor = SamImageProcessorPil(size={"longest_edge": 24}, pad_size={"height": 24, "width": 24})
    theirs = processor(images=[picture[0]], return_tensors="pt")["pixel_values"][0, :, :16]
    ours = normalised(torch.from_numpy(picture).permute(0, 3, 1, 2).float() / 127.5 - 1)[0]
    assert torch.allclose(ours, theirs, atol=1e-5)
