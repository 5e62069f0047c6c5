"""How the views hang together: whom each frame's attention sees, and which frames are worked off first.

Frames are numbered ring after ring, here as the condition pictures are; a ring is closed: its last frame stands beside its first.

- causal: the first frame of all (the front), the previous of the ring, and itself: sparse-causal attention (Wu et al. 2023,
  "Tune-A-Video", eq. 5) with the frame itself added. The window of a joint scheme is the same (windows.py, ``JointPlan``).
- keyframes: key frames at equal intervals see one another fully, every other frame sees the key frames to either side in its ring and
  not itself: the hierarchical sampler of Zhang et al. 2023, "ControlVideo", whose interval is the root of the number of frames. There a
  video's last frame is a key frame, too, and the two go through the network again with each clip; here the ring is closed, and their
  keys and values of the one call are taken. (Their program shows a clip its first key frame and its own last frame; their text is followed.)
- anchors: what is known of a ring is its geometry. Its front, back and sides come first, each sees those of its ring before it and the
  front of all; every other frame sees the front, the anchors to either side round the ring, and itself.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from stages.views.windows import Windows, alone_windows, full_windows, ring_windows

ANCHORS_DEG = (0.0, 180.0, 90.0, 270.0)  # what is least alike comes first


@dataclass(frozen=True)
class Scheme:
    """Windows by frame number, and the frames that are worked off ``first``, in this order, before the rest as they come."""

    windows: Windows
    first: tuple[int, ...] = ()


def scheme_of(window: str, azimuths_deg: Sequence[Sequence[float]]) -> Scheme:
    """The scheme that the setting ``window`` names, for rings of frames that look from ``azimuths_deg``."""
    counts = [len(ring) for ring in azimuths_deg]
    if window == "keyframes":
        return keyframe_scheme(counts)
    if window == "anchors":
        return anchor_scheme(azimuths_deg)
    return Scheme({"none": alone_windows, "full": full_windows, "causal": ring_windows, "joint": ring_windows}[window](counts))


def keyframe_scheme(counts: Sequence[int]) -> Scheme:
    """Key frames every ``isqrt(n)`` of a ring's n frames, from its first; those of all rings see one another."""
    keys = tuple(frame for ring in rings_of(counts) for frame in ring[:: math.isqrt(len(ring)) or 1])
    windows = [
        keys if frame in keys else beside(frame, [key for key in keys if key in ring], ring) for ring in rings_of(counts) for frame in ring
    ]
    return Scheme(tuple(windows), keys)


def anchor_scheme(azimuths_deg: Sequence[Sequence[float]]) -> Scheme:
    """Each ring's frames nearest to ``ANCHORS_DEG`` first; a ring of fewer frames has fewer."""
    windows: list[tuple[int, ...]] = []
    first: list[int] = []
    for ring, azimuths in zip(rings_of([len(its) for its in azimuths_deg]), azimuths_deg, strict=True):
        anchors = _anchors(ring, azimuths)
        for frame in ring:
            seen = anchors[: anchors.index(frame)] if frame in anchors else beside(frame, anchors, ring)
            windows.append(tuple(sorted({0, *seen, frame})))
        first += anchors
    return Scheme(tuple(windows), tuple(first))


def rings_of(counts: Sequence[int]) -> list[range]:
    """The frame numbers of each ring."""
    return [range(sum(counts[:i]), sum(counts[: i + 1])) for i in range(len(counts))]


def beside(frame: int, others: Collection[int], ring: range) -> tuple[int, ...]:
    """The nearest of ``others`` to either side of ``frame`` round the closed ``ring``; one if they are the same, none if there are none."""
    if not others:
        return ()
    return tuple(sorted({min(others, key=lambda other, turn=turn: turn * (other - frame) % len(ring)) for turn in (1, -1)}))


def _anchors(ring: range, azimuths_deg: Sequence[float]) -> list[int]:
    """Frames of ``ring`` that look from its front, back and sides, or nearly so; each once."""
    apart = lambda i, at: abs((azimuths_deg[i] - at + 180) % 360 - 180)  # noqa: E731
    return [ring[i] for i in dict.fromkeys(min(range(len(ring)), key=lambda i, at=at: apart(i, at)) for at in ANCHORS_DEG if ring)]
