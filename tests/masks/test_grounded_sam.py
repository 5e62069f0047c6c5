"""GroundingDINO and SAM through transformers' own classes, small and untrained, written and opened as folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stages.masks import STAGE
from stages.masks.settings import MasksSettings
from third_party.grounded_sam import GroundedSamModel, choose_box, load, word_spans


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    from transformers import (
        BertConfig,
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessorPil,
        SamConfig,
        SamImageProcessorPil,
        SamModel,
        SwinConfig,
    )

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("weights")
    words = ["[PAD]", *(f"[unused{i}]" for i in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"[u{i}]" for i in range(908)), "."]
    vocab = {w: i for i, w in enumerate([*words, *(f"[v{i}]" for i in range(16)), "?", "girl", "hair"])}
    tokenizer = BertTokenizer(vocab=vocab)
    tokenizer.save_pretrained(root / "dino")
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], out_features=["stage2", "stage3", "stage4"], image_size=64),
        text_config=BertConfig(vocab_size=len(vocab), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64),
        d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=64, decoder_ffn_dim=64, num_queries=20,
        encoder_attention_heads=2, decoder_attention_heads=2, num_feature_levels=4, max_text_len=16,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(root / "dino")
    GroundingDinoImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96}).save_pretrained(root / "dino")
    sam = SamConfig(
        vision_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64, "patch_size": 16,
                       "output_channels": 32, "mlp_dim": 64, "global_attn_indexes": [0], "window_size": 2, "num_pos_feats": 16},
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 16},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32},
    )  # fmt: skip
    SamModel(sam).save_pretrained(root / "sam")
    SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64}, mask_size={"longest_edge": 16},
                         mask_pad_size={"height": 16, "width": 16}).save_pretrained(root / "sam")  # fmt: skip
    return root / "dino", root / "sam"


def test_boxes_from_words_and_masks_from_boxes(folders: tuple[Path, Path]) -> None:
    model = load(*folders, "cpu")
    picture = np.random.default_rng(0).random((96, 72, 3)).astype(np.float32)
    mask, figures = model.segment(picture, "Girl", 1e-6, 1e-6, None)
    assert mask.shape == (96, 72) and mask.dtype == bool
    assert figures["boxes"] == 20 and 0 < figures["box_score"] < 1 and figures["weak"] == 0


def test_weak_and_absent_detections() -> None:
    class Detector(GroundedSamModel):
        def detect(self, picture, prompt, box_threshold, text_threshold):
            keep = np.array([self.detector]) >= box_threshold
            return np.array([[1.0, 2.0, 9.0, 12.0]])[keep], np.array([self.detector])[keep]

        def outline(self, picture, box):
            return np.ones(picture.shape[:2], bool), 0.9

    image = np.zeros((16, 16, 3), np.float32)
    for score, found, weak in ((0.5, True, 0.0), (0.2, True, 1.0), (0.1, False, None)):
        mask, figures = Detector(score, None, None, None, "cpu").segment(image, "girl", 0.3, 0.25, None)
        assert mask.any() == found and figures.get("weak") == weak


def test_of_several_boxes_the_body_decides() -> None:
    body = np.zeros((100, 100), bool)
    body[10:90, 40:60] = True
    boxes = np.array([[0.0, 0, 20, 20], [38.0, 8, 62, 92], [0.0, 0, 100, 100]])
    assert choose_box(boxes, np.array([0.6, 0.5, 0.5]), body) == 1
    assert choose_box(boxes, np.array([0.6, 0.5, 0.5]), None) == 0


def test_the_stage_takes_grounded_sam_where_weights_are_named(folders: tuple[Path, Path]) -> None:
    dino, sam = (str(folder) for folder in folders)
    settings = MasksSettings(grounding_dino=dino, sam=sam, box_threshold=1e-6, text_threshold=1e-6)
    (capability,) = STAGE.capabilities(settings)
    first = capability.backends[0]
    assert first.name == "grounded_sam" and first.probe() is None
    assert [m.name for m in STAGE.models(settings)] == ["dino", "sam"]
    mask, figures = first.figure(np.random.default_rng(0).random((96, 72, 3)).astype(np.float32), None, "cpu")
    assert mask.shape == (96, 72) and figures["boxes"] == 20


def test_without_weights_the_reason_is_said(tmp_path: Path) -> None:
    unnamed = STAGE.capabilities(MasksSettings(grounding_dino=None, sam=None))[0].backends[0]
    assert unnamed.probe() == "no weights are named: masks.grounding_dino and masks.sam are empty"
    for given, empty in (("sam", "grounding_dino"), ("grounding_dino", "sam")):
        half = STAGE.capabilities(MasksSettings(**{given: "sam_vit_huge", empty: None}))[0].backends[0]
        assert half.probe() == f"no weights are named: masks.{empty} is empty"
    absent = STAGE.capabilities(MasksSettings(grounding_dino="grounding_dino_base", sam="sam_vit_huge"))[0].backends[0]
    assert absent.probe() is not None and STAGE.models(absent.settings) == ()


def test_auto_takes_the_silhouette_before_the_embedded_networks_and_after_others(tmp_path: Path) -> None:
    (embedded,), (others,) = (STAGE.capabilities(s) for s in (MasksSettings(), MasksSettings(grounding_dino="grounding_dino_base", sam="sam_vit_huge")))
    assert [b.name for b in embedded.backends] == ["silhouette", "grounded_sam"] and [b.name for b in others.backends] == ["grounded_sam", "silhouette"]
    assert not STAGE.models(MasksSettings()) and not list(STAGE.absent(MasksSettings(parts=("hair",))))
    for chosen in (MasksSettings(parts=("hair",)), MasksSettings(backend="grounded_sam")):
        assert [model.name for model in STAGE.models(chosen)] == ["embedded/grounding_dino", "embedded/sam"]


def test_words_stand_between_full_stops() -> None:
    assert word_spans([101, 7, 1012, 8, 9, 1012, 102], 1012) == [[1], [3, 4]]
    assert word_spans([101, 7, 102], 1012) == [[1]]


def test_each_word_gets_a_box_and_each_box_a_mask(folders: tuple[Path, Path]) -> None:
    model = load(*folders, "cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (96, 72, 3), dtype=np.uint8)
    picture = pixels.astype(np.float32) / 255
    boxes, scores = model.boxes_of(pixels, ["girl", "hair"])
    assert boxes.shape == (2, 4) and ((0 < scores) & (scores < 1)).all()
    alone, score = model.boxes_of(pixels, ["girl"])
    assert len(alone) == 1 and (alone[0, 2:] > alone[0, :2]).all()
    low, high = sorted(scores)
    found = model.find_parts(picture, ["girl", "hair"], (low + high) / 2)
    assert [logits is None for logits in found] == [score < high for score in scores]
    for logits, box in zip(found, boxes, strict=True):
        if logits is not None:
            mask, _ = model.outline(pixels, box)
            assert logits.shape == (96, 72) and np.array_equal(logits > 0, mask)
    assert model.find_parts(picture, ["girl"], 1.1) == [None]
    assert model.unread(["girl", "cape"]) == ["cape"]


def test_parts_need_both_networks() -> None:
    with pytest.raises(ValueError, match="parts are found by GroundingDINO and SAM"):
        MasksSettings(parts=("hair",), grounding_dino=None, sam="sam_vit_huge")
    wanted = MasksSettings(parts=("hair",), grounding_dino="grounding_dino_base", sam="sam_vit_huge")
    assert [m.name for m in STAGE.absent(wanted)] == ["grounding_dino_base", "sam_vit_huge"]
