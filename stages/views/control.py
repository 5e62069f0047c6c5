"""ControlNets for many frames: pictures embedded once, residuals weighted and summed.

What a ControlNet makes of its picture does not depend on the timestep, so it is computed once per frame and kept on disk:
memory stays the chunk's, and a step is spared the convolutions at full size. Zhang et al. 2023, "Adding Conditional Control".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from diffusers import ControlNetModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.stage import CheckpointProtocol

Residuals = tuple[list[Tensor], Tensor]


@dataclass
class ControlBranch:
    """One ControlNet with its weight, the share of the steps in which it speaks, and a name for what it keeps on disk."""

    network: ControlNetModel
    scale: float
    start: float
    end: float
    label: str

    def __post_init__(self) -> None:
        self.embedder = self.network.controlnet_cond_embedding
        self.network.controlnet_cond_embedding = nn.Identity()
        self.flips = self.network.config.controlnet_conditioning_channel_order == "bgr"

    def speaks(self, step: int, steps: int) -> bool:
        """Whether it takes part in step ``step`` of ``steps``."""
        return within(step, steps, self.start, self.end)

    def remember(self, checkpoint: CheckpointProtocol, name: str, picture: Callable[[], Tensor]) -> None:
        """Embed one frame's picture, (3, H, W) sRGB in [0, 1], unless that was done before a kill."""
        file = self._file(name)
        if checkpoint.has(file):
            return
        image = picture().to(self.network.device, self.network.dtype)[None]
        with torch.inference_mode():
            embedded = self.embedder(image.flip(1) if self.flips else image)[0].cpu().contiguous()
        checkpoint.save(file, lambda path: save_file({"embedded": embedded}, path))

    def recall(self, checkpoint: CheckpointProtocol, names: Sequence[str]) -> Tensor:
        """What was remembered for these frames, (frames, C, h, w), on the network's device."""
        found = [checkpoint.load(self._file(name), _read) for name in names]
        stacked = torch.stack([item for item in found if item is not None]).to(self.network.device)
        return stacked.flip(1) if self.flips else stacked  # the network turns "bgr" round once more

    def _file(self, name: str) -> str:
        return f"control-{self.label}-{name}.safetensors"


def within(step: int, steps: int, start: float, end: float) -> bool:
    """Whether step ``step`` of ``steps`` lies in the share of them from ``start`` to ``end`` (diffusers' rule)."""
    return step / steps >= start and (step + 1) / steps <= end


def _read(path: Path) -> Tensor:
    return load_file(path)["embedded"]


@dataclass(frozen=True)
class BranchInput:
    """A ControlNet, its embedded pictures (batch, C, h, w), and where in the batch it speaks, (batch, 1, 1, 1), None: everywhere."""

    branch: ControlBranch
    embedded: Tensor
    loud: Tensor | None = None


def control_residuals(
    inputs: Sequence[BranchInput], latents: Tensor, timestep: Tensor, text: Tensor, decay: float
) -> Residuals | None:
    """The weighted sum of all branches' residuals for a batch, or None without branches.

    Residual i of n, the middle block's last, is weighted with scale * decay^(n-1-i).
    """
    total: list[Tensor] | None = None
    for given in inputs:
        spoken = partial(_weighted, given, latents, timestep, text, decay)  # what it makes is kept under no name while the next one works
        total = spoken() if total is None else [a + b for a, b in zip(total, spoken(), strict=True)]
    return None if total is None else (total[:-1], total[-1])


def _weighted(given: BranchInput, latents: Tensor, timestep: Tensor, text: Tensor, decay: float) -> list[Tensor]:
    branch = given.branch
    down, middle = branch.network(latents, timestep, encoder_hidden_states=text, controlnet_cond=given.embedded, return_dict=False)
    residuals = [*down, middle]
    weights = [branch.scale * decay ** (len(residuals) - 1 - i) for i in range(len(residuals))]
    return [r * w if given.loud is None else r * (w * given.loud) for r, w in zip(residuals, weights, strict=True)]
