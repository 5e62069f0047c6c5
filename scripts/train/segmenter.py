"""Train the small SAM: masks in pictures, from boxes (and now and then from a point).

    python -m scripts.train.segmenter --data runs/data --out runs/segmenter --minutes 50

The class is transformers' own; the loss is that of the paper (Kirillov et al. 2023, A.3): focal and dice, 20 : 1, on the best of three masks, and
the squared error of the quality that the network gives each.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F
from transformers import SamConfig, SamImageProcessorPil, SamModel

from scripts.train.rounds import Round, command
from scripts.train.scenes import Scene, draw_scenes, normalised, plain_scene
from scripts.train.shards import open_shards
from scripts.train.things import box_of

SIDE, PATCH, WIDTH = 384, 8, 96
BATCH, PROMPTS = 4, 5
PEAK_RATE, FURTHER_RATE = 8e-4, 2e-4  # from nothing; from weights that were shipped, which longer steps throw back
HALF_SHARE = 0.4  # of the time, at first, pictures are half as large: a fifth of the cost
POINT_SHARE = 0.15  # of the batches that are prompted by a point inside each thing
BOX_ERROR, MOST_PX = 0.06, 16.0  # of its sides, and at most: what a detector's boxes are off by
FOCAL, DICE = 20.0, 1.0
BOUNDARY_PX = 2


def segmenter(side: int = SIDE) -> SamModel:
    """About 0.9 M parameters; pictures are at most ``side`` long, masks half as fine."""
    net = SamModel(
        SamConfig(
            vision_config={"hidden_size": WIDTH, "num_hidden_layers": 5, "num_attention_heads": 4, "image_size": side, "patch_size": PATCH,
                           "output_channels": 64, "mlp_dim": 3 * WIDTH, "global_attn_indexes": [2, 4], "window_size": 12, "num_pos_feats": 32,
                           "scale": 1.0, "use_rel_pos": False, "initializer_range": 0.06},
            prompt_encoder_config={"hidden_size": 64, "image_size": side, "patch_size": PATCH, "mask_input_channels": 8},
            mask_decoder_config={"hidden_size": 64, "mlp_dim": 192, "num_attention_heads": 4, "iou_head_hidden_dim": 64},
        )
    )  # fmt: skip
    _prepare(net)
    return net


def _prepare(net: SamModel) -> None:
    """Begin as SAM's paper does, where transformers, which opens what was trained elsewhere, draws 0.02 for all weights: so corners of a box are
    not lost beside their places, and boxes are heard. What places are told by stays as it was drawn (the default ``scale`` of transformers, half of
    the width, would put neighbouring pixels as far apart as any two)."""
    net.shared_image_embedding.positional_embedding.requires_grad_(False)
    for module in (*net.prompt_encoder.modules(), *net.mask_decoder.modules()):
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d | torch.nn.ConvTranspose2d | torch.nn.Embedding):
            module.reset_parameters()


def prompts_of(scene: Scene, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """PROMPTS things drawn from the scene: masks (P, H, W) bool, loose boxes (P, 4), and a point inside each (P, 2), pixels."""
    masks = [scene.things[thing] for thing in rng.choice(list(scene.things), PROMPTS)]
    boxes, points = [], []
    for mask in masks:
        box = box_of(mask)
        size = np.tile(box[2:] - box[:2], 2)
        boxes.append(box + np.clip(rng.normal(0, BOX_ERROR, 4) * size, -MOST_PX, MOST_PX))
        rows, columns = np.nonzero(mask)
        at = int(rng.integers(len(rows)))
        points.append((columns[at] + 0.5, rows[at] + 0.5))
    return np.stack(masks), np.stack(boxes), np.array(points)


def padded(pictures: Tensor, side: int) -> Tensor:
    """(..., H, W) -> (..., side, side), as SAM's processor pads: zeros at the right and below."""
    return F.pad(pictures, (0, side - pictures.shape[-1], 0, side - pictures.shape[-2]))


def mask_loss(logits: Tensor, quality: Tensor, truth: Tensor) -> Tensor:
    """Logits (B, P, 3, h, w), quality (B, P, 3), truth (B, P, h, w) in [0, 1] -> mean loss of the best mask of each prompt."""
    truth = truth[:, :, None].expand_as(logits)
    cross = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    chance = logits.sigmoid()
    right = chance * truth + (1 - chance) * (1 - truth)
    focal = (cross * (1 - right) ** 2).mean((-2, -1))
    dice = 1 - (2 * (chance * truth).sum((-2, -1)) + 1) / (chance.sum((-2, -1)) + truth.sum((-2, -1)) + 1)
    best = (FOCAL * focal + DICE * dice).amin(-1).mean()
    return best + F.mse_loss(quality, overlaps(logits.detach() > 0, truth > 0.5))


def overlaps(found: Tensor, truth: Tensor) -> Tensor:
    """Intersection over union of bool masks (..., h, w)."""
    return (found & truth).sum((-2, -1)) / (found | truth).sum((-2, -1)).clamp_min(1)


def step_loss(net: SamModel, scenes: list[Scene], rng: np.random.Generator) -> Tensor:
    """The loss of one batch."""
    side = net.config.vision_config.image_size
    masks, boxes, points = (np.stack(part) for part in zip(*(prompts_of(s, rng) for s in scenes), strict=True))
    given = {"input_boxes": torch.from_numpy(boxes.astype(np.float32))}
    if rng.random() < POINT_SHARE:
        given = {"input_points": torch.from_numpy(points.astype(np.float32))[:, :, None], "input_labels": torch.ones(points.shape[:2], dtype=torch.long)[..., None]}
    pictures = normalised(torch.stack([s.picture for s in scenes]))
    out = net(pixel_values=padded(pictures, side), **given, multimask_output=True)
    truth = padded(torch.from_numpy(masks.astype(np.float32)), side)
    return mask_loss(out.pred_masks, out.iou_scores, F.avg_pool2d(truth, side // out.pred_masks.shape[-1]))


def boundary_f(found: np.ndarray, truth: np.ndarray, reach_px: int = BOUNDARY_PX) -> float:
    """Harmonic mean of the shares of two masks' (H, W) outlines that lie within ``reach_px`` of the other's."""
    outlines = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    if not (outlines[0].any() and outlines[1].any()):
        return float(outlines[0].any() == outlines[1].any())
    far = [ndimage.distance_transform_edt(~line) for line in outlines]
    precision, recall = (float((far[1 - i][outlines[i]] <= reach_px).mean()) for i in (0, 1))
    return 2 * precision * recall / max(precision + recall, 1e-9)


@torch.no_grad()
def accuracy(net: SamModel, scenes: list[Scene]) -> dict[str, float]:
    """Mean overlap of the girl, and of her parts, with the mask that the network itself thinks best, from true boxes; the girl's boundary F."""
    net.eval()
    side = net.config.vision_config.image_size
    scores: dict[str, list[float]] = {"girl": [], "parts": [], "boundary": []}
    for scene in scenes:
        height, width = scene.picture.shape[-2:]
        boxes = torch.from_numpy(np.stack([box_of(m) for m in scene.things.values()]))[None]
        out = net(pixel_values=padded(normalised(scene.picture[None]), side), input_boxes=boxes, multimask_output=True)
        best = out.iou_scores[0].argmax(-1)
        logits = F.interpolate(out.pred_masks[0][torch.arange(len(best)), best][None], (side, side), mode="bilinear")[0, :, :height, :width]
        for thing, its, truth in zip(scene.things, logits > 0, scene.things.values(), strict=True):
            scores["girl" if thing == "girl" else "parts"].append(float(overlaps(its, torch.from_numpy(truth))))
            if thing == "girl":
                scores["boundary"].append(boundary_f(its.numpy(), truth))
    net.train()
    return {name: float(np.mean(values)) for name, values in scores.items()}


def train(data: Path, out: Path, minutes: float, start: Path | None = None, seed: int = 0) -> None:
    """Run until ``minutes`` are done, this run and earlier ones together, from the shipped folder ``start`` at full size alone; writes a folder as
    transformers opens it."""
    torch.manual_seed(seed)
    net = segmenter()
    if start is None:
        half = segmenter(SIDE // 2)
        taught(half, data, out / "half", minutes * HALF_SHARE, seed)
        enlarge(half, net)
    else:
        net.load_state_dict(SamModel.from_pretrained(start / "sam", local_files_only=True, dtype=torch.float32).state_dict())
    figures = taught(net, data, out, minutes * (1 - HALF_SHARE), seed) if start is None else taught(net, data, out, minutes, seed, FURTHER_RATE)
    net.to(torch.float16).save_pretrained(out)
    side = {"height": SIDE, "width": SIDE}
    low = SIDE // PATCH * 4
    SamImageProcessorPil(size={"longest_edge": SIDE}, pad_size=side, mask_size={"longest_edge": low},
                         mask_pad_size={"height": low, "width": low}).save_pretrained(out)  # fmt: skip
    print(json.dumps(figures))


@torch.no_grad()
def enlarge(small: SamModel, net: SamModel) -> None:
    """Give ``net`` the weights of ``small``, which sees smaller pictures: its places lie further apart."""
    weights = small.state_dict()
    places = "vision_encoder.pos_embed"
    size = net.vision_encoder.pos_embed.shape[1:3]
    weights[places] = F.interpolate(weights[places].permute(0, 3, 1, 2), size, mode="bilinear").permute(0, 2, 3, 1)
    net.load_state_dict(weights)


def taught(net: SamModel, data: Path, out: Path, minutes: float, seed: int, peak: float = PEAK_RATE) -> dict[str, float]:
    """A round at the size that ``net`` sees, steps up to ``peak`` long; its figures on held-out pictures."""
    half = net.config.vision_config.image_size < SIDE
    shards = open_shards(data)
    held = [plain_scene(shards[0], c, v, half) for c in range(len(shards[0].attributes)) for v in range(0, 6, 2)][:60]
    trained = Round(net, out, minutes)
    rng = np.random.default_rng([seed, trained.pictures])
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-3, foreach=True)
    while trained.share < 1:
        if trained.step % 500 == 0:
            shards = open_shards(data)
        for group in optimizer.param_groups:
            group["lr"] = trained.rate(peak)
        loss = step_loss(net, draw_scenes(shards[1:], BATCH, rng, half), rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        trained.stepped(BATCH, float(loss.detach()), lambda: accuracy(net, held[:16]))
    return trained.finish(lambda: accuracy(net, held))


if __name__ == "__main__":
    command(__doc__, train, 50, start="may")
