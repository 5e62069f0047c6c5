"""Writes docs/configuration.md and docs/character.schema.json from the settings' types: ``python -m scripts.write_docs``."""

from __future__ import annotations

from pathlib import Path

import stages
from pipeline.schema import json_schema, markdown

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Write both files for the first recipe."""
    recipe = stages.character()
    DOCS.mkdir(exist_ok=True)
    (DOCS / "configuration.md").write_text(markdown(recipe), encoding="utf-8")
    (DOCS / f"{recipe.name}.schema.json").write_text(json_schema(recipe), encoding="utf-8")


if __name__ == "__main__":
    main()
