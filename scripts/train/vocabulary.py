"""A CLIP tokenizer of our own: byte-pair merges learnt from the generator's word list, one token for each word."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from scripts.train.architecture import TEXT_LENGTH


def tokenizer_in(folder: Path, words: tuple[str, ...], since: Path | None = None) -> CLIPTokenizer:
    """The tokenizer of ``folder``; if it has none, that of ``since``, which networks to be trained further have learnt with, or a new one.

    Which of two merges that are equally frequent comes first is left to chance, and with it their tokens' numbers: one that has been
    learnt with must be kept. Raises ValueError if it spells one of ``words``.
    """
    if not (folder / "vocab.json").exists():
        if since is None:
            return build_tokenizer(words, folder)
        shutil.copytree(since, folder, dirs_exist_ok=True)
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    if unknown := spelled(tokenizer, words):
        raise ValueError(f"{folder} does not know {', '.join(unknown)}; the word list has grown, and the text encoder must learn them (scripts.train.reading --start)")
    return tokenizer


def spelled(tokenizer: CLIPTokenizer, words: tuple[str, ...]) -> list[str]:
    """What of ``words`` is no single token. CLIP parts digits from letters, so that only words of letters can be one."""
    letters = [piece for word in pieces_of(words) for piece in re.findall("[a-z]+", word)]
    return sorted({piece for piece in letters if len(tokenizer(piece, add_special_tokens=False).input_ids) != 1})


def extended(since: Path, words: tuple[str, ...], folder: Path) -> CLIPTokenizer:
    """Write the tokenizer of ``since`` to ``folder`` with each of ``words`` one token: merges and tokens are added behind all others, so that what
    it knew keeps its numbers and its parts."""
    vocab = json.loads((since / "vocab.json").read_text(encoding="utf-8"))
    merges = [tuple(line.split(" ")) for line in (since / "merges.txt").read_text(encoding="utf-8").splitlines()[1:] if line]
    for word in spelled(CLIPTokenizer.from_pretrained(since, local_files_only=True), words):
        pieces = [*word[:-1], word[-1] + "</w>"]
        for a, b in merges:  # in the order of their rank
            i = 0
            while i < len(pieces) - 1:
                if (pieces[i], pieces[i + 1]) == (a, b):
                    pieces[i : i + 2] = [a + b]
                i += 1
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces[:2] = [pieces[0] + pieces[1]]
            vocab.setdefault(pieces[0], len(vocab))
    return _written(vocab, merges, folder)


def pieces_of(words: tuple[str, ...]) -> list[str]:
    """What of ``words`` is to be one token each: they themselves, or the parts between hyphens."""
    return sorted({piece for word in words for piece in word.replace("-", " ").split()})


def build_tokenizer(words: tuple[str, ...], folder: Path) -> CLIPTokenizer:
    """Write ``vocab.json`` and ``merges.txt`` to ``folder``: every byte, and merges until each of ``words`` is one token."""
    pieces = pieces_of(words)
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=20_000,
        min_frequency=1,
        end_of_word_suffix="</w>",
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(pieces, trainer)
    learnt = json.loads(bpe.to_str())["model"]
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in learnt["merges"]]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = dict.fromkeys([*alphabet, *(a + "</w>" for a in alphabet), *("".join(m.split(" ")) for m in merges)])
    vocab = {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    return _written(vocab, [tuple(m.split(" ")) for m in merges], folder)


def _written(vocab: dict[str, int], merges: list[tuple[str, str]], folder: Path) -> CLIPTokenizer:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, indent=0), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(map(" ".join, merges)) + "\n", encoding="utf-8")
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=TEXT_LENGTH)
    tokenizer.save_pretrained(folder)
    return tokenizer
