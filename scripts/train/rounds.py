"""A round of training: its time, its curve, and the checkpoint that an interrupted one goes on from."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_model, save_model
from torch import nn

from pipeline.memory import keep_freed

SAVE_EVERY_S = 120.0
WARM_UP = 60  # steps
LEAST_RATE = 0.02  # of the peak
WEIGHTS, STATE = "round.safetensors", "round.json"


class Round:
    """``minutes`` of training ``net``, those of interrupted runs included, with weights and curve kept in ``folder``."""

    def __init__(self, net: nn.Module, folder: Path, minutes: float) -> None:
        self.net, self.folder, self.minutes, self.step = net, folder, minutes, 0
        folder.mkdir(parents=True, exist_ok=True)
        self.state = {"done_s": 0.0, "pictures": 0, "curve": []}
        if (folder / STATE).exists():
            self.state = json.loads((folder / STATE).read_text())
            load_model(net, folder / WEIGHTS)
        self._before, self._began = self.state["done_s"], time.monotonic()
        self._saved, self._losses = self._began, []

    @property
    def share(self) -> float:
        """How much of the time is gone, in [0, ...)."""
        return (self._before + time.monotonic() - self._began) / (60 * self.minutes)

    def rate(self, peak: float) -> float:
        """The learning rate of the next step: up to ``peak``, and down by a cosine."""
        return peak * min(1.0, (self.step + 1) / WARM_UP) * max(LEAST_RATE, 0.5 * (1 + math.cos(math.pi * self.share)))

    @property
    def pictures(self) -> int:
        """Seen so far."""
        return self.state["pictures"]

    def stepped(self, pictures: int, loss: float, measure: Callable[[], Mapping[str, float]]) -> None:
        """Count a step; every two minutes ``measure``, print and save."""
        self.step += 1
        self.state["pictures"] += pictures
        self._losses.append(loss)
        if time.monotonic() - self._saved > SAVE_EVERY_S:
            self._note(measure())

    def finish(self, measure: Callable[[], Mapping[str, float]]) -> dict[str, float]:
        """Measure once more, save, and give the figures."""
        self.state["held_out"] = dict(measure())
        self._note(self.state["held_out"])
        return self.state["held_out"]

    def _note(self, figures: Mapping[str, float]) -> None:
        self._saved = time.monotonic()
        self.state["done_s"] = self._before + self._saved - self._began
        loss = sum(self._losses) / max(1, len(self._losses))
        self._losses = []
        rounded = {name: round(value, 4) for name, value in {"loss": loss, **figures}.items()}
        self.state["curve"].append({"s": round(self.state["done_s"]), "pictures": self.pictures} | rounded)
        print(json.dumps(self.state["curve"][-1]), flush=True)
        save_model(self.net, str(self.folder / "saving.tmp"))
        (self.folder / "saving.tmp").replace(self.folder / WEIGHTS)
        (self.folder / STATE).write_text(json.dumps(self.state) + "\n")


def command(description: str | None, train: Callable[..., None], minutes: float, start: Literal["no", "may", "must"] = "no") -> None:
    """The command line of a training: ``train(data, out, minutes)``, with ``start``, a folder that was shipped, where it may or must begin from one."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--threads", type=int, default=2)
    if start != "no":
        parser.add_argument("--start", type=Path, required=start == "must", help="a folder that was shipped")
    options = vars(parser.parse_args())
    keep_freed()
    torch.set_num_threads(options.pop("threads"))
    train(**options)
