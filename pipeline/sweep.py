"""``sweep`` and ``preview``: a run for every combination of the values of some settings, and one sheet with all of them.

Values stand between commas, ``--views.steps 10,20``; those of a setting that takes text, a path or a list between bars,
``--prompt "a girl|a boy"``. Every run is an ordinary one, named after its number, and shares what is kept with all others.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.commands import Request, prepare, run
from pipeline.errors import ConfigError
from pipeline.fields import field_at, holds_items, numbered, takes_free_text
from pipeline.graph import Recipe
from pipeline.narrate import TerminalNarrator

MOST = 100  # runs
Others = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Combination:
    """Settings of one run and what tells it from the others: "steps 10, guidance_scale 4"."""

    others: Others
    label: str


def combinations(recipe: Recipe, others: Others) -> list[Combination]:
    """Every combination of the values in ``others``; the last setting changes fastest. Raises ConfigError if there is one only, or too many."""
    values = {name: _values(recipe, name, text) for name, text in others}
    varied = [name for name, its in values.items() if len(its) > 1]
    count = 1
    for name in varied:
        count *= len(values[name])
    if not varied:
        raise ConfigError("expected several values of a setting, such as --views.steps 10,20")
    if count > MOST:
        raise ConfigError(f"these are {count} runs; at most {MOST} were expected")
    made = []
    for chosen in itertools.product(*values.values()):
        pairs = tuple(zip(values, chosen, strict=True))
        made.append(Combination(pairs, ", ".join(f"{name.rpartition('.')[2]} {text}" for name, text in pairs if name in varied)))
    return made


def sweep(request: Request, narrator: TerminalNarrator) -> Path:
    """Run all combinations of ``request``'s settings up to its stage; returns the sheet. Raises PipelineError.

    All of them are checked before the first one runs.
    """
    recipe = request.recipe
    if recipe.preview is None:
        raise ConfigError(f"the recipe {recipe.name} has nothing to look at")
    until = request.until or recipe.preview.stage
    made = combinations(recipe, request.others)
    requests: list[Request] = []
    base = ""
    for number, combination in enumerate(made):
        one = replace(request, until=until, others=combination.others)
        base = base or prepare(one).config.common.name
        requests.append(replace(one, others=(*_unnamed(combination.others), ("name", f"{base}_{number:02d}"))))
        prepare(requests[-1])
    rows = []
    for number, (one, combination) in enumerate(zip(requests, made, strict=True), 1):
        narrator.say(f"{number} of {len(made)}: {combination.label}")
        rows.append((combination.label, run(one, narrator) / "stages" / until))
    sheet = request.out / f"{base}_sweep.png"
    recipe.preview.sheet(rows, sheet)
    return sheet


def preview(request: Request, seeds: int, narrator: TerminalNarrator) -> Path:
    """``sweep`` over ``seeds`` seeds with the settings that the recipe shows a first impression with. Raises as ``sweep`` does."""
    if request.recipe.preview is None:
        raise ConfigError(f"the recipe {request.recipe.name} has nothing to look at")
    if not 2 <= seeds <= MOST:
        raise ConfigError(f"expected 2 to {MOST} seeds, got {seeds}")
    given = dict(request.others)
    first = _first_seed(given.pop("seed", None) or "0")
    settings = {**request.recipe.preview.settings, **given, "seed": ",".join(str(first + i) for i in range(seeds))}
    return sweep(replace(request, others=tuple(settings.items())), narrator)


def _first_seed(text: str) -> int:
    if not text.strip().isdecimal():
        raise ConfigError(f"command line, --seed: expected the first seed, a whole number, got {text!r}")
    return int(text)


def _unnamed(others: Others) -> Others:
    return tuple(pair for pair in others if pair[0] != "name")


def _values(recipe: Recipe, name: str, text: str | None) -> Sequence[str | None]:
    """The values that ``text`` lists for the setting ``name``."""
    if text is None:
        return [None]
    if "|" in text:
        return [value.strip() for value in text.split("|")]
    return [text] if _takes_commas(recipe, name) else [value.strip() for value in text.split(",")]


def _takes_commas(recipe: Recipe, name: str) -> bool:
    """Whether a comma may be part of one value; so it may of what is no setting, which the run's own checks then name."""
    words = tuple(name.replace("-", "_").split("."))
    sections = {stage.name: stage.settings for stage in recipe.stages}
    model, names = (sections[words[0]], words[1:]) if words[0] in sections else (recipe.common, words)
    location = numbered(model, names)
    info = field_at(model, location) if names else None
    return info is None or holds_items(model, location) or takes_free_text(info)
