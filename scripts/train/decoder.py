"""Train the autoencoder's decoder further while its encoder, and so every latent, stays as it is.

    python -m scripts.train.decoder --data runs/data --latents runs/first/latents --start third_party/embedded --out runs/decoder --minutes 80

Regression alone leaves lines soft: where a line may lie a pixel to either side, their mean is the safest answer. So a loss of
its own asks for as much change from pixel to pixel near each place as the picture has, wherever exactly. And because painted
latents are smoother than encoded ones, some are what the UNet makes of encoded latents with noise on them. Faces are drawn as
often as everything else together. (A discriminator of patches, tried for some minutes, drew pleats on tights.)

Stops and goes on from the newest checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.hashing import digest_path
from pipeline.memory import keep_freed
from scripts.generator.captions import caption, vocabulary
from scripts.train import architecture
from scripts.train.autoencoder import figure_psnr, figure_weight, preview, reconstruction_loss, restore, save, to_tensor
from scripts.train.batches import FACE_PARTS, batch_of, cache_latents, labels_of, latent_path
from scripts.train.diffusion import Networks, begin, take_up
from scripts.train.shards import VIEWS_PER_CHARACTER, Shard, open_shards
from scripts.train.vocabulary import tokenizer_in
from stages.views.attention import install

CROP = 16  # latents
BATCH = 3
PEAK_RATE = 6e-4
WHOLE_FROM = 0.8  # of the time
ENERGY = 2.0  # what that loss counts for
STILL = 1e-2  # change that counts as none
SOFT_SHARE = 0.5  # of the drawn latents are the UNet's
SOFT_TIMESTEPS = (60, 600)
NOISE = 0.1  # at most, on latents of unit deviation
FACE_SHARE = 0.5


@dataclass
class Drawn:
    """A shard with its latents (characters, views, C, h, w)."""

    shard: Shard
    latents: np.ndarray


@torch.no_grad()
def denoised(shard: Shard, latents: np.ndarray, shipped: Path, folder: Path) -> np.ndarray:
    """What the UNet of ``shipped`` takes ``latents`` for when there is noise on them, the same shape; kept in ``folder``."""
    path = folder / f"{shard.folder.name}_denoised_{digest_path(shipped / 'unet')[:12]}.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    tokenizer = tokenizer_in(shipped / "tokenizer", vocabulary())
    nets = Networks(tokenizer).to(memory_format=torch.channels_last).eval()
    take_up(nets, shipped, text=True)
    window, rng = install(nets.unet), np.random.default_rng(len(latents))
    alphas = architecture.scheduler().alphas_cumprod
    out = []
    for i in range(len(latents)):
        texts = [caption(shard.attributes[i], rng, v.azimuth_deg, v.ring) for v in shard.views[i]]
        batch = batch_of(tokenizer, latents[i], shard.parts[i], texts, 1, "full")
        t = int(rng.integers(*SOFT_TIMESTEPS))
        noise = torch.from_numpy(rng.standard_normal(batch.latents.shape, np.float32))
        noisy = alphas[t].sqrt() * batch.latents + (1 - alphas[t]).sqrt() * noise
        begin(window, 1, alone=False)
        v = nets(noisy, torch.full((VIEWS_PER_CHARACTER,), t), batch.tokens, batch.picture, 1.0)
        out.append((alphas[t].sqrt() * noisy - (1 - alphas[t]).sqrt() * v).half().numpy())
    partial = path.with_suffix(".tmp.npy")
    np.save(partial, np.stack(out))
    partial.replace(path)
    return np.load(path, mmap_mode="r")


def open_latents(data: Path, latents: Path) -> list[Drawn]:
    """All shards but the held-out first whose latents lie in ``latents``. Raises FileNotFoundError if there is none."""
    found = [(shard, latent_path(shard, latents, "full")) for shard in open_shards(data)[1:]]
    drawn = [Drawn(shard, np.load(path, mmap_mode="r")) for shard, path in found if path.exists()]
    if not drawn:
        raise FileNotFoundError(f"{latents} holds no full-size latents (shard_001_full.npy ...) of the shards in {data}")
    return drawn


def corner(figure: np.ndarray, face: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """Where a crop of latents begins, so that it holds a pixel of the face or else of the figure (H, W masks, 8 pixels a latent)."""
    wanted = face if face.any() and rng.random() < FACE_SHARE else figure
    rows, columns = np.nonzero(wanted)
    pick = int(rng.integers(len(rows)))
    return tuple(
        int(np.clip(at[pick] // 8 - rng.integers(CROP), 0, size // 8 - CROP)) for at, size in zip((rows, columns), figure.shape, strict=True)
    )


def draw(drawn: list[Drawn], count: int, whole: bool, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Latents (N, C, h, w) and the pictures (N, 3, 8h, 8w) that they stand for."""
    z, x = [], []
    for _ in range(count):
        d = drawn[int(rng.integers(len(drawn)))]
        i, k = int(rng.integers(len(d.latents))), int(rng.integers(VIEWS_PER_CHARACTER))
        picture, latent = d.shard.rgb[i, k], np.asarray(d.latents[i, k], np.float32)
        if not whole:
            labels = d.shard.parts[i, k]
            top, left = corner(picture.min(-1) < 250, labels_of(FACE_PARTS)[labels], rng)
            latent = latent[:, top : top + CROP, left : left + CROP]
            picture = picture[8 * top : 8 * (top + CROP), 8 * left : 8 * (left + CROP)]
        z.append(latent + rng.random() * NOISE * rng.standard_normal(latent.shape, np.float32))
        x.append(picture)
    return torch.from_numpy(np.stack(z)), to_tensor(np.stack(x))


def energy_loss(x: Tensor, y: Tensor) -> Tensor:
    """L1 between how much changes from pixel to pixel near a place (root mean square), on the figure before the background: lines keep
    their contrast where their place is unsure."""
    squares = lambda p: p.diff(dim=-1).square()[..., :-1, :] + p.diff(dim=-2).square()[..., :-1]  # noqa: E731
    near = lambda p: (F.avg_pool2d(squares(p), 7, 1, 3) + STILL**2).sqrt()  # noqa: E731
    return (figure_weight(x)[..., :-1, :-1] * (near(y) - near(x)).abs()).mean()


@torch.no_grad()
def decoded(vae: nn.Module, z: Tensor) -> Tensor:
    """Pictures of the latents ``z``, one after another."""
    return torch.cat([vae.decode(one[None]).sample for one in z]).clamp(-1, 1)


def measure(x: Tensor, y: Tensor) -> dict[str, float]:
    """PSNR of ``y`` on the figure of ``x``, dB, mean of pictures, and its gradient energy there as a share of the true."""
    figure = F.max_pool2d((x.amin(1, keepdim=True) < 0.98).float(), 5, 1, 2)[..., :-1, :-1]
    energy = [(figure * (p.diff(dim=-1)[..., :-1, :].square() + p.diff(dim=-2)[..., :-1].square())).sum() for p in (y, x)]
    return {"psnr": figure_psnr(x, y), "gradient_energy": float(energy[0] / energy[1])}


def begin_with(folder: Path, start: Path, vae: nn.Module) -> dict:
    """Weights and progress of the newest checkpoint; without one, the autoencoder of the shipped folder ``start``."""
    return {"scaling_factor": json.loads((start / "vae" / "config.json").read_text())["scaling_factor"]} | restore(vae, folder, start)


def train(data: Path, latents: Path, start: Path, out: Path, minutes: float, soft_shards: int, seed: int = 0) -> None:
    """Run until ``minutes`` of training are done, this run and earlier ones together."""
    torch.manual_seed(seed)
    vae = architecture.autoencoder().to(memory_format=torch.channels_last)
    state = begin_with(out, start, vae)
    scale, rng = state["scaling_factor"], np.random.default_rng([seed, state["pictures"]])
    for p in (*vae.encoder.parameters(), *vae.quant_conv.parameters()):
        p.requires_grad_(False)
    trained = [p for p in vae.parameters() if p.requires_grad]
    held = open_shards(data)[0]
    cache_latents(vae, scale, held, out / "latents", "full")
    encoded = open_latents(data, latents)
    soft = [Drawn(d.shard, denoised(d.shard, d.latents, start, out / "latents")) for d in encoded[:soft_shards]]
    probe_z = torch.from_numpy(np.concatenate(np.load(latent_path(held, out / "latents", "full"))[:3]).astype(np.float32)) / scale
    probe_x = to_tensor(np.concatenate(held.rgb[:3]))
    optimizer = torch.optim.AdamW(trained, lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-4, foreach=True)
    began = last_saved = time.monotonic()
    before, step = state["done_s"], 0
    while (share := (before + time.monotonic() - began) / (60 * minutes)) < 1:
        whole = share >= WHOLE_FROM
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * min(1.0, (step + 1) / 40) * max(0.03, 0.5 * (1 + math.cos(math.pi * share)))
        z, x = draw(soft if soft and rng.random() < SOFT_SHARE else encoded, 1 if whole else BATCH, whole, rng)
        y = vae.decode(z.contiguous(memory_format=torch.channels_last) / scale).sample
        loss = reconstruction_loss(x, y) + ENERGY * energy_loss(x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        step += 1
        state["pictures"] += len(x)
        if time.monotonic() - last_saved > 120:
            last_saved = time.monotonic()
            state["done_s"] = before + last_saved - began
            probe_y = decoded(vae, probe_z)
            state["curve"].append({"s": round(state["done_s"]), "pictures": state["pictures"]} | measure(probe_x, probe_y))
            print(json.dumps(state["curve"][-1]), flush=True)
            preview(probe_x[:6], probe_y[:6], out / "preview.png")
            save(vae, out, state)
    state["done_s"] = before + time.monotonic() - began
    state["held_out"] = measure(probe_x, decoded(vae, probe_z))
    print(json.dumps(state["held_out"]), flush=True)
    save(vae, out, state)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--latents", type=Path, required=True, help="full-size latents that diffusion.py encoded")
    parser.add_argument("--start", type=Path, required=True, help="a folder that was shipped")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--soft-shards", type=int, default=2, help="shards whose latents the UNet softens")
    parser.add_argument("--threads", type=int, default=2)
    o = parser.parse_args()
    keep_freed()
    torch.set_num_threads(o.threads)
    train(o.data, o.latents, o.start, o.out, o.minutes, o.soft_shards)
