"""Sweeps: which runs a line of values means, all checked beforehand, each an ordinary run, and one sheet of all."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import Request, run
from pipeline.errors import ConfigError
from pipeline.graph import Outlook, Preview, Recipe
from pipeline.narrate import TerminalNarrator
from pipeline.record import read
from pipeline.sweep import combinations, preview, sweep
from tests.pipeline.fake_program import RECIPE, Numbers


def of(*others: tuple[str, str]) -> list[tuple[dict[str, str | None], str]]:
    return [(dict(c.others), c.label) for c in combinations(RECIPE, others)]


def test_every_combination_the_last_fastest() -> None:
    made = of(("count.steps", "2,3"), ("words.modulus", "7"), ("seed", "0, 1"))
    assert [label for _, label in made] == ["steps 2, seed 0", "steps 2, seed 1", "steps 3, seed 0", "steps 3, seed 1"]
    assert made[2][0] == {"count.steps": "3", "words.modulus": "7", "seed": "0"}


def test_commas_part_numbers_and_words_bars_part_everything() -> None:
    assert [label for _, label in of(("count.pen", "gold,lead"))] == ["pen gold", "pen lead"]
    assert [o["prompt"] for o, _ in of(("prompt", "a girl, red hair | a boy"))] == ["a girl, red hair", "a boy"]
    assert [o["glue.formats"] for o, _ in of(("glue.formats", "txt,md|txt"))] == ["txt,md", "txt"]
    assert [o["nothing.such"] for o, _ in of(("nothing.such", "1,2"), ("seed", "1,2"))] == ["1,2", "1,2"]  # the run's own checks name it


@pytest.mark.parametrize(("others", "said"), [
    ((("count.steps", "3"),), "expected several values"),
    ((("prompt", "a girl, red hair"),), "expected several values"),
    ((("seed", ",".join(map(str, range(11)))), ("count.steps", ",".join(map(str, range(1, 11))))), "these are 110 runs; at most 100"),
])
def test_one_run_or_too_many_are_no_sweep(others: tuple[tuple[str, str], ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        combinations(RECIPE, others)


def shown(rows: list[tuple[str, Path]]) -> Recipe:
    """The fake recipe, which notes what goes onto its sheet."""
    def sheet(given: Sequence[tuple[str, Path]], path: Path) -> None:
        rows[:] = given
        path.write_text("sheet")

    return replace(RECIPE, preview=Preview("words", {"count.steps": "2"}, sheet))


def ask(tmp_path: Path, recipe: Recipe, *others: tuple[str, str]) -> Request:
    source = tmp_path / "a.yaml"
    source.write_text("name: mika\nprompt: hello\n")
    return Request(recipe, source, others, out=tmp_path / "outputs", cache=tmp_path / "cache")


def test_each_is_an_ordinary_run_and_the_sheet_shows_all(tmp_path: Path) -> None:
    rows: list[tuple[str, Path]] = []
    said = io.StringIO()
    request = ask(tmp_path, shown(rows), ("count.steps", "2,3"), ("words.modulus", "2,100"))
    sheet = sweep(request, TerminalNarrator(said))
    assert sheet == tmp_path / "outputs/mika_sweep.png" and sheet.read_text() == "sheet"
    assert [label for label, _ in rows] == ["steps 2, modulus 2", "steps 2, modulus 100", "steps 3, modulus 2", "steps 3, modulus 100"]
    assert [Numbers.open(folder).values for _, folder in rows] == [[0, 1], [0, 1], [0, 1, 0], [0, 1, 2]]
    executed = [read(tmp_path / f"outputs/mika_{i:02d}")["executed"] for i in range(4)]
    assert executed == [["count", "words"], ["words"], ["count", "words"], ["words"]]  # counting is shared
    assert "3 of 4: steps 3, modulus 2" in said.getvalue()
    sweep(request, TerminalNarrator(again := io.StringIO()))
    assert "starts" not in again.getvalue()


def test_what_is_wrong_in_the_last_is_said_before_the_first_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"command line, --words.modulus: words.modulus: expected a whole number .*, got 0"):
        sweep(ask(tmp_path, shown([]), ("words.modulus", "5,0")), TerminalNarrator(io.StringIO()))
    assert not (tmp_path / "outputs").exists() and not (tmp_path / "cache").exists()


def test_a_preview_is_a_sweep_over_seeds_with_a_first_impressions_settings(tmp_path: Path) -> None:
    rows: list[tuple[str, Path]] = []
    preview(ask(tmp_path, shown(rows), ("seed", "5")), 3, TerminalNarrator(io.StringIO()))
    assert [label for label, _ in rows] == ["seed 5", "seed 6", "seed 7"]
    assert [Numbers.open(folder).values for _, folder in rows] == [[5, 6], [6, 7], [7, 8]]
    with pytest.raises(ConfigError, match="--seed: expected the first seed, a whole number, got '1,2'"):
        preview(ask(tmp_path, shown(rows), ("seed", "1,2")), 3, TerminalNarrator(io.StringIO()))
    with pytest.raises(ConfigError, match="expected 2 to 100 seeds, got 1"):
        preview(ask(tmp_path, shown(rows)), 1, TerminalNarrator(io.StringIO()))


def test_what_is_expected_is_said_of_stages_that_are_not_kept_alone(tmp_path: Path) -> None:
    outlooks: list[Outlook] = []

    def forecast(settings: Mapping[str, Any], outlook: Outlook) -> Mapping[str, str]:
        outlooks.append(outlook)
        return {"count": f"{settings['count'].steps} numbers", "words": "as many words"}

    recipe = replace(RECIPE, forecast=forecast)
    lines = {"3": ["count       expected: 3 numbers", "words       expected: as many words"],
             "4": ["count       expected: 4 numbers", "words       expected: as many words"]}
    for steps, expected in (("3", lines["3"]), ("3", []), ("4", lines["4"])):
        run(ask(tmp_path, recipe, ("count.steps", steps)), TerminalNarrator(said := io.StringIO()))
        assert [line for line in said.getvalue().splitlines() if "expected:" in line] == expected
    assert [sorted(outlook.measured) for outlook in outlooks] == [[], ["count", "glue", "words"]]
    assert outlooks[1].measured["count"] == {"numbers": 3}
    assert {(outlook.device, outlook.threads > 0) for outlook in outlooks} == {("cpu", True)}


def test_a_recipe_without_pictures_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to look at"):
        sweep(ask(tmp_path, RECIPE, ("seed", "1,2")), TerminalNarrator(io.StringIO()))
