"""A stage's memory: its peak, this process and the programs that it starts together, and how freed memory is kept or returned."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from pathlib import Path
from typing import Self

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # glibc's malloc.h
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class PeakMemory:
    """Context manager; ``bytes`` is the highest resident memory seen of this process and its descendants together.

    On Linux the kernel's own high-water mark of this process is reset at the start and read at the end; descendants are
    sampled. Elsewhere the process's lifetime maximum is what is known.
    """

    def __init__(self, every_s: float = 0.25) -> None:
        self.bytes = 0
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._linux = sys.platform.startswith("linux")

    def __enter__(self) -> Self:
        if self._linux:
            _reset_high_water()
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._linux:
            self._thread.join()
        self.bytes = max(self.bytes, high_water_bytes())

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            self.bytes = max(self.bytes, sum(_resident(pid) for pid in _family(os.getpid())))


def high_water_bytes() -> int:
    """Highest resident memory of this process since it started, or since it was last reset."""
    if sys.platform.startswith("linux"):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if os.name == "nt":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def keep_freed() -> None:
    """Have glibc keep what is freed for what is allocated next.

    Left to itself it maps every large array anew, and the kernel fills it with noughts: 6 to 14 % of the time of the
    views stage on two cores. What a user set in the environment (``MALLOC_...``) stays. ``give_back`` still returns what is free.
    """
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26)):
            libc.mallopt(option, value)


def give_back() -> None:
    """Return freed memory to the system, so that one stage's heap does not stand in the next one's figures."""
    gc.collect()
    if sys.platform.startswith("linux") and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def _reset_high_water() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # a kernel without it: the lifetime maximum is reported, which is never too low


def _family(root: int) -> list[int]:
    """``root`` and all its descendants."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0
