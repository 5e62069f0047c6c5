"""Settings from the command line: ``--views.steps 30`` and ``--views.steps=30``, through the same validation as the YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from pipeline.complaints import FLAGS, Complaint, complaint, suggestion
from pipeline.document import Document, Place, nearest
from pipeline.fields import expectation, field_at, takes_text


def lay_over(document: Document, others: Sequence[tuple[str, str | None]], common: type[BaseModel],
             sections: Mapping[str, type[BaseModel]], everywhere: Mapping[str, list[str]]) -> list[Complaint]:
    """Write ``others`` into ``document``; returns what is wrong with their names, their values being validated later."""
    complaints: list[Complaint] = []
    for name, text in others:
        path = tuple(name.replace("-", "_").split("."))
        place = Place(flag=f"command line, --{name}")
        model = sections.get(path[0], common)
        inside = path[1:] if path[0] in sections else path
        if not inside:
            complaints.append(complaint(place, f"{path[0]} is a section; expected one of its settings, such as "
                                               f"--{path[0]}.{next(iter(model.model_fields), '...')}"))
            continue
        info = field_at(model, inside)
        if info is None:
            complaints.append(complaint(place, _unknown(name, path, common, sections, everywhere)))
            continue
        if text is None and info.annotation is not bool:
            complaints.append(complaint(place, f"needs a value: {expectation(info)}"))
            continue
        document.set(path, True if text is None else text if takes_text(info) and text != "null" else _read(text), place)
    return complaints


def _unknown(name: str, path: tuple[str, ...], common: type[BaseModel], sections: Mapping[str, type[BaseModel]],
             everywhere: Mapping[str, list[str]]) -> str:
    if len(path) == 1:
        flag = nearest(name, [*FLAGS, *common.model_fields])
        hint = f"; did you mean --{flag}?" if flag else suggestion(name, [], everywhere, sections)
        return f"there is no such flag or setting{hint}"
    if path[0] in sections:
        return f"there is no such setting{suggestion(path[-1], list(sections[path[0]].model_fields), everywhere)}"
    section = nearest(path[0], list(sections))
    hint = f"; did you mean --{section}.{'.'.join(path[1:])}?" if section else f"; sections: {', '.join(sections)}"
    return f"there is no section {path[0]!r}{hint}"


def _read(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return text
