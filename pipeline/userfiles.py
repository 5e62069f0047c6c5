"""Settings that point at the user's files: made absolute from where they were written, there, readable, and whole."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pipeline.complaints import Complaint, complaint, spelled
from pipeline.document import Document, Location, Place, nearest
from pipeline.fields import model_of, path_kind

IMAGES = (".png", ".jpg", ".jpeg", ".webp")


def settle_paths(model: type[BaseModel], document: Document, prefix: Location) -> list[Complaint]:
    """Replace every path written in the section at ``prefix`` by its absolute form; complain of what cannot be read."""
    complaints: list[Complaint] = []
    section: Any = document.values
    for name in prefix:
        section = section.get(name) if isinstance(section, dict) else None
    if isinstance(section, dict):
        for location, holder, key, kind in _paths(model, section, prefix):
            place = document.place(location)
            path = _absolute(holder[key], place)
            holder[key] = str(path)
            problem = _problem(path, kind)
            if problem:
                complaints.append(complaint(place, f"{spelled(location)}: {problem}"))
    return complaints


def settle_models(document: Document, setting: str, known: Sequence[str]) -> list[Complaint]:
    """Make the folders absolute that were written for ``setting`` (dotted; lists on the way are entered); complain of words not ``known``.

    A word is a path if it looks like one or if something of that name lies beside the file; one that begins with a known name and a
    slash, as parts of a model do, is a name. What a stage makes of a file where it takes folders, it says itself.
    """
    complaints: list[Complaint] = []
    for location, holder, key in _written(document.values, tuple(setting.split("."))):
        word, place = holder[key], document.place(location)
        if not isinstance(word, str) or word in known:
            continue
        path = _absolute(word, place)
        if word.partition("/")[0] not in known and (_looks_like_path(word) or path.exists()):
            holder[key], problem = str(path), _problem(path, "dir" if not path.exists() else "file or folder")
        else:
            near = nearest(word, list(known))
            problem = f"expected a folder or one of {', '.join(known)}, got {word!r}" + (f"; did you mean {near!r}?" if near else "")
        if problem:
            complaints.append(complaint(place, f"{spelled(location)}: {problem}"))
    return complaints


def image_problem(path: Path) -> str | None:
    """None if a picture file is whole as far as its container tells, else a sentence. Reads every byte, decodes nothing."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not data:
        return "is empty"
    suffix = path.suffix.lower()
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png_problem(data)
    if data.startswith(b"\xff\xd8"):
        return None if b"\xff\xd9" in data[-64:] else "is a JPEG that ends too early"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return None if len(data) >= struct.unpack("<I", data[4:8])[0] + 8 else "is a WebP that ends too early"
    return f"is not a picture, in spite of its name (*{suffix})"


def _absolute(written: str, place: Place) -> Path:
    path = Path(os.path.expandvars(written)).expanduser()
    return path if path.is_absolute() else Path(os.path.normpath(place.folder / path))


def _looks_like_path(word: str) -> bool:
    return "/" in word or os.sep in word or word.startswith((".", "~"))


def _written(node: Any, rest: tuple[str, ...], at: Location = ()) -> Iterator[tuple[Location, dict[str, Any], str]]:
    """(location, mapping, key) wherever the names ``rest`` lead to from ``node``."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _written(item, rest, (*at, index))
    elif isinstance(node, dict) and rest[0] in node:
        if len(rest) == 1:
            yield (*at, rest[0]), node, rest[0]
        else:
            yield from _written(node[rest[0]], rest[1:], (*at, rest[0]))


def _paths(model: type[BaseModel], section: dict[str, Any], at: Location) -> Iterator[tuple[Location, Any, Any, str]]:
    """(location, container, key, kind) of every path written as text."""
    for name, info in model.model_fields.items():
        value, location = section.get(name), (*at, name)
        kind = path_kind(info.annotation, list(info.metadata))
        inner = model_of(info.annotation)
        if kind and isinstance(value, str) and not _other_word(info.annotation, value):
            yield location, section, name, kind
        elif kind and isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, str):
                    yield (*location, index), value, index, kind
        elif inner is not None and isinstance(value, dict):
            yield from _paths(inner, value, location)
        elif inner is not None and isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _paths(inner, item, (*location, index))


def _other_word(annotation: Any, value: str) -> bool:
    """Whether a field that takes a path or one of some words was given such a word."""
    from typing import Literal, get_args, get_origin

    return any(get_origin(arm) is Literal and value in get_args(arm) for arm in (annotation, *get_args(annotation)))


def _problem(path: Path, kind: str) -> str | None:
    if not path.exists():
        parent = path.parent
        near = nearest(path.name, sorted(p.name for p in parent.iterdir())) if parent.is_dir() else None
        what = {"file": "file", "dir": "folder"}.get(kind, "file or folder")
        return f"there is no {what} {path}" + (f"; did you mean {near!r}?" if near else "")
    if kind == "file" and not path.is_file():
        return f"expected a file, but {path} is a folder"
    if kind == "dir" and not path.is_dir():
        return f"expected a folder, but {path} is a file"
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        return f"{path} cannot be read; check its permissions"
    pictures = [path] if path.is_file() else sorted(p for p in path.rglob("*") if not p.name.startswith("."))
    for picture in pictures:
        if picture.suffix.lower() in IMAGES and picture.is_file():
            problem = image_problem(picture)
            if problem:
                return f"{picture} {problem}; expected a picture that can be opened"
    return None


def _png_problem(data: bytes) -> str | None:
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 4 : at + 8 + length]
        if at + 12 + length > len(data):
            break
        if zlib.crc32(body) != struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0]:
            return "is a damaged PNG (a checksum is wrong)"
        if kind == b"IEND":
            return None
        at += 12 + length
    return "is a PNG that ends too early"
