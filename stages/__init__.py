"""The recipes: which stages, in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.graph import Recipe


def character() -> Recipe:
    """From a prompt to a rigged, textured character."""
    from stages.conditions import STAGE as CONDITIONS
    from stages.export import STAGE as EXPORT
    from stages.field import STAGE as FIELD
    from stages.masks import STAGE as MASKS
    from stages.mesh import STAGE as MESH
    from stages.rig import STAGE as RIG
    from stages.views import STAGE as VIEWS

    return Recipe("character", (CONDITIONS, VIEWS, MASKS, FIELD, MESH, RIG, EXPORT), skipped=_unneeded,
                  apart=frozenset({"masks.prompt"}))


def _unneeded(settings: Mapping[str, Any]) -> Mapping[str, str]:
    if settings["views"].source == "images":
        return {"conditions": "the views are your own pictures",
                "rig": "without conditions there is no posed body to take the skeleton from; the export is static"}
    return {}


RECIPES: Mapping[str, Callable[[], Recipe]] = {"character": character}
