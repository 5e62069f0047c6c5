"""Teach ControlNets of other kinds what the shipped one tells the UNet.

    python -m scripts.train.controls --data runs/data --start third_party/embedded --out runs/controls --minutes 60

Each begins with its own weights, where there are none with those of ``controlnet-parts``, and is asked for the very residuals that it gives, from another picture of the same body: an
OpenPose skeleton, a depth map, a line drawing. Neither the UNet nor the autoencoder's decoder is needed, so a picture costs a fifth of what it costs
in ``scripts.train.diffusion``, and every residual of every layer says what it should have been.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from scripts.generator.captions import caption
from scripts.train import architecture
from scripts.train.batches import NO_TEXT, cache_latents, latent_path, tokenize
from scripts.train.condition import part_colors
from scripts.train.lessons import noisy_first
from scripts.train.rounds import Round, command
from scripts.train.shards import Shard, open_shards

KINDS = ("openpose", "depth", "lineart")
BATCH = 4
PEAK_RATE = 4e-4
LEAN = 1.2
SHARDS = 8  # whose latents are encoded


class Controls(nn.Module):
    """One ControlNet for each of KINDS."""

    def __init__(self, start: Path) -> None:
        super().__init__()
        own = {kind: start / f"controlnet-{kind}" for kind in KINDS}
        self.nets = nn.ModuleDict({kind: opened(ControlNetModel, path if path.is_dir() else start / "controlnet-parts") for kind, path in own.items()})


class Lessons:
    """Draws noisy latents, what is said of them, and the pictures of the body, from shards that are encoded."""

    def __init__(self, data: Path, start: Path, cache: Path) -> None:
        vae = opened(AutoencoderKL, start / "vae").requires_grad_(False)
        self.tokenizer = CLIPTokenizer.from_pretrained(start / "tokenizer", local_files_only=True)
        self.text = opened(CLIPTextModel, start / "text_encoder").requires_grad_(False)
        self.alphas = architecture.scheduler().alphas_cumprod
        self.shards = open_shards(data)[: 1 + SHARDS]
        for shard in self.shards:
            cache_latents(vae, vae.config.scaling_factor, shard, cache, "full")
        self.latents = [np.load(latent_path(shard, cache, "full"), mmap_mode="r") for shard in self.shards]

    @torch.no_grad()
    def draw(self, count: int, rng: np.random.Generator, held: bool = False) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What a ControlNet is fed (sample, timestep, encoder_hidden_states) for ``count`` pictures, and the picture (N, 3, H, W) in [0, 1] of each kind."""
        chosen = [self._place(rng, held) for _ in range(count)]
        z = torch.from_numpy(np.stack([self.latents[s][c, v] for s, c, v in chosen])).float()
        timesteps = torch.from_numpy(noisy_first(count, len(self.alphas), LEAN, rng))
        a = self.alphas[timesteps].view(-1, 1, 1, 1)
        noisy = a.sqrt() * z + (1 - a).sqrt() * torch.from_numpy(rng.standard_normal(z.shape, np.float32))
        texts = ["" if rng.random() < NO_TEXT else self._caption(self.shards[s], c, v, rng) for s, c, v in chosen]
        fed = {"sample": noisy, "timestep": timesteps, "encoder_hidden_states": self.text(tokenize(self.tokenizer, texts))[0]}
        return fed, {kind: torch.stack([picture_of(self.shards[s], c, v, kind) for s, c, v in chosen]) for kind in ("parts", *KINDS)}

    def _place(self, rng: np.random.Generator, held: bool) -> tuple[int, int, int]:
        """A shard, a character of it, a view."""
        shard = 0 if held else int(rng.integers(1, len(self.shards)))
        return shard, int(rng.integers(len(self.shards[shard].attributes))), int(rng.integers(self.shards[shard].rgb.shape[1]))

    @staticmethod
    def _caption(shard: Shard, character: int, view: int, rng: np.random.Generator) -> str:
        seen = shard.views[character][view]
        return caption(shard.attributes[character], rng, seen.azimuth_deg, seen.ring, frozenset())


def opened(kind: type, folder: Path) -> nn.Module:
    """A shipped network in single precision, evaluating."""
    return kind.from_pretrained(folder, local_files_only=True, use_safetensors=True).float().eval()


def picture_of(shard: Shard, character: int, view: int, kind: str) -> Tensor:
    """(3, H, W) in [0, 1]: the condition picture as the views stage feeds it."""
    stored = getattr(shard, kind)[character, view]
    if kind == "parts":
        return torch.from_numpy(part_colors()[stored]).permute(2, 0, 1)
    picture = torch.from_numpy(np.ascontiguousarray(stored)).float() / 255
    return picture.permute(2, 0, 1) if picture.ndim == 3 else picture.expand(3, -1, -1)


def residuals(net: ControlNetModel, fed: dict[str, Tensor], picture: Tensor) -> list[Tensor]:
    """All that the ControlNet adds to the UNet, one tensor a layer."""
    down, mid = net(**fed, controlnet_cond=picture, return_dict=False)
    return [*down, mid]


def distance(given: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Squared error of the residuals as a share of what they are, mean over layers: 1 is what silence gets."""
    return torch.stack([(a - b).square().mean() / b.square().mean() for a, b in zip(given, wanted, strict=True)]).mean()


@torch.no_grad()
def accuracy(controls: Controls, teacher: ControlNetModel, lessons: Lessons) -> dict[str, float]:
    """The distance of each kind on 48 held-out pictures."""
    rng, sums = np.random.default_rng(7), dict.fromkeys(KINDS, 0.0)
    for _ in range(6):
        fed, pictures = lessons.draw(8, rng, held=True)
        wanted = residuals(teacher, fed, pictures["parts"])
        for kind, net in controls.nets.items():
            sums[kind] += float(distance(residuals(net, fed, pictures[kind]), wanted)) / 6
    return sums


def train(data: Path, out: Path, minutes: float, start: Path, seed: int = 0) -> None:
    """Run until ``minutes`` are done, this run and earlier ones together; writes one folder a kind as diffusers opens it."""
    torch.manual_seed(seed)
    controls, lessons = Controls(start), Lessons(data, start, out / "latents")
    teacher = opened(ControlNetModel, start / "controlnet-parts").requires_grad_(False)
    trained = Round(controls, out, minutes)
    rng = np.random.default_rng([seed, trained.pictures])
    optimizer = torch.optim.AdamW(controls.parameters(), lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-3, foreach=True)
    while trained.share < 1:
        for group in optimizer.param_groups:
            group["lr"] = trained.rate(PEAK_RATE)
        fed, pictures = lessons.draw(BATCH, rng)
        with torch.no_grad():
            wanted = residuals(teacher, fed, pictures["parts"])
        optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for kind, net in controls.nets.items():
            loss = distance(residuals(net, fed, pictures[kind]), wanted)
            loss.backward()
            total += float(loss.detach())
        for net in controls.nets.values():
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        trained.stepped(BATCH, total / len(KINDS), lambda: accuracy(controls, teacher, lessons))
    figures = trained.finish(lambda: accuracy(controls, teacher, lessons))
    for kind, net in controls.nets.items():
        net.to(torch.float16).save_pretrained(out / f"controlnet-{kind}")
    print(json.dumps(figures))


if __name__ == "__main__":
    command(__doc__, train, 60, start="must")
