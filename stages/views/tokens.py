"""How much of a text the text model reads, counted without it: CLIP's tokenizer from the model's own files, no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ArtifactError, MissingError
from stages.views.emphasis import spans
from stages.views.inversions import learned_words, pieces
from stages.views.settings import ViewsSettings

if TYPE_CHECKING:
    from tokenizers import Tokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
PIECE = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"  # in the tokenizers' own dialect


@dataclass(frozen=True)
class Reader:
    """What a text model reads: at most ``limit`` tokens in each of ``blocks``, begin and end among them. ``count`` gives those of a text
    without begin and end."""

    limit: int
    blocks: int
    count: Callable[[str], int]

    @property
    def room(self) -> int:
        """Tokens that it reads, begins and ends among them."""
        return self.limit * self.blocks

    def fits(self, text: str) -> bool:
        """Whether the text model reads all of ``text``."""
        return self.count(text) <= (self.limit - 2) * self.blocks


def reader_of(settings: ViewsSettings, model_folder: Path) -> Reader:
    """The reader of the settings' texts. Raises as ``reader`` does, and ConfigError for an embedding that cannot be read."""
    return reader(model_folder, settings.prompt_blocks, learned_words(settings))


def reader(model_folder: Path, blocks: int = 1, learned: Mapping[str, int] | None = None) -> Reader:
    """The reader of a model in diffusers' layout, in ``blocks``, with the tokens of ``learned`` words (inversions.py). Raises MissingError if it has no tokenizer, ArtifactError if that is broken."""
    folder = model_folder / "tokenizer"
    limit = _json(folder / "tokenizer_config.json").get("model_max_length")
    if not isinstance(limit, int):
        raise ArtifactError(folder / "tokenizer_config.json", f"gives {limit!r} as model_max_length", "A number of tokens was expected.")
    tokenizer = _tokenizer(folder)
    learned = learned or {}
    length = lambda piece, word: len(tokenizer.encode(piece).ids) if word is None else learned[word]  # noqa: E731
    return Reader(limit, blocks, lambda text: sum(length(*part) for span in spans(text) for part in pieces(span.text, learned)))


def _tokenizer(folder: Path) -> Tokenizer:
    """As ``transformers.CLIPTokenizer`` makes it, which takes nothing but words and merges from the files either."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    words, merges = _words_and_merges(folder)
    tokenizer = Tokenizer(models.BPE(words, merges, continuing_subword_prefix="", end_of_word_suffix="</w>", fuse_unk=False, unk_token=END))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PIECE), behavior="removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.add_special_tokens([START, END])
    return tokenizer


def _words_and_merges(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """From ``tokenizer.json`` or, as older models have them, ``vocab.json`` and ``merges.txt``."""
    path = folder / "tokenizer.json"
    if path.is_file():
        model = _json(path).get("model", {})
        merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model.get("merges", [])]
        return model.get("vocab", {}), [(first, second) for first, second in merges]
    lines = _text(folder / "merges.txt").split("\n")
    parted = (line.split() for line in lines if line.strip() and not line.startswith("#version"))
    return _json(folder / "vocab.json"), [(first, second) for first, second in parted]


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise ArtifactError(path, f"is not JSON ({error})", "A tokenizer in diffusers' layout was expected.") from error
    if not isinstance(found, dict):
        raise ArtifactError(path, "is not a JSON object", "A tokenizer in diffusers' layout was expected.")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise MissingError(f"{path.parents[1]} is no Stable Diffusion model in diffusers' layout: it lacks tokenizer/{path.name}") from error
    except UnicodeDecodeError as error:
        raise ArtifactError(path, f"is not text ({error})", "A tokenizer in diffusers' layout was expected.") from error
