"""What a setting may be, read from its type and said in words: for complaints, for the documentation, for the command line."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a path", type(None): "null"}


def field_at(model: type[BaseModel], location: tuple[Any, ...]) -> FieldInfo | None:
    """The field that ``location`` (names and list positions) leads to, or None."""
    found: FieldInfo | None = None
    here: Any = model
    for name in location:
        if isinstance(name, int):
            continue
        inner = model_of(here)
        if inner is None or name not in inner.model_fields:
            return found if found is not None and inner is None else None
        found = inner.model_fields[name]
        here = found.annotation
    return found


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The settings model inside an annotation (itself, optional, or the items of a list), or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for arm in typing.get_args(annotation):
        found = model_of(arm)
        if found is not None:
            return found
    return None


def dotted(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting of a model with its dotted name; nested models are followed, not listed."""
    for name, info in model.model_fields.items():
        inner = info.annotation if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel) else None
        if inner is not None:
            yield from dotted(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info


def expectation(info: FieldInfo, item: bool = False) -> str:
    """What a field (or an ``item`` of the list that it is) takes, as a noun phrase: "a whole number from 1 to 200"."""
    inner = item_types(info.annotation) if item else ()
    if inner:
        return " or ".join(dict.fromkeys(_phrase(a, []) for a in inner))
    return _phrase(info.annotation, list(info.metadata))


def takes_text(info: FieldInfo | None) -> bool:
    """Whether words from the command line are taken as they stand rather than read as YAML."""
    if info is None:
        return False
    return any(arm is str or isinstance(arm, str) or (isinstance(arm, type) and issubclass(arm, (Path, Enum)))
               for arm in _arms(info.annotation))


def takes_free_text(info: FieldInfo) -> bool:
    """Whether a field takes any text or a path, not only some words."""
    return any(arm is str or (isinstance(arm, type) and issubclass(arm, Path)) for arm in _arms(info.annotation))


def takes_words(info: FieldInfo) -> bool:
    """Whether a field is a list of plain text, which the command line may give as words between commas."""
    arms = [arm for item in item_types(info.annotation) for arm in _arms(item)]
    return bool(arms) and all(arm is str or isinstance(arm, str) for arm in arms)


def numbered(model: type[BaseModel], names: tuple[str, ...]) -> tuple[Any, ...]:
    """``names`` as a location: those that count the items of a list as whole numbers."""
    location: list[Any] = []
    for name in names:
        counts = name.isdecimal() and holds_items(model, tuple(location))
        location.append(int(name) if counts else name)
    return tuple(location)


def holds_items(model: type[BaseModel], location: tuple[Any, ...]) -> bool:
    """Whether a list may stand at ``location``."""
    info = field_at(model, location) if location and not isinstance(location[-1], int) else None
    return info is not None and bool(item_types(info.annotation))


def example(info: FieldInfo) -> str:
    """How a list of plain text is written, from the words that it takes or its default: "[glb, obj]"; else nothing."""
    if not takes_words(info):
        return ""
    words = choices(info) or [str(word) for word in info.get_default(call_default_factory=True) or ()]
    return f"[{', '.join(words[:2])}]" if words else ""


def path_kind(annotation: Any, metadata: list[Any] | None = None) -> str | None:
    """"file", "dir" or "path" for a setting that points at the user's files (also inside a list), else None."""
    kinds = [m.path_type for m in metadata or [] if hasattr(m, "path_type")]
    if isinstance(annotation, type) and issubclass(annotation, Path):
        return kinds[0] if kinds and kinds[0] in ("file", "dir") else "path"
    if typing.get_origin(annotation) is typing.Annotated:
        return path_kind(typing.get_args(annotation)[0], list(annotation.__metadata__))
    for arm in typing.get_args(annotation):
        kind = path_kind(arm, metadata)
        if kind:
            return kind
    return None


def in_key(info: FieldInfo) -> bool:
    """Whether a setting enters the key; one that only says how fast says ``json_schema_extra={"in_key": False}``."""
    extra = info.json_schema_extra
    return not (isinstance(extra, dict) and extra.get("in_key") is False)


def choices(info: FieldInfo) -> list[str]:
    """The words that a field, or an item of the list that it is, may be."""
    arms = [*_arms(info.annotation), *(arm for a in item_types(info.annotation) for arm in _arms(a))]
    return [str(a) for a in arms if isinstance(a, (str, int)) and not isinstance(a, bool)]


def _arms(annotation: Any) -> list[Any]:
    """Types and literal values that an annotation allows; Annotated, unions and Literals opened."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _arms(typing.get_args(annotation)[0])
    if origin is typing.Literal:
        return list(typing.get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        return [inner for arm in typing.get_args(annotation) for inner in _arms(arm)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [member.value for member in annotation]
    return [annotation]


def item_types(annotation: Any) -> tuple[Any, ...]:
    """What the lists inside an annotation hold; empty if it holds no list."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (list, tuple, set, frozenset):
        return tuple(a for a in args if a is not Ellipsis)
    return next((inner for inner in map(item_types, args) if inner), ())


def _phrase(annotation: Any, metadata: list[Any]) -> str:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _phrase(args[0], [*metadata, *annotation.__metadata__])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_phrase(a, [] if a is type(None) else metadata) for a in args)
    if origin is typing.Literal or (isinstance(annotation, type) and issubclass(annotation, Enum)):
        words = [str(a) for a in _arms(annotation)]
        return f"one of {', '.join(words)}" if len(words) > 1 else words[0]
    if origin in (list, tuple, set, frozenset):
        return f"a list: {_items(args)}{_count(metadata)}"
    if origin is dict or annotation is dict:
        return "a section of `key: value` lines"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a section"
    kind = path_kind(annotation, metadata)
    if kind:
        return {"file": "a file", "dir": "a folder", "path": "a file or folder"}[kind]
    return WORDS.get(annotation, getattr(annotation, "__name__", str(annotation))) + _bounds(metadata)


def _items(args: tuple[Any, ...]) -> str:
    if not args:
        return "values"
    if len(args) == 2 and args[1] is Ellipsis or len(args) == 1:
        return f"each {_phrase(args[0], [])}"
    return f"{len(args)} values, " + "; ".join(_phrase(a, []) for a in args)


def _count(metadata: list[Any]) -> str:
    low = [m.min_length for m in metadata if hasattr(m, "min_length")]
    return f" (at least {low[0]})" if low else ""


def _bounds(metadata: list[Any]) -> str:
    found = {word: getattr(m, word) for m in metadata for word in ("ge", "gt", "le", "lt", "pattern", "multiple_of")
             if getattr(m, word, None) is not None}
    parts = []
    if "ge" in found and "le" in found:
        parts.append(f"from {_number(found['ge'])} to {_number(found['le'])}")
    else:
        for word, said in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
            if word in found:
                parts.append(f"{said} {_number(found[word])}")
        if "gt" in found and "le" in found:
            parts = [f"above {_number(found['gt'])}, up to {_number(found['le'])}"]
    if "multiple_of" in found:
        parts.append(f"a multiple of {_number(found['multiple_of'])}")
    if "pattern" in found:
        parts.append(f"of the form {getattr(found['pattern'], 'pattern', found['pattern'])}")
    return f" {', '.join(parts)}" if parts else ""


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
