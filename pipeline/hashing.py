"""Canonical keys and digests: SHA-256 of tagged pre-images, the same on every machine and Python."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

SCHEMA = 1  # raised when the meaning of a pre-image changes
PREVIEW = "preview"
UNSTABLE_SUFFIXES = (".blend", ".fbx", ".usdz")  # formats that carry the time of day


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, ASCII only. Raises TypeError for what has no canonical form (paths, NaN, sets)."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(tag: str, value: Any) -> str:
    """Hex SHA-256 of ``tag``, a zero byte, and the canonical JSON of ``value``; equal values under other tags differ."""
    return hashlib.sha256(tag.encode() + b"\0" + canonical_json(value).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_of(folder: Path) -> list[str]:
    """Relative paths of all files under ``folder``, with forward slashes, sorted."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def digest_path(path: Path) -> str:
    """Digest of what a path points at: a file's bytes, or a folder's names and bytes (hidden files left out)."""
    if path.is_file():
        return digest_file(path)
    visible = [f for f in files_of(path) if not any(part.startswith(".") for part in f.split("/"))]
    return digest("folder", [[f, digest_file(path / f)] for f in visible])


def is_payload(relative: str) -> bool:
    """Whether a file of an artifact counts for its content digest: previews and formats that carry times do not."""
    return not relative.startswith(f"{PREVIEW}/") and not relative.lower().endswith(UNSTABLE_SUFFIXES)


def content_digest(files: Mapping[str, str]) -> str:
    """Digest of an artifact from its files' digests (relative path -> SHA-256)."""
    return digest("content", [[name, files[name]] for name in sorted(files) if is_payload(name)])


def stage_key(name: str, version: int, settings: Any, inputs: Mapping[str, str | None], models: Iterable[tuple[str, str]],
              backends: Iterable[list[str]]) -> tuple[str, dict[str, Any]]:
    """The key of a stage and its pre-image, which goes into the manifest so that ``explain`` can compare two of them."""
    image = {"schema": SCHEMA, "stage": name, "version": version, "settings": _plain(settings), "inputs": dict(inputs),
             "models": sorted([list(m) for m in models]), "backends": sorted(list(b) for b in backends)}
    return digest("stage", image), image


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} has no canonical form")
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(k, str) for k in value):
            raise TypeError("keys of a canonical mapping are strings")
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")
