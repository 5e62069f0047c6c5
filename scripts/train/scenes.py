"""Training pictures as users' pictures are: any background, another place and size, soft and grainy; with what is seen where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from scripts.generator.attributes import Attributes
from scripts.train.autoencoder import halve, to_tensor
from scripts.train.judge import worn
from scripts.train.shards import Shard
from scripts.train.things import things_in

BACKGROUND_SHARE = 0.4  # of the pictures that get another background than white
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which GroundingDINO and SAM are used to


@dataclass(frozen=True)
class Scene:
    """A picture (3, H, W) in [-1, 1], who is in it, and thing -> (H, W) bool."""

    picture: Tensor
    attributes: Attributes
    things: dict[str, np.ndarray]


def draw_scenes(shards: list[Shard], count: int, rng: np.random.Generator, half: bool = False) -> list[Scene]:
    """``count`` scenes from anywhere in ``shards``, at their size or ``half`` of it each way."""
    chosen = [shards[int(rng.integers(len(shards)))] for _ in range(count)]
    return [_scene(shard, int(rng.integers(len(shard.attributes))), int(rng.integers(shard.rgb.shape[1])), rng, half) for shard in chosen]


def plain_scene(shard: Shard, character: int, view: int, half: bool = False) -> Scene:
    """The picture as it was rendered, at its size or ``half`` of it each way."""
    picture, labels, parts = to_tensor(shard.rgb[character, view][None]), shard.labels[character, view], shard.parts[character, view]
    if half:
        picture, labels, parts = halve(picture), labels[1::2, 1::2], parts[1::2, 1::2]
    return Scene(picture[0], shard.attributes[character], things_in(labels, parts))


def normalised(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) in [-1, 1] as the networks are fed."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return ((pictures.clamp(-1, 1) + 1) / 2 - mean) / std


def _scene(shard: Shard, character: int, view: int, rng: np.random.Generator, half: bool) -> Scene:
    plain = to_tensor(shard.rgb[character, view][None])
    maps = np.stack([shard.labels[character, view], shard.parts[character, view]])
    if half:
        plain, maps = halve(plain), maps[:, 1::2, 1::2]
    maps = torch.from_numpy(maps.astype(np.float32))[None]
    plain, maps = _moved(plain, maps, rng)
    if rng.random() < BACKGROUND_SHARE:
        plain = _over(plain, maps[:, :1] > 0, _background(plain.shape[-2:], rng))
    labels, parts = maps[0].numpy().astype(np.uint8)
    return Scene(worn(plain, rng)[0], shard.attributes[character], things_in(labels, parts))


def _moved(picture: Tensor, maps: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mirrored half of the time, and now and then smaller, larger, and elsewhere; white around it."""
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    scale, shift = (float(rng.uniform(0.85, 1.4)), rng.uniform(-0.25, 0.25, 2)) if rng.random() < 0.5 else (1.0, (0.0, 0.0))
    if scale == 1.0:
        return (picture.flip(-1), maps.flip(-1)) if mirror < 0 else (picture, maps)
    theta = torch.tensor([[[mirror * scale, 0, shift[0]], [0, scale, shift[1]]]], dtype=torch.float32)
    grid = F.affine_grid(theta, list(picture.shape), align_corners=False)
    moved = 1 - F.grid_sample(1 - picture, grid, mode="bilinear", align_corners=False)
    return moved, F.grid_sample(maps, grid, mode="nearest", align_corners=False)


def _background(size: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """(1, 3, H, W) in [-1, 1]: one colour that runs into another, with clouds."""
    low, high = torch.from_numpy(rng.uniform(-1, 1, (2, 1, 3, 1, 1)).astype(np.float32))
    ramp = torch.linspace(0, 1, size[0]).view(1, 1, -1, 1).expand(1, 1, *size)
    cells = int(rng.integers(4, 40))
    clouds = F.interpolate(torch.randn(1, 3, size[0] // cells, size[1] // cells), size, mode="bilinear")
    return (low + (high - low) * ramp * float(rng.random() < 0.6) + float(rng.uniform(0, 0.4)) * clouds).clamp(-1, 1)


def _over(picture: Tensor, figure: Tensor, background: Tensor) -> Tensor:
    """``picture`` with its white taken for ``background``; at the outline as far as its neighbours are figure."""
    cover = torch.where(figure, torch.ones(()), F.avg_pool2d(figure.float(), 3, 1, 1))
    return picture - (1 - cover) * (1 - background)
