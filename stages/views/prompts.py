"""What each frame is told: the character's prompt, and words for the ring and the direction from which the frame looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from stages.views.emphasis import beginning, plain, rewritten
from stages.views.settings import RingSuffix, ViewsSettings

T = TypeVar("T")
SECTORS = ("front", "angle_front", "side", "angle_back", "back")


def view_of(azimuth_deg: float) -> str:
    """The one of ``SECTORS`` that an azimuth falls into: 45 degrees each, centred on 0, 45, 90, 135, 180, mirrored."""
    turn = abs((azimuth_deg + 180.0) % 360.0 - 180.0)
    return SECTORS[int((turn + 22.5) // 45.0)]


def frame_prompt(settings: ViewsSettings, ring: str, azimuth_deg: float, prompt: str | None = None) -> str:
    """The whole text for one frame; ``prompt`` stands in for the settings' own."""
    words = (
        settings.prompt_prefix,
        settings.prompt if prompt is None else prompt,
        getattr(settings.ring_suffix, ring, ""),
        getattr(settings.prompt_suffix, view_of(azimuth_deg)),
    )
    return _listed(words)


def frame_negative(settings: ViewsSettings, azimuth_deg: float) -> str:
    """What must not appear in one frame."""
    return _listed((settings.negative_prompt, getattr(settings.negative_suffix, view_of(azimuth_deg))))


def every_negative(settings: ViewsSettings) -> Iterator[str]:
    """The negative prompt with the words for every direction, whether such a view is painted or not; each once."""
    yield from dict.fromkeys(frame_negative(settings, 45.0 * sector) for sector in range(len(SECTORS)))


def _listed(parts: Iterable[str]) -> str:
    return ", ".join(rewritten(part.strip().strip(",")) for part in parts if part.strip(" ,"))


def every_prompt(settings: ViewsSettings, prompt: str) -> Iterator[str]:
    """``prompt`` with the words for every ring and direction, whether such a view is painted or not."""
    for ring in RingSuffix.model_fields:
        for sector in range(len(SECTORS)):
            yield frame_prompt(settings, ring, 45.0 * sector, prompt)


def cut_prompt(settings: ViewsSettings, fits: Callable[[str], bool]) -> tuple[str, str]:
    """The longest beginning of the prompt that fits in every ring and direction, and the words left over.

    So no view loses a word that another keeps, and what is lost is known before there are views.
    """
    return fitted(settings.prompt, lambda prompt: every_prompt(settings, prompt), lambda texts: all(map(fits, texts)))


def fitted(prompt: str, whole: Callable[[str], T], fits: Callable[[T], bool]) -> tuple[str, str]:
    """The longest beginning of ``prompt``, in words, whose ``whole`` text (or texts) ``fits`` the text model, and the words left over.

    So a long prompt loses its last words and not the ones that name the view. The first word stays, fit or not.
    """
    words = len(plain(prompt).split())
    for kept in range(words, 0, -1):
        text, lost = beginning(prompt, kept)
        if fits(whole(text)):
            return text, lost
    return beginning(prompt, 1)
