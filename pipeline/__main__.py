"""``python -m pipeline``: the one place that joins the engine with the stages and with other people's programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipeline.cli import Doors, hide_tracebacks, main

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.doctor import Finding
    from pipeline.graph import Recipe


def _recipes() -> Mapping[str, Recipe]:
    import stages

    return {name: make() for name, make in stages.RECIPES.items()}


def _setup(say: Callable[[str], None], profile: str | None) -> None:
    from pipeline.errors import MissingError
    from pipeline.setup import defaults, provide
    from third_party.blender import provision
    from third_party.blender.findings import COST

    recipes = [*_recipes().values()]
    for recipe in recipes:
        defaults(recipe, profile)  # a slip in the profile's name is told before a long download
    try:
        provision.install(say)
    except MissingError as error:  # a run does without
        say(f"Blender: none. {error}\nWithout it {COST}.")
    for recipe in recipes:
        provide(recipe, profile, say)


def _findings() -> list[Finding]:
    from third_party.blender.findings import blender_findings

    return blender_findings()


def _models(action: str, names: list[str], say: Callable[[str], None], tokenizer: Path | None) -> int:
    from third_party.models_command import run

    return run(action, names, say, tokenizer)


def entry() -> int:
    """The console script."""
    arguments = sys.argv[1:]
    hide_tracebacks(arguments)
    return main(arguments, Doors(_recipes, _setup, _findings, _models))


if __name__ == "__main__":
    sys.exit(entry())
