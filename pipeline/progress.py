"""What the person who waits sees: one line per stage with time left; plain lines where there is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def duration(seconds: float) -> str:
    """Seconds as a person says them: 7 s, 3 min 20 s, 1 h 05 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Estimate:
    """Time left of one task, from the pace of its recent steps (exponential mean, so that a warm-up is forgotten)."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.done = max(1, total), 0
        self._clock, self._last, self._pace = clock, clock(), 0.0

    def advance(self, steps: int) -> None:
        """Note that ``steps`` more are done."""
        now = self._clock()
        if steps > 0:
            pace = (now - self._last) / steps
            self._pace = pace if self.done == 0 else 0.8 * self._pace + 0.2 * pace
            self._last = now
        self.done += steps

    def left_s(self) -> float | None:
        """Seconds to go, or None before the first step."""
        return None if self.done == 0 else self._pace * max(0, self.total - self.done)


class SilentProgress:
    """Says nothing."""

    def start(self, label: str, total: int) -> None:
        """Begin a task of ``total`` steps."""

    def advance(self, steps: int = 1, **figures: float) -> None:
        """Count ``steps``; ``figures`` are shown beside them."""


class LineProgress:
    """One plain line at the start of a task and then every ``every_s`` seconds, for logs and pipes."""

    def __init__(self, stage: str, say: Callable[[str], None], every_s: float = 15.0,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._stage, self._say, self._every_s, self._clock = stage, say, every_s, clock
        self._label, self._estimate, self._said_at = "", Estimate(1, clock), clock()

    def start(self, label: str, total: int) -> None:
        """Begin a task of ``total`` steps."""
        self._label, self._estimate, self._said_at = label, Estimate(total, self._clock), self._clock()
        self._say(f"{self._stage}: {label}")

    def advance(self, steps: int = 1, **figures: float) -> None:
        """Count ``steps``; ``figures`` are shown beside them."""
        self._estimate.advance(steps)
        if self._clock() - self._said_at < self._every_s:
            return
        self._said_at = self._clock()
        left = self._estimate.left_s()
        shown = "".join(f", {name} {value:.4g}" for name, value in figures.items())
        self._say(f"{self._stage}: {self._label} {self._estimate.done}/{self._estimate.total}"
                  f"{'' if left is None else f', {duration(left)} left'}{shown}")


class BarProgress:
    """A live bar on a terminal. One object serves one stage; ``close`` takes the bar away."""

    def __init__(self, stage: str, console: Any) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self._stage = stage
        self._bar = Progress(TextColumn("{task.fields[stage]:<11}"), BarColumn(bar_width=28), TextColumn("{task.percentage:>3.0f}%"),
                             TextColumn("{task.fields[left]:<17}"), TextColumn("{task.description}"),
                             console=console, transient=True, refresh_per_second=6)
        self._task: Any = None
        self._estimate, self._label = Estimate(1), ""
        self._bar.start()

    def start(self, label: str, total: int) -> None:
        """Begin a task of ``total`` steps."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._estimate, self._label = Estimate(total), label
        self._task = self._bar.add_task(label, total=max(1, total), stage=self._stage, left="")

    def advance(self, steps: int = 1, **figures: float) -> None:
        """Count ``steps``; ``figures`` are shown beside them."""
        if self._task is None:
            self.start("working", 1)
        self._estimate.advance(steps)
        left = self._estimate.left_s()
        shown = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        self._bar.update(self._task, advance=steps, description=f"{self._label}  {shown}",
                         left="" if left is None else f"{duration(left)} left")

    def close(self) -> None:
        """Take the bar off the screen."""
        self._bar.stop()
