"""Weights inside a prompt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from stages.views.emphasis import Span, beginning, plain, rewritten, spans
from stages.views.notices import text_notices
from stages.views.settings import ViewsSettings
from stages.views.text import embed
from stages.views.tokens import reader


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a girl, red hair", [("a girl, red hair", 1.0)]),
        ("a girl, (red hair:1.3), blue eyes", [("a girl, ", 1.0), ("red hair", 1.3), (", blue eyes", 1.0)]),
        ("(red) hair", [("red", 1.1), (" hair", 1.0)]),
        ("((red)) [hair]", [("red", 1.21), (" ", 1.0), ("hair", 0.909091)]),
        ("(a (b:2) c:0.5)", [("a ", 0.5), ("b", 1.0), (" c", 0.5)]),
        ("(red: .5 ) x", [("red", 0.5), (" x", 1.0)]),
        (r"miku \(vocaloid\)", [("miku (vocaloid)", 1.0)]),
        ("ratio 1:2, time: now", [("ratio 1:2, time: now", 1.0)]),
        ("(red hair", [("red hair", 1.1)]),
        ("red) hair]", [("red) hair]", 1.0)]),
        ("red:1.2) hair", [("red:1.2) hair", 1.0)]),
        ("(red:much)", [("red:much", 1.1)]),
        ("", []),
    ],
)
def test_brackets_are_read_as_artists_write_them(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert spans(prompt) == [Span(*pair) for pair in expected]
    assert plain(prompt) == "".join(text for text, _ in expected)


def test_what_is_put_behind_an_open_bracket_weighs_one() -> None:
    assert rewritten("a girl, red hair :)") == "a girl, red hair :\\)"
    assert spans(rewritten("((red hair") + ", front view") == [Span("red hair", 1.21), Span(", front view", 1.0)]
    assert rewritten("a girl") == "a girl"


@pytest.mark.parametrize(
    ("words", "kept", "lost"),
    [
        (1, "a", "girl, long red ribbon, white dress"),
        (3, "a girl, (long:1.4)", "red ribbon, white dress"),
        (6, "a girl, (long red ribbon, white:1.4)", "dress"),
        (9, "a girl, (long red ribbon, white dress:1.4)", ""),
    ],
)
def test_a_cut_prompt_keeps_its_weights(words: int, kept: str, lost: str) -> None:
    assert beginning("a girl, (long red ribbon, white dress:1.4)", words) == (kept, lost)


@pytest.fixture
def text_parts(model_folder: Path) -> tuple[CLIPTokenizer, CLIPTextModel]:
    tokenizer = CLIPTokenizer.from_pretrained(model_folder / "tokenizer", local_files_only=True)
    return tokenizer, CLIPTextModel.from_pretrained(model_folder / "text_encoder", local_files_only=True).eval()


def test_a_weight_moves_its_own_words_away_from_nothing(text_parts: tuple[CLIPTokenizer, CLIPTextModel]) -> None:
    """States of the weighted word lie as much further from those of an empty text; the others stay."""
    none, once, twice, unsaid = embed(*text_parts, ["", "girl, red hair", "girl, (red:2) hair", "girl, (red:0) hair"])
    moved = ((twice - once).abs().amax(-1) > 1e-6).nonzero().flatten()
    ids = text_parts[0]("girl, red hair").input_ids
    red = text_parts[0]("red", add_special_tokens=False).input_ids
    assert [ids[i] for i in moved] == red
    torch.testing.assert_close(twice[moved], none[moved] + 2 * (once[moved] - none[moved]))
    torch.testing.assert_close(unsaid[moved], none[moved])


def test_a_weight_of_one_changes_nothing(text_parts: tuple[CLIPTokenizer, CLIPTextModel]) -> None:
    bare, weighted = embed(*text_parts, ["girl, red hair", "girl, (red:1.0) hair"])
    torch.testing.assert_close(bare, weighted, rtol=0, atol=1e-6)


def test_weights_are_no_words_and_take_no_room(settings: Callable[..., ViewsSettings], model_folder: Path) -> None:
    read = reader(model_folder)
    assert read.count("girl, (red:1.25) hair") == read.count("girl, red hair")
    said = " ".join(text_notices(settings(prompt="girl, (red:1.25) [hair]"), model_folder))
    assert "'1'" not in said and "'25'" not in said and "'red" not in said
