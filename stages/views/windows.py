"""Which frames a frame looks at, and how a sequence of frames is cut into chunks that fit in memory.

Frames are numbered in processing order: the first ring, then the second, and so on. A *window* is the tuple of frame numbers
whose keys and values a frame's self-attention sees. A *chunk* is what goes through the network as one batch; chunks are worked off in
order, so frames that see one another are in one. Of all earlier frames only those that a later window still names are carried.

Sparse-causal attention is Wu et al. 2023, "Tune-A-Video", eq. 5, here with the frame itself added.
"""

from __future__ import annotations

import itertools
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

    @property
    def painted(self) -> tuple[int, ...]:
        """Frames whose prediction is taken: all."""
        return self.frames

    @property
    def places(self) -> tuple[int, ...]:
        """Their positions in the batch."""
        return tuple(range(len(self.frames)))

    @property
    def told(self) -> tuple[int, ...]:
        """For each position in the batch, the frame whose text it reads."""
        return self.frames


@dataclass(frozen=True)
class JointPlan:
    """One batch of windows that have ``members`` frames each and are one picture to attention: ``frames`` numbers, window after window;
    ``painted`` the frame that each window is for, whose prediction is taken and whose text all frames of the window read."""

    frames: tuple[int, ...]
    members: int
    painted: tuple[int, ...]

    @property
    def places(self) -> tuple[int, ...]:
        """Positions in the batch of the frames that the windows are for."""
        return tuple(self.frames.index(frame, start, start + self.members) for frame, start in zip(self.painted, self._starts, strict=True))

    @property
    def told(self) -> tuple[int, ...]:
        """For each position in the batch, the frame whose text it reads."""
        return tuple(frame for frame in self.painted for _ in range(self.members))

    @property
    def _starts(self) -> range:
        return range(0, len(self.frames), self.members)


Plan = ChunkPlan | JointPlan


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
    """Every frame sees every frame: one chunk, whatever its size was to be."""
    everyone = tuple(range(sum(counts)))
    return (everyone,) * len(everyone)


def repeat_windows(windows: Windows, times: int) -> Windows:
    """The same windows for ``times`` independent groups that follow one another (a training batch of several characters)."""
    size = len(windows)
    return tuple(tuple(group * size + frame for frame in window) for group in range(times) for window in windows)


def plan_chunks(windows: Windows, chunk: int, start: int = 0, stop: int | None = None) -> tuple[ChunkPlan, ...]:
    """Cut frames ``start`` to ``stop`` (default: all) of ``windows`` into batches of at most ``chunk``, or of as many as see one another.

    What the frames from ``start`` on see of those before is expected to be carried; what those from ``stop`` on see is kept at the end.
    Raises ValueError if a window names a frame that does not exist.
    """
    if chunk < 1:
        raise ValueError(f"a chunk holds at least 1 frame, not {chunk}")
    if beyond := [frame for window in windows for frame in window if frame >= len(windows)]:
        raise ValueError(f"a window names frame {beyond[0]}, and there are {len(windows)}")
    plans: list[ChunkPlan] = []
    last = len(windows) if stop is None else stop
    carried = tuple(sorted({frame for window in windows[start:] for frame in window if frame < start}))
    while start < last:
        end = _end(windows, start, min(start + chunk, last))
        pool = (*carried, *range(start, end))
        wanted_later = {frame for window in windows[end:] for frame in window}
        keep = tuple(position for position, frame in enumerate(pool) if frame in wanted_later)
        plans.append(ChunkPlan(tuple(range(start, end)), carried, _grouped(windows, start, end, pool), keep))
        carried = tuple(pool[position] for position in keep)
        start = end
    return tuple(plans)


def plan_joint(windows: Windows, rows: Sequence[int], chunk: int) -> tuple[JointPlan, ...]:
    """Cut the windows of the frames ``rows`` into batches of at most ``chunk`` frames, or of one window where that is larger."""
    plans = []
    for members, run in itertools.groupby(rows, key=lambda row: len(windows[row])):
        alike, each = tuple(run), max(1, chunk // members)
        for painted in (alike[i : i + each] for i in range(0, len(alike), each)):
            plans.append(JointPlan(tuple(frame for row in painted for frame in windows[row]), members, painted))
    return tuple(plans)


def _end(windows: Windows, start: int, end: int) -> int:
    """Where the chunk from ``start`` ends that was to end at ``end``: no frame of it looks further."""
    while (last := max(frame for window in windows[start:end] for frame in window)) >= end:
        end = last + 1
    return end


def _grouped(windows: Windows, start: int, stop: int, pool: tuple[int, ...]) -> tuple[WindowGroup, ...]:
    """The windows of frames ``start`` to ``stop`` by length, as positions in ``pool``; groups in order of their first row."""
    where = {frame: position for position, frame in enumerate(pool)}
    by_length: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
    for row, window in enumerate(windows[start:stop]):
        by_length.setdefault(len(window), []).append((row, tuple(where[frame] for frame in window)))
    return tuple(
        WindowGroup(tuple(row for row, _ in members), tuple(positions for _, positions in members))
        for members in by_length.values()
    )
