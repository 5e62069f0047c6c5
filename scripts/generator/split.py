"""Which characters are never trained on: a tenth of all colour combinations, and the default character's."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from scripts.generator.attributes import DEFAULT, Attributes, sample_any_attributes

HELD_OUT_SHARE = 0.1
HELD_OUT_COUNT = 64
_SEED = 64


def is_held_out(attributes: Attributes) -> bool:
    """True for every character that wears a held-out combination of hair, top and bottom colour, whatever the rest."""
    combination = attributes.color_combination
    if combination == DEFAULT.color_combination:
        return True
    digest = hashlib.sha256("|".join(combination).encode()).digest()
    return int.from_bytes(digest[:4], "big") < HELD_OUT_SHARE * 2**32


@cache
def held_out() -> tuple[Attributes, ...]:
    """The 64 characters that models are judged on; the first is the default one. No colour combination comes twice."""
    rng = np.random.default_rng(_SEED)
    chosen = [DEFAULT]
    seen = {DEFAULT.color_combination}
    while len(chosen) < HELD_OUT_COUNT:
        attributes = sample_any_attributes(rng)
        if is_held_out(attributes) and attributes.color_combination not in seen:
            seen.add(attributes.color_combination)
            chosen.append(attributes)
    return tuple(chosen)


HELD_OUT = held_out()
