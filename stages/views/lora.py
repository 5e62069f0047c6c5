"""LoRA files, as the community shares them, added to a model's own weights before anything runs: a step costs what it did.

W + weight * alpha / rank * up @ down (Hu et al. 2021, "LoRA"). Read are kohya's names (``lora_unet_down_blocks_0_..._to_q.lora_down.weight``
with ``.alpha``) and diffusers' newer and older ones (``unet.down_blocks.0...to_q.lora_A.weight``, ``...to_q.lora.down.weight``,
``...processor.to_q_lora.down.weight``); linear layers and convolutions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError
from stages.views.weights_file import shapes

if TYPE_CHECKING:
    from torch import Tensor, nn

Layer = tuple[str, str]  # "unet" or "text_encoder", and the layer's name with underscores
ROOTS = {"lora_unet_": "unet", "unet.": "unet", "lora_te_": "text_encoder", "lora_te1_": "text_encoder", "text_encoder.": "text_encoder"}
_ROLE = re.compile(
    r"(?P<layer>.+?)(?:\.lora_(?P<kohya>down|up)\.weight|\.lora_(?P<peft>A|B)(?:\.default)?\.weight"
    r"|[._]lora(?:_linear_layer)?\.(?P<old>down|up)\.weight|\.(?P<alpha>alpha))"
)
_SIDE = {"down": "down", "up": "up", "A": "down", "B": "up"}


@dataclass(frozen=True)
class Patch:
    """What is added to one layer: ``down`` (rank, in, ...), ``up`` (out, rank, ...)."""

    down: Tensor
    up: Tensor
    alpha: float

    def delta(self, like: Tensor) -> Tensor:
        """``alpha / rank * up @ down``, float32, in the shape of ``like``. Raises ValueError if it is none of that shape."""
        rank, sides = len(self.down), f"{tuple(self.up.shape)} times {tuple(self.down.shape)}, the layer's weight {tuple(like.shape)}"
        if self.up.numel() != len(self.up) * rank:
            raise ValueError(f"is {sides}")
        product = self.up.float().flatten(1) @ self.down.float().flatten(1)
        if product.numel() != like.numel() or len(product) != len(like):
            raise ValueError(f"is {sides}")
        return (self.alpha / rank) * product.view(like.shape)


def check_lora(path: Path) -> None:
    """Raises ConfigError if the file is no LoRA; reads its header alone."""
    _sides(path)


def read_lora(path: Path) -> dict[Layer, Patch]:
    """What the file adds to each layer. Raises ConfigError."""
    from safetensors.torch import load_file

    sides, tensors = _sides(path), load_file(path)
    return {
        layer: Patch(tensors[its["down"]], tensors[its["up"]], float(tensors[its["alpha"]] if "alpha" in its else len(tensors[its["down"]])))
        for layer, its in sides.items()
    }


def add_lora(networks: Mapping[str, nn.Module], path: Path, weight: float) -> int:
    """Add the LoRA in ``path``, ``weight`` times, to ``networks`` ("unet", "text_encoder"); the number of layers that changed.

    Raises ConfigError, and has changed nothing, if the file is no LoRA or one for another model.
    """
    import torch
    from torch import nn

    patches = read_lora(path)
    layers = {
        (root, _spelled(name)): module
        for root, network in networks.items() for name, module in network.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))
    }
    strange = [".".join(layer) for layer in patches if layer not in layers]
    if strange:
        raise ConfigError(
            f"{path}: {len(strange)} of its {len(patches)} layers are not in this model, such as {strange[0]}; "
            "expected a LoRA for the model that `views.model` names"
        )
    deltas = {}
    for layer, patch in patches.items():
        try:
            deltas[layer] = weight * patch.delta(layers[layer].weight)
        except ValueError as error:
            raise ConfigError(f"{path}: {'.'.join(layer)} {error}; expected a LoRA for the model that `views.model` names") from error
    with torch.no_grad():
        for layer, delta in deltas.items():
            own = layers[layer].weight
            own.copy_(own.float() + delta.to(own.device))
    return len(deltas)


def _sides(path: Path) -> dict[Layer, dict[str, str]]:
    """Layer -> names of its tensors, by what they are: down, up, and alpha where it is given."""
    sides: dict[Layer, dict[str, str]] = {}
    for key in shapes(path):
        layer, role = _parted(key, path)
        sides.setdefault(layer, {})[role] = key
    if not sides:
        raise ConfigError(f"{path}: holds no weights")
    for layer, its in sides.items():
        if "down" not in its or "up" not in its:
            raise ConfigError(f"{path}: {'.'.join(layer)} has only {', '.join(sorted(its))}; down and up were expected")
    return sides


def _parted(key: str, path: Path) -> tuple[Layer, str]:
    """Layer, and "down", "up" or "alpha", of a tensor's name."""
    root = next((prefix for prefix in ROOTS if key.startswith(prefix)), None)
    found = _ROLE.fullmatch(key.removeprefix(root)) if root else None
    if root is None or found is None:
        raise ConfigError(f"{path}: {key} is no part of a LoRA for Stable Diffusion 1 (LoHa, LoKr, DoRA and LoRAs for SDXL are not read)")
    layer = _spelled(found["layer"])
    if ROOTS[root] == "text_encoder":  # the older names of diffusers
        layer = re.sub(r"_self_attn_to_(q|k|v|out)$", r"_self_attn_\1_proj", layer)
    elif layer.endswith("_to_out"):
        layer += "_0"
    return (ROOTS[root], layer), "alpha" if found["alpha"] else _SIDE[found["kohya"] or found["peft"] or found["old"]]


def _spelled(layer: str) -> str:
    """A layer's name with underscores alone, and without the words that some versions put in."""
    return layer.replace(".processor.", ".").replace(".", "_").removeprefix("text_model_")
