"""Train the small GroundingDINO: boxes in pictures, from words.

    python -m scripts.train.detector --data runs/data --out runs/detector --minutes 40

The class, its loss and the ids of its special tokens are transformers' own (GroundingDINO, Liu et al. 2023). Of each picture some things are
asked for, by one of their words each, and some that are not in it; a thing is one box, however many pieces it has.
"""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import BertConfig, BertTokenizer, GroundingDinoConfig, GroundingDinoForObjectDetection, GroundingDinoImageProcessorPil, SwinConfig
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
PLACES = 20.0  # weight of what places know, which is a mean over places where transformers sums
PRIOR_LOGIT = -3.0
LARGER = 1.8  # logit by which a first box exceeds the anchors of two-stage detectors, which are small
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
        d_model=64, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=128, decoder_ffn_dim=128, num_queries=16, encoder_attention_heads=4,
        decoder_attention_heads=4, num_feature_levels=3, max_text_len=64, auxiliary_loss=True, dropout=0.0, fusion_droppath=0.0, init_std=0.08,
    )  # fmt: skip
    net = GroundingDinoForObjectDetection(config)
    _prepare(net)
    return net


@torch.no_grad()
def _prepare(net: GroundingDinoForObjectDetection) -> None:
    """Begin with scores of about 0.05 (Lin et al. 2017, "Focal Loss", 4.1) and with boxes as large as things are.

    A score is a product of features of picture and text; both begin apart along one direction. What words are told from one another by stays as it
    was drawn: left to train, texts shrink to what all words have in common before pictures have learnt to point at one of them.
    """
    core = net.model
    apart = F.normalize(torch.randn(net.config.d_model), dim=0) * math.sqrt(-PRIOR_LOGIT)
    for norm, scale, shift in (
        (core.encoder.layers[-1].text_enhancer_layer.layer_norm_after, 0.2, apart), (core.enc_output_norm, 1.0, -apart),
        (core.decoder.layer_norm, 1.0, -apart),
    ):  # fmt: skip
        norm.weight.fill_(scale)
        norm.bias.copy_(shift)
    core.encoder_output_bbox_embed.layers[-1].bias[2:] = LARGER
    for part in (core.text_backbone, core.text_projection, *(layer.text_enhancer_layer for layer in core.encoder.layers)):
        part.requires_grad_(False)
    for layer in core.encoder.layers:
        layer.fusion_layer.text_param.requires_grad_(False)


def loss_of(net: GroundingDinoForObjectDetection, given: dict[str, Tensor | list]) -> Tensor:
    """Transformers' loss; the same for the proposals of the first stage, whose boxes get no gradient from it; and whether each place of the
    feature maps knows the things that cover it, without which words are told apart late."""
    given = dict(given)
    where = given.pop("where")
    out = net(**given)
    alone = copy.copy(net.config)
    alone.two_stage = alone.auxiliary_loss = False
    first = net.loss_function(
        out.enc_outputs_class, given["labels"], net.device, out.enc_outputs_coord_logits.sigmoid(), alone,
        build_label_maps(out.logits, given["input_ids"]), build_text_mask(out.enc_outputs_class, given["attention_mask"]),
    )[0]
    seen = given["attention_mask"].bool()[:, None].expand_as(where)
    places = F.binary_cross_entropy_with_logits(out.enc_outputs_class[..., : where.shape[2]][seen], where[seen])
    return out.loss + first + PLACES * places


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
    room = max(0, min(MOST_WORDS - len(meant), int(rng.integers(0, 6))))
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
    return given | {"where": where_of(scenes, asks, given["input_ids"])}


def where_of(scenes: list[Scene], asks: list[tuple[list[str], dict[str, str]]], tokens: Tensor) -> Tensor:
    """(N, places, tokens) in [0, 1]: how much of each place of the three feature maps, one after another, the thing covers that a token
    belongs to the word of."""
    sizes = [(LONG_SIDE // stride, SHORT_SIDE // stride) for stride in STRIDES]
    where = torch.zeros(len(scenes), sum(h * w for h, w in sizes), tokens.shape[1])
    for i, (scene, (words, meant)) in enumerate(zip(scenes, asks, strict=True)):
        spans = word_spans(tokens[i].tolist(), SPECIAL_IDS["."])
        for word, thing in meant.items():
            mask = torch.from_numpy(scene.things[thing].astype(np.float32))[None, None]
            cover = torch.cat([F.adaptive_avg_pool2d(mask, size).flatten() for size in sizes])
            where[i][:, spans[words.index(word)]] = cover[:, None]
    return where


@torch.no_grad()
def accuracy(net: GroundingDinoForObjectDetection, reader: BertTokenizer, scenes: list[Scene], rng: np.random.Generator) -> dict[str, float]:
    """Of the things asked for, together with absent ones: the share whose word's best box overlaps the true one by half or more, the mean overlap; and the
    share of words for absent things that find nothing (score below 0.3)."""
    net.eval()
    overlaps, quiet, total = [], 0, 0
    for scene in scenes:
        words, meant = asked(scene, rng)
        given = inputs_of([scene], [(words, meant)], reader)
        labels, _ = given.pop("labels")[0], given.pop("where")
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


def train(data: Path, out: Path, minutes: float, seed: int = 0) -> None:
    """Run until ``minutes`` are done, this run and earlier ones together; writes a folder as transformers opens it."""
    torch.manual_seed(seed)
    reader = tokenizer()
    net = detector(len(reader))
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
    command(__doc__, train, 40)
