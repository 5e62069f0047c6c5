"""Latents to pictures and back, and pictures to other sizes."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stages.artifacts.images import to_u8
from stages.views.networks import Networks


def decode(networks: Networks, latents: Tensor) -> np.ndarray:
    """(4, h, w) latents -> (H, W, 3) uint8 sRGB picture."""
    config = networks.vae.config
    scaled = latents[None].to(networks.vae.device, networks.vae.dtype) / config.scaling_factor + (config.shift_factor or 0.0)
    with torch.inference_mode():
        picture = networks.vae.decode(scaled).sample[0]
    return to_u8((picture.float() / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy())


def encode(networks: Networks, picture: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 sRGB picture -> (4, h, w) latents, float32 on the CPU: what ``decode`` undoes."""
    config = networks.vae.config
    pixels = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].to(networks.vae.device, networks.vae.dtype) / 127.5 - 1
    with torch.inference_mode():
        latents = networks.vae.encode(pixels).latent_dist.mode()[0].float().cpu()
    return (latents - (config.shift_factor or 0.0)) * config.scaling_factor


def resized(picture: np.ndarray, width: int, height: int, flat: bool = False) -> np.ndarray:
    """(H, W, 3) uint8 sRGB -> (height, width, 3) uint8, by Lanczos; ``flat``: by the nearest pixel, no colour that was not there."""
    how = Image.Resampling.NEAREST if flat else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(picture).resize((width, height), how))
