"""A sentence on what painting will take, for the person who is about to wait. Nothing heavy is imported, nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping

from stages.views.chunks import chunk_for
from stages.views.estimate import Estimate, Painting, estimate
from stages.views.free_memory import free_bytes
from stages.views.settings import ViewsSettings
from third_party import models

FLOPS_A_THREAD = 40e9  # a second, float32, of one thread of a CPU: assumed until something was painted here
FIGURES = ("flops", "seconds")  # of the last painting


def forecast(settings: ViewsSettings, painting: Painting, device: str, threads: int, measured: Mapping[str, float]) -> str:
    """Memory and time of a painting; ``measured`` holds FIGURES of the last one that ran on such a device with as many threads.

    Raises as ``estimate`` does.
    """
    expected = estimate(settings, painting, device, models.locate(settings.model), [models.locate(c.model) for c in settings.controlnets])
    return f"{_memory(settings, expected)}; {_time(expected, device, threads, measured)}"


def _memory(settings: ViewsSettings, expected: Estimate) -> str:
    weights = f"weights {_gigabytes(sum(expected.weights.values()))}"
    if expected.device == "cpu":
        free = free_bytes("cpu")
        chunk = chunk_for(settings, expected, None if free is None else free - expected.peak(1) + expected.denoising(1))
        lacking = "" if free is None or expected.peak(chunk) <= free else f", but only {_gigabytes(free)} are free"
        return f"about {_gigabytes(expected.peak(chunk))} of memory with {_at_once(chunk)} ({weights}){lacking}"
    chunk = chunk_for(settings, expected, None)
    fewer = "" if chunk == 1 or settings.window == "full" else f", {_gigabytes(expected.peak(1))} with {_at_once(1)}, as is free"
    return f"about {_gigabytes(expected.peak(chunk))} of GPU memory with {_at_once(chunk)}{fewer} ({weights}; not measured on a GPU)"


def _time(expected: Estimate, device: str, threads: int, measured: Mapping[str, float]) -> str:
    if all(measured.get(name) for name in FIGURES):
        return f"{_duration(expected.flops * measured['seconds'] / measured['flops'])} at the speed of the last run here"
    if device == "cpu":
        speed = FLOPS_A_THREAD * threads
        return f"{_duration(expected.flops / speed)} if this machine does {speed / 1e9:.0f} GFLOP/s (assumed: nothing was painted here yet)"
    return f"how long is not known, since nothing was painted on this GPU yet ({expected.flops / 1e12:,.0f} TFLOP)"


def _at_once(chunk: int) -> str:
    return f"{chunk} view{'' if chunk == 1 else 's'} at once"


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def _duration(seconds: float) -> str:
    return f"about {max(1, round(seconds))} s" if seconds < 90 else f"about {seconds / 60:.0f} min"
