"""Model folders at full size whose files hold no weights: config files, and safetensors files of which only the header takes room."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel


def write_headers(folder: Path, configs: Path) -> Path:
    """unet, vae, controlnet and text_encoder after the config files in ``configs``."""
    for name, kind in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL), ("controlnet", ControlNetModel)):
        given = json.loads((configs / name / "config.json").read_text())
        with torch.device("meta"):
            _write(kind.from_config(given), folder / name / "diffusion_pytorch_model.safetensors")
        shutil.copy(configs / name / "config.json", folder / name)
    with torch.device("meta"):
        text = CLIPTextModel(CLIPTextConfig.from_pretrained(configs / "text_encoder"))
    _write(text, folder / "text_encoder" / "model.safetensors")
    return folder


def _write(network: nn.Module, path: Path) -> None:
    entries, at = {}, 0
    for name, tensor in network.named_parameters():
        entries[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [at, at + 2 * tensor.numel()]}
        at += 2 * tensor.numel()
    header = json.dumps(entries).encode()
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + at)  # a hole: it takes no room on the disk
