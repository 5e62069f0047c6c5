"""Words that the text model has no room for, and texts that do nothing: named before the run, cut alike in every view."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from pipeline.errors import ArtifactError, MissingError
from pipeline.runner import run_stage
from stages.artifacts.conditions import ConditionSet
from stages.views import STAGE, ViewsInputs
from stages.views.emphasis import plain
from stages.views.notices import text_notices
from stages.views.paint import frame_prompts
from stages.views.prompts import cut_prompt, every_prompt
from stages.views.settings import ViewsSettings
from stages.views.tokens import reader
from tests.views.tiny import write_model
from third_party.models import EMBEDDED

Build = Callable[..., ViewsSettings]
TEXTS = ("", "a girl", "a girl, long pink hair ", "Don't  say\n1girl's <|endoftext|> t-shirt", "銀髪の少女♥", "GRÜSSE Gru\u0308sse", "x" * 300, "(red:1.2), 42!?")
LONG = "girl, red hair, " + "long blue skirt, " * 12 + "boots"


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that reads 40 tokens; it spells most words by their letters."""
    return write_model(tmp_path_factory.mktemp("short"), length=40)


@pytest.mark.parametrize("older", [False, True])
def test_tokens_are_counted_as_the_tokenizer_does(older: bool, tmp_path: Path) -> None:
    shutil.copytree(EMBEDDED / "tokenizer", tmp_path / "tokenizer")
    if older:  # as Stable Diffusion 1.5 has it
        (tmp_path / "tokenizer" / "tokenizer.json").unlink()
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "tokenizer", local_files_only=True)
    read = reader(tmp_path)
    assert read.limit == tokenizer.model_max_length
    for text in (*TEXTS, LONG):
        assert read.count(text) + 2 == len(tokenizer(plain(text)).input_ids), text


def test_counting_loads_no_network_library() -> None:
    code = ("import sys; from stages.views import STAGE; from stages.views.settings import ViewsSettings; "
            "STAGE.notices(ViewsSettings(prompt='a girl ' * 40)); print([m for m in ('torch', 'transformers', 'diffusers') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], cwd=EMBEDDED.parents[1], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr[-600:]


def test_a_model_without_its_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="lacks tokenizer/tokenizer_config.json"):
        reader(tmp_path)
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer_config.json").write_text("[")
    with pytest.raises(ArtifactError, match="not JSON"):
        reader(tmp_path)
    (tmp_path / "tokenizer" / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ArtifactError, match="None as model_max_length"):
        reader(tmp_path)


def test_a_prompt_that_does_not_fit_is_told_before_the_run() -> None:
    settings = ViewsSettings(prompt=LONG)
    kept, lost = cut_prompt(settings, reader(EMBEDDED).fits)
    assert f"{kept} {lost}" == LONG and lost.endswith("boots")
    (notice,) = STAGE.notices(settings)
    assert notice == f"the prompt, with the words for ring and view, is longer than the 64 tokens that the model 'embedded' reads; it never sees: {lost}"
    assert STAGE.notices(ViewsSettings(prompt=kept)) == []


def test_no_view_loses_a_word_that_another_keeps(short: Path, settings: Build, conditions: ConditionSet) -> None:
    chosen = settings(model=str(short), prompt="a b c d e f g h i j k l m n o p q r s t", ring_suffix={"body": "x y", "head": "x y z w"})
    kept, lost = cut_prompt(chosen, reader(short).fits)
    assert lost and all(map(reader(short).fits, every_prompt(chosen, kept)))
    assert not all(map(reader(short).fits, every_prompt(chosen, f"{kept} {lost.split()[0]}")))
    prompts = frame_prompts(chosen, conditions, short)
    assert len(set(prompts)) > 2 and all(text.startswith(f"{kept}, x y") for text in prompts)


def test_what_the_report_says_is_what_was_said_before(
    short: Path, settings: Build, conditions: ConditionSet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(model=str(short), prompt="a b c d e f g h i j k l m n o p q r s t u v w x y z", steps=1)
    before = list(STAGE.notices(chosen))
    lost = cut_prompt(chosen, reader(short).fits)[1]
    assert any(notice.endswith(f"never sees: {lost}") for notice in before)
    views = run_stage(STAGE, chosen, ViewsInputs(conditions), tmp_path / "out", threads=1, log=logging.getLogger("test.notices"))
    assert caplog.messages == before and f" {lost.split()[0]}" not in json.dumps(views.description["prompts"])


def test_words_round_the_prompt_that_leave_it_no_room(short: Path) -> None:
    notices = text_notices(ViewsSettings(model=str(short), prompt="girl", prompt_prefix="red " * 12), short)
    (notice,) = [n for n in notices if "first word" in n]
    assert notice.endswith("girl, full body, front view, angle-front view, side view, angle-back view, back view, close-up")


def test_a_model_of_another_kind_is_told_from_the_small_ones(short: Path) -> None:
    own = {"model": str(short), "prompt": "girl"}
    assert not [n for n in text_notices(ViewsSettings(**own), short) if "temperature" in n]
    (short / "words.json").rename(short / "kept.json")
    (notice,) = text_notices(ViewsSettings(**own), short)
    assert notice.startswith("views.lead 0.5 and views.temperature 0.94 are for the project's own small models")
    assert text_notices(ViewsSettings(**own, lead=0, temperature=1), short) == []
    (short / "kept.json").rename(short / "words.json")


def test_a_negative_prompt_that_does_nothing_or_too_much() -> None:
    assert text_notices(ViewsSettings(negative_prompt="red hair"), EMBEDDED) == []
    (notice,) = text_notices(ViewsSettings(negative_prompt="red hair", guidance_scale=1), EMBEDDED)
    assert notice.startswith("the negative prompt does nothing: guidance_scale is 1")
    assert text_notices(ViewsSettings(negative_prompt=" ", guidance_scale=1), EMBEDDED) == []
    (notice,) = text_notices(ViewsSettings(negative_prompt="red " * 62 + "blue skirt"), EMBEDDED)
    assert notice == "the negative prompt is longer than the 64 tokens that the model 'embedded' reads; it never sees: blue skirt"
