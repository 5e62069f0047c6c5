"""Attributes to words: tags or a sentence, in varied order, from a small closed vocabulary."""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from scripts.generator import palette
from scripts.generator.attributes import ACCESSORY_WORDS, CLOTH_WORDS, LEGWEAR_WORDS, SHOE_WORDS, Attributes

STYLES = {
    "short hair": ("short {c} hair", "{c} short hair", "{c} hair, short hair"),
    "bob": ("{c} bob hair", "{c} hair in a bob", "{c} hair, bob", "short {c} bob"),
    "medium hair": ("medium {c} hair", "shoulder length {c} hair", "{c} hair, medium hair", "{c} medium hair"),
    "long hair": ("long {c} hair", "{c} long hair", "{c} hair, long hair", "long straight {c} hair"),
    "wavy hair": ("long wavy {c} hair", "wavy {c} hair", "{c} hair, wavy hair", "{c} wavy long hair"),
    "twin tails": ("{c} twin tails", "{c} hair in twin tails", "{c} hair, twintails", "{c} twintails", "long {c} hair in twin tails"),
    "ponytail": ("{c} ponytail", "{c} hair in a ponytail", "{c} hair, ponytail", "long {c} hair in a ponytail"),
    "bun": ("{c} hair in a bun", "{c} hair bun", "{c} hair, single bun", "{c} bun"),
    "twin buns": ("{c} hair in twin buns", "{c} hair, double bun", "{c} twin buns", "{c} hair in two buns"),
    "spiky hair": ("spiky {c} hair", "{c} spiky hair", "short spiky {c} hair", "{c} hair, spiky hair"),
    "side ponytail": ("{c} side ponytail", "{c} hair in a side ponytail", "{c} hair, side ponytail"),
    "curly hair": ("curly {c} hair", "{c} curly hair", "{c} hair, curly hair", "short curly {c} hair", "{c} curls"),
    "braids": ("{c} braids", "{c} hair in braids", "{c} hair, twin braids", "braided {c} hair"),
}
HAIR_WORDS = {"silver": ("silver", "silver", "white", "grey"), "blonde": ("blonde", "blonde", "blond", "yellow"), "black": ("black",)}
EYE_WORDS = {"yellow": ("yellow", "yellow", "golden", "amber")}
CLOTH_SYNONYMS = {"navy": ("navy", "navy", "navy", "navy blue", "dark blue"), "grey": ("grey", "gray", "grey")}
TOP_WORDS = {
    "shirt": ("shirt", "shirt", "blouse", "collared shirt"),
    "t-shirt": ("t-shirt", "t-shirt", "short sleeve shirt"),
    "sweater": ("sweater", "sweater", "turtleneck sweater"),
    "hoodie": ("hoodie", "hoodie", "hooded sweater"),
    "jacket": ("jacket", "jacket", "open jacket", "blazer"),
    "sailor top": ("sailor top", "sailor shirt", "sailor uniform top"),
    "tank top": ("tank top", "tank top", "sleeveless top", "sleeveless shirt"),
    "dress": ("dress", "dress", "one-piece dress"),
    "vest": ("vest", "vest", "waistcoat", "vest over a white shirt"),
    "coat": ("coat", "coat", "long coat", "overcoat"),
    "crop top": ("crop top",),
}
BOTTOM_WORDS = {
    "skirt": ("skirt", "skirt", "pleated skirt", "short skirt"),
    "long skirt": ("long skirt",),
    "trousers": ("trousers", "trousers", "pants", "long pants"),
    "shorts": ("shorts", "shorts", "short pants"),
}
LEG_WORDS = {"bare": ("bare legs",), "socks": ("socks", "socks", "knee socks"), "stockings": ("stockings", "stockings", "thighhighs", "tights")}
SHOE_NOUNS = {"shoes": ("shoes", "shoes", "loafers"), "boots": ("boots",), "sneakers": ("sneakers", "sneakers")}
ACCESSORY_NOUNS = {
    "ribbon": ("{c} ribbon", "{c} hair ribbon", "{c} bow", "{c} ribbon in her hair"),
    "hat": ("{c} hat", "wearing a {c} hat"),
    "cat ears": ("{c} cat ears",),
    "glasses": ("{c} glasses", "wearing {c} glasses"),
    "headband": ("{c} headband", "{c} hairband"),
    "rabbit ears": ("{c} rabbit ears", "{c} bunny ears"),
    "horns": ("{c} horns",),
    "headphones": ("{c} headphones", "wearing {c} headphones"),
    "scarf": ("{c} scarf", "wearing a {c} scarf"),
    "crown": ("{c} crown", "wearing a {c} crown"),
}
SKIN_WORDS = {"pale": ("pale skin", "fair skin", "light skin"), "tan": ("tan skin", "tanned skin"), "dark": ("dark skin", "dark skin")}
SAYABLE = ("hair", "eyes", "skin", "top", "bottom", "legwear", "shoes", "accessory")
SUBJECTS = {
    "female": ("1girl", "a girl", "anime girl", "girl", "a character", "an anime character", "a young woman"),
    "male": ("1boy", "a boy", "anime boy", "boy", "a character", "an anime character", "a young man"),
}
GENDERED = {"1girl", "girl", "woman", "she", "her", "1boy", "boy", "man", "he"}
PLAIN = {"1girl": "a girl", "girl": "a girl", "1boy": "a boy", "boy": "a boy"}  # tags, as a sentence has them
VIEWS = {
    "front": ("front view", "from the front", "facing viewer", "front"),
    "angle-front": ("angle-front view", "three-quarter front view", "from the front side", "front angle view"),
    "side": ("side view", "from the side", "profile view", "from side"),
    "angle-back": ("angle-back view", "three-quarter back view", "from the back side", "back angle view"),
    "back": ("back view", "from behind", "from the back", "facing away"),
}
RINGS = {"body": ("full body", "full body", "whole body", "standing"), "head": ("close-up", "portrait", "head close-up", "face close-up")}
STYLE_WORDS = ("anime style", "white background", "simple background", "flat colors", "clean lines", "looking straight ahead", "masterpiece, best quality")
GLUE = "a an the and with in her she he has is wearing wears of"


def view_name(azimuth_deg: float) -> str:
    """front, angle-front, side, angle-back or back: sectors of 45 degrees about 0, 45, 90, 135, 180."""
    turn = abs((azimuth_deg + 180.0) % 360.0 - 180.0)
    return ("front", "angle-front", "side", "angle-back", "back")[int((turn + 22.5) // 45.0)]


def _one(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]


def _cloth(rng: np.random.Generator, word: str) -> str:
    return _one(rng, CLOTH_SYNONYMS.get(word, (word,)))


def phrases(a: Attributes, rng: np.random.Generator) -> dict[str, str]:
    """One phrase for each attribute that shows, without articles."""
    out = {"hair": _one(rng, STYLES[a.hair_style]).format(c=_one(rng, HAIR_WORDS.get(a.hair_color, (a.hair_color,))))}
    out["eyes"] = f"{_one(rng, EYE_WORDS.get(a.eye_color, (a.eye_color,)))} eyes"
    out["top"] = f"{_cloth(rng, a.top_color)} {_one(rng, TOP_WORDS[a.top])}"
    if a.bottom != "none":
        out["bottom"] = f"{_cloth(rng, a.bottom_color)} {_one(rng, BOTTOM_WORDS[a.bottom])}"
    color = "" if a.legwear == "bare" else f"{_cloth(rng, a.legwear_color)} "
    out["legwear"] = color + _one(rng, LEG_WORDS[a.legwear])
    out["shoes"] = f"{_cloth(rng, a.shoes_color)} {_one(rng, SHOE_NOUNS[a.shoes])}"
    if a.accessory != "none":
        out["accessory"] = _one(rng, ACCESSORY_NOUNS[a.accessory]).format(c=a.accessory_color)
    out["skin"] = _one(rng, SKIN_WORDS[a.skin])
    return out


def _kept(said: dict[str, str], a: Attributes, rng: np.random.Generator) -> dict[str, str]:
    """Some details go unsaid: legs that trousers hide, pale skin and bare legs mostly, the rest now and then, hair, top and bottom hardly ever."""
    covered = a.bottom == "trousers" or (a.bottom == "long skirt" and a.shoes == "boots")
    silent = {"skin": 0.85 if a.skin == "pale" else 0.2, "shoes": 0.2, "eyes": 0.12}
    silent["legwear"] = 1.0 if covered else 0.5 if a.legwear == "bare" else 0.12
    return {key: text for key, text in said.items() if rng.random() >= silent.get(key, 0.04)}


def _article(phrase: str) -> str:
    plural = re.sub(r",.*", "", phrase).endswith(("s", "hair", "skin")) and not phrase.endswith(("dress", "glasss"))
    return phrase if plural or phrase.startswith("wearing") else f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _sentence(subject: str, said: dict[str, str], male: bool, rng: np.random.Generator) -> str:
    looks = [said[k] for k in ("hair", "eyes", "skin") if k in said]
    wears = [_article(said[k].removeprefix("wearing a ").removeprefix("wearing ")) for k in said if k not in ("hair", "eyes", "skin")]
    rng.shuffle(wears)
    joined = [", ".join(part[:-1]) + " and " + part[-1] if len(part) > 1 else "".join(part) for part in (looks, wears)]
    subject = PLAIN.get(subject, subject)
    text = f"{subject} with {joined[0]}" if joined[0] else subject
    return f"{text}{_one(rng, (', wearing ', ' wearing ', ', he wears ' if male else ', she wears '))}{joined[1]}" if joined[1] else text


def caption(attributes: Attributes, rng: np.random.Generator, azimuth_deg: float, ring: str = "body", hushed: frozenset[str] = frozenset()) -> str:
    """A caption of the picture of ``attributes`` seen from ``azimuth_deg`` in the ``ring`` "body" or "head", silent about ``hushed``."""
    return caption_and_said(attributes, rng, azimuth_deg, ring, hushed)[0]


def caption_and_said(
    attributes: Attributes, rng: np.random.Generator, azimuth_deg: float, ring: str, hushed: frozenset[str] = frozenset()
) -> tuple[str, frozenset[str]]:
    """A caption, and what it speaks of: keys of ``phrases``, none of them in ``hushed``, and "figure" where it tells a woman from a man."""
    said = {key: text for key, text in _kept(phrases(attributes, rng), attributes, rng).items() if key not in hushed}
    subject = _one(rng, SUBJECTS[attributes.figure])
    if not said:
        text = subject
    elif rng.random() < 0.35:
        text = _sentence(subject, said, attributes.figure == "male", rng)
    else:
        keys = list(said)
        rng.shuffle(keys)
        if rng.random() < 0.5:
            keys.sort(key=lambda k: SAYABLE.index(k))
        text = ", ".join([subject, *(said[k] for k in keys)] if rng.random() < 0.9 else [said[k] for k in keys])
    place = _place(rng, azimuth_deg, ring)
    tail = [_one(rng, STYLE_WORDS)] if rng.random() < 0.25 else []
    spoken = frozenset(said) | ({"figure"} if GENDERED & set(words_of(text)) else set())
    return ", ".join([*place, text, *tail] if rng.random() < 0.4 else [text, *tail, *place]), spoken


def _place(rng: np.random.Generator, azimuth_deg: float, ring: str) -> list[str]:
    """Words for the ring and the direction, most of the time."""
    view = _one(rng, VIEWS[view_name(azimuth_deg)])
    place = [_one(rng, RINGS[ring])] if rng.random() < (0.9 if ring == "head" else 0.5) else []
    return [*place, view] if rng.random() < 0.92 else place


def words_of(text: str) -> list[str]:
    """The words of a caption as the vocabulary counts them: lower case, hyphens kept."""
    return re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)*", text.lower())


@cache
def vocabulary() -> tuple[str, ...]:
    """Every word that a caption can hold, sorted."""
    groups = [SUBJECTS, STYLES, HAIR_WORDS, EYE_WORDS, CLOTH_SYNONYMS, TOP_WORDS, BOTTOM_WORDS, LEG_WORDS, SHOE_NOUNS, ACCESSORY_NOUNS, SKIN_WORDS, VIEWS, RINGS]
    texts = [text.replace("{c}", " ") for group in groups for options in group.values() for text in options]
    texts += [*STYLE_WORDS, GLUE, "eyes", *palette.HAIR, *palette.EYES]
    texts += [*CLOTH_WORDS, *ACCESSORY_WORDS, *LEGWEAR_WORDS, *SHOE_WORDS]
    return tuple(sorted({word for text in texts for word in words_of(text)}))


if __name__ == "__main__":
    print("\n".join(vocabulary()))
