"""Settings as written: plain values, each with the place where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """Where a setting was written. ``flag`` instead of a file for the command line. ``line`` and ``column`` count from 1."""

    file: Path | None = None
    line: int = 1
    column: int = 1
    flag: str = ""

    def __str__(self) -> str:
        return self.flag or f"{self.file}:{self.line}:{self.column}"

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return Path.cwd() if self.file is None else self.file.resolve().parent


@dataclass
class Document:
    """``values`` as plain dicts, lists and scalars; ``keys`` and ``items`` map locations to the places of key and value."""

    values: dict[str, Any] = field(default_factory=dict)
    keys: dict[Location, Place] = field(default_factory=dict)
    items: dict[Location, Place] = field(default_factory=dict)
    start: Place = field(default_factory=Place)

    def place(self, location: Location, of_key: bool = False) -> Place:
        """Where ``location``, or the nearest setting that encloses it, stands."""
        for end in range(len(location), 0, -1):
            table = self.keys if of_key and end == len(location) else self.items
            if location[:end] in table:
                return table[location[:end]]
        return self.start

    def at(self, location: Location) -> Any:
        """What is written at ``location``, or None."""
        here: Any = self.values
        for name in location:
            there = isinstance(here, dict) and name in here or isinstance(here, list) and isinstance(name, int) and name < len(here)
            here = here[name] if there else None
        return here

    def has(self, location: Location) -> bool:
        """Whether something is written at ``location``."""
        return location in self.items

    def set(self, location: Location, value: Any, place: Place) -> None:
        """Write one value, making the sections that enclose it; a whole number names an item of a list that is there."""
        here: Any = self.values
        for depth, name in enumerate(location[:-1], 1):
            inner = here[name] if isinstance(here, list) else here.get(name)
            if not isinstance(inner, list if isinstance(location[depth], int) else dict):
                inner = here[name] = {}
                self._mark(location[:depth], place)
            here = inner
        here[location[-1]] = value
        self._forget_below(location)
        for inside in _within(value):
            self._mark((*location, *inside), place)

    def overlaid(self, over: Document) -> Document:
        """This document with ``over`` laid on it: sections are merged, everything else (and what is written ``{}``) is replaced."""
        merged = Document(_copy(self.values), dict(self.keys), dict(self.items), over.start)
        merged._lay(over, ())
        return merged

    def _lay(self, over: Document, at: Location) -> None:
        for name, value in _at(over.values, at).items():
            location = (*at, name)
            mine = _at(self.values, at).get(name)
            if isinstance(value, dict) and isinstance(mine, dict) and (value or not at):  # a `{}` inside a section means: none
                self.keys[location], self.items[location] = over.keys[location], over.items[location]
                self._lay(over, location)
                continue
            _at(self.values, at)[name] = _copy(value)
            self._forget_below(location)
            for mark, theirs in ((self.keys, over.keys), (self.items, over.items)):
                mark.update({k: p for k, p in theirs.items() if k[: len(location)] == location})

    def _mark(self, location: Location, place: Place) -> None:
        self.keys[location] = self.items[location] = place

    def _forget_below(self, location: Location) -> None:
        for table in (self.keys, self.items):
            for known in [k for k in table if len(k) > len(location) and k[: len(location)] == location]:
                del table[known]


def read_yaml(path: Path) -> Document:
    """Read a YAML mapping with the place of every key and value. Raises ConfigError with file, line and column."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    text = _read_text(path)
    try:
        root = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(path, mark.line + 1, mark.column + 1) if mark else Place(path)
        said = " ".join(str(part) for part in (error.context, error.problem) if part).splitlines()[0]
        hint = "; a tab cannot indent in YAML, use spaces" if "'\\t'" in said else ""
        raise ConfigError(f"{place}: this is not legal YAML: {said}{hint}") from error
    except YAMLError as error:
        raise ConfigError(f"{Place(path)}: this is not legal YAML: {error}") from error
    document = Document(start=Place(path))
    if root is None:
        return document
    if not isinstance(root, dict):
        raise ConfigError(f"{Place(path)}: expected settings as `key: value` lines, got {type(root).__name__.lower()}")
    document.values = _collect(root, (), path, document)
    return document


def nearest(word: str, known: list[str]) -> str | None:
    """The known word that ``word`` is most likely a slip of, or None."""
    lowered = {k.lower(): k for k in known}
    found = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        folder = path.parent
        near = nearest(path.name, [p.name for p in folder.iterdir()]) if folder.is_dir() else None
        hint = f"; did you mean {folder / near}?" if near else ""
        raise ConfigError(f"{path}: no such file{hint}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}") from error


def _collect(node: Any, at: Location, path: Path, into: Document) -> Any:
    if isinstance(node, dict):
        out = {}
        for key, value in node.items():
            name = str(key)
            location = (*at, name)
            into.keys[location], into.items[location] = _places(node, key, path)
            out[name] = _collect(value, location, path, into)
        return out
    if isinstance(node, list):
        for index in range(len(node)):
            line, column = node.lc.item(index)
            into.keys[(*at, index)] = into.items[(*at, index)] = Place(path, line + 1, column + 1)
        return [_collect(value, (*at, index), path, into) for index, value in enumerate(node)]
    return _scalar(node)


def _places(node: Any, key: Any, path: Path) -> tuple[Place, Place]:
    """Where a key of a mapping and its value stand; what a merge (``<<: *anchor``) brought stands where the mapping does."""
    own = key in (node.lc.data or {})
    found = (node.lc.key(key), node.lc.value(key)) if own else [(node.lc.line, node.lc.col)] * 2
    of_key, of_value = (Place(path, line + 1, column + 1) for line, column in found)
    return of_key, of_value


def _scalar(node: Any) -> Any:
    if node is None or isinstance(node, bool):
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value


def _within(value: Any) -> Iterator[Location]:
    """Where ``value`` and everything inside it stand, from ``value`` on."""
    yield ()
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from ((name, *inside) for inside in _within(member))


def _at(values: dict[str, Any], location: Location) -> dict[str, Any]:
    for name in location:
        values = values[name]
    return values
