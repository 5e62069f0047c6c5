"""The settings as JSON Schema for editors and as a page of documentation, both from the types that validate them."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pipeline.fields import expectation, model_of
from pipeline.graph import Recipe

HEAD = """# Configuration

Made by `python -m pipeline schema --markdown`; a test keeps it current. Do not edit it by hand.

One YAML describes one result. Only what stands in bold is required. Every setting can also be given on the command line by its
dotted path, `--views.steps 30`, with the same checks; the command line wins over the YAML, the YAML over its preset
(`configs/presets/<export.preset>.yaml`), and that over its profile (`configs/profiles/<profile>.yaml`). A list of words is given there as `--export.formats glb,obj`, an item of a list that is there by its
number, counted from 0: `--views.controlnets.0.scale 0.5`. Paths are relative to the file in which they stand. A setting of a stage that bears the name of
a setting of the run (`seed`, `prompt`, ...) takes that value unless the stage's section gives another.

For completion and checks in an editor, begin the file with
`# yaml-language-server: $schema=<path to>/docs/{recipe}.schema.json`.
"""


def json_schema(recipe: Recipe) -> str:
    """JSON Schema (2020-12) of a whole YAML."""
    schema = recipe.common.model_json_schema(ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = schema.pop("$defs", {})
    for stage in recipe.stages:
        section = stage.settings.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(section.pop("$defs", {}))
        section.pop("title", None)
        inherited = [f for f in section.get("required", []) if f in recipe.common.model_fields]
        section["required"] = [f for f in section.get("required", []) if f not in inherited]
        schema["properties"][stage.name] = section
    schema |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": recipe.name, "$defs": definitions}
    return json.dumps(_without_in_key(schema), indent=1, ensure_ascii=False) + "\n"


def markdown(recipe: Recipe) -> str:
    """The documentation page: one table for the run and one for each stage."""
    parts = [HEAD.format(recipe=recipe.name), "## The run\n", _table(recipe.common)]
    for stage in recipe.stages:
        said = _first_paragraph(stage.settings)
        parts.append(f"## `{stage.name}`\n\n{said}\n" if said else f"## `{stage.name}`\n")
        parts.append(_table(stage.settings))
    return "\n".join(parts)


def _table(model: type[BaseModel]) -> str:
    rows = ["| setting | takes | default | what it does |", "|---|---|---|---|", *_rows(model, "")]
    return "\n".join(rows) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows = []
    for name, info in model.model_fields.items():
        shown = f"`{prefix}{name}`" if not info.is_required() else f"**`{prefix}{name}`**"
        rows.append(f"| {shown} | {_cell(expectation(info))} | {_default(info)} | {_cell(info.description or '')} |")
        inner = model_of(info.annotation)
        if inner is not None:
            rows += _rows(inner, f"{prefix}{name}{'' if inner is info.annotation else '[]'}.")
    return rows


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, (list, tuple)):
        value = [v.model_dump(mode="json") if isinstance(v, BaseModel) else v for v in value]
    return f"`{_cell(json.dumps(value, ensure_ascii=False, default=str))}`"


def _first_paragraph(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").strip().split("\n\n")[0].split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _without_in_key(node: Any) -> Any:
    """The schema without the engine's own mark."""
    if isinstance(node, dict):
        return {k: _without_in_key(v) for k, v in node.items() if k != "in_key"}
    return [_without_in_key(v) for v in node] if isinstance(node, list) else node
