"""A judge of painted pictures, trained on true renders: colours of hair, top and bottom, kinds of hair, clothes and accessory, and 18 body points.

    python -m scripts.train.judge --data runs/data --out scripts/bench/judge --minutes 5

It sees half-size pictures of the body ring. Its own accuracy on held-out true renders is written beside its weights, because a
figure that it gives is worth no more than that.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.memory import keep_freed
from scripts.generator import palette
from scripts.generator.attributes import ACCESSORIES, BOTTOMS, CLOTH_WORDS, TOPS, Attributes
from scripts.train.autoencoder import halve, to_tensor
from scripts.train.shards import Shard, open_shards

COLOURS = {"hair": tuple(palette.HAIR), "top": tuple(CLOTH_WORDS), "bottom": tuple(CLOTH_WORDS)}
HAIR_LENGTHS = {  # those that can be told apart from the front
    "short": ("short hair", "bob"), "medium": ("medium hair",), "long": ("long hair", "wavy hair", "twin tails", "braids"), "tied": ("ponytail", "bun", "twin buns"),
}  # fmt: skip
KINDS = {"hair_length": tuple(HAIR_LENGTHS), "top_kind": TOPS, "bottom_kind": BOTTOMS, "accessory": ACCESSORIES}
TARGETS = COLOURS | KINDS
POINTS = 18
PCK_SHARE = 0.05  # of the figure's height
BATCH = 32


class Judge(nn.Module):
    """(N, 3, 192, 144) in [-1, 1] -> logits by target, and point heat maps (N, 18, 48, 36)."""

    def __init__(self) -> None:
        super().__init__()

        def block(a: int, b: int, stride: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.SiLU())

        self.stem = nn.Sequential(block(3, 32, 2), block(32, 32, 1), block(32, 64, 2), block(64, 64, 1))
        self.deep = nn.Sequential(block(64, 96, 2), block(96, 96, 1), block(96, 128, 2), block(128, 128, 1))
        self.across = nn.Conv2d(128, 64, 1)
        self.points = nn.Sequential(block(128, 64, 1), nn.Conv2d(64, POINTS, 1))
        self.heads = nn.ModuleDict({k: nn.Linear(256, len(words)) for k, words in TARGETS.items()})

    def forward(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        near = self.stem(x)
        far = self.deep(near)
        up = F.interpolate(self.across(far), size=near.shape[-2:], mode="bilinear", align_corners=False)
        pooled = torch.cat([far.mean((2, 3)), far.amax((2, 3))], 1)
        return {k: head(pooled) for k, head in self.heads.items()}, self.points(torch.cat([near, up], 1))


def locate(heat: Tensor) -> Tensor:
    """(N, P, h, w) logits -> (N, P, 2) x, y in full-size pixels: the peak, refined by the mean of its 3 x 3 surroundings."""
    n, p, h, w = heat.shape
    flat = heat.flatten(2).argmax(-1)
    y, x = flat // w, flat % w
    weight = heat.flatten(2).softmax(-1).view(n, p, h, w)
    total = torch.zeros(n, p)
    sums = torch.zeros(n, p, 2)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            yy, xx = (y + dy).clamp(0, h - 1), (x + dx).clamp(0, w - 1)
            at = weight.flatten(2).gather(-1, (yy * w + xx)[..., None])[..., 0]
            total += at
            sums += at[..., None] * torch.stack([xx, yy], -1)
    return (sums / total[..., None] + 0.5) * 8


def labels_of(a: Attributes) -> list[int]:
    """Class of each target; -1 where there is nothing to judge (a dress has no bottom of its own)."""
    bottom = -1 if a.bottom == "none" else COLOURS["bottom"].index(a.bottom_color)
    length = next(i for i, styles in enumerate(HAIR_LENGTHS.values()) if a.hair_style in styles)
    kinds = [length, TOPS.index(a.top), BOTTOMS.index(a.bottom), ACCESSORIES.index(a.accessory)]
    return [COLOURS["hair"].index(a.hair_color), COLOURS["top"].index(a.top_color), bottom, *kinds]


def body_views(shard: Shard) -> list[tuple[int, int]]:
    """(character, view) of every picture of the body ring."""
    return [(c, v) for c, views in enumerate(shard.views) for v, view in enumerate(views) if view.ring == "body"]


def batch_of(shards: list[Shard], picks: list[tuple[int, int, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Half-size pictures, labels (N, targets), points (N, 18, 3)."""
    x = halve(to_tensor(np.stack([shards[s].rgb[c, v] for s, c, v in picks])))
    y = torch.tensor([labels_of(shards[s].attributes[c]) for s, c, _ in picks])
    return x, y, torch.from_numpy(np.stack([shards[s].keypoints[c, v] for s, c, v in picks]))


def worn(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Pictures (N, 3, H, W) as worn as painted ones are: softer, grainy, stained with faint clouds, lighter or darker."""
    size = x.shape[-2:]
    if rng.random() < 0.4:
        x = F.interpolate(halve(x), size, mode="bilinear")
    cells = int(rng.integers(8, 32))
    clouds = F.interpolate(torch.randn(len(x), 3, size[0] // cells, size[1] // cells), size, mode="bilinear")
    strength = torch.from_numpy(rng.uniform(0, [[0.12], [0.05], [0.1]], (3, len(x))).astype(np.float32)).view(3, -1, 1, 1, 1)
    return x + strength[0] * clouds + strength[1] * torch.randn_like(x) - strength[2] * (x + 1) * float(rng.random())


def loss_of(judge: Judge, x: Tensor, y: Tensor, points: Tensor) -> Tensor:
    """Cross entropy of colours and kinds; of where each visible point is, over the cells of its heat map."""
    logits, heat = judge(x)
    loss = sum(F.cross_entropy(logits[k], y[:, i], ignore_index=-1) for i, k in enumerate(TARGETS))
    h, w = heat.shape[-2:]
    cell_x, cell_y = ((points[..., i] / 8).long().clamp(0, n - 1) for i, n in ((0, w), (1, h)))
    target = torch.where(points[..., 2] > 0.5, cell_y * w + cell_x, -1)
    return loss + 0.5 * F.cross_entropy(heat.flatten(2).flatten(0, 1), target.flatten(), ignore_index=-1)


@torch.no_grad()
def accuracy(judge: Judge, shards: list[Shard], picks: list[tuple[int, int, int]]) -> dict[str, float]:
    """Share right of each colour and kind, and of visible points within PCK_SHARE of the figure's height."""
    right, seen = np.zeros(len(TARGETS)), np.zeros(len(TARGETS))
    near = total = 0.0
    for start in range(0, len(picks), BATCH):
        some = picks[start : start + BATCH]
        x, y, points = batch_of(shards, some)
        logits, heat = judge(x)
        for i, k in enumerate(TARGETS):
            known = y[:, i] >= 0
            right[i] += float((logits[k].argmax(1) == y[:, i])[known].sum())
            seen[i] += float(known.sum())
        visible = points[..., 2] > 0.5
        figure = torch.from_numpy(np.stack([shards[s].parts[c, v].any(1) for s, c, v in some])).sum(1)
        apart = (locate(heat) - points[..., :2]).norm(dim=-1) <= PCK_SHARE * figure[:, None]
        near, total = near + float((apart & visible).sum()), total + float(visible.sum())
    return {k: float(right[i] / seen[i]) for i, k in enumerate(TARGETS)} | {"pck": near / total}


def load(folder: Path) -> Judge:
    """Open trained weights."""
    judge = Judge().eval()
    judge.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(folder / "judge.safetensors").items()})
    return judge


def train(data: Path, out: Path, minutes: float, start: Path | None = None, seed: int = 0) -> None:
    """Train for ``minutes``, from the weights in ``start`` if one is given; the first shard is held out."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    shards = open_shards(data)
    picks = [(s, c, v) for s in range(1, len(shards)) for c, v in body_views(shards[s])]
    judge = (Judge() if start is None else load(start).train()).to(memory_format=torch.channels_last)
    before = 0 if start is None else json.loads((start / "judge.json").read_text())["pictures_seen"]
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=1e-2)
    began, step = time.monotonic(), 0
    while (share := (time.monotonic() - began) / (60 * minutes)) < 1:
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * share))
        x, y, points = batch_of(shards, [picks[int(i)] for i in rng.integers(len(picks), size=BATCH)])
        loss = loss_of(judge, worn(x, rng).contiguous(memory_format=torch.channels_last), y, points)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(step, round(share, 2), round(float(loss.detach()), 3), flush=True)
    held = [(0, c, v) for c, v in body_views(shards[0])]
    figures = accuracy(judge.eval(), shards, held) | {"pictures_seen": before + step * BATCH, "held_out_pictures": len(held)}
    out.mkdir(parents=True, exist_ok=True)
    save_file({k: v.half().contiguous() if v.is_floating_point() else v for k, v in judge.state_dict().items()}, out / "judge.safetensors")
    (out / "judge.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--start", type=Path, help="a folder with a judge to train further")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    keep_freed()
    torch.set_num_threads(options.threads)
    train(options.data, options.out, options.minutes, options.start)
