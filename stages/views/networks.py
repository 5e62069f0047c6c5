"""Opens Stable Diffusion models from folders in diffusers' layout: safetensors only, from this machine only.

One path for the embedded models and for SD 1.5: everything that differs stands in the folders' own config files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from pipeline.errors import MissingError

PARTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
N = TypeVar("N", bound=nn.Module)


@dataclass
class Networks:
    """A Stable Diffusion model and its ControlNets. ``scheduler_config`` is the model's own.

    UNet, ControlNets and text model are on ``device``; the VAE is on the CPU but for ``vae_at_work``.
    """

    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    unet: UNet2DConditionModel
    controlnets: list[ControlNetModel]
    scheduler_config: dict[str, Any]
    device: str = "cpu"

    @property
    def factor(self) -> int:
        """Pixels per latent, each way."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    def let_go_of_text_encoder(self) -> None:
        """The texts are read; its place is free for the denoising."""
        del self.text_encoder

    def keep_vae_only(self) -> None:
        """Let go of what the denoising needed, before the pictures are decoded."""
        del self.unet
        self.controlnets.clear()

    @contextmanager
    def vae_at_work(self) -> Iterator[None]:
        """The VAE is on ``device`` within."""
        self.vae.to(self.device)
        try:
            yield
        finally:
            self.vae.to("cpu")


def open_networks(folder: Path, controlnets: Sequence[Path], device: str, dtype: torch.dtype, vae: Path | None = None) -> Networks:
    """All networks in evaluation mode for ``device``: UNet and ControlNets in ``dtype``, text model float32; ``vae`` instead of the model's.

    The VAE is float32 unless ``dtype`` is float16. Raises MissingError naming what is not there.
    """
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        raise MissingError(f"{folder} is no Stable Diffusion model in diffusers' layout: it lacks {', '.join(missing)}/")
    vae_dtype = dtype if dtype == torch.float16 else torch.float32
    return Networks(
        vae=open_network(AutoencoderKL, vae or folder / "vae", vae_dtype, "cpu"),
        text_encoder=open_network(CLIPTextModel, folder / "text_encoder", torch.float32, device),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        unet=open_network(UNet2DConditionModel, folder / "unet", dtype, device),
        controlnets=[open_network(ControlNetModel, path, dtype, device) for path in controlnets],
        scheduler_config=json.loads((folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8")),
        device=device,
    )


def open_network(kind: type[N], folder: Path, dtype: torch.dtype, device: str) -> N:
    """One network in evaluation mode, never to be trained. Raises MissingError if its folder holds no safetensors of it."""
    transformers_logging.disable_progress_bar()
    of_transformers = issubclass(kind, PreTrainedModel)
    stem = "model" if of_transformers else "diffusion_pytorch_model"
    variant = None
    if not (folder / f"{stem}.safetensors").is_file():
        if not (folder / f"{stem}.fp16.safetensors").is_file():
            raise MissingError(f"{folder} holds no {stem}.safetensors; weights in other formats are not opened")
        variant = "fp16"
    name = "dtype" if of_transformers else "torch_dtype"
    network = kind.from_pretrained(folder, use_safetensors=True, local_files_only=True, variant=variant, **{name: dtype})
    network.requires_grad_(False)
    return network.eval().to(device)
