"""What can be named in a picture of a training character: words, and the pixels that they mean."""

from __future__ import annotations

from functools import cache

import numpy as np

from scripts.generator.assemble import PARTS
from scripts.generator.attributes import Attributes
from scripts.generator.captions import BOTTOM_WORDS, LEG_WORDS, SHOE_NOUNS, TOP_WORDS
from scripts.train.batches import FACE_PARTS, labels_of

THINGS = ("girl", "hair", "face", "top", "bottom", "legwear", "shoes", "accessory")
LEAST_PX = 12  # of a thing that counts as seen
_ALWAYS = {"girl": ("girl", "woman", "person", "character", "figure"), "hair": ("hair",), "face": ("face",)}
_SINCE = ("vest", "coat", "crop top")  # came after the shipped detector had learnt; leave this out, and name what is worn on the head, to train the next
_KINDS = {"top": {kind: words for kind, words in TOP_WORDS.items() if kind not in _SINCE}, "bottom": BOTTOM_WORDS, "legwear": LEG_WORDS, "shoes": SHOE_NOUNS}
_GENERIC = {"top": ("top",), "bottom": ("bottom",), "legwear": ("legwear",), "shoes": ("shoes", "footwear"), "accessory": ("accessory",)}
_ACCESSORIES = {
    "ribbon": ("ribbon", "hair ribbon", "bow"), "hat": ("hat",), "cat ears": ("cat ears",), "glasses": ("glasses",),
    "headband": ("headband", "hairband"),
}


def words_for(thing: str, a: Attributes) -> tuple[str, ...]:
    """The words that name ``thing`` (one of THINGS) of the character."""
    if thing in _ALWAYS:
        return _ALWAYS[thing]
    kinds = _ACCESSORIES if thing == "accessory" else _KINDS[thing]
    generic = () if thing == "top" and a.top == "dress" else _GENERIC[thing]
    return (*generic, *kinds.get(getattr(a, thing), ()))


@cache
def all_words() -> tuple[str, ...]:
    """Everything that a picture may be asked for, sorted."""
    kinds = [words for table in (*_KINDS.values(), _ACCESSORIES) for words in table.values()]
    return tuple(sorted({word for words in (*_ALWAYS.values(), *_GENERIC.values(), *kinds) for word in words if word != "bare legs"}))


def things_in(labels: np.ndarray, parts: np.ndarray) -> dict[str, np.ndarray]:
    """The things that are seen and where, thing -> (H, W) bool; ``labels`` and ``parts`` (H, W) as in ``shards``.

    The face is skin, eyes, brows and mouth as far as no hair or garment lies before them.
    """
    is_part = lambda name: labels == 1 + PARTS.index(name)  # noqa: E731
    bare = is_part("skin") | is_part("eye")
    found = {"girl": labels > 0, "hair": is_part("hair"), "face": bare & labels_of(FACE_PARTS)[parts]}
    found |= {thing: is_part(thing) for thing in THINGS[3:]}
    return {thing: mask for thing, mask in found.items() if mask.sum() >= LEAST_PX}


def box_of(mask: np.ndarray) -> np.ndarray:
    """(4,) float32 x0 y0 x1 y1 in pixels: the smallest box round (H, W) bool."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
