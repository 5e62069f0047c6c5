"""Door to GroundingDINO (Liu et al. 2023) and SAM (Kirillov et al. 2023) as transformers implements them.

Folders are transformers' own layout with safetensors; nothing is downloaded. Pictures are resized by the PIL processors.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    import torch
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
    weights: dict[str, Any] = {"use_safetensors": True, "dtype": torch.float32} | local  # files in half precision are opened in full
    processor = GroundingDinoProcessor(
        GroundingDinoImageProcessorPil.from_pretrained(grounding_dino, **local), AutoTokenizer.from_pretrained(grounding_dino, **local)
    )
    return GroundedSamModel(
        GroundingDinoForObjectDetection.from_pretrained(grounding_dino, **weights).to(device).eval(),
        processor,
        SamModel.from_pretrained(sam, **weights).to(device).eval(),
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

    def unread(self, words: Sequence[str]) -> list[str]:
        """Those of ``words`` that the detector's tokenizer has no pieces for."""
        tokenizer = self.detector_processor.tokenizer
        return [word for word in words if tokenizer.unk_token_id in tokenizer(word)["input_ids"]]

    def find_parts(self, image: np.ndarray, words: Sequence[str], box_threshold: float) -> list[np.ndarray | None]:
        """For each word the logits (H, W) float32 of where its thing is, above 0 inside, or None if it is not in the picture, (H, W, 3) float
        sRGB. Both networks look at the picture once."""
        picture = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
        boxes, scores = self.boxes_of(picture, words)
        found = np.flatnonzero(scores >= box_threshold)
        logits, quality = self._masks(picture, boxes[found]) if len(found) else (np.empty((0, 3, 1, 1)), np.empty((0, 3)))
        best = {int(i): its[int(its_quality.argmax())] for i, its, its_quality in zip(found, logits, quality, strict=True)}
        return [best.get(i) for i in range(len(words))]

    def boxes_of(self, picture: np.ndarray, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The best box of each word, (n, 4) as x0 y0 x1 y1 in pixels, and its score (n,), in ``picture`` (H, W, 3) uint8.

        A box's score for a word is that of its best token, as GroundingDINO's own selection has it.
        """
        import torch

        text = ". ".join(word.strip().lower().rstrip(".") for word in words) + "."
        inputs = self.detector_processor(images=picture, text=text, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            outputs = self.detector(**inputs)
        spans = word_spans(inputs["input_ids"][0].tolist(), self.detector_processor.tokenizer.convert_tokens_to_ids("."))
        scores = torch.stack([outputs.logits[0, :, span].sigmoid().amax(1) for span in spans], 1)
        best = scores.argmax(0)
        middle, size = outputs.pred_boxes[0, best].split(2, dim=1)
        height, width = picture.shape[:2]
        boxes = torch.cat([middle - size / 2, middle + size / 2], 1).cpu().numpy() * (width, height, width, height)
        return boxes, scores.amax(0).cpu().numpy()

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
        logits, quality = self._masks(picture, box[None])
        best = int(quality[0].argmax())
        return logits[0, best] > 0, float(quality[0, best])

    def _masks(self, picture: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, 3, H, W) of SAM's three masks for each of n boxes in pixels, and the quality (n, 3) that it predicts for them."""
        import torch

        inputs = self.segmenter_processor(images=picture, input_boxes=[boxes.tolist()], return_tensors="pt").to(self.device)
        with torch.inference_mode():
            outputs = self.segmenter(**{k: v for k, v in inputs.items() if k in ("pixel_values", "input_boxes")}, multimask_output=True)
        masks = self.segmenter_processor.image_processor.post_process_masks(
            outputs.pred_masks.cpu(), inputs["original_sizes"].cpu(), inputs["reshaped_input_sizes"].cpu(), binarize=False
        )[0]
        return masks.float().numpy(), outputs.iou_scores[0].cpu().numpy()


def word_spans(tokens: Sequence[int], stop: int) -> list[list[int]]:
    """Where in ``tokens`` each word stands: the positions between full stops (``stop``), without what opens and closes the text."""
    spans: list[list[int]] = [[]]
    for place, token in enumerate(tokens[1:-1], 1):
        if token == stop:
            spans.append([])
        else:
            spans[-1].append(place)
    return [span for span in spans if span]


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
