"""What each frame is told: the character's prompt, and words for the ring and the direction from which the frame looks."""

from __future__ import annotations

from collections.abc import Callable

from stages.views.settings import ViewsSettings

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
    return ", ".join(part.strip().strip(",") for part in words if part.strip(" ,"))


def fitted(prompt: str, whole: Callable[[str], str], fits: Callable[[str], bool]) -> tuple[str, str]:
    """The longest beginning of ``prompt``, in words, whose ``whole`` text ``fits`` the text model, and the words left over.

    So a long prompt loses its last words and not the ones that name the view.
    """
    words = prompt.split()
    for kept in range(len(words), 0, -1):
        text = " ".join(words[:kept])
        if fits(whole(text)):
            return text, " ".join(words[kept:])
    return words[0] if words else "", " ".join(words[1:])
