"""The denoising of all frames together: chunk by chunk within a step, one network evaluation per frame and step.

Within a step every frame sees its window's frames at the same noise level (Jacobi, not Gauss-Seidel), and the solver moves all
frames at once after the last chunk. So the result does not depend on how the frames are cut.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from diffusers import SchedulerMixin, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from pipeline.stage import CheckpointProtocol
from stages.views.attention import FrameWindow, install
from stages.views.control import ControlBranch, control_residuals
from stages.views.schedule import clean_estimate, history, restore
from stages.views.windows import ChunkPlan, Windows, plan_chunks

STATE = "denoising.safetensors"


@dataclass(frozen=True)
class Frames:
    """What is painted: names, the rows of ``texts`` (texts, tokens, channels) that prompt and negative prompt of each frame take."""

    names: Sequence[str]
    windows: Windows
    texts: Tensor
    prompt_rows: Sequence[int]
    negative_rows: Sequence[int]


@dataclass
class Denoiser:
    """Networks and weights of one sampling. ``evaluations`` counts frames that went through the UNet, both halves of guidance."""

    unet: UNet2DConditionModel
    branches: Sequence[ControlBranch]
    scheduler: SchedulerMixin
    checkpoint: CheckpointProtocol
    guidance_scale: float
    residual_decay: float = 1.0
    controlnet_window: bool = False
    evaluations: int = 0
    _windows: list[FrameWindow] = field(default_factory=list)

    def __post_init__(self) -> None:
        windowed = [self.unet, *(b.network for b in self.branches if self.controlnet_window)]
        self._windows = [install(network) for network in windowed]

    @property
    def copies(self) -> int:
        """2 with guidance, else 1."""
        return 2 if self.guidance_scale > 1 else 1

    @torch.inference_mode()
    def predict(self, frames: Frames, chunks: Sequence[ChunkPlan], latents: Tensor, step: int, advance: Callable[[], None]) -> Tensor:
        """The networks' prediction (frames, 4, h, w), guided, float32, for all frames at ``step``."""
        timestep = self.scheduler.timesteps[step]
        speaking = [b for b in self.branches if b.speaks(step, len(self.scheduler.timesteps))]
        parts = []
        for plan in chunks:
            for window in self._windows:
                window.begin(plan)
            parts.append(self._chunk(frames, plan, latents, timestep, speaking))
            advance()
        return torch.cat(parts)

    def _chunk(
        self, frames: Frames, plan: ChunkPlan, latents: Tensor, timestep: Tensor, speaking: Sequence[ControlBranch]
    ) -> Tensor:
        rows = list(plan.frames)
        noisy = self.scheduler.scale_model_input(latents[rows], timestep)
        noisy = torch.cat([noisy] * self.copies).to(self.unet.device, self.unet.dtype)
        prompts = [frames.prompt_rows[i] for i in rows]
        if self.copies == 2:
            prompts = [frames.negative_rows[i] for i in rows] + prompts
        text = frames.texts[prompts].to(self.unet.device, self.unet.dtype)
        embedded = [(b, b.recall(self.checkpoint, [frames.names[i] for i in rows]).repeat(self.copies, 1, 1, 1)) for b in speaking]
        residuals = control_residuals(embedded, noisy, timestep, text, self.residual_decay)
        down, middle = residuals if residuals else (None, None)
        prediction = self.unet(
            noisy, timestep, encoder_hidden_states=text, down_block_additional_residuals=down,
            mid_block_additional_residual=middle, return_dict=False,
        )[0].float().cpu()
        self.evaluations += len(noisy)
        if self.copies == 1:
            return prediction
        without, guided = prediction.chunk(2)
        return without + self.guidance_scale * (guided - without)

    def run(
        self, frames: Frames, noise: Tensor, chunk: int, advance: Callable[[], None], watched: Sequence[int] = (),
        watched_steps: Sequence[int] = (),
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """Latents of all frames, (frames, 4, h, w), and clean estimates of the ``watched`` frames at ``watched_steps``.

        ``noise`` is unit normal. After each step everything is kept in the checkpoint, from which an interrupted run goes on
        with the same bytes.
        """
        chunks = plan_chunks(frames.windows, chunk)
        latents = noise * self.scheduler.init_noise_sigma
        first, glimpses = 0, {}
        saved = self.checkpoint.load(STATE, _read_state)
        if saved is not None:
            first, latents, glimpses, kept = saved
            restore(self.scheduler, kept, first)
        for step in range(first, len(self.scheduler.timesteps)):
            prediction = self.predict(frames, chunks, latents, step, advance)
            timestep = self.scheduler.timesteps[step]
            if step in watched_steps:
                rows = list(watched)
                glimpses[step] = clean_estimate(self.scheduler, prediction[rows], timestep, latents[rows])
            latents = self.scheduler.step(prediction, timestep, latents, return_dict=False)[0]
            self.checkpoint.save(STATE, _state_writer(step + 1, latents, glimpses, history(self.scheduler)))
        for window in self._windows:
            window.off()
        return latents, glimpses

    def steps_done(self) -> int:
        """Steps that an interrupted run has behind it."""
        saved = self.checkpoint.load(STATE, _read_state)
        return 0 if saved is None else saved[0]


def _state_writer(step: int, latents: Tensor, glimpses: Mapping[int, Tensor], kept: Mapping[str, Tensor]) -> Callable[[Path], None]:
    tensors = {"latents": latents} | {f"glimpse.{i}": g for i, g in glimpses.items()} | {f"history.{k}": v for k, v in kept.items()}
    metadata = {"state": json.dumps({"step": step})}
    return lambda path: save_file({k: v.contiguous().clone() for k, v in tensors.items()}, path, metadata)


def _read_state(path: Path) -> tuple[int, Tensor, dict[int, Tensor], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
        step = json.loads(file.metadata()["state"])["step"]
    glimpses = {int(k.removeprefix("glimpse.")): v for k, v in tensors.items() if k.startswith("glimpse.")}
    kept = {k.removeprefix("history."): v for k, v in tensors.items() if k.startswith("history.")}
    return step, tensors["latents"], glimpses, kept
