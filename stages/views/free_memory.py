"""How much memory there is for more, asked of the system: no network library is imported for a CPU."""

from __future__ import annotations

import os
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CONTROL_GROUP = Path("/sys/fs/cgroup")


def free_bytes(device: str) -> int | None:
    """Bytes that can be taken on "cpu" or "cuda" without anything being swapped or moved, or None where the system does not say."""
    if device == "cpu":
        limits = [found for found in (_available(), _within_the_group()) if found is not None]
        return min(limits, default=None)
    import torch

    torch.cuda.empty_cache()  # what torch keeps for later counts as free
    return torch.cuda.mem_get_info()[0]


def _available() -> int | None:
    """What the kernel holds to be free for new work: Linux's MemAvailable, elsewhere the free pages if they are known."""
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        known = hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _within_the_group() -> int | None:
    """What a container may still take. File pages that it can drop count as free."""
    try:
        limit, used = (int((CONTROL_GROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        statistics = dict(line.split() for line in (CONTROL_GROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return max(0, limit - used + int(statistics.get("inactive_file", 0)))
