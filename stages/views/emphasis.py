"""Weights inside a prompt, written as artists write them: ``(word:1.3)``, ``(word)`` and ``[word]``.

``(word)`` weighs 1.1, ``[word]`` 1 / 1.1; brackets in brackets multiply; ``(word:1.3)`` weighs 1.3 and may be nested, too. A bracket
that is never closed reaches to the end, one that was never opened is a letter, and so is any after a backslash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STEP = 1.1
_PIECE = re.compile(r"\\[()\[\]\\]|[()\[\]]|:\s*(?P<weight>\d+(?:\.\d*)?|\.\d+)\s*\)|[^\\()\[\]:]+|.", re.DOTALL)
_BRACKET = re.compile(r"[\\()\[\]]")


@dataclass(frozen=True)
class Span:
    """A stretch of a prompt and what it weighs."""

    text: str
    weight: float


def spans(prompt: str) -> list[Span]:
    """``prompt`` without its brackets, in stretches of equal weight, in order."""
    texts: list[str] = []
    weights: list[float] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def weigh(start: int, factor: float) -> None:
        weights[start:] = [w * factor for w in weights[start:]]

    for piece in _PIECE.finditer(prompt):
        said, weight = piece[0], piece["weight"]
        if said in opened:
            opened[said].append(len(texts))
        elif weight is not None and opened["("]:
            weigh(opened["("].pop(), float(weight))
        elif said == ")" and opened["("]:
            weigh(opened["("].pop(), STEP)
        elif said == "]" and opened["["]:
            weigh(opened["["].pop(), 1 / STEP)
        else:
            texts.append(said[1:] if said.startswith("\\") and len(said) == 2 else said)
            weights.append(1.0)
    for bracket, factor in (("(", STEP), ("[", 1 / STEP)):
        for start in opened[bracket]:
            weigh(start, factor)
    return _joined(texts, weights)


def plain(prompt: str) -> str:
    """``prompt`` without its brackets and weights."""
    return "".join(span.text for span in spans(prompt))


def rewritten(prompt: str) -> str:
    """``prompt`` with every bracket closed, so that what is put behind it weighs 1; as it is if it has none."""
    return "".join(map(_written, spans(prompt))) if _BRACKET.search(prompt) else prompt


def beginning(prompt: str, words: int) -> tuple[str, str]:
    """The first ``words`` words of ``prompt`` with their weights, and the rest without."""
    text = plain(prompt)
    ends = [0, *(word.end() for word in re.finditer(r"\S+", text))]
    end, at, kept = ends[min(words, len(ends) - 1)], 0, []
    for span in spans(prompt):
        kept.append(Span(span.text[: max(0, end - at)], span.weight))
        at += len(span.text)
    return "".join(_written(span) for span in kept if span.text), text[end:].strip()


def _written(span: Span) -> str:
    text = _BRACKET.sub(r"\\\g<0>", span.text)
    return text if span.weight == 1 else f"({text}:{span.weight:g})"


def _joined(texts: list[str], weights: list[float]) -> list[Span]:
    out: list[Span] = []
    for text, weight in zip(texts, weights, strict=True):
        rounded = round(weight, 6)
        if out and out[-1].weight == rounded:
            out[-1] = Span(out[-1].text + text, rounded)
        else:
            out.append(Span(text, rounded))
    return out
