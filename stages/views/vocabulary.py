"""Words of a prompt that a model never learnt. Only models that bring a ``words.json`` (the embedded ones) can be asked."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path

from pipeline.errors import ArtifactError

WORD = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*")


def learnt_words(model_folder: Path) -> frozenset[str] | None:
    """The words in ``words.json``, lower case, or None if the model has no such list. Raises ArtifactError if it is broken."""
    path = model_folder / "words.json"
    if not path.is_file():
        return None
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(path, f"is not JSON ({error})", "A list of words was expected.") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ArtifactError(path, "is not a list of words", "A JSON list of strings was expected.")
    return frozenset(word.lower() for word in words)


def unknown_words(prompt: str, model_folder: Path) -> list[str]:
    """Words of ``prompt`` that the model never learnt, in order, once each; empty if the model brings no list.

    A word with hyphens is known if it or all of its parts are.
    """
    learnt = learnt_words(model_folder)
    if learnt is None:
        return []
    parts = frozenset(part for word in learnt for part in re.split("[-']", word))
    known = lambda word: word in learnt or all(part in parts for part in re.split("[-']", word))  # noqa: E731
    return list(dict.fromkeys(word for word in WORD.findall(prompt.lower()) if not known(word)))


def near_words(word: str, model_folder: Path, count: int = 3) -> list[str]:
    """Learnt words that look like ``word``, nearest first."""
    return difflib.get_close_matches(word, sorted(learnt_words(model_folder) or ()), count, 0.65)


def word_notices(prompt: str, negative_prompt: str, model: str, model_folder: Path) -> list[str]:
    """One sentence for each text that holds words never learnt, with near words that were."""
    notices = []
    for label, text in (("prompt", prompt), ("negative prompt", negative_prompt)):
        unknown = unknown_words(text, model_folder)
        if not unknown:
            continue
        said = []
        for word in unknown:
            near = near_words(word, model_folder)
            said.append(f"'{word}' (near: {', '.join(near)})" if near else f"'{word}'")
        notices.append(f"the {label} holds words that the model '{model}' never learnt and cannot paint: {', '.join(said)}")
    return notices
