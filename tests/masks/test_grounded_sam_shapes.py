"""GroundingDINO and SAM at real size, without their weights: on torch's meta device.

Shapes are those of the published architectures that ``third_party/models.toml`` names. ``grounding_dino_base``: a Swin-B backbone of
window 12 at 384 pixels (Liu et al. 2021), bert-base-uncased for the words (Devlin et al. 2019), and the six encoder and six decoder layers
of Grounding DINO with 900 queries (Liu et al. 2023). ``sam_vit_huge``: the ViT-H of SAM at 1024 pixels, global attention in
every eighth layer (Kirillov et al. 2023). The numbers of parameters pin what transformers makes of them; no weights were compared.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SamConfig, SamModel, SwinConfig

from third_party.models import registry

GLOBAL_LAYERS = [7, 15, 23, 31]


@pytest.fixture(scope="module")
def detector() -> GroundingDinoForObjectDetection:
    swin = SwinConfig(
        embed_dim=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32], window_size=12, image_size=384,
        out_features=["stage2", "stage3", "stage4"],
    )
    with torch.device("meta"):
        return GroundingDinoForObjectDetection(GroundingDinoConfig(backbone_config=swin, text_config=BertConfig()))


@pytest.fixture(scope="module")
def segmenter() -> SamModel:
    vision = {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16, "mlp_dim": 5120, "global_attn_indexes": GLOBAL_LAYERS}
    with torch.device("meta"):
        return SamModel(SamConfig(vision_config=vision))


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_sizes_are_those_of_the_published_models(detector: GroundingDinoForObjectDetection, segmenter: SamModel) -> None:
    assert parameters(detector) == 232_315_264
    assert parameters(segmenter) == 641_090_864
    for name, network in (("grounding_dino_base", detector), ("sam_vit_huge", segmenter)):
        held_gb = 4 * parameters(network) / 1e9  # the published files hold float32
        assert held_gb == pytest.approx(registry()[name].size_gb, rel=0.02)


def test_the_detector_reads_words_and_three_scales_of_the_picture(detector: GroundingDinoForObjectDetection) -> None:
    core = detector.model
    assert parameters(core.text_backbone.embeddings.word_embeddings) == 30522 * 768
    assert (len(core.encoder.layers), len(core.decoder.layers), core.query_position_embeddings.num_embeddings) == (6, 6, 900)
    with torch.device("meta"), torch.inference_mode():
        features = core.backbone.conv_encoder.model(torch.empty(1, 3, 768, 576)).feature_maps
    assert [tuple(f.shape) for f in features] == [(1, 256, 96, 72), (1, 512, 48, 36), (1, 1024, 24, 18)]


def test_the_segmenter_makes_three_masks_of_a_box(segmenter: SamModel) -> None:
    seen = {i: layer.attn.rel_pos_h.shape for i, layer in enumerate(segmenter.vision_encoder.layers)}
    assert seen == {i: (127 if i in GLOBAL_LAYERS else 27, 80) for i in range(32)}
    with torch.device("meta"), torch.inference_mode():
        out = segmenter(pixel_values=torch.empty(1, 3, 1024, 1024), input_boxes=torch.empty(1, 1, 4), multimask_output=True)
    assert out.pred_masks.shape == (1, 1, 3, 256, 256) and out.iou_scores.shape == (1, 1, 3)
