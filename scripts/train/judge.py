"""A judge of painted pictures, trained on true renders: colours of hair, top and bottom, kinds of hair, clothes and accessory, and 18 body points.

    python -m scripts.train.judge --data runs/data --out scripts/bench/judge --minutes 25

It sees half-size pictures of one character: a whole figure and, as a run paints both, a portrait; it does without the portrait, too.
What is worn on the head is a few pixels of a whole figure. Its own accuracy on held-out true renders is written beside its weights, because
a figure that it gives is worth no more than that.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass, replace
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
    "short": ("short hair", "bob", "spiky hair", "curly hair"), "medium": ("medium hair",), "long": ("long hair", "wavy hair", "twin tails", "braids"), "tied": ("ponytail", "bun", "twin buns", "side ponytail"),
}  # fmt: skip
KINDS = {"hair_length": tuple(HAIR_LENGTHS), "top_kind": TOPS, "bottom_kind": BOTTOMS, "accessory": ACCESSORIES}
TARGETS = COLOURS | KINDS
POINTS = 18
PCK_SHARE = 0.05  # of the figure's height
BATCH = 32
NO_PORTRAIT = 0.3  # share of the pairs in training


class Judge(nn.Module):
    """Whole figures (N, 3, 192, 144) in [-1, 1], portraits of the same characters or None -> logits by target, and point heat maps of the
    whole figures (N, 18, 48, 36). ``shown`` (N,) of zeros and ones: which portraits count."""

    def __init__(self) -> None:
        super().__init__()

        def block(a: int, b: int, stride: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.SiLU())

        self.stem = nn.Sequential(block(3, 32, 2), block(32, 32, 1), block(32, 64, 2), block(64, 64, 1))
        self.deep = nn.Sequential(block(64, 96, 2), block(96, 96, 1), block(96, 128, 2), block(128, 128, 1))
        self.across = nn.Conv2d(128, 64, 1)
        self.points = nn.Sequential(block(128, 64, 1), nn.Conv2d(64, POINTS, 1))
        self.heads = nn.ModuleDict({k: nn.Linear(512, len(words)) for k, words in TARGETS.items()})

    def forward(self, x: Tensor, portraits: Tensor | None = None, shown: Tensor | None = None) -> tuple[dict[str, Tensor], Tensor]:
        near = self.stem(x if portraits is None else torch.cat([x, portraits]))
        far = self.deep(near)
        pooled = torch.cat([far.mean((2, 3)), far.amax((2, 3))], 1)
        whole, close = (pooled, torch.zeros_like(pooled)) if portraits is None else pooled.chunk(2)
        both = torch.cat([whole, close if shown is None else close * shown[:, None]], 1)
        up = F.interpolate(self.across(far[: len(x)]), size=near.shape[-2:], mode="bilinear", align_corners=False)
        return {k: head(both) for k, head in self.heads.items()}, self.points(torch.cat([near[: len(x)], up], 1))


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


def pairs_of(shard: Shard) -> list[tuple[int, int, int]]:
    """(character, view, portrait) of every picture of the body ring with every one of the head ring of the same character."""
    of = lambda views, ring: [v for v, view in enumerate(views) if view.ring == ring]  # noqa: E731
    return [(c, v, h) for c, views in enumerate(shard.views) for v in of(views, "body") for h in of(views, "head")]


@dataclass(frozen=True)
class Pairs:
    """Half-size pictures (N, 3, 192, 144) of whole figures and ``portraits``, labels (N, targets), points (N, 18, 3) of the whole figures."""

    whole: Tensor
    portraits: Tensor
    labels: Tensor
    points: Tensor


def batch_of(shards: list[Shard], picks: list[tuple[int, int, int, int]]) -> Pairs:
    """The pictures of ``picks``, each shard, character, view, portrait."""
    half = lambda at: halve(to_tensor(np.stack([shards[pick[0]].rgb[pick[1], pick[at]] for pick in picks])))  # noqa: E731
    labels = torch.tensor([labels_of(shards[s].attributes[c]) for s, c, _, _ in picks])
    return Pairs(half(2), half(3), labels, torch.from_numpy(np.stack([shards[s].keypoints[c, v] for s, c, v, _ in picks])))


def worn(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Pictures (N, 3, H, W) as worn as painted ones are: softer, grainy, stained with faint clouds, lighter or darker."""
    size = x.shape[-2:]
    if rng.random() < 0.4:
        x = F.interpolate(halve(x), size, mode="bilinear")
    cells = int(rng.integers(8, 32))
    clouds = F.interpolate(torch.randn(len(x), 3, size[0] // cells, size[1] // cells), size, mode="bilinear")
    strength = torch.from_numpy(rng.uniform(0, [[0.12], [0.05], [0.1]], (3, len(x))).astype(np.float32)).view(3, -1, 1, 1, 1)
    return x + strength[0] * clouds + strength[1] * torch.randn_like(x) - strength[2] * (x + 1) * float(rng.random())


def loss_of(judge: nn.Module, given: Pairs, shown: Tensor | None = None) -> Tensor:
    """Cross entropy of colours and kinds; of where each visible point is, over the cells of its heat map."""
    logits, heat = judge(given.whole, given.portraits, shown)
    loss = sum(F.cross_entropy(logits[k], given.labels[:, i], ignore_index=-1) for i, k in enumerate(TARGETS))
    h, w = heat.shape[-2:]
    cell_x, cell_y = ((given.points[..., i] / 8).long().clamp(0, n - 1) for i, n in ((0, w), (1, h)))
    target = torch.where(given.points[..., 2] > 0.5, cell_y * w + cell_x, -1)
    return loss + 0.5 * F.cross_entropy(heat.flatten(2).flatten(0, 1), target.flatten(), ignore_index=-1)


@torch.no_grad()
def accuracy(judge: Judge, shards: list[Shard], picks: list[tuple[int, int, int, int]], portraits: bool) -> dict[str, float]:
    """Share right of each colour and kind, and of visible points within PCK_SHARE of the figure's height."""
    right, seen = np.zeros(len(TARGETS)), np.zeros(len(TARGETS))
    near = total = 0.0
    for start in range(0, len(picks), BATCH):
        some = picks[start : start + BATCH]
        given = batch_of(shards, some)
        logits, heat = judge(given.whole, given.portraits if portraits else None)
        for i, k in enumerate(TARGETS):
            known = given.labels[:, i] >= 0
            right[i] += float((logits[k].argmax(1) == given.labels[:, i])[known].sum())
            seen[i] += float(known.sum())
        visible = given.points[..., 2] > 0.5
        figure = torch.from_numpy(np.stack([shards[s].parts[c, v].any(1) for s, c, v, _ in some])).sum(1)
        apart = (locate(heat) - given.points[..., :2]).norm(dim=-1) <= PCK_SHARE * figure[:, None]
        near, total = near + float((apart & visible).sum()), total + float(visible.sum())
    return {k: float(right[i] / seen[i]) for i, k in enumerate(TARGETS)} | {"pck": near / total}


def load(folder: Path) -> Judge:
    """Open trained weights."""
    judge = Judge().eval()
    judge.load_state_dict(weights_in(folder))
    return judge


def weights_in(folder: Path) -> dict[str, Tensor]:
    """The weights of a judge, float32."""
    return {k: v.float() if v.is_floating_point() else v for k, v in load_file(folder / "judge.safetensors").items()}


def further(folder: Path) -> Judge:
    """A judge to be trained further; words that came since stand behind those that it knows, and are drawn at random."""
    judge = Judge()
    own, known = judge.state_dict(), weights_in(folder)
    judge.load_state_dict({k: torch.cat([v, own[k][len(v) :]]) if v.ndim else v for k, v in known.items()})
    return judge


def train(data: Path, out: Path, minutes: float, start: Path | None = None, bf16: bool = False, seed: int = 0) -> None:
    """Train for ``minutes``, from the weights in ``start`` if one is given; the first shard is held out."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    shards = open_shards(data)
    picks = [(s, *pair) for s in range(1, len(shards)) for pair in pairs_of(shards[s])]
    judge = (Judge() if start is None else further(start)).to(memory_format=torch.channels_last)
    before = 0 if start is None else json.loads((start / "judge.json").read_text())["pairs_seen"]
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=1e-2)
    began, step = time.monotonic(), 0
    while (share := (time.monotonic() - began) / (60 * minutes)) < 1:
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1.0, (step + 1) / 50) * 0.5 * (1 + math.cos(math.pi * share))
        given = batch_of(shards, [picks[int(i)] for i in rng.integers(len(picks), size=BATCH)])
        whole, portraits = (worn(x, rng).contiguous(memory_format=torch.channels_last) for x in (given.whole, given.portraits))
        shown = torch.from_numpy((rng.random(BATCH) >= NO_PORTRAIT).astype(np.float32))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = loss_of(judge, replace(given, whole=whole, portraits=portraits), shown)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(step, round(share, 2), round(float(loss.detach()), 3), flush=True)
    held = [(0, *pair) for pair in pairs_of(shards[0])]
    figures = {"pairs_seen": before + step * BATCH, "held_out_pairs": len(held)}
    figures |= {name: accuracy(judge.eval(), shards, held, portraits) for name, portraits in (("with_portrait", True), ("whole_figure_alone", False))}
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
    parser.add_argument("--bf16", action="store_true", help="convolutions in bfloat16, where the processor has units for it")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    keep_freed()
    torch.set_num_threads(options.threads)
    train(options.data, options.out, options.minutes, options.start, options.bf16)
