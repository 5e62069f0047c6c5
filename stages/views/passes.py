"""Which batches go through the networks at each tick.

A frame that is finished and sees none but finished frames is the same at every later tick, and so are its keys and values in every
layer: they are computed once, in batches of their own, so that a run that was interrupted computes them again to the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.views.strands import Strand, frames_begun, frames_done, ticks_of, windows_at
from stages.views.windows import Plan, Windows, plan_chunks, plan_joint


@dataclass(frozen=True)
class Passes:
    """The batches of a run: of at most ``chunk`` frames; ``joint``: a frame's window goes through the network as one picture."""

    windows: Windows
    strands: Sequence[Strand]
    chunk: int
    joint: bool

    @property
    def ticks(self) -> range:
        """All of them, in order."""
        return range(ticks_of(self.strands))

    def settled(self, tick: int) -> int:
        """How many frames, always the first, are finished by ``tick`` and see none that is not; none in a joint scheme, where what a
        frame is seen as depends on who sees it."""
        count = 0 if self.joint else frames_done(self.strands, tick)
        while count and max(frame for window in self.windows[:count] for frame in window) >= count:
            count -= 1
        return count

    def changes(self, tick: int) -> bool:
        """Are frames settled at ``tick``, or do others begin to look at settled ones, that were not at the tick before?"""
        now, before = ((self.settled(t), frames_begun(self.strands, t)) for t in (tick, tick - 1))
        return now[0] > 0 and (tick == 0 or now != before)

    def settling(self, tick: int) -> tuple[Plan, ...]:
        """Batches of the settled frames; at their end all that is carried is what the frames painted at ``tick`` see of them."""
        count, windows = self.settled(tick), windows_at(self.windows, frames_begun(self.strands, tick))
        seen = any(frame < count for window in windows[count:] for frame in window)
        return plan_chunks(windows, self.chunk, 0, count) if seen else ()

    def painting(self, tick: int) -> tuple[Plan, ...]:
        """Batches of all other frames that have begun; of a joint scheme, the windows of those that take a step."""
        windows = windows_at(self.windows, frames_begun(self.strands, tick))
        if not self.joint:
            return plan_chunks(windows, self.chunk, self.settled(tick))
        return plan_joint(windows, [row for strand in self.strands if strand.works(tick) for row in strand.rows], self.chunk)

    def sizes(self, resumed: int = 0) -> list[list[int]]:
        """Frames in each batch of each tick, of a run that was interrupted after ``resumed`` ticks (0: was not)."""
        return [
            [len(plan.frames) for plan in (*(self.settling(tick) if self.changes(tick) or tick == resumed else ()), *self.painting(tick))]
            for tick in self.ticks
        ]
