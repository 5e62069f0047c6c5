"""Prompts by direction and ring, words never learnt, noise by place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from pipeline.errors import ArtifactError
from stages.views.noise import frame_noise
from stages.views.prompts import every_negative, fitted, frame_negative, frame_prompt, view_of
from stages.views.settings import ViewsSettings, ViewSuffix
from stages.views.vocabulary import learnt_words, near_words, painted_texts, unknown_words, word_notices


def test_five_directions_mirrored_and_whole() -> None:
    assert [view_of(45.0 * i) for i in range(8)] == [
        "front", "angle_front", "side", "angle_back", "back", "angle_back", "side", "angle_front",
    ]
    assert (view_of(22.4), view_of(22.6), view_of(337.6), view_of(337.4)) == ("front", "angle_front", "front", "angle_front")
    assert view_of(360.0) == view_of(-720.0) == "front"
    for azimuth in range(360):
        assert view_of(azimuth) == view_of(-azimuth) in ViewSuffix.model_fields


def test_a_frame_is_told_prompt_ring_and_direction() -> None:
    settings = ViewsSettings(prompt="girl, red hair,", prompt_prefix="masterpiece", prompt_suffix={"back": "from behind"})
    assert frame_prompt(settings, "body", 180.0) == "masterpiece, girl, red hair, full body, from behind"
    assert frame_prompt(settings, "head", 0.0) == "masterpiece, girl, red hair, close-up, front view"
    assert frame_prompt(settings, "other", 90.0, "boy") == "masterpiece, boy, side view"


def test_a_frame_is_told_what_must_not_appear_from_its_side() -> None:
    settings = ViewsSettings(negative_prompt="hat", negative_suffix={"back": "(face:1.4)"})
    assert [frame_negative(settings, a) for a in (0.0, 100.0, 181.0)] == ["hat", "hat", "hat, (face:1.4)"]
    assert list(every_negative(settings)) == ["hat", "hat, (face:1.4)"]
    assert list(every_negative(ViewsSettings())) == [""]


def test_a_long_prompt_loses_its_last_words_not_the_view() -> None:
    whole = lambda text: f"{text}, back view"  # noqa: E731
    assert fitted("one two three four", whole, lambda text: len(text) <= 24) == ("one two three", "four")
    assert fitted("one two", whole, lambda text: True) == ("one two", "")
    assert fitted("one two", whole, lambda text: False) == ("one", "two")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "words.json").write_text(json.dumps(["Red", "hair", "t-shirt", "girl", "twin", "tails"]))
    return tmp_path


def test_unknown_words_in_order_once_each(folder: Path) -> None:
    assert unknown_words("Girl, RED hair, zebra (t-shirt) twin-tails zebra, rec", folder) == ["zebra", "rec"]
    assert unknown_words("girl", folder) == [] == unknown_words("", folder)
    assert near_words("rec", folder) == ["red"] and near_words("zebra", folder) == []


def test_notices_name_text_word_and_suggestion(folder: Path) -> None:
    notices = word_notices({"prompt": "rec hair", "negative prompt": "zebra"}, "embedded", folder)
    assert len(notices) == 2
    assert "the prompt" in notices[0] and "'rec' (near: red)" in notices[0] and "embedded" in notices[0]
    assert "the negative prompt" in notices[1] and notices[1].endswith("'zebra'")


def test_words_of_every_script_are_whole(folder: Path) -> None:
    assert unknown_words("銀髪の少女、red hair", folder) == ["銀髪の少女"]
    assert unknown_words("girl, grünen Gru\u0308ßen", folder) == ["grünen", "grüßen"]  # one letter or a letter and its mark
    assert unknown_words("girl’s twin_tails", folder) == ["girl's"]


def test_symbols_are_named_and_commas_are_not(folder: Path) -> None:
    assert unknown_words("girl \u2665, red hair! (twin_tails) \u300c\u2605\u300d\u3001<girl>", folder) == ["\u2665", "\u2605", "<", ">"]
    heart, astronaut, thumb = "\u2764\ufe0f", "\U0001f469\u200d\U0001f680", "\U0001f44d\U0001f3fd"  # one sign each, of several code points
    assert unknown_words(f"girl{heart}{astronaut}{thumb}{heart}", folder) == [heart, astronaut, thumb]
    (notice,) = word_notices({"prompt": "girl \u2665"}, "embedded", folder)
    assert notice.endswith("cannot paint: '\u2665'")


def test_every_text_that_is_painted_is_asked(folder: Path) -> None:
    settings = ViewsSettings(
        prompt="girl, neon", prompt_prefix="cyberpunk armor", prompt_suffix={"back": "red view, neon"}, ring_suffix={"body": "full body"}
    )
    notices = word_notices(painted_texts(settings), "embedded", folder)
    assert [n.split(" holds ")[0] for n in notices] == ["the prompt", "the prompt_prefix", "the prompt_suffix", "the ring_suffix"]
    assert "'cyberpunk', 'armor'" in notices[1] and "'full', 'body'" in notices[3]
    assert notices[2].count("'view'") == 1 and "'neon'" not in notices[2]  # in all five directions; said of the prompt already


def test_models_without_a_list_know_every_word(tmp_path: Path) -> None:
    assert learnt_words(tmp_path) is None and unknown_words("zebra", tmp_path) == [] and word_notices({"prompt": "x"}, "m", tmp_path) == []
    (tmp_path / "words.json").write_text('{"red": 1}')
    with pytest.raises(ArtifactError, match="not a list of words"):
        unknown_words("zebra", tmp_path)
    (tmp_path / "words.json").write_text("[")
    with pytest.raises(ArtifactError, match="not JSON"):
        unknown_words("zebra", tmp_path)


def test_noise_depends_on_seed_ring_and_index_alone() -> None:
    shape = (4, 6, 5)
    rings = [("body", 0), ("body", 1), ("head", 0), ("head", 1)]
    noise = frame_noise(3, rings, shape)
    torch.testing.assert_close(frame_noise(3, rings[::-1], shape), noise.flip(0), rtol=0, atol=0)
    assert torch.equal(frame_noise(3, [("head", 1)], shape)[0], noise[3])
    assert not torch.equal(frame_noise(4, rings, shape), noise)
    assert all((noise[i] != noise[j]).any() for i in range(4) for j in range(i))
    assert float(noise[0].flatten()[0]) == pytest.approx(float(frame_noise(3, [("body", 0)], shape).flatten()[0]), abs=0)


def test_shared_noise_correlates_as_asked_and_stays_unit() -> None:
    rings = [("body", i) for i in range(8)]
    for shared in (0.0, 0.3, 1.0):
        noise = frame_noise(0, rings, (4, 64, 64), shared).flatten(1)
        correlation = torch.corrcoef(noise)
        off = correlation[~torch.eye(8, dtype=torch.bool)]
        assert (off - shared).abs().max() < 0.05 and (noise.std(1) - 1).abs().max() < 0.03
