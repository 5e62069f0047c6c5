"""Writes docs/configuration.md and docs/character.schema.json from the settings' types, and the tables of docs/views.md from what was
measured: ``python -m scripts.write_docs``."""

from __future__ import annotations

from pathlib import Path

import stages
from pipeline.schema import json_schema, markdown
from scripts.tables import filled

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    """Write both files for the first recipe, and fill the tables."""
    recipe = stages.character()
    DOCS.mkdir(exist_ok=True)
    (DOCS / "configuration.md").write_text(markdown(recipe), encoding="utf-8")
    (DOCS / f"{recipe.name}.schema.json").write_text(json_schema(recipe), encoding="utf-8")
    views = DOCS / "views.md"
    views.write_text(filled(views.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
