"""What a network of Stable Diffusion's kind holds and computes, worked out from its ``config.json``: no torch, no weights.

Each function walks through the forward pass as diffusers runs it (without gradients), layer by layer, and counts the elements of the
feature maps that are alive at once. Counted are tensors; what a convolution's library takes for itself is not. Attention counts as a
fused kernel (Dao et al. 2022, "FlashAttention"): its scores are never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Config = Mapping[str, Any]
UNET = {"in_channels": 4, "out_channels": 4, "block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2, "cross_attention_dim": 1280,
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",), "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3}
VAE = {"block_out_channels": (64,), "layers_per_block": 1, "latent_channels": 4, "out_channels": 3, "mid_block_add_attention": True}


@dataclass(frozen=True)
class Sight:
    """Whom self-attention sees: frames in a window, and frames carried from before for each frame of the chunk; None: plain attention."""

    window: int
    carried_share: float


@dataclass
class Tally:
    """Elements alive now, the most that ever were, and floating-point operations, of one picture's pass; ``keys`` are those of the keys
    and values that a carried frame leaves in all layers."""

    live: float = 0
    peak: float = 0
    flops: float = 0
    keys: float = 0
    skips: list[tuple[int, int]] = field(default_factory=list)  # (channels, cells) of what the way up takes from the way down

    @property
    def skipped(self) -> int:
        """Elements of all skips together."""
        return sum(channels * cells for channels, cells in self.skips)

    def hold(self, elements: float) -> None:
        """They come to stay; a negative number goes."""
        self.live += elements
        self.touch(0)

    def touch(self, elements: float) -> None:
        """They are needed for a moment."""
        self.peak = max(self.peak, self.live + elements)


def unet_tally(given: Config, h: int, w: int, tokens: int, sight: Sight | None, controlled: bool) -> Tally:
    """One picture of ``h`` x ``w`` latents through a UNet2DConditionModel; ``tokens`` of text. ``controlled``: residuals of ControlNets are
    added (and are themselves not counted)."""
    config, tally = {**UNET, **given}, Tally()
    last = _way_down(tally, config, h, w, tokens, sight)
    if controlled:
        tally.touch(tally.skipped)
    _middle(tally, config, *last, tokens, sight)
    tally.hold(last[0] * last[1])
    _way_up(tally, config, *last, tokens, sight, controlled)
    return tally


def controlnet_tally(given: Config, h: int, w: int, tokens: int, sight: Sight | None) -> Tally:
    """The same for a ControlNetModel whose picture is embedded already."""
    config, tally = {**UNET, **given}, Tally()
    channels, cells = _way_down(tally, config, h, w, tokens, sight)
    _middle(tally, config, channels, cells, tokens, sight)
    tally.flops += sum(2 * c * c * s for c, s in tally.skips) + 2 * channels * channels * cells
    tally.touch(tally.skipped + 2 * channels * cells)
    return tally


def decoder_tally(given: Config, h: int, w: int) -> Tally:
    """One picture of ``h`` x ``w`` latents through an AutoencoderKL's decoder."""
    config, tally = {**VAE, **given}, Tally()
    widths = tuple(reversed(config["block_out_channels"]))
    channels, cells = widths[0], h * w
    tally.hold(channels * cells)
    for attends in (config["mid_block_add_attention"], False):
        _resnet(tally, channels, channels, cells)
        if attends:
            tally.touch(7 * channels * cells)
            tally.flops += 8 * channels**2 * cells + 4 * channels * cells**2
    for level, width in enumerate(widths):
        held = channels * cells  # the caller keeps a block's input
        for layer in range(config["layers_per_block"] + 1):
            tally.hold(channels * cells if layer else 0)
            _resnet(tally, channels, width, cells)
            tally.hold(-channels * cells if layer else 0)
            channels = width
        if level + 1 < len(widths):
            tally.hold(channels * cells)
            cells = _upsample(tally, channels, cells)
            tally.hold(-channels * cells // 4)
        tally.hold(channels * cells - held)
    tally.touch(2 * channels * cells)
    tally.flops += 18 * channels * config["out_channels"] * cells
    return tally


def _way_down(tally: Tally, config: Config, h: int, w: int, tokens: int, sight: Sight | None) -> tuple[int, int]:
    """Fills ``skips``; channels and cells of the last of them."""
    widths, depth = config["block_out_channels"], len(config["block_out_channels"])
    channels, cells = widths[0], h * w
    tally.flops += 18 * config["in_channels"] * channels * cells
    _keep(tally, channels, cells)
    for level, (kind, width) in enumerate(zip(config["down_block_types"], widths, strict=True)):
        for _ in range(config["layers_per_block"]):
            _resnet(tally, channels, width, cells)
            channels = width
            if "CrossAttn" in kind:
                tally.hold(channels * cells)
                _transformer(tally, channels, cells, tokens, config["cross_attention_dim"], sight)
                tally.hold(-channels * cells)
            _keep(tally, channels, cells)
        if level + 1 < depth:
            h, w = -(-h // 2), -(-w // 2)
            cells = h * w
            tally.flops += 18 * channels**2 * cells
            _keep(tally, channels, cells)
    return channels, cells


def _keep(tally: Tally, channels: int, cells: int) -> None:
    tally.skips.append((channels, cells))
    tally.hold(channels * cells)


def _middle(tally: Tally, config: Config, channels: int, cells: int, tokens: int, sight: Sight | None) -> None:
    _resnet(tally, channels, channels, cells)
    tally.hold(channels * cells)
    _transformer(tally, channels, cells, tokens, config["cross_attention_dim"], sight)
    _resnet(tally, channels, channels, cells)
    tally.hold(-channels * cells)


def _way_up(tally: Tally, config: Config, channels: int, cells: int, tokens: int, sight: Sight | None, controlled: bool) -> None:
    """From the middle, whose output is alive, to the prediction; takes from ``skips``, which diffusers lets go of as they are used up, but
    not if residuals were added to them."""
    widths, layers = tuple(reversed(config["block_out_channels"])), config["layers_per_block"] + 1
    for level, (kind, width) in enumerate(zip(config["up_block_types"], widths, strict=True)):
        taken = [tally.skips.pop() for _ in range(layers)]  # the caller keeps them, and the block's input, to the block's end
        held = channels * cells
        for layer, (beside, _) in enumerate(taken):
            tally.hold((channels if layer else 0) * cells + (channels + beside) * cells)
            tally.hold(-(channels if layer else 0) * cells)
            _resnet(tally, channels + beside, width, cells)
            tally.hold(-(channels + beside) * cells)
            channels = width
            if "CrossAttn" in kind:
                tally.hold(channels * cells)
                _transformer(tally, channels, cells, tokens, config["cross_attention_dim"], sight)
                tally.hold(-channels * cells)
        if level + 1 < len(widths):
            tally.hold(channels * cells)
            before, cells = cells, _upsample(tally, channels, cells, tally.skips[-1][1])
            tally.hold(-channels * before)
        tally.hold(channels * cells - held - (0 if controlled else sum(c * s for c, s in taken)))
    tally.touch(2 * channels * cells)
    tally.flops += 18 * channels * config["out_channels"] * cells


def _resnet(tally: Tally, before: int, after: int, cells: int) -> None:
    """A ResnetBlock2D on an input that is alive; its output is not counted any more when it is done."""
    shortcut = before != after
    tally.touch(max(2 * before, before + after, (4 if shortcut else 3) * after) * cells)
    tally.flops += 18 * (before + after) * after * cells + (2 * before * after * cells if shortcut else 0)


def _upsample(tally: Tally, channels: int, cells: int, to: int | None = None) -> int:
    """An Upsample2D on an input that is alive; the cells of its output."""
    wide = to or 4 * cells
    tally.touch(2 * channels * wide)
    tally.flops += 18 * channels**2 * wide
    return wide


def _transformer(tally: Tally, channels: int, cells: int, tokens: int, text_channels: int, sight: Sight | None) -> None:
    """A Transformer2DModel with one block, on an input that is alive.

    Alive beside it are, in maps of its size: at the feed-forward the block's input, what text attention gave, the sum, its norm, and
    the 8 + 4 + 4 of the gated unit; at self-attention the block's input and its norm, query, key and value, those of the pool, those
    gathered for every frame of the window (attention.py), and the result.
    """
    seen = sight.window if sight else 1
    gathered = 2 * (sight.window + 1 + sight.carried_share) if sight else 0
    tally.touch(max(20.0, 6 + gathered + 1) * channels * cells)
    tally.keys += 2 * channels * cells if sight else 0
    projections = (4 + 8 + 4 + 24) * channels**2 * cells + 4 * tokens * text_channels * channels
    tally.flops += projections + 4 * channels * cells * (seen * cells + tokens)
