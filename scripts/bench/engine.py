"""Times the default run cold and warm, and ``--help``: ``python -m scripts.bench.engine [CONFIG]``."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PIPELINE = [sys.executable, "-m", "pipeline"]


def main() -> None:
    """Print a table: what, seconds, peak memory."""
    config = sys.argv[1] if len(sys.argv) > 1 else "configs/character.yaml"
    print(f"--help                {_best(['--help']):8.2f} s")
    with tempfile.TemporaryDirectory() as out:
        cold = _timed(["run", config, "--out", out])
        record = json.loads(next(Path(out).glob("*/run.json")).read_text())
        for name, stage in record["stages"].items():
            print(f"{name:<20} {stage['seconds']:8.1f} s  {stage['peak_memory_bytes'] / 2**30:6.2f} GiB")
        peak = max(stage["peak_memory_bytes"] for stage in record["stages"].values())
        print(f"run, cold            {cold:8.1f} s  {peak / 2**30:6.2f} GiB")
        print(f"run, warm            {_best(['run', config, '--out', out]):8.2f} s")


def _timed(arguments: list[str]) -> float:
    started = time.monotonic()
    subprocess.run([*PIPELINE, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def _best(arguments: list[str]) -> float:
    return min(_timed(arguments) for _ in range(3))


if __name__ == "__main__":
    main()
