"""What the denoising really took, kept in the manifest beside what was expected: the next forecast goes by it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pipeline.stage import StageContext
from stages.views.denoise import Denoiser
from stages.views.estimate import Estimate


@contextmanager
def measured(expected: Estimate, chunk: int, denoiser: Denoiser, context: StageContext) -> Iterator[None]:
    """Fill ``context.figures``: seconds and floating-point operations of this attempt, peaks in bytes."""
    on_gpu, began = context.device == "cuda", time.monotonic()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    yield
    context.figures.update(
        seconds=time.monotonic() - began, flops=denoiser.evaluations * expected.evaluation_flops, expected_peak_bytes=expected.peak(chunk),
        **({"gpu_peak_bytes": torch.cuda.max_memory_allocated()} if on_gpu else {}),
    )
