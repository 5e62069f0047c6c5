"""What a training character is: one value object, sampled from a generator that is passed in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scripts.generator import palette

HAIR_STYLES = (
    "short hair", "bob", "medium hair", "long hair", "wavy hair", "twin tails", "ponytail", "bun", "twin buns", "braids",
    "spiky hair", "side ponytail", "curly hair",
)  # fmt: skip
TOPS = ("shirt", "t-shirt", "sweater", "hoodie", "jacket", "sailor top", "tank top", "dress", "vest", "coat", "crop top")
BOTTOMS = ("skirt", "long skirt", "trousers", "shorts", "none")
LEGWEAR = ("bare", "socks", "stockings")
SHOES = ("shoes", "boots", "sneakers")
ACCESSORIES = ("none", "ribbon", "hat", "cat ears", "glasses", "headband", "rabbit ears", "horns", "headphones", "scarf", "crown")
FIGURES = ("female", "male")
CLOTH_WORDS = tuple(palette.CLOTH)
ACCESSORY_WORDS = ("red", "blue", "black", "white", "yellow", "pink", "purple", "green")
LEGWEAR_WORDS = ("black", "white", "grey", "navy", "brown", "red")
SHOE_WORDS = tuple(palette.LEATHER)


@dataclass(frozen=True)
class Attributes:
    """Words of one character. ``seed`` draws what has no word: the fall of locks and folds, small proportions."""

    hair_color: str = "pink"
    hair_style: str = "long hair"
    eye_color: str = "blue"
    skin: str = "pale"
    top: str = "shirt"
    top_color: str = "white"
    bottom: str = "skirt"
    bottom_color: str = "navy"
    legwear: str = "stockings"
    legwear_color: str = "black"
    shoes: str = "shoes"
    shoes_color: str = "brown"
    accessory: str = "ribbon"
    accessory_color: str = "red"
    seed: int = 0
    figure: str = "female"

    @property
    def color_combination(self) -> tuple[str, str, str]:
        """Hair, top and bottom colour: what the held-out split looks at."""
        return self.hair_color, self.top_color, self.bottom_color


DEFAULT = Attributes()


def _pick(rng: np.random.Generator, words: tuple[str, ...], odds: tuple[float, ...] | None = None) -> str:
    p = None if odds is None else np.asarray(odds) / np.sum(odds)
    return words[int(rng.choice(len(words), p=p))]


@dataclass(frozen=True)
class Odds:
    """How often each word is drawn: of hair styles, tops, bottoms and accessories, in their order. Those past the end of a row are never drawn."""

    hair_styles: tuple[float, ...]
    tops: tuple[float, ...]
    accessories: tuple[float, ...]


# What the first models learnt; the held-out characters that reconstructions are measured on are drawn from it.
EARLIER = Odds((3, 3, 3, 5, 3, 4, 4, 2, 2, 2), (5, 4, 4, 4, 4, 4, 3, 5), (5, 4, 3, 3, 3, 3))
WOMEN = Odds((3, 3, 3, 5, 3, 4, 4, 2, 2, 2, 2, 3, 3), (5, 4, 4, 4, 4, 4, 3, 5, 4, 4, 3), (5, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3))
MEN = Odds((5, 1, 3, 1, 1, 0, 2, 1, 0, 0, 7, 0, 3), (5, 5, 4, 4, 5, 1, 3, 0, 4, 4, 0), (7, 0, 3, 1, 4, 2, 1, 3, 4, 4, 2))
MALE_SHARE = 0.3
TIED = ("bun", "twin buns", "twin tails", "ponytail", "side ponytail")  # leave no room for what is worn on top


def draw_attributes(rng: np.random.Generator, odds: Odds, figure: str = "female") -> Attributes:
    """One character, held-out combinations included."""
    first = lambda words, of: _pick(rng, words[: len(of)], of)  # noqa: E731
    top = first(TOPS, odds.tops)
    below = (5, 3, 4, 3) if figure == "female" else (0, 0, 5, 3)
    bottom = "none" if top == "dress" else _pick(rng, BOTTOMS[:4], below)
    if top == "coat":  # hides what is short
        bottom = {"skirt": "long skirt", "shorts": "trousers"}.get(bottom, bottom)
    top_color = _pick(rng, CLOTH_WORDS)
    hair_style = first(HAIR_STYLES, odds.hair_styles)
    accessory = first(ACCESSORIES, odds.accessories)
    accessory = "glasses" if accessory in ("hat", "crown") and hair_style in TIED else accessory
    legwear = "bare" if bottom in ("long skirt",) and rng.random() < 0.5 else _pick(rng, LEGWEAR, (3, 3, 4 if figure == "female" else 0))
    return Attributes(
        hair_color=_pick(rng, tuple(palette.HAIR)),
        hair_style=hair_style,
        eye_color=_pick(rng, tuple(palette.EYES)),
        skin=_pick(rng, tuple(palette.SKIN), (6, 2, 2)),
        top=top,
        top_color=top_color,
        bottom=bottom,
        bottom_color=top_color if bottom == "none" else _pick(rng, CLOTH_WORDS),
        legwear=legwear,
        legwear_color=_pick(rng, LEGWEAR_WORDS, (4, 4, 2, 2, 1, 1)),
        shoes=_pick(rng, SHOES),
        shoes_color=_pick(rng, SHOE_WORDS, (3, 4, 3, 2, 1, 1)),
        accessory=accessory,
        accessory_color=_pick(rng, ACCESSORY_WORDS),
        seed=int(rng.integers(2**31)),
        figure=figure,
    )


def sample_any_attributes(rng: np.random.Generator) -> Attributes:
    """One character from the whole space, held-out combinations included."""
    male = rng.random() < MALE_SHARE
    return draw_attributes(rng, MEN if male else WOMEN, "male" if male else "female")


def sample_attributes(rng: np.random.Generator) -> Attributes:
    """One training character: never a held-out combination."""
    from scripts.generator.split import is_held_out

    while is_held_out(attributes := sample_any_attributes(rng)):
        pass
    return attributes
