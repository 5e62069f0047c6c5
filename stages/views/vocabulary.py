"""Words and symbols of a prompt that a model never learnt. Only models that bring a ``words.json`` (the embedded ones) can be asked."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.errors import ArtifactError
from stages.views.emphasis import plain
from stages.views.inversions import learned_words, without
from stages.views.settings import ViewsSettings

WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")  # of any script; an underscore parts words, as the tokenizer does
SIGN = re.compile(r"[^\w\s](?:[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff]|\u200d[^\w\s])*")  # one, with what varies it or is joined to it
SYMBOLS = ("S", "Co", "Cn")  # Unicode's categories: symbols, emoji among them, and what is newer than Python's tables


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
    """Words and symbols of ``prompt`` that the model never learnt, in order, once each; empty if the model brings no list.

    A word with hyphens is known if it or all of its parts are. Commas and the like are no symbols.
    """
    learnt = learnt_words(model_folder)
    if learnt is None:
        return []
    parts = frozenset(part for word in learnt for part in re.split("[-']", word))
    known = lambda word: word in learnt or all(part in parts for part in re.split("[-']", word))  # noqa: E731
    text = unicodedata.normalize("NFC", plain(prompt)).replace("’", "'").lower()
    return list(dict.fromkeys(word for word in _words_and_symbols(text) if not known(word)))


def _words_and_symbols(text: str) -> Iterator[str]:
    for found in re.finditer(f"{WORD.pattern}|{SIGN.pattern}", text):
        if WORD.match(found[0]) or unicodedata.category(found[0][0]).startswith(SYMBOLS):
            yield found[0]


def near_words(word: str, model_folder: Path, count: int = 3) -> list[str]:
    """Learnt words that look like ``word``, nearest first."""
    return difflib.get_close_matches(word, sorted(learnt_words(model_folder) or ()), count, 0.65)


def painted_texts(settings: ViewsSettings) -> dict[str, str]:
    """Every text that reaches the model, by what it is called: the prompts, and what is added by frame; without the words that the
    user's embeddings give a meaning."""
    learned = learned_words(settings)
    texts = {
        "prompt": settings.prompt, "negative prompt": settings.negative_prompt, "prompt_prefix": settings.prompt_prefix,
        "prompt_suffix": ", ".join(dict(settings.prompt_suffix).values()), "ring_suffix": ", ".join(dict(settings.ring_suffix).values()),
        "negative_suffix": ", ".join(dict(settings.negative_suffix).values()),
    }
    return {name: without(text, learned) if learned else text for name, text in texts.items()}


def word_notices(texts: Mapping[str, str], model: str, model_folder: Path) -> list[str]:
    """One sentence for each of ``texts`` (name -> text) that holds words never learnt, with near words that were.

    A word is named once, for the first text that holds it.
    """
    notices: list[str] = []
    named: set[str] = set()
    for label, text in texts.items():
        unknown = [word for word in unknown_words(text, model_folder) if word not in named]
        if not unknown:
            continue
        named.update(unknown)
        said = []
        for word in unknown:
            near = near_words(word, model_folder)
            said.append(f"'{word}' (near: {', '.join(near)})" if near else f"'{word}'")
        notices.append(f"the {label} holds words that the model '{model}' never learnt and cannot paint: {', '.join(said)}")
    return notices
