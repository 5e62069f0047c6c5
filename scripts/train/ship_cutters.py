"""Put the trained GroundingDINO and SAM into one folder, as benchmarks and settings name them.

    python -m scripts.train.ship_cutters --detector runs/detector --segmenter runs/segmenter --out runs/cutters
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from scripts.train.rounds import STATE, WEIGHTS

NAMES = {"grounding_dino": "detector", "sam": "segmenter"}


def ship(folders: dict[str, Path], out: Path) -> None:
    """Copy what transformers wrote of each network, name in ``out`` -> its training folder, with ``training.json``: how it was trained."""
    for name, folder in folders.items():
        target = out / name
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.iterdir()):
            if file.suffix in (".json", ".safetensors", ".txt") and file.name not in (WEIGHTS, STATE):
                shutil.copyfile(file, target / file.name)
        state = json.loads((folder / STATE).read_text())
        (target / "training.json").write_text(json.dumps(state) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--segmenter", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    o = parser.parse_args()
    ship({name: getattr(o, source) for name, source in NAMES.items()}, o.out)
