"""A mistake in the settings as a person wants to read it: where, what was expected, what was got, what was likely meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.document import Document, Location, Place, nearest
from pipeline.errors import ConfigError, PipelineError
from pipeline.fields import choices, dotted, example, expectation, field_at, model_of

FLAGS = ("until", "force", "out", "cache", "dry-run", "debug", "profile", "prompt")


@dataclass(frozen=True, order=True)
class Complaint:
    """One mistake. ``place`` sorts by line."""

    file: str
    line: int
    column: int
    text: str
    place: Place

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def complaint(place: Place, text: str) -> Complaint:
    """A complaint about ``place``."""
    return Complaint(str(place.file or ""), place.line, place.column, text, place)


def as_error(complaints: Iterable[Complaint], what: str, kind: type[PipelineError] = ConfigError) -> PipelineError:
    """All mistakes in one error, one line each, in the order of the file."""
    lines = list(dict.fromkeys(str(c) for c in sorted(complaints, key=lambda c: (c.file, c.line, c.column, c.text))))
    head = f"{what}: {len(lines)} mistake{'s' if len(lines) > 1 else ''}, nothing has run."
    return kind("\n".join([head, *(f"  {line}" for line in lines)]))


def explain_errors(error: ValidationError, model: type[BaseModel], document: Document, prefix: Location,
                   everywhere: Mapping[str, list[str]]) -> list[Complaint]:
    """Complaints for what pydantic found in the section at ``prefix``.

    ``everywhere`` maps the last word of every known setting to its dotted names, for keys that stand in the wrong section.
    """
    found: dict[tuple[Place, str], Complaint] = {}
    items = error.errors(include_url=False)
    paths = [_written(item["loc"], model) for item in items if item["type"] in PATH_ERRORS]
    for item in items:
        location = _written(item["loc"], model)
        if any(path[: len(location)] == location for path in paths):
            continue  # said better by pipeline.userfiles, also where another arm of a union would have taken a word or a list
        of_key = item["type"] in ("extra_forbidden", "missing")
        place = document.place((*prefix, *location), of_key)
        name = spelled((*prefix, *location))
        made = complaint(place, _sentence(item, model, location, name, everywhere, document.has((*prefix, *location))))
        found.setdefault((place, name), made)
    return list(found.values())


def known_words(models: Mapping[str, type[BaseModel]]) -> dict[str, list[str]]:
    """Last word -> dotted names of every setting; the empty prefix holds the settings of the run."""
    words: dict[str, list[str]] = {}
    for prefix, model in models.items():
        for name, _ in dotted(model, f"{prefix}." if prefix else ""):
            words.setdefault(name.rsplit(".", 1)[-1], []).append(name)
    return words


def suggestion(word: str, siblings: list[str], everywhere: Mapping[str, list[str]], sections: Iterable[str] = ()) -> str:
    """"; did you mean ...?" for a word that is not known here: a sibling, the same word elsewhere, a near word elsewhere."""
    near = nearest(word, [*siblings, *sections])
    if near:
        return f"; did you mean {near!r}?"
    elsewhere = everywhere.get(word) or everywhere.get(nearest(word, list(everywhere)) or "")
    if elsewhere:
        return f"; did you mean {elsewhere[0]!r}?"
    return f"; known here: {', '.join(siblings)}" if siblings else ""


def _written(location: tuple[Any, ...], model: type[BaseModel]) -> Location:
    """pydantic's location without the names that it gives to the arms of a union."""
    out: list[Any] = []
    here: Any = model
    for index, part in enumerate(location):
        if isinstance(part, int):
            out.append(part)
            continue
        inner = model_of(here)
        if inner is not None and part in inner.model_fields:
            here = inner.model_fields[part].annotation
            out.append(part)
        elif index == len(location) - 1 and inner is not None or here is dict:
            out.append(part)
    return tuple(out)


def spelled(location: Location) -> str:
    """A location as a person writes it: ``views.controlnets[0].model``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _sentence(item: Mapping[str, Any], model: type[BaseModel], location: Location, name: str,
              everywhere: Mapping[str, list[str]], written: bool) -> str:
    kind = item["type"]
    if kind == "extra_forbidden":
        parent = model_at(model, location[:-1])
        siblings = list(parent.model_fields) if parent else []
        return f"{name}: there is no such setting{suggestion(str(location[-1]), siblings, everywhere)}"
    info = field_at(model, location)
    if kind == "missing":
        said = f": {info.description}" if info is not None and info.description else ""
        return f"{name}: required, and not given{said}"
    got = item.get("input")
    if info is None or kind in ("value_error", "assertion_error"):
        words = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        return f"{name}: {words}" if name else words
    if not written:
        return f"{name}: {item['msg']} (this value is a default: {_shown(got)})"
    hint = ""
    if isinstance(got, str) and choices(info):
        near = nearest(got, choices(info))
        hint = f"; did you mean {near!r}?" if near else ""
    if kind in ("list_type", "tuple_type") and example(info):
        hint = f"; write it as {example(info)}" + ("" if choices(info) or not info.description else f". {info.description}")
    if kind == "string_type" and isinstance(got, (int, float, bool)):
        hint = "; put it in quotes"
    detail = f" ({item['msg']})" if kind not in KINDS_SAID_BY_EXPECTATION and not hint else ""
    return f"{name}: expected {expectation(info, item=bool(location) and isinstance(location[-1], int))}, got {_shown(got)}{hint}{detail}"


PATH_ERRORS = ("path_not_file", "path_not_directory", "path_does_not_exist")
KINDS_SAID_BY_EXPECTATION = frozenset({
    "int_parsing", "int_type", "int_from_float", "float_parsing", "float_type", "bool_parsing", "bool_type", "string_type",
    "greater_than", "greater_than_equal", "less_than", "less_than_equal", "literal_error", "enum", "model_type", "model_attributes_type",
    "string_pattern_mismatch", "path_type", "list_type", "tuple_type", "dict_type", "none_required", "multiple_of"})


def model_at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """The settings model whose fields stand at ``location``, or None."""
    if not location:
        return model
    info = field_at(model, location)
    return model_of(info.annotation) if info is not None else None


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, Path):
        return str(value)
    text = repr(value) if not isinstance(value, list) else f"a list {value!r}"
    return text if len(text) <= 80 else text[:77] + "..."
