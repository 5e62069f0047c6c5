"""What the text encoder is taught: labels say what the caption says, and nothing of what it leaves out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts.generator.attributes import DEFAULT, sample_attributes
from scripts.generator.captions import caption, caption_and_said, vocabulary, words_of
from scripts.train import architecture
from scripts.train.reading import TARGETS, Reader, captions, grown, labels_of, train
from scripts.train.vocabulary import build_tokenizer, extended, spelled, tokenizer_in
from third_party.models import EMBEDDED


def label(labels: list[int], name: str) -> str | None:
    """The value that a list of labels names; None for "unsaid"."""
    values = TARGETS[name][1]
    index = labels[list(TARGETS).index(name)]
    return None if index == len(values) else values[index]


def test_labels_are_the_attributes_that_were_said() -> None:
    everything = frozenset(key for key, _ in TARGETS.values())
    labels = labels_of(DEFAULT, everything)
    assert label(labels, "hair_color") == "pink" and label(labels, "bottom_color") == "navy" and label(labels, "accessory") == "ribbon"
    labels = labels_of(DEFAULT, everything - {"hair"})
    assert label(labels, "hair_color") is None and label(labels, "hair_style") is None and label(labels, "top_color") == "white"
    bare = labels_of(dataclasses.replace(DEFAULT, legwear="bare"), everything)
    assert label(bare, "legwear") == "bare" and label(bare, "legwear_color") is None


def test_what_is_said_stands_in_the_caption() -> None:
    rng = np.random.default_rng(4)
    for _ in range(60):
        a = sample_attributes(rng)
        text, said = caption_and_said(a, rng, 90.0, "body")
        assert ("eyes" in words_of(text)) == ("eyes" in said)
        assert (a.shoes_color in words_of(text) and "shoes" not in said) <= (a.shoes_color in (
            a.hair_color, a.top_color, a.bottom_color, a.legwear_color, a.accessory_color, a.eye_color, "blue", "white"))


def test_a_caption_is_the_same_with_and_without_what_was_said() -> None:
    a = sample_attributes(np.random.default_rng(1))
    assert caption(a, np.random.default_rng(7), 45.0, "head") == caption_and_said(a, np.random.default_rng(7), 45.0, "head")[0]


def test_labels_have_a_class_in_the_reader() -> None:
    texts, labels = captions(np.random.default_rng(0), 32)
    assert len(texts) == 32 and labels.shape == (32, len(TARGETS))
    for logits in Reader()(torch.zeros(32, 7, architecture.TEXT_WIDTH)):
        assert list(logits) == list(TARGETS)
        for i, name in enumerate(TARGETS):
            assert 0 <= labels[:, i].min() and labels[:, i].max() < logits[name].shape[1]


def test_the_pooling_that_was_taught_fits_the_unet() -> None:
    pool, unet = Reader().pool, architecture.unet()
    unet.add_embedding.load_state_dict(pool.state_dict())
    states = torch.randn(2, 5, architecture.TEXT_WIDTH)
    assert torch.equal(unet.add_embedding(states), pool(states))


def test_captions_fit_the_text_encoder(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(vocabulary(), tmp_path)
    texts, _ = captions(np.random.default_rng(2), 300)
    assert max(len(ids) for ids in tokenizer(texts).input_ids) <= architecture.TEXT_LENGTH


def test_a_tokenizer_that_was_learnt_with_is_kept(tmp_path: Path) -> None:
    """Built anew it may number its tokens in another way."""
    words = ("red", "red-haired", "skirt")
    first = tokenizer_in(tmp_path / "first", words)
    names = ("vocab.json", "merges.txt")
    kept = [(tmp_path / "first" / name).read_bytes() for name in names]
    further = tokenizer_in(tmp_path / "further", words, tmp_path / "first")
    again = tokenizer_in(tmp_path / "further", words)
    assert [(tmp_path / "further" / name).read_bytes() for name in names] == kept
    texts = ["red haired skirt", "a red-haired girl"]
    assert first(texts).input_ids == further(texts).input_ids == again(texts).input_ids
    with pytest.raises(ValueError, match="does not know trousers"):
        tokenizer_in(tmp_path / "first", (*words, "trousers"))


def test_new_words_are_added_behind_the_old_ones(tmp_path: Path) -> None:
    """What was learnt keeps its number; a new word that shares its beginning with an old one is one token, too."""
    old, new = ("skirt", "red", "short", "a"), ("skirt", "red", "short", "a", "skirting", "shorthand", "blue")
    before = build_tokenizer(old, tmp_path / "before")
    after = extended(tmp_path / "before", new, tmp_path / "after")
    text = "a short red skirt, (shor)"
    assert before(text).input_ids == after(text).input_ids and len(after) > len(before)
    assert spelled(before, new) == ["blue", "shorthand", "skirting"] and not spelled(after, new)
    numbers = [after(word, add_special_tokens=False).input_ids for word in new]
    assert sorted({n for (n,) in numbers}) == sorted(n for (n,) in numbers)
    assert tokenizer_in(tmp_path / "after", new)("shorthand").input_ids == after("shorthand").input_ids


def test_only_new_words_are_learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = tmp_path / "shipped"
    words = tuple(w for w in vocabulary() if w not in ("boy", "1boy", "horns"))
    tokenizer = build_tokenizer(words, shipped / "tokenizer")
    torch.manual_seed(0)
    architecture.text_encoder(tokenizer).save_pretrained(shipped / "text_encoder")
    (shipped / "unet").mkdir()
    pool = {f"add_embedding.{k}": v for k, v in architecture.text_pool().state_dict().items()}
    save_file(pool, shipped / "unet" / "diffusion_pytorch_model.safetensors")
    train(tmp_path / "out", 0.02, shipped)
    was = {k: v for k, v in load_file(shipped / "text_encoder" / "model.safetensors").items()}
    now = load_file(tmp_path / "out" / "text_encoder.safetensors")
    for name, value in was.items():
        key = next(k for k in now if k.endswith(name.removeprefix("text_model.")))
        assert torch.equal(now[key][: len(value)], value), name
    assert {f"add_embedding.{k}": v for k, v in load_file(tmp_path / "out" / "text_pool.safetensors").items()}.keys() == pool.keys()
    monkeypatch.setattr("scripts.train.reading.RELATIVES", {})
    with pytest.raises(ValueError, match="used like boy, horns"):
        grown(shipped, tmp_path / "again")


def test_the_shipped_tokenizer_knows_every_word(tmp_path: Path) -> None:
    assert tokenizer_in(tmp_path / "further", vocabulary(), EMBEDDED / "wide" / "tokenizer").model_max_length == architecture.TEXT_LENGTH
