"""What the diffusion is trained on: groups of views as latents, tokens, condition pictures and weights.

Latents are encoded once for each shard and kept beside the checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTokenizer

from scripts.generator.captions import SAYABLE, caption
from scripts.train import architecture
from scripts.train.autoencoder import to_tensor
from scripts.train.condition import part_colors
from scripts.train.shards import Shard, open_shards
from stages.conditions.body import load_base_body

FULL_SHARDS = 43  # at full size, which is slow to encode
NO_TEXT = 0.1
FIGURE_WEIGHT, FACE_WEIGHT, IRIS_WEIGHT = 3.0, 8.0, 20.0  # a face is four latents high in a picture of the whole figure
IRIS_PARTS = ("iris_l", "iris_r")
FACE_PARTS = ("face", "eye_l", "eye_r", *IRIS_PARTS, "brow_l", "brow_r", "mouth")


def latent_path(shard: Shard, folder: Path, size: str) -> Path:
    """Where the latents of a shard are kept."""
    return folder / f"{shard.folder.name}_{size}.npy"


@torch.no_grad()
def cache_latents(vae: nn.Module, scale: float, shard: Shard, folder: Path, size: str) -> None:
    """Encode a shard once: (characters, views, C, h, w) float16, scaled to unit variance."""
    path = latent_path(shard, folder, size)
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for views in shard.rgb:
        x = to_tensor(views)
        x = F.avg_pool2d(x, 2) if size == "half" else x
        x = x.contiguous(memory_format=torch.channels_last)
        out.append((vae.encode(x).latent_dist.mean * scale).half().numpy())
    partial = path.with_suffix(".tmp.npy")
    np.save(partial, np.stack(out))
    partial.replace(path)


@dataclass
class Batch:
    """Groups of views laid out one after another."""

    latents: Tensor
    tokens: Tensor
    picture: Tensor
    weight: Tensor
    labels: np.ndarray
    groups: int
    size: str


class Source:
    """Draws batches from the shards whose latents are cached."""

    def __init__(self, data: Path, cache: Path, vae: nn.Module, scale: float, tokenizer: CLIPTokenizer) -> None:
        self.data, self.cache, self.vae, self.scale, self.tokenizer = data, cache, vae, scale, tokenizer
        self.ready: dict[str, list[tuple[Shard, np.ndarray]]] = {"half": [], "full": []}

    def refresh(self, size: str) -> None:
        """Take in shards that have come since."""
        known = {shard.folder for shard, _ in self.ready[size]}
        most = None if size == "half" else 1 + FULL_SHARDS
        for shard in open_shards(self.data)[1:most]:  # the first is held out
            if shard.folder not in known:
                cache_latents(self.vae, self.scale, shard, self.cache, size)
                self.ready[size].append((shard, np.load(latent_path(shard, self.cache, size), mmap_mode="r")))

    def draw(self, size: str, groups: int, rng: np.random.Generator, told: float | None = 1.0) -> Batch:
        """``groups`` characters, all their views. Captions say the share ``told`` of what the characters look like, the same in all
        views of one; None draws that share."""
        latents, parts, texts = [], [], []
        for _ in range(groups):
            shard, cached = self.ready[size][int(rng.integers(len(self.ready[size])))]
            i = int(rng.integers(len(shard.attributes)))
            latents.append(cached[i])
            parts.append(shard.parts[i])
            share = rng.random() if told is None else told
            hushed = frozenset(key for key in SAYABLE if rng.random() >= share)
            texts += [caption(shard.attributes[i], rng, v.azimuth_deg, v.ring, hushed) for v in shard.views[i]]
        texts = ["" if rng.random() < NO_TEXT else text for text in texts]
        return batch_of(self.tokenizer, np.concatenate(latents), np.concatenate(parts), texts, groups, size)


def batch_of(
    tokenizer: CLIPTokenizer, latents: np.ndarray, parts: np.ndarray, texts: list[str], groups: int, size: str
) -> Batch:
    """Arrays to tensors: latents (N, C, h, w), parts (N, H, W) labels."""
    z = torch.from_numpy(latents).float()
    labels = np.ascontiguousarray(parts[:, 1::2, 1::2] if size == "half" else parts)
    picture = torch.from_numpy(part_colors()[labels]).permute(0, 3, 1, 2)
    return Batch(z, tokenize(tokenizer, texts), picture, weight_of(labels), labels, groups, size)


def weight_of(labels: np.ndarray) -> Tensor:
    """Labels (N, 8h, 8w) -> (N, 1, h, w), mean 1: what each latent counts for."""
    within = lambda mask: F.max_pool2d(torch.from_numpy(mask.astype(np.float32))[:, None], 8)  # noqa: E731
    figure = F.max_pool2d(within(labels > 0), 5, 1, 2)  # hair and skirts stand out from the body
    weight = 1 + (FIGURE_WEIGHT - 1) * figure
    weight += (FACE_WEIGHT - FIGURE_WEIGHT) * within(face_labels()[labels]) + (IRIS_WEIGHT - FACE_WEIGHT) * within(iris_labels()[labels])
    return weight / weight.mean()


@cache
def face_labels() -> np.ndarray:
    """(1 + parts,) bool: which labels are the face and its eyes."""
    return labels_of(FACE_PARTS)


@cache
def iris_labels() -> np.ndarray:
    """(1 + parts,) bool: which labels are the irises, whose colour is the prompt's."""
    return labels_of(IRIS_PARTS)


def labels_of(parts: tuple[str, ...]) -> np.ndarray:
    """(1 + parts,) bool: which labels are one of ``parts``."""
    return np.array([False, *(name in parts for name in load_base_body().part_names)])


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """(N, TEXT_LENGTH) int64, cut and padded."""
    return tokenizer(
        texts, padding="max_length", truncation=True, max_length=architecture.TEXT_LENGTH, return_tensors="pt"
    ).input_ids
