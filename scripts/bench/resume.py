"""Kills a run with SIGKILL at moments in each of its stages and checks that it ends in the bytes of an undisturbed run.

``python -m scripts.bench.resume CONFIG [--moments 3] [--json FILE] [--views.steps 4 ...]``: what is not known here is passed on to ``run``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from scripts.bench.machine import described, report

RUN = [sys.executable, "-u", "-m", "pipeline", "run"]


def main() -> int:
    """Print one line for each kill, then the figures; returns 0 if every stage's content digest is the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--moments", type=int, default=3, help="kills in each stage")
    parser.add_argument("--json", type=Path)
    options, others = parser.parse_known_args()
    machine, kills = described(), []
    with tempfile.TemporaryDirectory() as folder:
        calm, rough = Path(folder, "calm"), Path(folder, "rough")
        subprocess.run([*RUN, str(options.config), "--out", str(calm), *others], check=True)
        expected = _stages(calm)
        for stage, entry in expected.items():
            for moment in range(options.moments):
                after_s = entry["seconds"] * (moment + 0.5) / options.moments / (1 if moment == 0 else options.moments)
                killed = _run_and_kill([*RUN, str(options.config), "--out", str(rough), *others], stage, after_s)
                kills.append({"stage": stage, "after_s": round(after_s, 2), "killed": killed})
                print(f"{stage}: {'killed' if killed else 'was through'} after {after_s:.1f} s", flush=True)
        subprocess.run([*RUN, str(options.config), "--out", str(rough), *others], check=True)
        differing = [s for s, e in _stages(rough).items() if e["content"] != expected[s]["content"]]
    report({"machine": machine, "settings": others, "kills": kills, "killed": sum(k["killed"] for k in kills), "stages": list(expected),
            "stages_with_other_bytes": differing}, options.json)
    return 1 if differing else 0


def _run_and_kill(argv: list[str], stage: str, after_s: float) -> bool:
    """Start a run, wait until ``stage`` is under way for ``after_s`` seconds, kill it; False if it ended before."""
    running = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    under_way = threading.Event()

    def listen() -> None:
        for line in running.stderr or ():
            words = line.split()
            if words[:2] in ([stage, "starts"], [stage, "goes"]):
                under_way.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    while running.poll() is None and not under_way.wait(0.05):
        pass
    end = time.monotonic() + after_s
    while running.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    killed = running.poll() is None
    running.kill()
    running.wait()
    return killed


def _stages(out: Path) -> dict[str, dict[str, object]]:
    return json.loads(next(out.glob("*/run.json")).read_text())["stages"]


if __name__ == "__main__":
    sys.exit(main())
