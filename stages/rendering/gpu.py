"""Whether torch can draw on a GPU here, asked of package metadata and of the system: torch is not imported."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def gpu_problem() -> str | None:
    """None if there seem to be an NVIDIA or AMD device and a torch that can use it, else one sentence."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        return "torch is not installed"
    if sys.platform == "darwin":
        return "Apple's GPUs have no float64, in which edges are compared"
    if "+cpu" in torch or (sys.platform == "win32" and "+cu" not in torch and "+rocm" not in torch):
        return f"torch {torch} was built without a GPU"
    maker = "AMD" if "+rocm" in torch else "NVIDIA"
    if "" in (os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("HIP_VISIBLE_DEVICES")) or not _device(maker):
        return f"there is no {maker} device"
    return None


def _device(maker: str) -> bool:
    """Whether the system shows a card (Linux), the door to one (WSL) or a driver (Windows) of ``maker``."""
    system, dev = Path(os.environ.get("SystemRoot", r"C:\Windows"), "System32"), Path("/dev")
    if sys.platform == "win32":
        return (system / {"AMD": "amdhip64.dll", "NVIDIA": "nvcuda.dll"}[maker]).exists()
    return (dev / "dxg").exists() or ((dev / "kfd").exists() if maker == "AMD" else any(dev.glob("nvidia[0-9]*")))
