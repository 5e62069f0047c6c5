"""Train the embedded autoencoder on crops of the figure: half size first (or all hues but two are lost), then full size, and at
last on whole pictures, whose normalisation statistics are those of use.

    python -m scripts.train.autoencoder --data runs/data --out runs/vae --minutes 25

Left to itself a small autoencoder finds two hues and stays there; so hue has a loss of its own, and three latent channels begin
as the mean colour.

Stops and goes on: the newest checkpoint in ``--out`` is taken up with its share of the schedule done.
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
from torch import Tensor
from torch.nn import functional as F

from pipeline.memory import keep_freed
from scripts.train import architecture
from scripts.train.shards import Shard, open_shards
from stages.artifacts.images import contact_sheet, write_png

FIGURE_WEIGHT = 5.0
PEAK_RATE = 2e-3
CROP = 96
LEAST_FIGURE = 0.25  # share of a crop that shows more than background
HALF_SIZE_SHARE, CROPS_SHARE = 0.3, 0.75
ANCHORED_SHARE = 0.5
BATCH = {"half": 4, "full": 4, "whole": 2}


def random_pictures(shards: list[Shard], count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` pictures (count, H, W, 3) uint8 from anywhere."""
    out = []
    for _ in range(count):
        shard = shards[int(rng.integers(len(shards)))]
        out.append(shard.rgb[int(rng.integers(shard.rgb.shape[0])), int(rng.integers(shard.rgb.shape[1]))])
    return np.stack(out)


def to_tensor(pictures: np.ndarray) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def halve(x: Tensor) -> Tensor:
    """Mean over 2 x 2 pixels."""
    return F.avg_pool2d(x, 2)


def random_crops(x: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    """A square crop from each picture, drawn again while it shows little but background."""
    out = []
    for picture in x:
        for _ in range(12):
            top, left = (int(rng.integers((size - side) // 8 + 1)) * 8 for size in picture.shape[-2:])
            crop = picture[:, top : top + side, left : left + side]
            if (crop.amin(0) < 0.97).float().mean() > LEAST_FIGURE:
                break
        out.append(crop)
    return torch.stack(out)


def figure_weight(x: Tensor) -> Tensor:
    """(N, 1, H, W): FIGURE_WEIGHT on and just round everything that is not white, 1 elsewhere; mean 1."""
    figure = (x.amin(1, keepdim=True) < 0.98).float()
    weight = 1.0 + (FIGURE_WEIGHT - 1.0) * F.max_pool2d(figure, 5, 1, 2)
    return weight / weight.mean()


def reconstruction_loss(x: Tensor, y: Tensor) -> Tensor:
    """L1 + MSE on the figure before the background; L1 of hue (channel differences), which is learnt last otherwise; L1 of the
    differences between neighbours, which keeps lines."""
    weight = figure_weight(x)
    error = y - x
    plain = (weight * (error.abs() + error.square())).mean()
    plain = plain + (weight * (error - error.roll(1, 1)).abs()).mean()
    edges = (weight[..., 1:] * error.diff(dim=-1).abs()).mean() + (weight[..., 1:, :] * error.diff(dim=-2).abs()).mean()
    return plain + 0.5 * edges


def color_anchor(x: Tensor, mean: Tensor) -> Tensor:
    """Pulls the first three latent channels to the mean colour of their 8 x 8 pixels: every hue has its place from the start."""
    return (mean[:, :3] - 2 * F.avg_pool2d(x, 8)).abs().mean()


def figure_psnr(x: Tensor, y: Tensor) -> float:
    """Mean over pictures of the PSNR of ``y`` on the figure of ``x``, dB, values in [-1, 1]."""
    figure = F.max_pool2d((x.amin(1, keepdim=True) < 0.98).float(), 5, 1, 2)
    mse = ((y - x).square() / 4 * figure).sum((1, 2, 3)) / (3 * figure.sum((1, 2, 3)))
    return float((-10 * mse.log10()).mean())


@torch.no_grad()
def reconstructed(vae: torch.nn.Module, x: Tensor) -> Tensor:
    """``x`` encoded and decoded."""
    return vae.decode(vae.encode(x).latent_dist.mean).sample.clamp(-1, 1)


@torch.no_grad()
def latent_scale(vae: torch.nn.Module, x: Tensor) -> float:
    """1 / standard deviation of the latents, diffusers' ``scaling_factor``."""
    return 1.0 / float(vae.encode(x).latent_dist.mean.std())


def preview(x: Tensor, y: Tensor, path: Path) -> None:
    """Truth ``x`` above, what was decoded below."""
    pictures = [((p.permute(1, 2, 0).numpy() + 1) / 2).astype(np.float32) for p in (*x, *y)]
    write_png(path, contact_sheet(pictures, columns=len(x)))


def save(vae: torch.nn.Module, folder: Path, state: dict) -> None:
    """One checkpoint, put in place whole."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in vae.state_dict().items()}, folder / "new.safetensors")
    (folder / "new.safetensors").replace(folder / "checkpoint.safetensors")
    (folder / "state.json").write_text(json.dumps(state, indent=1))


def restore(vae: torch.nn.Module, folder: Path, start: Path | None = None) -> dict:
    """Weights and progress of the newest checkpoint (Adam starts afresh); without one, what the shipped folder ``start`` holds."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        if start is not None:
            shipped = load_file(start / "vae" / "diffusion_pytorch_model.safetensors")
            vae.load_state_dict({k: v.float() for k, v in shipped.items()})
        return {"done_s": 0.0, "pictures": 0, "curve": []}
    vae.load_state_dict(load_file(path))
    return json.loads((folder / "state.json").read_text())


def trained(vae: torch.nn.Module, folder: Path) -> float:
    """Load the autoencoder of ``folder``, a checkpoint's or one that was shipped; returns its scaling factor."""
    if not (folder / "vae").is_dir():
        return restore(vae, folder)["scaling_factor"]
    restore(vae, folder / "vae", folder)
    return json.loads((folder / "vae" / "config.json").read_text())["scaling_factor"]


def quiet_latents(vae: torch.nn.Module) -> None:
    """Let the posterior begin narrow: noise as wide as the latents drowns hues for a long time."""
    with torch.no_grad():
        vae.quant_conv.weight[architecture.LATENT_CHANNELS :] *= 0.1
        vae.quant_conv.bias[architecture.LATENT_CHANNELS :] = -6.0


def phase(share: float, rng: np.random.Generator) -> str:
    """half, full or whole: what the next batch is at this share of the time."""
    if share < HALF_SIZE_SHARE or rng.random() < 0.25:
        return "half"
    return "full" if share < CROPS_SHARE else "whole"


def train(data: Path, out: Path, minutes: float, start: Path | None = None, seed: int = 0) -> None:
    """Run until ``minutes`` of training are done, this run and earlier ones together."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    vae = architecture.autoencoder().to(memory_format=torch.channels_last)
    state = restore(vae, out, start)
    if not state["pictures"] and start is None:
        quiet_latents(vae)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-4, foreach=True)
    began, before = time.monotonic(), state["done_s"]
    last_saved = began
    held = to_tensor(random_pictures(open_shards(data)[:1], 8, np.random.default_rng(1)))
    shards, step, running = open_shards(data), 0, 0.0
    while (share := (before + time.monotonic() - began) / (60 * minutes)) < 1:
        if step % 200 == 0:
            shards = open_shards(data)
        size = phase(share, rng)
        x = to_tensor(random_pictures(shards[1:] or shards, BATCH[size], rng))
        if size != "whole":
            x = random_crops(x if size == "full" else halve(x), CROP, rng)
        x = x.contiguous(memory_format=torch.channels_last)
        rate = PEAK_RATE * min(1.0, (step + 1) / 40) * max(0.02, 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        posterior = vae.encode(x).latent_dist
        y = vae.decode(posterior.sample()).sample
        loss = reconstruction_loss(x, y) + 1e-6 * posterior.kl().mean()
        loss = loss + max(0.0, 1 - share / ANCHORED_SHARE) * color_anchor(x, posterior.mean)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        step += 1
        state["pictures"] += len(x)
        running = 0.98 * running + 0.02 * float(loss.detach())
        if time.monotonic() - last_saved > 120:
            last_saved = time.monotonic()
            state["done_s"] = before + last_saved - began
            point = {
                "s": round(state["done_s"]), "pictures": state["pictures"], "loss": running,
                "psnr_full": figure_psnr(held, reconstructed(vae, held)), "psnr_half": figure_psnr(halve(held), reconstructed(vae, halve(held))),
            }  # fmt: skip
            state["curve"].append(point)
            print(json.dumps(point), flush=True)
            preview(held, reconstructed(vae, held), out / "preview.png")
            save(vae, out, state)
    state["done_s"] = before + time.monotonic() - began
    state["scaling_factor"] = latent_scale(vae, to_tensor(random_pictures(shards, 48, rng)))
    state["psnr_held_out"] = figure_psnr(held, reconstructed(vae, held))
    print(json.dumps({k: v for k, v in state.items() if k != "curve"}), flush=True)
    save(vae, out, state)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--start", type=Path, help="a folder that was shipped, to train further")
    options = parser.parse_args()
    keep_freed()
    torch.set_num_threads(2)
    train(options.data, options.out, options.minutes, options.start)
