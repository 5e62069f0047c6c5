"""Which frames a frame looks at, and how a sequence of frames is cut into chunks that fit in memory.

Frames are numbered in processing order: the first ring, then the second, and so on. A *window* is the tuple of frame numbers
whose keys and values a frame's self-attention sees; it never looks ahead, so that chunks can be worked off in order. A *chunk*
is what goes through the network as one batch. Of all earlier frames only those that a later window still names are carried.

Sparse-causal attention is Wu et al. 2023, "Tune-A-Video", eq. 5, here with the frame itself added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Windows = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class WindowGroup:
    """Frames of one chunk whose windows have the same length k.

    ``rows`` (n,) positions in the chunk; ``pool`` n tuples of k positions in the pool, which is the carried frames followed by
    the chunk's own.
    """

    rows: tuple[int, ...]
    pool: Windows


@dataclass(frozen=True)
class ChunkPlan:
    """One batch of frames: ``frames`` numbers, ``carried`` frames expected from before, ``keep`` pool positions to hand on."""

    frames: tuple[int, ...]
    carried: tuple[int, ...]
    groups: tuple[WindowGroup, ...]
    keep: tuple[int, ...]


def ring_windows(counts: Sequence[int]) -> Windows:
    """Windows {first, previous, self} for rings of ``counts`` frames, duplicates dropped.

    ``first`` is frame 0, the front of the first ring, for every ring: a second ring's first frame sees {front, itself}.
    """
    windows: list[tuple[int, ...]] = []
    for count in counts:
        start = len(windows)
        for frame in range(start, start + count):
            windows.append(tuple(sorted({0, max(frame - 1, start), frame})))
    return tuple(windows)


def alone_windows(counts: Sequence[int]) -> Windows:
    """Every frame sees only itself: independent pictures."""
    return tuple((frame,) for frame in range(sum(counts)))


def full_windows(counts: Sequence[int]) -> Windows:
    """Every frame sees every frame; works in a single chunk only."""
    everyone = tuple(range(sum(counts)))
    return (everyone,) * len(everyone)


def repeat_windows(windows: Windows, times: int) -> Windows:
    """The same windows for ``times`` independent groups that follow one another (a training batch of several characters)."""
    size = len(windows)
    return tuple(tuple(group * size + frame for frame in window) for group in range(times) for window in windows)


def plan_chunks(windows: Windows, chunk: int) -> tuple[ChunkPlan, ...]:
    """Cut the frames of ``windows`` into batches of at most ``chunk``.

    Raises ValueError if a window names a frame of a later chunk or one that does not exist.
    """
    if chunk < 1:
        raise ValueError(f"a chunk holds at least 1 frame, not {chunk}")
    plans: list[ChunkPlan] = []
    carried: tuple[int, ...] = ()
    for start in range(0, len(windows), chunk):
        stop = min(start + chunk, len(windows))
        pool = (*carried, *range(start, stop))
        wanted_later = {frame for window in windows[stop:] for frame in window}
        keep = tuple(position for position, frame in enumerate(pool) if frame in wanted_later)
        plans.append(ChunkPlan(tuple(range(start, stop)), carried, _grouped(windows, start, stop, pool), keep))
        carried = tuple(pool[position] for position in keep)
    return tuple(plans)


def _grouped(windows: Windows, start: int, stop: int, pool: tuple[int, ...]) -> tuple[WindowGroup, ...]:
    """The windows of frames ``start`` to ``stop`` by length, as positions in ``pool``; groups in order of their first row."""
    where = {frame: position for position, frame in enumerate(pool)}
    by_length: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
    for row, window in enumerate(windows[start:stop]):
        if not set(window) <= where.keys():
            raise ValueError(
                f"frame {start + row} looks at frames {sorted(set(window) - where.keys())}, which are not computed by then; "
                "such windows need one chunk that holds all frames"
            )
        by_length.setdefault(len(window), []).append((row, tuple(where[frame] for frame in window)))
    return tuple(
        WindowGroup(tuple(row for row, _ in members), tuple(positions for _, positions in members))
        for members in by_length.values()
    )
