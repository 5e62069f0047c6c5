"""Recipes are checked as a whole before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from pipeline.graph import Recipe, WiringError, wire
from tests.pipeline.fake_program import COUNT, GLUE, RECIPE, WORDS, CountSettings, FromCount


@dataclass(frozen=True)
class NeedsCount:
    count: FromCount  # not what count makes


def sections(**count: object) -> dict[str, object]:
    return {"count": CountSettings(**count), "words": None, "glue": None}


def test_every_input_comes_from_the_stage_of_its_name() -> None:
    graph = wire(RECIPE, sections())
    assert [(s.stage.name, s.sources) for s in graph.steps] == [
        ("count", {}), ("words", {"count": "count"}), ("glue", {"words": "words", "count": "count"})]


def test_a_skipped_stage_leaves_none_behind() -> None:
    graph = wire(RECIPE, sections(source="folder"))
    assert [(s.stage.name, s.sources) for s in graph.steps] == [("words", {"count": None}), ("glue", {"words": "words", "count": None})]
    assert graph.skipped == {"count": "the numbers are your own"}


def test_until_keeps_what_is_needed_and_no_more() -> None:
    graph = wire(RECIPE, sections())
    assert [s.stage.name for s in graph.until("words").steps] == ["count", "words"]
    assert graph.after("count") == ["words", "glue"]


@pytest.mark.parametrize(("recipe", "said"), [
    (Recipe("r", (COUNT, COUNT)), "two stages are named count"),
    (Recipe("r", (COUNT, replace(WORDS, inputs=NeedsCount))), "input 'count' wants FromCount, but count makes Numbers"),
    (Recipe("r", (WORDS, COUNT)), "input 'count' is made by no earlier stage"),
    (Recipe("r", (COUNT, GLUE)), "input 'words' is made by no earlier stage"),
    (replace(RECIPE, skipped=lambda s: {"words": "so"}), "needs words, which is skipped because so"),
    (replace(RECIPE, skipped=lambda s: {"wrods": "so"}), "skips wrods, which it does not have"),
])
def test_what_does_not_hang_together(recipe: Recipe, said: str) -> None:
    with pytest.raises(WiringError, match=said):
        wire(recipe, sections())
