"""Whether the words of a prompt go with the figure of the body. A word to the user: nothing is decided by it."""

from __future__ import annotations

import re

WORDS = {"female": frozenset({"girl", "1girl", "woman", "lady", "female"}), "male": frozenset({"boy", "1boy", "man", "guy", "male"})}
OWNER = {"female": "a woman's", "male": "a man's"}


def disagreement(prompt: str, figure: str) -> str | None:
    """One sentence if ``prompt`` speaks of the other ``figure`` and not of this one, else None."""
    words = set(re.findall(r"[a-z0-9]+", prompt.lower()))
    other = "male" if figure == "female" else "female"
    if not words & WORDS[other] or words & WORDS[figure]:
        return None
    said = ", ".join(sorted(words & WORDS[other]))
    return f"the prompt says {said}, and the body that the pictures are drawn over is {OWNER[figure]}: `conditions: {{figure: {other}}}` takes {OWNER[other]}"
