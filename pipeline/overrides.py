"""Settings from the command line: ``--views.steps 30`` and ``--views.steps=30``, through the same validation as the YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from pipeline.complaints import FLAGS, Complaint, complaint, model_at, spelled, suggestion
from pipeline.document import Document, Location, Place, nearest
from pipeline.fields import expectation, field_at, holds_items, numbered, takes_text, takes_words

Others = Sequence[tuple[str, str | None]]


def parted(others: Others) -> tuple[Others, Others]:
    """(those that name a setting, those that go into an item of a list): the latter need the lists, the profile's too, to be there."""
    inner = [other for other in others if any(word.isdecimal() for word in _words(other[0]))]
    return [other for other in others if other not in inner], inner


def lay_over(document: Document, others: Others, common: type[BaseModel],
             sections: Mapping[str, type[BaseModel]], everywhere: Mapping[str, list[str]]) -> list[Complaint]:
    """Write ``others`` into ``document``; returns what is wrong with their names, their values being validated later."""
    complaints: list[Complaint] = []
    for name, text in others:
        path = _words(name)
        place = Place(flag=f"command line, --{name}")
        model = sections.get(path[0], common)
        head, names = (path[:1], path[1:]) if path[0] in sections else ((), path)
        if not names:
            complaints.append(complaint(place, f"{path[0]} is a section; expected one of its settings, such as "
                                               f"--{path[0]}.{next(iter(model.model_fields), '...')}"))
            continue
        inside = numbered(model, names)
        problem = _no_item(document, model, head, inside, place)
        if problem:
            complaints.append(complaint(place, problem))
            continue
        info = field_at(model, inside)
        if info is None:
            complaints.append(complaint(place, _unknown(name, path, inside, common, sections, everywhere)))
            continue
        of_item = isinstance(inside[-1], int)
        if text is None and info.annotation is not bool:
            complaints.append(complaint(place, f"needs a value: {expectation(info, item=of_item)}"))
            continue
        document.set((*head, *inside), True if text is None else _value(info, text, of_item), place)
    return complaints


def _words(name: str) -> tuple[str, ...]:
    """``views.controlnets.0.scale``, or as complaints spell it ``views.controlnets[0].scale``, in its parts."""
    return tuple(name.replace("-", "_").replace("[", ".").replace("]", "").split("."))


def _no_item(document: Document, model: type[BaseModel], head: Location, inside: Location, place: Place) -> str | None:
    """What is wrong with the way into a list, if ``inside`` leads into one; a list that is a default is written out for it."""
    depth = next((i for i in range(1, len(inside)) if holds_items(model, inside[:i])), None)
    if depth is None:
        return None
    location, index, rest = (*head, *inside[:depth]), inside[depth], inside[depth:]
    if not isinstance(index, int):
        first = ".".join(map(str, (*location, 0, *rest)))
        return f"{spelled(location)} is a list; its items are counted from 0, as in --{first}; a whole list is set in the YAML"
    if not document.has(location):
        document.set(location, _default(model, inside[:depth]), place)
    items = document.at(location)
    count = len(items) if isinstance(items, list) else 0
    if index < count:
        return None
    return f"there is no {spelled((*location, index))}; items there, counted from 0: {count}; further list items are set in the YAML"


def _default(model: type[BaseModel], location: Location) -> Any:
    """The default of a field as it would stand in a YAML."""
    info = field_at(model, location)
    value = None if info is None or info.is_required() else info.get_default(call_default_factory=True)
    return TypeAdapter(Any).dump_python(value, mode="json")


def _unknown(name: str, path: tuple[str, ...], inside: Location, common: type[BaseModel], sections: Mapping[str, type[BaseModel]],
             everywhere: Mapping[str, list[str]]) -> str:
    if len(path) == 1:
        flag = nearest(name, [*FLAGS, *common.model_fields])
        hint = f"; did you mean --{flag}?" if flag else suggestion(name, [], everywhere, sections)
        return f"there is no such flag or setting{hint}"
    if path[0] in sections:
        parent = model_at(sections[path[0]], inside[:-1]) or sections[path[0]]
        return f"there is no such setting{suggestion(path[-1], list(parent.model_fields), everywhere)}"
    section = nearest(path[0], list(sections))
    hint = f"; did you mean --{section}.{'.'.join(path[1:])}?" if section else f"; sections: {', '.join(sections)}"
    return f"there is no section {path[0]!r}{hint}"


def _value(info: FieldInfo, text: str, of_item: bool) -> Any:
    """Words as they stand for what takes text, in a list for what takes several; all else as YAML reads it."""
    if text == "null":
        return None
    if takes_words(info) if of_item else takes_text(info):
        return text
    if takes_words(info) and not text.lstrip().startswith("["):
        return [word.strip() for word in text.split(",") if word.strip()]
    return _read(text)


def _read(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return text
