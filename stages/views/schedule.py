"""Solvers of the denoising, and what they remember between steps.

All frames of a solver take a step together, as one batch, after every chunk was evaluated: so its history is per frame.
DPM-Solver++ (2M): Lu et al. 2022; UniPC: Zhao et al. 2023; DDIM: Song et al. 2021; sigmas: Karras et al. 2022, eq. 5.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, SchedulerMixin, UniPCMultistepScheduler
from torch import Tensor

_LISTS = ("model_outputs", "timestep_list")
_TENSORS = ("last_sample",)
_NUMBERS = ("lower_order_nums", "this_order")


def make_scheduler(name: str, config: Mapping[str, Any]) -> SchedulerMixin:
    """The solver ``name`` with the noise schedule and prediction type of a model's own scheduler ``config``."""
    if name == "ddim":
        return DDIMScheduler.from_config(config)
    if name == "unipc":
        return UniPCMultistepScheduler.from_config(config)
    if name == "dpmpp_2m_karras":
        return DPMSolverMultistepScheduler.from_config(
            config, algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint", use_karras_sigmas=True
        )
    raise ValueError(f"there is no scheduler {name!r}")


def history(scheduler: SchedulerMixin) -> dict[str, Tensor]:
    """Everything that ``scheduler`` remembers of earlier steps, as tensors."""
    kept = {}
    for name in _LISTS:
        for i, item in enumerate(getattr(scheduler, name, ())):
            if item is not None:
                kept[f"{name}.{i}"] = torch.as_tensor(item).clone()
    for name in _TENSORS:
        if getattr(scheduler, name, None) is not None:
            kept[name] = getattr(scheduler, name).clone()
    numbers = {name: getattr(scheduler, name) for name in _NUMBERS if hasattr(scheduler, name)}
    kept["numbers"] = torch.tensor(list(json.dumps(numbers).encode()), dtype=torch.uint8)
    return kept


def restore(scheduler: SchedulerMixin, kept: Mapping[str, Tensor], step: int) -> None:
    """Put ``kept`` back, so that ``step`` is the next one. ``set_timesteps`` must have been called."""
    for name in _LISTS:
        if hasattr(scheduler, name):
            setattr(scheduler, name, [kept.get(f"{name}.{i}") for i in range(len(getattr(scheduler, name)))])
    for name in _TENSORS:
        if hasattr(scheduler, name):
            setattr(scheduler, name, kept.get(name))
    for name, value in json.loads(bytes(kept["numbers"].tolist())).items():
        setattr(scheduler, name, value)
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(step)


def clean_estimate(scheduler: SchedulerMixin, prediction: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
    """The noise-free latents that a prediction amounts to (Salimans and Ho 2022, appendix D); for pictures of the progress."""
    alpha_bar = scheduler.alphas_cumprod[int(timestep)].to(latents)
    signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    kind = scheduler.config.prediction_type
    if kind == "v_prediction":
        return signal * latents - noise * prediction
    if kind == "sample":
        return prediction
    return (latents - noise * prediction) / signal


def moved(scheduler: SchedulerMixin, prediction: Tensor, timestep: Tensor, change: Tensor) -> Tensor:
    """The prediction whose ``clean_estimate`` lies by ``change`` elsewhere."""
    alpha_bar = scheduler.alphas_cumprod[int(timestep)].to(prediction)
    signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    kind = scheduler.config.prediction_type
    if kind == "v_prediction":
        return prediction - change / noise
    if kind == "sample":
        return prediction + change
    return prediction - change * signal / noise


def cooled(scheduler: SchedulerMixin, step: int, prediction: Tensor, before: Tensor, after: Tensor, temperature: float) -> Tensor:
    """Latents ``after`` the step number ``step``, which began with ``before``, with the noise that is left in them times ``temperature``.

    Below 1 the network finds less noise than it is told, and takes more of what it sees for noise: pictures come out calmer, nearer to what
    is most likely. The last step leaves none.
    """
    if temperature == 1 or step + 1 >= len(scheduler.timesteps):
        return after
    signal = scheduler.alphas_cumprod[int(scheduler.timesteps[step + 1])].sqrt()
    still = signal * clean_estimate(scheduler, prediction, scheduler.timesteps[step], before)
    return still + temperature * (after - still)


def noised(scheduler: SchedulerMixin, latents: Tensor, noise: Tensor, timestep: Tensor) -> Tensor:
    """Clean ``latents`` with as much of the unit ``noise`` on them as a frame has at ``timestep``."""
    alpha_bar = scheduler.alphas_cumprod[int(timestep)].to(latents)
    return alpha_bar.sqrt() * latents + (1 - alpha_bar).sqrt() * noise
