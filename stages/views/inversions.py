"""Textual inversions: words whose embeddings come from a file of the user's (Gal et al. 2022, "An Image is Worth One Word").

Read are A1111's files (``emb_params``) and diffusers' (a single tensor); one word may stand for several vectors. How many is read
from the file's header, so that a prompt can be measured without torch.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from stages.views.settings import ViewsSettings
from stages.views.weights_file import shapes

if TYPE_CHECKING:
    from transformers import CLIPTextModel

A1111_KEY = "emb_params"


def learned_words(settings: ViewsSettings) -> dict[str, int]:
    """The words of the settings' embeddings, lower case, and how many vectors each stands for. Raises ConfigError."""
    return {embedding.called: _shape(embedding.file)[1] for embedding in settings.embeddings}


def check_embedding(path: Path) -> None:
    """Raises ConfigError if the file is no embedding."""
    _shape(path)


def pieces(text: str, words: Collection[str]) -> Iterator[tuple[str, str | None]]:
    """``text`` cut at those of ``words`` (lower case) that stand in it by themselves: (text, the word that it is or None)."""
    at = 0
    if words:
        listed = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        for found in re.finditer(rf"(?<!\w)(?:{listed})(?!\w)", text, re.IGNORECASE):
            yield text[at : found.start()], None
            yield found[0], found[0].lower()
            at = found.end()
    yield text[at:], None


def without(text: str, words: Collection[str]) -> str:
    """``text`` without the ``words`` that have embeddings of their own."""
    return " ".join(piece for piece, word in pieces(text, words) if word is None)


def add_words(text_encoder: CLIPTextModel, settings: ViewsSettings) -> Mapping[str, list[int]]:
    """Give ``text_encoder`` the vectors of the settings' embeddings, after its own; word -> their numbers.

    Raises ConfigError for a file that is none, or one for another text model.
    """
    import torch
    from safetensors.torch import load_file

    table = text_encoder.get_input_embeddings()
    numbers: dict[str, list[int]] = {}
    rows = [table.weight]
    for embedding in settings.embeddings:
        key, count = _shape(embedding.file)
        vectors = load_file(embedding.file)[key].reshape(count, -1)
        if vectors.shape[1] != table.weight.shape[1]:
            raise ConfigError(f"{embedding.file}: its vectors have {vectors.shape[1]} channels, the text model {table.weight.shape[1]}; "
                              "expected an embedding for the model that `views.model` names")
        first = sum(map(len, rows))
        numbers[embedding.called] = list(range(first, first + count))
        rows.append(vectors.to(table.weight))
    if numbers:
        text_encoder.set_input_embeddings(torch.nn.Embedding.from_pretrained(torch.cat(rows)))
    return numbers


def _shape(path: Path) -> tuple[str, int]:
    """Name of the tensor in an embedding's file and how many vectors it holds."""
    held = shapes(path)
    key = A1111_KEY if A1111_KEY in held else next(iter(held), "")
    if (key != A1111_KEY and len(held) != 1) or len(held[key]) not in (1, 2):
        raise ConfigError(f"{path}: holds {', '.join(sorted(held)) or 'nothing'}; expected an embedding for Stable Diffusion 1: "
                          f"{A1111_KEY}, or a single tensor")
    return key, 1 if len(held[key]) == 1 else held[key][0]
