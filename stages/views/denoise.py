"""The denoising of all frames together: chunk by chunk within a step, one network evaluation per frame and step (and one more of a
first frame that leads, when it is done and the others still look at it; in a joint scheme one per frame of each window).

At a tick every frame sees its window's frames as they were when the tick began (Jacobi, not Gauss-Seidel), and the solvers move
all frames at once after the last chunk. So the result does not depend on how the frames are cut. A tick is one step of all
frames; if the first frame leads (strands.py), that of the others comes some ticks after its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from diffusers import SchedulerMixin, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from pipeline.stage import CheckpointProtocol
from stages.views.attention import FrameWindow, install
from stages.views.control import BranchInput, ControlBranch, control_residuals
from stages.views.correspondence import Correspondence
from stages.views.ip_adapter import Look
from stages.views.passes import Passes
from stages.views.schedule import clean_estimate, cooled, history, restore
from stages.views.shared_norm import share_norms
from stages.views.shortage import SHORT, clear_up, is_shortage
from stages.views.strands import Strand, make_strands, shown
from stages.views.surface import Synchronizer
from stages.views.windows import Plan, Windows

STATE = "denoising.safetensors"


@dataclass(frozen=True)
class Frames:
    """What is painted: names, the rows of ``texts`` (texts, tokens, channels) that prompt and negative prompt of each frame take,
    and the latents (n, 4, h, w) of the first n if those are given."""

    names: Sequence[str]
    windows: Windows
    texts: Tensor
    prompt_rows: Sequence[int]
    negative_rows: Sequence[int]
    given: Tensor | None = None

    @property
    def given_count(self) -> int:
        """How many frames are there before anything is painted."""
        return 0 if self.given is None else len(self.given)


@dataclass
class Denoiser:
    """Networks and weights of one sampling; ``lead`` is the steps that the first frame is ahead of the rest; ``temperature``
    multiplies the noise that a step leaves; a ``synchronizer`` brings the frames to agree in the first steps; ``joint``: a frame's window
    is one picture; ``look`` are pictures that all frames look at; ``correspondence`` tells attention which tokens show the same point;
    ``halve``, given a chunk that the memory does not hold and the tick, answers with a smaller one. ``evaluations`` counts frames that
    went through the UNet, both halves of guidance."""

    unet: UNet2DConditionModel
    branches: Sequence[ControlBranch]
    scheduler: SchedulerMixin
    checkpoint: CheckpointProtocol
    guidance_scale: float
    residual_decay: float = 1.0
    controlnet_window: bool = False
    lead: int = 0
    temperature: float = 1.0
    synchronizer: Synchronizer | None = None
    joint: bool = False
    look: Look | None = None
    correspondence: Correspondence | None = None
    halve: Callable[[int, int], int] | None = None
    evaluations: int = 0
    _windows: list[FrameWindow] = field(default_factory=list)

    def __post_init__(self) -> None:
        for network in (self.unet, *(b.network for b in self.branches)):
            window = FrameWindow(bias=None if self.correspondence is None else self.correspondence.bias)
            if network is self.unet or self.controlnet_window:
                install(network, window)
            if self.joint:
                share_norms(network, window)
            self._windows.append(window)

    @property
    def copies(self) -> int:
        """2 with guidance, else 1."""
        return 2 if self.guidance_scale > 1 else 1

    @property
    def steps(self) -> int:
        """How many each frame takes."""
        return len(self.scheduler.timesteps)

    @torch.inference_mode()
    def predict(
        self, frames: Frames, passes: Passes, latents: Tensor, noise: Tensor, tick: int, settle: bool, advance: Callable[[], None]
    ) -> Tensor:
        """The networks' prediction (begun, 4, h, w), guided, float32, for all frames that take a step at ``tick``; nought for others.

        ``settle``: what finished frames are seen as is computed first, and kept.
        """
        noisy, timesteps, steps = shown(passes.strands, latents, noise, tick)
        speaking = [b for b in self.branches if any(b.speaks(step, self.steps) for step in set(steps))]
        if settle:
            for plan in passes.settling(tick):  # all ControlNets, since others may hear later one that these do not, and look at these in it
                self._chunk(frames, plan, noisy, timesteps, steps, self.branches)
                advance()
            for window in self._windows:
                window.keep()
        for window in self._windows:
            window.recall()
        prediction = torch.zeros_like(noisy)
        for plan in passes.painting(tick):
            out = self._chunk(frames, plan, noisy, timesteps, steps, speaking)
            prediction[list(plan.painted)] = out[list(plan.places)]
            advance()
        return prediction

    def _predict_in_memory(
        self, frames: Frames, passes: Passes, latents: Tensor, noise: Tensor, tick: int, settle: bool, advance: Callable[[], None]
    ) -> tuple[Tensor, Passes]:
        """``predict`` with the largest batches that the memory holds, and those: the tick's latents are untouched, so it begins anew."""
        while True:
            try:
                return self.predict(frames, passes, latents, noise, tick, settle, advance), passes
            except SHORT as error:
                if self.halve is None or not is_shortage(error):
                    raise
            for window in self._windows:
                window.off()
            clear_up()
            passes, settle = replace(passes, chunk=self.halve(passes.chunk, tick)), True

    def _chunk(
        self, frames: Frames, plan: Plan, latents: Tensor, timesteps: Tensor, steps: Sequence[int], speaking: Sequence[ControlBranch]
    ) -> Tensor:
        """The guided prediction for each position of the batch ``plan``; ``steps`` (begun,) each frame's own, ``speaking`` ControlNets."""
        for window in self._windows:
            window.begin(plan)
        rows = list(plan.frames)
        if self.look is not None:
            self.look.begin([steps[i] for i in rows], self.steps)
        noisy = torch.cat([latents[rows]] * self.copies).to(self.unet.device, self.unet.dtype)
        timestep = timesteps[rows].repeat(self.copies).to(self.unet.device)
        prompts = [frames.prompt_rows[i] for i in plan.told]
        if self.copies == 2:
            prompts = [frames.negative_rows[i] for i in plan.told] + prompts
        text = frames.texts[prompts].to(self.unet.device, self.unet.dtype)
        pictures = self._pictures(speaking, frames, rows, steps)
        residuals = control_residuals(pictures, noisy, timestep, text, self.residual_decay)
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

    def _pictures(
        self, speaking: Sequence[ControlBranch], frames: Frames, rows: Sequence[int], steps: Sequence[int]
    ) -> list[BranchInput]:
        """What the ControlNets that speak at this tick are fed for the frames ``rows``; each frame hears them in its own step."""
        inputs = []
        for branch in speaking:
            hears = [branch.speaks(steps[i], self.steps) for i in rows]
            embedded = branch.recall(self.checkpoint, [frames.names[i] for i in rows]).repeat(self.copies, 1, 1, 1)
            loud = None if all(hears) else torch.tensor(hears * self.copies).to(embedded).view(-1, 1, 1, 1)
            inputs.append(BranchInput(branch, embedded, loud))
        return inputs

    def run(
        self, frames: Frames, noise: Tensor, chunk: int, advance: Callable[[], None], watched: Sequence[int] = (),
        watched_steps: Sequence[int] = (), start: Tensor | None = None,
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """Latents of all frames, (frames, 4, h, w), and clean estimates of the ``watched`` frames at ``watched_steps``.

        ``noise`` is unit normal; ``start`` are latents at the noise of the first step, where that is not all there is. After each tick
        everything is kept in the checkpoint, from which an interrupted run goes on with the same bytes.
        """
        passes = self._passes(frames, chunk)
        strands = passes.strands
        latents = noise * self.scheduler.init_noise_sigma if start is None else start.clone()
        if frames.given is not None:
            latents[: frames.given_count] = frames.given
        first, glimpses = 0, {}
        saved = self.checkpoint.load(STATE, _read_state)
        if saved is not None:
            first, latents, glimpses, kept = saved
            for strand, its in zip(strands, kept, strict=True):
                restore(strand.scheduler, its, max(0, first - strand.delay))
        for tick in passes.ticks[first:]:
            settle = tick == first or passes.changes(tick)
            prediction, passes = self._predict_in_memory(frames, passes, latents, noise, tick, settle, advance)
            if self.synchronizer is not None:
                prediction = self.synchronizer.settle(strands, tick, prediction, latents)
            latents = latents.clone()
            for strand in strands:
                if strand.works(tick):
                    if strand.step(tick) in watched_steps:
                        _glimpse(glimpses, strand, tick, prediction, latents, watched)
                    rows = list(strand.rows)
                    after = strand.scheduler.step(prediction[rows], strand.timestep(tick), latents[rows], return_dict=False)[0]
                    latents[rows] = cooled(strand.scheduler, strand.step(tick), prediction[rows], latents[rows], after, self.temperature)
            self.checkpoint.save(STATE, _state_writer(tick + 1, latents, glimpses, [history(s.scheduler) for s in strands]))
        for window in self._windows:
            window.off()
        return latents, glimpses

    def chunks_at(self, frames: Frames, chunk: int, resumed: int = 0) -> list[int]:
        """How many chunks each tick works off, in a run that was interrupted after ``resumed`` ticks."""
        return [len(batches) for batches in self._passes(frames, chunk).sizes(resumed)]

    def evaluations_each(self, frames: Frames) -> float:
        """Network evaluations for each frame that is painted and step, both halves of guidance, of a whole run."""
        painted = max(1, len(frames.names) - frames.given_count)
        return self.copies * sum(map(sum, self._passes(frames, 1).sizes())) / (painted * self.steps)

    def _passes(self, frames: Frames, chunk: int) -> Passes:
        strands = make_strands(self.scheduler, len(frames.names), self.lead, frames.given_count)
        return Passes(frames.windows, strands, chunk, self.joint)

    def ticks_done(self) -> int:
        """Ticks that an interrupted run has behind it."""
        saved = self.checkpoint.load(STATE, _read_state)
        return 0 if saved is None else saved[0]


def _glimpse(
    glimpses: dict[int, Tensor], strand: Strand, tick: int, prediction: Tensor, latents: Tensor, watched: Sequence[int]
) -> None:
    """Note the clean estimates of those ``watched`` frames that are in ``strand``, by its step."""
    for place, row in enumerate(watched):
        if row in strand.rows:
            seen = glimpses.setdefault(strand.step(tick), latents[list(watched)].clone())
            seen[place] = clean_estimate(strand.scheduler, prediction[row], strand.timestep(tick), latents[row])


def _state_writer(tick: int, latents: Tensor, glimpses: Mapping[int, Tensor], kept: Sequence[Mapping[str, Tensor]]) -> Callable[[Path], None]:
    tensors = {"latents": latents} | {f"glimpse.{i}": g for i, g in glimpses.items()}
    for strand, its in enumerate(kept):
        tensors |= {f"history.{strand}.{k}": v for k, v in its.items()}
    metadata = {"state": json.dumps({"tick": tick, "strands": len(kept)})}
    return lambda path: save_file({k: v.contiguous().clone() for k, v in tensors.items()}, path, metadata)


def _read_state(path: Path) -> tuple[int, Tensor, dict[int, Tensor], list[dict[str, Tensor]]]:
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
        state = json.loads(file.metadata()["state"])
    glimpses = {int(k.removeprefix("glimpse.")): v for k, v in tensors.items() if k.startswith("glimpse.")}
    kept = [
        {k.removeprefix(f"history.{i}."): v for k, v in tensors.items() if k.startswith(f"history.{i}.")} for i in range(state["strands"])
    ]
    return state["tick"], tensors["latents"], glimpses, kept
