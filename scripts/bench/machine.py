"""What a figure was measured on, and where figures are written."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from pipeline.machine import cores, memory_bytes, versions


def described() -> dict[str, Any]:
    """Processor, cores, memory, software: enough to read a time by."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    memory = memory_bytes()
    return {
        "processor": model, "cores": cores(), "memory_gib": None if memory is None else round(memory / 2**30, 1),
        "load_at_start": round(os.getloadavg()[0], 2), "system": platform.system(), "versions": versions(),
    }


def report(figures: dict[str, Any], path: Path | None) -> None:
    """Print the figures as JSON; write them to ``path`` if one is given."""
    text = json.dumps(figures, indent=1, default=float) + "\n"
    print(text, end="")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
