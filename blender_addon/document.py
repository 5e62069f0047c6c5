# SPDX-License-Identifier: GPL-3.0-or-later
"""A character file, written without a YAML library: JSON is YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAME = re.compile(r"\w[\w.-]*")
NAME_LENGTH = 80


def name_problem(name: str) -> str | None:
    """One sentence on why ``name`` cannot be a character's, which becomes the name of a folder; None if it can."""
    if not name:
        return "The character needs a name"
    if not NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        return f"The name {name!r} cannot be that of a folder: letters, digits, '_', '-' and '.' were expected, at most {NAME_LENGTH}"
    return None


def settings(name: str, prompt: str, seed: int, profile: str, body: Path | None = None, pose: Path | None = None) -> dict[str, Any]:
    """What a character file says."""
    said: dict[str, Any] = {"name": name, "prompt": prompt, "seed": seed, "profile": profile}
    conditions = {key: str(path) for key, path in (("body", body), ("pose_file", pose)) if path is not None}
    return said | ({"conditions": conditions} if conditions else {})


def text(said: Mapping[str, Any]) -> str:
    """The file's text. Letters of all scripts stand as they are; what YAML does not print is escaped."""
    written = json.dumps(said, ensure_ascii=False, indent=1)
    return "".join(c if c == "\n" or c.isprintable() else _escaped(c) for c in written) + "\n"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
