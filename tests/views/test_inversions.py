"""Textual inversions and long prompts: as diffusers reads them, and counted without torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

from pipeline.errors import ConfigError
from stages.artifacts.conditions import ConditionSet
from stages.views import STAGE, ViewsInputs
from stages.views.inversions import add_words, learned_words, pieces
from stages.views.networks import open_networks
from stages.views.notices import text_notices
from stages.views.settings import ViewsSettings
from stages.views.text import embed
from stages.views.tokens import reader_of
from tests.views.test_paint import run_stage
from tests.views.tiny import write_model

Build = Callable[..., ViewsSettings]


def embedding(path: Path, vectors: int = 2, channels: int = 24, key: str = "emb_params", seed: int = 0) -> Path:
    save_file({key: torch.randn(vectors, channels, generator=torch.Generator().manual_seed(seed))}, path)
    return path


@pytest.fixture
def text_parts(model_folder: Path) -> tuple[CLIPTokenizer, CLIPTextModel]:
    tokenizer = CLIPTokenizer.from_pretrained(model_folder / "tokenizer", local_files_only=True)
    return tokenizer, CLIPTextModel.from_pretrained(model_folder / "text_encoder", local_files_only=True).eval()


def test_words_are_found_by_themselves_only() -> None:
    found = list(pieces("Bad-Hand, (badhand4), badhand: <x>", {"bad-hand", "badhand", "<x>"}))
    assert [word for _, word in found] == [None, "bad-hand", None, "badhand", None, "<x>", None]
    assert "".join(text for text, _ in found) == "Bad-Hand, (badhand4), badhand: <x>"
    assert list(pieces("girl", ())) == [("girl", None)]


@pytest.mark.parametrize("key", ["emb_params", "<easy>"])
def test_they_read_as_diffusers_reads_them(key: str, model_folder: Path, tmp_path: Path) -> None:
    file = embedding(tmp_path / "Easy.safetensors", key=key)
    networks = open_networks(model_folder, [], "cpu", torch.float32)
    settings = ViewsSettings(embeddings=({"file": file},))
    ours = embed(networks.tokenizer, networks.text_encoder, ["girl, easy, red hair"], learned=add_words(networks.text_encoder, settings))
    theirs = open_networks(model_folder, [], "cpu", torch.float32)
    pipeline = StableDiffusionPipeline(
        theirs.vae, theirs.text_encoder, theirs.tokenizer, theirs.unet, None, None, None, requires_safety_checker=False  # type: ignore[arg-type]
    )
    pipeline.load_textual_inversion(str(file), token="easy")
    text = pipeline.maybe_convert_prompt("girl, easy, red hair", theirs.tokenizer)
    tokens = theirs.tokenizer(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.inference_mode():
        torch.testing.assert_close(ours, theirs.text_encoder(tokens)[0], rtol=0, atol=1e-5)


def test_one_vector_may_lie_flat(tmp_path: Path) -> None:
    save_file({"<a>": torch.ones(24)}, tmp_path / "a.safetensors")
    assert learned_words(ViewsSettings(embeddings=({"file": tmp_path / "a.safetensors", "word": "Style"},))) == {"style": 1}


def test_they_are_counted_weighed_and_known(settings: Build, model_folder: Path, tmp_path: Path) -> None:
    file = embedding(tmp_path / "zebra.safetensors", vectors=5)
    chosen = settings(prompt="girl, (zebra:1.2)", negative_prompt="zebra", embeddings=({"file": file},))
    assert reader_of(chosen, model_folder).count("girl, (zebra:1.2)") == reader_of(chosen, model_folder).count("girl, ") + 5
    assert "'zebra'" not in " ".join(text_notices(chosen, model_folder))
    assert "'zebra'" in " ".join(text_notices(settings(prompt="girl, zebra"), model_folder))


def test_a_renamed_file_is_another_setting(tmp_path: Path) -> None:
    """Its contents are the same, and those are what a file enters the key by."""
    words = [ViewsSettings(embeddings=({"file": embedding(tmp_path / name)},)).embeddings[0].word for name in ("a.safetensors", "b.safetensors")]
    assert words == ["a", "b"]


def test_a_word_has_one_meaning(tmp_path: Path) -> None:
    files = [embedding(tmp_path / name) for name in ("Easy.safetensors", "other.safetensors")]
    with pytest.raises(ValueError, match="two embeddings are called 'easy'"):
        ViewsSettings(embeddings=({"file": files[0]}, {"file": files[1], "word": "EASY"}))


@pytest.mark.parametrize(("write", "said"), [
    (lambda path: embedding(path, channels=32), "vectors have 32 channels, the text model 24"),
    (lambda path: save_file({"clip_l": torch.ones(1, 24), "clip_g": torch.ones(1, 24)}, path), "holds clip_g, clip_l; expected"),
    (lambda path: path.write_bytes(b"nothing"), "is not a safetensors file"),
    (lambda path: path.write_bytes(b"\x08\0\0\0\0\0\0\0[1, 2]  "), "is not a safetensors file"),
])
def test_strangers_are_refused(write: Callable[[Path], object], said: str, text_parts: tuple[CLIPTokenizer, CLIPTextModel], tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match=said):
        add_words(text_parts[1], ViewsSettings(embeddings=({"file": tmp_path / "a.safetensors"},)))


def test_a_long_text_goes_on_in_further_blocks(text_parts: tuple[CLIPTokenizer, CLIPTextModel]) -> None:
    """Each block is what the text model makes of its words alone; a short text beside it is filled up with blocks of nothing."""
    words = text_parts[0](" ".join(f"w{i}" for i in range(60)), add_special_tokens=False).input_ids
    assert 75 < len(words) <= 3 * 75
    text, rest = " ".join(f"w{i}" for i in range(60)), text_parts[0].decode(words[75:150])
    long, short = embed(*text_parts, [text, "girl"], blocks=4)
    blocks = -(-len(words) // 75)
    assert long.shape == short.shape == (77 * blocks, 24)
    first, second, girl, nothing = embed(*text_parts, [text, rest, "girl", ""])
    torch.testing.assert_close(long[:77], first)
    torch.testing.assert_close(long[77:154], second)
    torch.testing.assert_close(short[:77], girl)
    torch.testing.assert_close(short[77:154], nothing)
    assert embed(*text_parts, [text, "girl"]).shape == (2, 77, 24)


def test_with_more_blocks_no_word_is_lost(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "short", length=40)
    prompt = "a b c d e f g h i j k l m n o p q r s t u v w x y z"
    said = {blocks: " ".join(text_notices(settings(model=str(folder), prompt=prompt, prompt_blocks=blocks), folder)) for blocks in (1, 3)}
    assert "longer than the 40 tokens" in said[1] and "longer" not in said[3]
    views = run_stage(STAGE, settings(model=str(folder), prompt=prompt, prompt_blocks=3, steps=2), ViewsInputs(conditions), tmp_path / "out")
    assert all(prompt in text for text in views.description["prompts"].values())


def test_freeu_changes_the_pictures(settings: Build, conditions: ConditionSet, tmp_path: Path) -> None:
    painted = []
    for i, freeu in enumerate((None, {})):
        views = run_stage(STAGE, settings(freeu=freeu, steps=2), ViewsInputs(conditions), tmp_path / str(i))
        painted.append(views.image(views.names[0]))
    assert (painted[0] != painted[1]).any()
