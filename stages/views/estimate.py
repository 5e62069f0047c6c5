"""What painting will take, before any weights are loaded: bytes and floating-point operations, from config files and headers alone.

Three phases follow one another and the largest counts: all weights are there and the texts are read; the frames are denoised, chunk by
chunk; each picture is decoded by itself, when nothing but the autoencoder is left. footprint.py counts a network's feature maps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ArtifactError
from stages.views.footprint import UNET, VAE, Sight, Tally, controlnet_tally, decoder_tally, unet_tally
from stages.views.reach import Reach
from stages.views.settings import ControlNetSettings, ViewsSettings
from stages.views.weights_file import shapes

TOKENS = 77  # of a block of text in Stable Diffusion; the project's own models read fewer
ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
OWN_BYTES = {"cpu": 0.55e9, "cuda": 0.7e9}  # Python and its libraries, measured; a CUDA context with its libraries, assumed
SCRATCH = {"cpu": 1.25, "cuda": 1.15}  # what libraries take beside the tensors: measured (docs/views.md), assumed
MOST_AT_ONCE = {"cpu": 4, "cuda": 8}  # frames; more are hardly faster


@dataclass(frozen=True)
class Estimate:
    """Bytes and operations of one painting. ``frame`` is one view of a chunk, ``carried`` what is handed from chunk to chunk, ``decode``
    one picture, ``tile`` one that is decoded in tiles; ``together`` views are the smallest chunk; ``evaluations`` are pictures that go through UNet and ControlNets."""

    device: str
    views: int
    weights: Mapping[str, int]
    frame: float
    carried: float
    together: int
    decode: float
    tile: float
    evaluations: float
    evaluation_flops: float
    decoding_flops: float

    @property
    def flops(self) -> float:
        """Operations of the whole."""
        return self.evaluations * self.evaluation_flops + self.views * self.decoding_flops

    def denoising(self, chunk: int) -> float:
        """Bytes of the feature maps of ``chunk`` views, and of what is carried."""
        at_once = max(chunk, self.together)
        return SCRATCH[self.device] * at_once * self.frame + (self.carried if at_once < self.views else 0)

    def decoding(self, tiled: bool) -> float:
        """Bytes of the feature maps of one picture."""
        return SCRATCH[self.device] * (self.tile if tiled else self.decode)

    def peak(self, chunk: int) -> float:
        """Bytes at the worst moment, the process's own included."""
        weights = sum(self.weights.values())
        loaded = weights - (self.weights["vae"] if self.device == "cuda" else 0)
        painting = loaded - self.weights["text_encoder"]
        phases = (loaded, painting + self.denoising(chunk), self.weights["vae"] + self.decoding(tiled=False))
        return OWN_BYTES[self.device] + max(phases)

    def fitting(self, free: float | None, most: int) -> int:
        """The largest chunk, at most ``most``, whose feature maps fit into ``free`` bytes; 1 if none does, ``most`` if nobody knows."""
        if free is None:
            return most
        return next((chunk for chunk in range(most, 1, -1) if self.denoising(chunk) <= free), 1)


@dataclass(frozen=True)
class Painting:
    """How many views are painted, and how large they are (pixels)."""

    views: int
    width: int
    height: int


def estimate(settings: ViewsSettings, painting: Painting, device: str, folder: Path, controlnets: Sequence[Path]) -> Estimate:
    """What ``settings`` take on ``device``, the model being in ``folder``. Raises ArtifactError or ConfigError for files that cannot be read."""
    unet, vae = {**UNET, **_config(folder / "unet")}, {**VAE, **_config(folder / "vae")}
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    h, w = painting.height // factor, painting.width // factor
    size, vae_size = item_bytes(settings, device)
    tokens = TOKENS * settings.prompt_blocks
    nets = [_config(path) for path in controlnets]
    maps = _chunk_tallies(settings, painting.views, unet, nets, h, w, tokens)
    copies, reach = 2 if settings.guidance_scale > 1 else 1, Reach.of(settings, painting.views)
    larger = settings.hires.scale if settings.hires else 1
    decoded, tile = decoder_tally(vae, int(larger * h), int(larger * w)), max(1, vae.get("sample_size", 512) // factor)
    tiled = decoder_tally(vae, min(h, tile), min(w, tile))
    picture = painting.width * painting.height * vae["out_channels"]
    return Estimate(
        device, painting.views, _weights(folder, controlnets, size, vae_size),
        frame=copies * size * _worst(maps, unet, h * w, tokens),
        carried=copies * size * reach.carried * sum(tally.keys for tally in maps), together=reach.together,
        decode=vae_size * decoded.peak, tile=vae_size * (tiled.peak + 3 * picture),
        evaluations=_evaluations(settings, painting.views), evaluation_flops=_speaking(settings.controlnets, maps),
        decoding_flops=decoded.flops,
    )


def item_bytes(settings: ViewsSettings, device: str) -> tuple[int, int]:
    """Bytes of a number in UNet and ControlNets, and in the autoencoder."""
    name = settings.dtype if settings.dtype != "auto" else ("float32" if device == "cpu" else "float16")
    return ITEM_BYTES[name], 2 if name == "float16" else 4


def _chunk_tallies(
    settings: ViewsSettings, views: int, unet: Mapping[str, Any], nets: Sequence[Mapping[str, Any]], h: int, w: int, tokens: int
) -> list[Tally]:
    """The UNet's, then the ControlNets', for one picture of a chunk."""
    reach = Reach.of(settings, views)
    sight = Sight(reach.seen, reach.carried)
    across = sight if settings.controlnet_window else None
    return [unet_tally(unet, h, w, tokens, sight, bool(nets)), *(controlnet_tally(net, h, w, tokens, across) for net in nets)]


def _worst(maps: Sequence[Tally], unet: Mapping[str, Any], cells: int, tokens: int) -> float:
    """Elements of one picture of a chunk when the most are alive.

    Beside a network's own there are what goes in, the ControlNets' embedded pictures, and the residuals: those summed so far, and, while
    a branch's are weighted, its own and those (control.py).
    """
    base = unet["in_channels"] * cells + tokens * unet["cross_attention_dim"]
    own, *branches = maps
    if not branches:
        return base + own.peak
    widths = unet["block_out_channels"]
    residuals = branches[0].skipped + branches[0].skips[-1][0] * branches[0].skips[-1][1]
    base += len(branches) * widths[0] * cells
    nets = [(residuals if number else 0) + net.peak for number, net in enumerate(branches)]
    adding = residuals * min(3, 1 + len(branches))
    return base + max(*nets, adding, residuals + own.peak)


def _evaluations(settings: ViewsSettings, views: int) -> float:
    """Pictures that go through the UNet in the whole run; one of a second pass counts by its area."""
    copies = 2 if settings.guidance_scale > 1 else 1
    painted = views if settings.keep is None else min(views, len(settings.redo))
    again = 0.0 if settings.hires is None else settings.hires.strength * (settings.hires.steps or settings.steps) * settings.hires.scale**2
    return copies * (painted * (settings.steps + again) * Reach.of(settings, views).passes + _settled(settings, views))


def _settled(settings: ViewsSettings, views: int) -> int:
    """Frames that are finished while others are not, each evaluated once for what it is looked at as (passes.py)."""
    if settings.keep is not None:
        return min(views, 3 * len(settings.redo))  # the first, and one to either side
    return int(settings.lead > 0 and views > 1 and settings.window != "none") + len(settings.references)


def _speaking(controlnets: Sequence[ControlNetSettings], maps: Sequence[Tally]) -> float:
    """Operations of one evaluation, each ControlNet by the share of the steps in which it speaks."""
    return maps[0].flops + sum((c.end - c.start) * net.flops for c, net in zip(controlnets, maps[1:], strict=True))


def _weights(folder: Path, controlnets: Sequence[Path], size: int, vae_size: int) -> dict[str, int]:
    """Network -> bytes once it is loaded."""
    return {
        "unet": size * _parameters(folder / "unet"), "vae": vae_size * _parameters(folder / "vae"),
        "text_encoder": 4 * _parameters(folder / "text_encoder"),
        **{f"controlnet {i}": size * _parameters(path) for i, path in enumerate(controlnets)},
    }


def _parameters(folder: Path) -> int:
    """Numbers in a network's file, from its header. Raises ArtifactError if there is none, ConfigError if it is broken."""
    files = [folder / f"{stem}{variant}.safetensors" for stem in ("diffusion_pytorch_model", "model") for variant in ("", ".fp16")]
    for file in files:
        if file.is_file():
            return sum(math.prod(shape) for shape in shapes(file).values())
    raise ArtifactError(folder, "holds no safetensors file", "Weights in other formats are not opened")


def _config(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(folder, f"its config.json cannot be read ({error})", "A model in diffusers' layout was expected") from error
