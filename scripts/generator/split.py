"""Which characters are never trained on: a tenth of all colour combinations, and the default character's."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from scripts.generator.attributes import DEFAULT, EARLIER, Attributes, draw_attributes, sample_any_attributes

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
def held_out(wide: bool = False) -> tuple[Attributes, ...]:
    """The 64 characters that reconstructions are judged on, or if ``wide`` the 64 that are drawn from everything that models learn; no colour
    combination comes twice. The first of the former is the default one."""
    rng = np.random.default_rng(_SEED)
    chosen = [] if wide else [DEFAULT]
    seen = {a.color_combination for a in chosen}
    while len(chosen) < HELD_OUT_COUNT:
        attributes = sample_any_attributes(rng) if wide else draw_attributes(rng, EARLIER)
        if is_held_out(attributes) and attributes.color_combination not in seen:
            seen.add(attributes.color_combination)
            chosen.append(attributes)
    return tuple(chosen)


HELD_OUT = held_out()
