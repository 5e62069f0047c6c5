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
from scripts.train.lessons import Lesson
from scripts.train.shards import Shard, open_shards
from stages.conditions.body import load_base_body

FULL_SHARDS = 43  # at full size, which is slow to encode
NO_TEXT = 0.1
ALONE_VIEWS = (0, 2, 4, 5, 4, 5)  # front, another side, close-ups, which lagged behind: as many as a group has
COMMON_SHARE = 0.5  # of those drawn to be shown alone, if they wear none of SELDOM
SELDOM = ("glasses", "headband", "rabbit ears", "horns", "headphones", "scarf", "crown")  # small, or shown to none of the networks before the eleventh round
FIGURE_WEIGHT, TORSO_WEIGHT, HEAD_WEIGHT, EYE_WEIGHT, IRIS_WEIGHT = 3.0, 5.0, 8.0, 12.0, 20.0  # a face is four latents high in a whole figure
IRIS_PARTS = ("iris_l", "iris_r")
FACE_PARTS = ("face", "eye_l", "eye_r", *IRIS_PARTS, "brow_l", "brow_r", "mouth")
HEAD_PARTS = ("scalp", "ear_l", "ear_r", *FACE_PARTS)
TORSO_PARTS = ("chest", "upper_back", "abdomen", "lower_back", "upper_arm_l", "upper_arm_r", "lower_arm_l", "lower_arm_r")
HAIR_REACH = 0.45  # of the head's height: so far about the head there may be hair and what is worn on it
EYE_REACH = 0.1  # ... so far about an iris lashes and glasses
TORSO_REACH = 2  # latents that sleeves, collars and hair stand out from the body


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
    """Groups of views laid out one after another, each of one character or, where views are alone, of as many as there are views."""

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

    def draw(self, size: str, groups: int, rng: np.random.Generator, lesson: Lesson) -> Batch:
        """``groups`` groups of views as ``lesson`` has them: all views of one character, or each of a character of its own (one
        character a batch is little to learn words from). What captions tell of a character is the same in all its views."""
        latents, parts, texts = [], [], []
        shown = [slice(k, k + 1) for k in ALONE_VIEWS] if lesson.alone else [slice(None)]
        for _ in range(groups):
            for views in shown:
                shard, cached, i = self._character(size, rng, lesson.alone)
                latents.append(cached[i][views])
                parts.append(shard.parts[i][views])
                share = rng.random() if lesson.told is None else lesson.told
                hushed = frozenset(key for key in SAYABLE if rng.random() >= share)
                texts += [caption(shard.attributes[i], rng, v.azimuth_deg, v.ring, hushed) for v in shard.views[i][views]]
        texts = ["" if rng.random() < NO_TEXT else text for text in texts]
        return batch_of(self.tokenizer, np.concatenate(latents), np.concatenate(parts), texts, groups, size)

    def _character(self, size: str, rng: np.random.Generator, alone: bool) -> tuple[Shard, np.ndarray, int]:
        """A character: its shard, that shard's latents and its place there. If ``alone``, of those who wear nothing seldom only COMMON_SHARE."""
        while True:
            shard, cached = self.ready[size][int(rng.integers(len(self.ready[size])))]
            i = int(rng.integers(len(shard.attributes)))
            if not alone or shard.attributes[i].accessory in SELDOM or rng.random() < COMMON_SHARE:
                return shard, cached, i


def batch_of(
    tokenizer: CLIPTokenizer, latents: np.ndarray, parts: np.ndarray, texts: list[str], groups: int, size: str
) -> Batch:
    """Arrays to tensors: latents (N, C, h, w), parts (N, H, W) labels."""
    z = torch.from_numpy(latents).float()
    labels = np.ascontiguousarray(parts[:, 1::2, 1::2] if size == "half" else parts)
    picture = torch.from_numpy(part_colors()[labels]).permute(0, 3, 1, 2)
    return Batch(z, tokenize(tokenizer, texts), picture, weight_of(labels), labels, groups, size)


def weight_of(labels: np.ndarray) -> Tensor:
    """Labels of the body (N, 8h, 8w) -> (N, 1, h, w), mean 1 in each picture: what each latent counts for.

    Zones about the body, not what is painted there: did hair weigh more than the background behind it, a network in doubt would
    paint hair. Where the head is, hair style and accessory are told apart, about the eyes glasses; on the torso, kinds of tops and lengths of hair.
    """
    within = lambda which: F.max_pool2d(torch.from_numpy(which[labels].astype(np.float32))[:, None], 8)  # noqa: E731
    head = within(labels_of(HEAD_PARTS))
    weight = 1 + (FIGURE_WEIGHT - 1) * grown(within(np.arange(256) > 0), 2)  # hair and skirts stand out from the body
    weight = weight.maximum(TORSO_WEIGHT * grown(within(labels_of(TORSO_PARTS)), TORSO_REACH))
    iris = within(labels_of(IRIS_PARTS))
    about = lambda mask, reach: torch.cat([grown(m, round(reach * float(h.amax(-1).sum()))) for m, h in zip(mask.split(1), head.split(1))])  # noqa: E731
    weight = weight.maximum(HEAD_WEIGHT * about(head, HAIR_REACH)).maximum(EYE_WEIGHT * about(iris, EYE_REACH)).maximum(IRIS_WEIGHT * iris)
    return weight / weight.mean((1, 2, 3), keepdim=True)


def grown(mask: Tensor, by: int) -> Tensor:
    """(N, 1, h, w) of zeros and ones, grown by so many latents each way."""
    return F.max_pool2d(mask, 2 * by + 1, 1, by)


@cache
def labels_of(parts: tuple[str, ...]) -> np.ndarray:
    """(1 + parts,) bool: which labels are one of ``parts``."""
    return np.array([False, *(name in parts for name in load_base_body().part_names)])


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """(N, TEXT_LENGTH) int64, cut and padded."""
    return tokenizer(
        texts, padding="max_length", truncation=True, max_length=architecture.TEXT_LENGTH, return_tensors="pt"
    ).input_ids
