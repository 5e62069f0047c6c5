"""What running out of memory looks like: torch says it in several ways."""

from __future__ import annotations

import gc

import torch

WORDS = ("DefaultCPUAllocator", "not enough memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
SHORT = (MemoryError, RuntimeError)  # to be caught, and asked with ``is_shortage``; torch.OutOfMemoryError is a RuntimeError


def is_shortage(error: Exception) -> bool:
    """Whether ``error`` says that there is no memory left; other errors of torch's are none of it."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(words in str(error) for words in WORDS)


def clear_up() -> None:
    """Let go of what a failed attempt left, on the GPU too. To be called when its error is gone, for that holds the tensors."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
