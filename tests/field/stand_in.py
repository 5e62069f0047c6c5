"""A stand-in for an environment with nerfstudio: the same programs, command line and files, and a ball for whatever is learnt."""

from __future__ import annotations

import sys
from pathlib import Path

NS_TRAIN = '''
import json, math, sys
from pathlib import Path
args = sys.argv[1:]
cut = args.index("nerfstudio-data")
train, data = dict(zip(args[1:cut:2], args[2:cut:2])), dict(zip(args[cut + 1::2], args[cut + 2::2]))
folder = Path(data["--data"])
meta = json.loads((folder / "transforms.json").read_text())
assert all((folder / name).is_file() for split in ("train", "val", "test") for name in meta[split + "_filenames"])
steps = int(train["--max-num-iterations"])
for step in range(0, steps, 10):
    print(f"{step} ({100 * step / steps:.2f}%)      12.3 ms", flush=True)
if train.get("--machine.seed") == "13":
    sys.exit("CUDA error: the device is asleep")
far = max(math.dist([row[3] for row in f["transform_matrix"][:3]], (0, 0, 0)) for f in meta["frames"])
run = Path(train["--output-dir"], train["--experiment-name"], args[0], train["--timestamp"])
run.mkdir(parents=True, exist_ok=True)
(run / "config.yml").write_text(json.dumps({"far": far, "options": train | data, "learnt": meta["train_filenames"]}))
'''
PACKAGE = {
    "cameras/rays.py": '''
from dataclasses import dataclass
from typing import Any
@dataclass
class Frustums:
    origins: Any; directions: Any; starts: Any; ends: Any; pixel_area: Any
@dataclass
class RaySamples:
    frustums: Any; camera_indices: Any
''',
    "field_components/field_heads.py": '''
import enum
class FieldHeadNames(enum.Enum):
    RGB = 1
    DENSITY = 2
''',
    "utils/eval_utils.py": '''
import json
from types import SimpleNamespace
import torch
from nerfstudio.field_components.field_heads import FieldHeadNames
TURN, SHIFT, SCALE = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), torch.tensor([0.3, -0.2, 0.1]), 0.5
DENSITY = 80.0
class Ball(torch.nn.Module):
    """In the frame of the cameras as turned, shifted and scaled; its colour tells the normal where it is looked at head-on, and is black from elsewhere."""
    def __init__(self, radius):
        super().__init__()
        self.radius, self.weight = radius, torch.nn.Parameter(torch.zeros(1))
    def density_fn(self, positions):
        return DENSITY * (((positions / SCALE - SHIFT) @ TURN).norm(dim=-1, keepdim=True) < self.radius)
    def forward(self, samples):
        at = (samples.frustums.origins / SCALE - SHIFT) @ TURN
        seen = samples.frustums.directions @ TURN
        normal = torch.nn.functional.normalize(at, dim=-1)
        density = self.density_fn(samples.frustums.origins)
        head_on = (-seen * normal).sum(-1, keepdim=True) > 0.8
        return {FieldHeadNames.DENSITY: density, FieldHeadNames.RGB: (0.5 + 0.4 * normal) * head_on}
def eval_setup(config, test_mode):
    assert test_mode == "inference"
    far = json.loads(config.read_text())["far"]
    placing = SimpleNamespace(dataparser_transform=torch.cat([TURN, SHIFT[:, None]], 1), dataparser_scale=SCALE)
    pipeline = SimpleNamespace(model=SimpleNamespace(field=Ball(far / 6)), datamanager=SimpleNamespace(train_dataparser_outputs=placing))
    return None, pipeline, None, 0
''',
}


def write_environment(folder: Path) -> Path:
    """Its interpreter: ours, with the package of that name in ``PACKAGE``."""
    site = folder / "lib" / "python3.11" / "site-packages"
    (site / "nerfstudio-1.1.5.dist-info").mkdir(parents=True)
    for name, text in PACKAGE.items():
        (site / "nerfstudio" / name).parent.mkdir(parents=True, exist_ok=True)
        (site / "nerfstudio" / name).write_text(text)
    (folder / "bin").mkdir()
    _program(folder / "bin" / "python", f'#!/bin/sh\nPYTHONPATH="{site}" exec "{sys.executable}" "$@"\n')
    _program(folder / "bin" / "ns-train", f"#!{sys.executable}\n{NS_TRAIN}")
    return folder / "bin" / "python"


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
