"""What can be done once, so that a run need not: checks that the models of a profile are here, and prepares every stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pipeline.absent import absent_models, sentence, together
from pipeline.config import PROFILES, Config, load
from pipeline.errors import MissingError
from pipeline.graph import Recipe
from pipeline.machine import limit_threads
from pipeline.progress import duration


def defaults(recipe: Recipe, profile: str | None, profiles: Path = PROFILES) -> Config:
    """The settings of ``profile`` (none: the default one) alone. Raises ConfigError that names the profiles there are."""
    return load(recipe, None, [("prompt", "someone"), ("name", "unnamed")], profile, profiles)


def provide(recipe: Recipe, profile: str | None, say: Callable[[str], None], profiles: Path = PROFILES) -> None:
    """Prepare every stage of ``recipe``. Raises MissingError that lists the models which ``profile`` needs and are not here."""
    limit_threads(0)
    config = defaults(recipe, profile, profiles)
    absent = absent_models(recipe.stages, config.stages)
    missing = [sentence(together(absent))] if absent else []
    for stage in recipe.stages:
        started = time.monotonic()
        stage.prepare()
        if time.monotonic() - started > 1:
            say(f"{stage.name}: prepared in {duration(time.monotonic() - started)}")
        if stage.name in absent:
            continue
        try:
            stage.models(config.stages[stage.name])
        except MissingError as error:
            missing.append(f"{stage.name}: {error}")
    if missing:
        raise MissingError("\n".join(missing))
    say(f"{recipe.name}: everything that profile {config.common.profile} needs is here")
