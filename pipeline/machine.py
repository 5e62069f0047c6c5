"""What this machine offers, asked of the system and of package metadata: nothing heavy is imported."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
                    "NUMBA_NUM_THREADS")
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DISABLE_TELEMETRY": "1",
           "TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error",
           "DIFFUSERS_VERBOSITY": "error"}
PACKAGES = ("torch", "numpy", "numba", "scipy", "diffusers", "transformers", "safetensors", "pillow", "trimesh", "xatlas", "pydantic")


def cores() -> int:
    """Cores that this process may use: affinity and the container's quota respected."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return count
    return count if quota == "max" else max(1, min(count, round(int(quota) / int(period))))


def limit_threads(threads: int) -> int:
    """Tell the numerical libraries, before they load, how many threads to use; returns the number.

    0 takes OMP_NUM_THREADS where the user has set it, else all cores.
    """
    said = os.environ.get("OMP_NUM_THREADS", "")
    number = threads or (int(said) if said.isdigit() and int(said) > 0 else cores())
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(number)
    return number


def go_offline() -> None:
    """A run never touches the network: say so to the libraries that would."""
    os.environ.update(OFFLINE)


def device(wanted: str) -> str:
    """"cpu" or "cuda" for the setting ``device``. What ``auto`` finds is decided without importing torch."""
    if wanted != "auto":
        return wanted
    return "cuda" if cuda_problem() is None else "cpu"


def cuda_problem() -> str | None:
    """None if a CUDA device and a torch that can use it seem to be here, else a sentence."""
    torch = version_of("torch")
    if torch is None:
        return "torch is not installed"
    if "+cpu" in torch or (sys.platform == "win32" and "+cu" not in torch):
        return f"torch {torch} was built without CUDA"
    if not _nvidia_device() or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return "there is no NVIDIA device"
    return None


def _nvidia_device() -> bool:
    """Whether the system shows a card (Linux), the door to one (WSL) or a driver (Windows)."""
    driver = Path(os.environ.get("SystemRoot", r"C:\Windows"), "System32", "nvcuda.dll")
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists() or (sys.platform == "win32" and driver.exists())


def version_of(package: str) -> str | None:
    """Installed version of a package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Python and the packages that results may depend on."""
    found = {name: version_of(name) for name in PACKAGES}
    return {"python": platform.python_version(), "platform": sys.platform, **{k: v for k, v in found.items() if v}}


def memory_bytes() -> int | None:
    """Memory that this process may use, or None where the system does not say."""
    limits = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    try:
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        pass
    return min(limits, default=None)
