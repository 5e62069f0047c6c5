"""What is shipped besides the networks that were trained."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from scripts.train.ship import WEIGHTS, follow


def _net(folder: Path, **values: float) -> Path:
    folder.mkdir(parents=True)
    save_file({name: torch.full((2, 3), value, dtype=torch.float16) for name, value in values.items()}, folder / WEIGHTS)
    return folder / WEIGHTS


def test_other_controlnets_follow_what_changed_in_parts(tmp_path: Path) -> None:
    parts, depth = _net(tmp_path / "controlnet-parts", a=1.0, b=2.0), _net(tmp_path / "controlnet-depth", a=5.0, b=-1.0)
    before = parts.read_bytes()
    follow(tmp_path, {"a": torch.full((2, 3), 1.5), "b": torch.full((2, 3), 2.0)})
    got = load_file(depth)
    assert got["a"].dtype == torch.float16 and bool((got["a"] == 5.5).all() and (got["b"] == -1.0).all())
    assert parts.read_bytes() == before


def test_where_nothing_was_shipped_nothing_follows(tmp_path: Path) -> None:
    follow(tmp_path / "new", {"a": torch.zeros(1)})
    assert not (tmp_path / "new").exists()
