"""Train the small GroundingDINO: boxes in pictures, from words.

    python -m scripts.train.detector --data runs/data --out runs/detector --minutes 40

The class, its loss and the ids of its special tokens are transformers' own (GroundingDINO, Liu et al. 2023). Of each picture some things are
asked for, by one of their words each, and some that are not in it; a thing is one box, however many pieces it has.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import BertConfig, BertTokenizer, GroundingDinoConfig, GroundingDinoForObjectDetection, GroundingDinoImageProcessorPil, SwinConfig
from transformers.image_transforms import center_to_corners_format
from transformers.loss.loss_for_object_detection import box_iou, generalized_box_iou
from transformers.loss.loss_grounding_dino import sigmoid_focal_loss
from transformers.models.grounding_dino.modeling_grounding_dino import build_label_maps, build_text_mask

from scripts.train.rounds import Round, command
from scripts.train.scenes import Scene, draw_scenes, normalised, plain_scene
from scripts.train.shards import open_shards
from scripts.train.things import all_words, box_of, words_for
from third_party.grounded_sam import word_spans

SHORT_SIDE, LONG_SIDE = 96, 128
BATCH = 8
PEAK_RATE = 4e-4
STRIDES = (8, 16, 32)  # of the feature maps
NEAREST = 3  # places, those nearest to a thing's middle, that are to know it and its box
PRIOR_LOGIT = -3.0
LARGER = 0.8  # logit by which a first box exceeds the anchors of two-stage detectors, which are small
LOUDER = 2.5  # by which a query hears more of the picture than of what it was before
TEXT_MIXING = 0.15  # what layers of text add to the words, as a share of what they would
LOSS_WEIGHTS = {"loss_ce": 2.0, "loss_bbox": 5.0, "loss_giou": 2.0}  # as transformers has them
OVERLAPS = 0.5  # by which a box is a thing's
NEGATIVES = 0.75  # weight of words that are not meant
MOST_WORDS = 14  # asked for at once
SPECIAL_IDS = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}  # what transformers' code counts on


def tokenizer() -> BertTokenizer:
    """Words of ``things`` after the special tokens, which stand where BERT has them."""
    taken = {number: token for token, number in SPECIAL_IDS.items()}
    vocab = {taken.get(i, f"[unused{i}]"): i for i in range(max(taken) + 1)}
    pieces = sorted({piece for words in all_words() for piece in words.replace("-", " - ").split()})
    return BertTokenizer(vocab=vocab | {piece: len(vocab) + i for i, piece in enumerate(pieces)})


def detector(vocabulary: int) -> GroundingDinoForObjectDetection:
    """About 1.9 M parameters; sees a picture of 288 x 384 at a third of its size. The usual spread of initial weights, 0.02, is for widths
    of 768; at 64 all words would look alike."""
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            embed_dim=32, depths=[1, 2, 2, 1], num_heads=[1, 2, 4, 4], window_size=8, image_size=256, drop_path_rate=0.0, initializer_range=0.08,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=BertConfig(
            vocab_size=vocabulary, hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=128, max_position_embeddings=80,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.1,
        ),
        d_model=64, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=128, decoder_ffn_dim=128, num_queries=32, encoder_attention_heads=4,
        decoder_attention_heads=4, num_feature_levels=3, max_text_len=64, auxiliary_loss=True, dropout=0.0, fusion_droppath=0.0, init_std=0.08,
    )  # fmt: skip
    net = GroundingDinoForObjectDetection(config)
    _prepare(net)
    return net


@torch.no_grad()
def _prepare(net: GroundingDinoForObjectDetection) -> None:
    """Begin with scores of about 0.05 (Lin et al. 2017, "Focal Loss", 4.1), with boxes about as large as things are, with queries that are what the picture shows
    at their places, and with words that are told apart.

    A score is a product of features of picture and text; both begin apart along one direction. Layers of text that were drawn at random would leave
    every word with nearly the same features (cosines of 0.83 to 0.96), and those of one word would change with its neighbours: so they add little,
    places in the sentence add nothing, and all of it stays as it was drawn. What a picture learns is to point at fixed directions, one a word.
    """
    core = net.model
    apart = F.normalize(torch.randn(net.config.d_model), dim=0) * math.sqrt(-PRIOR_LOGIT)
    for norm, scale, shift in (
        (core.encoder.layers[-1].text_enhancer_layer.layer_norm_after, 0.4, apart), (core.enc_output_norm, 0.6, -apart),
        (core.decoder.layer_norm, 0.6, -apart),
    ):  # fmt: skip
        norm.weight.fill_(scale)
        norm.bias.copy_(shift)
    core.encoder_output_bbox_embed.layers[-1].bias[2:] = LARGER
    core.query_position_embeddings.weight.zero_()
    for layer in core.decoder.layers:
        layer.encoder_attn.output_proj.weight.mul_(LOUDER)
    embeddings = core.text_backbone.embeddings
    embeddings.position_embeddings.weight.zero_()
    embeddings.token_type_embeddings.weight.zero_()
    torch.nn.init.orthogonal_(embeddings.word_embeddings.weight[max(SPECIAL_IDS.values()) + 1 :], math.sqrt(net.config.d_model))
    torch.nn.init.orthogonal_(core.text_projection.weight)
    text = [core.text_backbone, core.text_projection, *(layer.text_enhancer_layer for layer in core.encoder.layers)]
    for part in text:
        part.requires_grad_(False)
        for name, weight in part.named_parameters():
            if name.endswith(("attention.output.dense.weight", "layer.0.output.dense.weight", "out_proj.weight", "fc2.weight")):
                weight.mul_(TEXT_MIXING)
    for layer in core.encoder.layers:
        layer.fusion_layer.text_param.requires_grad_(False)


def loss_of(net: GroundingDinoForObjectDetection, given: dict[str, Tensor | list]) -> Tensor:
    """Of the first stage, and of each layer of the decoder.

    Transformers' own loss matches one query to a thing, and the first stage's boxes get no gradient from it. From nothing, on the pictures that a CPU
    can show in an hour, neither finds its way: of queries with the same box one is to be sure, the others not, and all end up in doubt. Here all may be sure.
    """
    given = dict(given)
    labels, assigned = given.pop("labels"), given.pop("assigned")
    out = net(**given)
    maps = build_label_maps(out.logits, given["input_ids"])
    seen = build_text_mask(out.logits, given["attention_mask"])
    loss = first_stage_loss(out.enc_outputs_class, out.enc_outputs_coord_logits, maps, given["attention_mask"], labels, assigned)
    reference = out.init_reference_points
    for layer, hidden in enumerate(out.intermediate_hidden_states.unbind(1)):
        logits = net.class_embed[layer](hidden, out.encoder_last_hidden_state_text, given["attention_mask"].bool())
        boxes = (net.bbox_embed[layer](hidden) + torch.special.logit(reference, eps=1e-5)).sigmoid()
        loss = loss + layer_loss(logits, boxes, maps, seen, labels)
        reference = out.intermediate_reference_points[:, layer]
    return loss


def layer_loss(logits: Tensor, boxes: Tensor, label_maps: tuple[Tensor, ...], seen: Tensor, labels: list[dict[str, Tensor]]) -> Tensor:
    """Scores (N, queries, tokens) before the sigmoid and boxes (N, queries, 4): a query is to be as sure of a word as its box overlaps the thing's
    (Zhang et al. 2021, "VarifocalNet"), if by OVERLAPS or more or best of all, and to come nearer to the thing it overlaps most. Of the boxes every thing
    counts the same, however many queries lie on it."""
    wanted, found, true, weight = torch.zeros_like(logits), [], [], []
    for i, its in enumerate(labels):
        overlap = box_iou(center_to_corners_format(boxes[i].detach()), center_to_corners_format(its["boxes"]))[0]
        best = overlap == overlap.amax(0)
        sure = torch.where(best, overlap.clamp_min(OVERLAPS), torch.where(overlap >= OVERLAPS, overlap, 0.0))
        words = label_maps[i][its["class_labels"]].float()
        wanted[i, :, : words.shape[1]] = (sure[:, :, None] * words).amax(1)
        query = sure.amax(1).nonzero()[:, 0]
        thing = sure.argmax(1)[query]
        found.append(boxes[i, query])
        true.append(its["boxes"][thing])
        weight.append(1 / torch.bincount(thing, minlength=len(words)).float()[thing])
    score, wanted = logits[seen], wanted[seen]
    heed = torch.where(wanted > 0, wanted, NEGATIVES * score.detach().sigmoid())
    sureness = (heed * F.binary_cross_entropy_with_logits(score, wanted, reduction="none")).sum() / (wanted > 0).sum()
    return LOSS_WEIGHTS["loss_ce"] * sureness + box_loss(torch.cat(found), torch.cat(true), torch.cat(weight))


def box_loss(found: Tensor, true: Tensor, weight: Tensor | None = None) -> Tensor:
    """(n, 4) boxes as centre and size: distance and generalised overlap, mean by ``weight`` (n,)."""
    overlap = generalized_box_iou(center_to_corners_format(found), center_to_corners_format(true)).diagonal()
    loss = LOSS_WEIGHTS["loss_bbox"] * (found - true).abs().sum(1) + LOSS_WEIGHTS["loss_giou"] * (1 - overlap)
    return loss.mean() if weight is None else (weight * loss).sum() / weight.sum()


def first_stage_loss(
    logits: Tensor, boxes: Tensor, label_maps: tuple[Tensor, ...], attention_mask: Tensor, labels: list[dict[str, Tensor]], assigned: Tensor
) -> Tensor:
    """Focal loss of the words at all places, and distance and overlap of the boxes at those that have a thing.

    ``logits`` (N, places, tokens), ``boxes`` (N, places, 4) before the sigmoid, ``assigned`` (N, places) the number of the thing or -1.
    """
    target = torch.zeros_like(logits)
    true, found = [], []
    for i, (places, its) in enumerate(zip(assigned, labels, strict=True)):
        at = torch.nonzero(places >= 0)[:, 0]
        target[i, at, : label_maps[i].shape[1]] = label_maps[i][its["class_labels"]][places[at]].float()
        true.append(its["boxes"][places[at]])
        found.append(boxes[i, at].sigmoid())
    seen = build_text_mask(logits, attention_mask)
    true = torch.cat(true)
    focal = sigmoid_focal_loss(logits[seen], target[seen], len(true))
    return LOSS_WEIGHTS["loss_ce"] * focal + box_loss(torch.cat(found), true)


def asked(scene: Scene, rng: np.random.Generator) -> tuple[list[str], dict[str, str]]:
    """Words in any order, and word -> the thing in the picture that it means; the others are not there."""
    meant = {}
    for thing in scene.things:
        words = words_for(thing, scene.attributes)
        if words and rng.random() < 0.75:
            meant[words[int(rng.integers(len(words)))]] = thing
    if not meant:
        meant["girl"] = "girl"
    true = {word for thing in scene.things for word in words_for(thing, scene.attributes)}
    absent = [word for word in all_words() if word not in true]
    room = max(0, min(MOST_WORDS - len(meant), int(rng.integers(1, 8))))
    words = [*meant, *rng.choice(absent, room, replace=False).tolist()]
    rng.shuffle(words)
    return words, meant


def inputs_of(scenes: list[Scene], asks: list[tuple[list[str], dict[str, str]]], reader: BertTokenizer) -> dict[str, Tensor | list]:
    """What the network is fed, with its labels: boxes as centre and size, shares of the picture."""
    height, width = scenes[0].picture.shape[-2:]
    pictures = normalised(F.interpolate(torch.stack([s.picture for s in scenes]), (LONG_SIDE, SHORT_SIDE), mode="bilinear", antialias=True))
    labels = []
    for scene, (words, meant) in zip(scenes, asks, strict=True):
        boxes = np.stack([box_of(scene.things[thing]) for thing in meant.values()]) / (width, height, width, height)
        boxes = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)
        labels.append({"class_labels": torch.tensor([words.index(w) for w in meant]), "boxes": torch.from_numpy(boxes.astype(np.float32))})
    texts = [". ".join(words) + "." for words, _ in asks]
    given = {**reader(texts, padding=True, return_tensors="pt"), "pixel_values": pictures, "labels": labels}
    return given | {"assigned": torch.stack([assigned_places(its["boxes"]) for its in labels])}


def map_sizes() -> list[tuple[int, int]]:
    """(height, width) of the three feature maps: sides that a stride does not divide are padded."""
    return [(math.ceil(LONG_SIDE / stride), math.ceil(SHORT_SIDE / stride)) for stride in STRIDES]


def assigned_places(boxes: Tensor) -> Tensor:
    """(n, 4) boxes as centre and size, shares of the picture -> (places of the three feature maps, one after another) the number of the box that a
    place is asked for, or -1. A box is asked of the NEAREST free places to its middle, on the map whose places are a third of it or more; the smallest choose first."""
    maps = map_sizes()
    taken = [torch.full((height * width,), -1) for height, width in maps]
    sizes = (boxes[:, 2] * SHORT_SIDE * boxes[:, 3] * LONG_SIDE).sqrt()
    for thing in sizes.argsort().tolist():
        level = sum(float(sizes[thing]) > 3 * stride for stride in STRIDES[:-1])
        (height, width), free = maps[level], taken[level] < 0
        rows = torch.arange(height) + 0.5 - float(boxes[thing, 1]) * height
        columns = torch.arange(width) + 0.5 - float(boxes[thing, 0]) * width
        away = (rows[:, None] ** 2 + columns**2).flatten().masked_fill(~free, torch.inf)
        taken[level][away.topk(NEAREST, largest=False).indices] = thing
    return torch.cat(taken)


@torch.no_grad()
def accuracy(net: GroundingDinoForObjectDetection, reader: BertTokenizer, scenes: list[Scene], rng: np.random.Generator) -> dict[str, float]:
    """Of the things asked for, together with absent ones: the share whose word's best box overlaps the true one by half or more, the mean overlap; and the
    share of words for absent things that find nothing (score below 0.3)."""
    net.eval()
    overlaps, quiet, total = [], 0, 0
    for scene in scenes:
        words, meant = asked(scene, rng)
        given = inputs_of([scene], [(words, meant)], reader)
        labels, _ = given.pop("labels")[0], given.pop("assigned")
        out = net(**given)
        score = _word_scores(out.logits[0].sigmoid(), given["input_ids"][0])
        for i, word in enumerate(words):
            best = int(score[:, i].argmax())
            if word in meant:
                overlaps.append(_overlap(out.pred_boxes[0, best], labels["boxes"][labels["class_labels"].tolist().index(i)]))
            else:
                quiet, total = quiet + int(score[best, i] < 0.3), total + 1
    net.train()
    found = np.array(overlaps)
    return {"found": float((found >= 0.5).mean()), "overlap": float(found.mean()), "quiet": quiet / max(total, 1)}


def _word_scores(scores: Tensor, tokens: Tensor) -> Tensor:
    """Scores of tokens (queries, tokens) -> (queries, words): the best token of each word between full stops."""
    return torch.stack([scores[:, span].amax(1) for span in word_spans(tokens.tolist(), SPECIAL_IDS["."])], 1)


def _overlap(a: Tensor, b: Tensor) -> float:
    """Intersection over union of two boxes given as centre and size."""
    low = torch.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2)
    high = torch.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
    shared = (high - low).clamp_min(0).prod()
    return float(shared / (a[2:].prod() + b[2:].prod() - shared))


def train(data: Path, out: Path, minutes: float, start: Path | None = None, seed: int = 0) -> None:
    """Run until ``minutes`` are done, this run and earlier ones together, from the shipped folder ``start`` if there is one; writes a folder as transformers
    opens it."""
    torch.manual_seed(seed)
    reader = tokenizer()
    net = detector(len(reader))
    if start is not None:
        shipped = GroundingDinoForObjectDetection.from_pretrained(start / "grounding_dino", local_files_only=True, dtype=torch.float32)
        net.load_state_dict(shipped.state_dict())
    shards = open_shards(data)
    held = [plain_scene(shards[0], c, v) for c in range(len(shards[0].attributes)) for v in range(0, 6, 2)][:60]
    trained = Round(net, out, minutes)
    rng = np.random.default_rng([seed, trained.pictures])
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=PEAK_RATE, weight_decay=1e-4, foreach=True)
    while trained.share < 1:
        if trained.step % 500 == 0:
            shards = open_shards(data)
        for group in optimizer.param_groups:
            group["lr"] = trained.rate(PEAK_RATE)
        scenes = draw_scenes(shards[1:], BATCH, rng, half=True)
        loss = loss_of(net, inputs_of(scenes, [asked(s, rng) for s in scenes], reader))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        trained.stepped(BATCH, float(loss.detach()), lambda: accuracy(net, reader, held[:20], np.random.default_rng(1)))
    figures = trained.finish(lambda: accuracy(net, reader, held, np.random.default_rng(1)))
    net.to(torch.float16).save_pretrained(out)
    reader.save_pretrained(out)
    GroundingDinoImageProcessorPil(size={"shortest_edge": SHORT_SIDE, "longest_edge": 2 * LONG_SIDE}).save_pretrained(out)
    print(json.dumps(figures))


if __name__ == "__main__":
    command(__doc__, train, 40, start="may")
