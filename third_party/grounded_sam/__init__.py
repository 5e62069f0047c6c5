"""Door to GroundingDINO (Liu et al. 2023) and SAM (Kirillov et al. 2023) as transformers implements them.

Folders are transformers' own layout with safetensors; nothing is downloaded. Pictures are resized by the PIL processors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

_WEAKER = 0.6  # thresholds are lowered to this share once when nothing is found
_BODY_WEIGHT = 0.5  # share of a box's rank that overlap with the posed body has


@lru_cache(maxsize=1)
def load(grounding_dino: Path, sam: Path, device: str) -> GroundedSamModel:
    """Open both networks once a process. Raises OSError if a folder is incomplete."""
    from transformers import (
        AutoTokenizer,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessorPil,
        GroundingDinoProcessor,
        SamImageProcessorPil,
        SamModel,
        SamProcessor,
    )

    local: dict[str, Any] = {"local_files_only": True}
    processor = GroundingDinoProcessor(
        GroundingDinoImageProcessorPil.from_pretrained(grounding_dino, **local), AutoTokenizer.from_pretrained(grounding_dino, **local)
    )
    return GroundedSamModel(
        GroundingDinoForObjectDetection.from_pretrained(grounding_dino, use_safetensors=True, **local).to(device).eval(),
        processor,
        SamModel.from_pretrained(sam, use_safetensors=True, **local).to(device).eval(),
        SamProcessor(SamImageProcessorPil.from_pretrained(sam, **local)),
        device,
    )


@dataclass(frozen=True, eq=False)
class GroundedSamModel:
    """Both networks with their processors."""

    detector: Any
    detector_processor: Any
    segmenter: Any
    segmenter_processor: Any
    device: str

    def segment(
        self, image: np.ndarray, prompt: str, box_threshold: float, text_threshold: float, body: np.ndarray | None
    ) -> tuple[np.ndarray, dict[str, float]]:
        """(H, W, 3) float sRGB -> (H, W) bool mask of the best box for ``prompt`` and its scores; empty if there is none.

        Of several boxes the one with the best score and, where ``body`` is given, overlap with it is taken. If nothing is
        found, thresholds are lowered once; ``weak`` is 1 then.
        """
        picture = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
        for factor in (1.0, _WEAKER):
            boxes, scores = self.detect(picture, prompt, factor * box_threshold, factor * text_threshold)
            if len(boxes):
                best = choose_box(boxes, scores, body)
                mask, quality = self.outline(picture, boxes[best])
                return mask, {
                    "box_score": float(scores[best]), "boxes": float(len(boxes)), "sam_iou": quality, "weak": float(factor < 1),
                }  # fmt: skip
        return np.zeros(picture.shape[:2], bool), {"boxes": 0.0}

    def detect(self, picture: np.ndarray, prompt: str, box_threshold: float, text_threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n, 4) as x0 y0 x1 y1 in pixels and scores (n,) for ``prompt`` in ``picture`` (H, W, 3) uint8."""
        import torch

        text = prompt.strip().lower().rstrip(".") + "."
        inputs = self.detector_processor(images=picture, text=text, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            outputs = self.detector(**inputs)
        found = self.detector_processor.post_process_grounded_object_detection(
            outputs, inputs["input_ids"], threshold=box_threshold, text_threshold=text_threshold, target_sizes=[picture.shape[:2]]
        )[0]
        return found["boxes"].cpu().numpy(), found["scores"].cpu().numpy()

    def outline(self, picture: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, float]:
        """SAM's best of three masks (H, W) bool for a box in pixels, and the quality SAM predicts for it."""
        import torch

        inputs = self.segmenter_processor(images=picture, input_boxes=[[box.tolist()]], return_tensors="pt").to(self.device)
        sizes, reshaped = inputs["original_sizes"], inputs["reshaped_input_sizes"]
        with torch.inference_mode():
            outputs = self.segmenter(**{k: v for k, v in inputs.items() if k in ("pixel_values", "input_boxes")}, multimask_output=True)
        masks = self.segmenter_processor.image_processor.post_process_masks(outputs.pred_masks.cpu(), sizes.cpu(), reshaped.cpu())[0]
        quality = outputs.iou_scores[0, 0].cpu()
        best = int(quality.argmax())
        return masks[0, best].numpy().astype(bool), float(quality[best])


def choose_box(boxes: np.ndarray, scores: np.ndarray, body: np.ndarray | None) -> int:
    """Index of the box with the highest score, weighed with its overlap with the body's bounding box if one is given."""
    rank = scores.astype(float)
    if body is not None and body.any():
        rows, columns = np.nonzero(body.any(1))[0], np.nonzero(body.any(0))[0]
        truth = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)
        low, high = np.maximum(boxes[:, :2], truth[:2]), np.minimum(boxes[:, 2:], truth[2:])
        shared = np.clip(high - low, 0, None).prod(1)
        union = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (truth[2:] - truth[:2]).prod() - shared
        rank = (1 - _BODY_WEIGHT) * rank + _BODY_WEIGHT * shared / union
    return int(rank.argmax())
