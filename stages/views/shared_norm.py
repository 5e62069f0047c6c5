"""Group normalisation whose statistics are those of a whole window, for windows that go through a network as one picture.

A network that is inflated to video normalises (C, frames, H, W) at once in its residual blocks and before its output; its transformer
blocks normalise each frame by itself (Wu et al. 2023, "Tune-A-Video"; Zhang et al. 2023, "ControlVideo").
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from stages.views.attention import FrameWindow


class SharedNorm(nn.GroupNorm):
    """``norm`` over all frames of a window together: (windows * members, C, H, W) -> the same shape. With ``members`` 1 it is ``norm``."""

    def __init__(self, norm: nn.GroupNorm, window: FrameWindow) -> None:
        super().__init__(norm.num_groups, norm.num_channels, norm.eps, norm.affine)
        self.weight, self.bias = norm.weight, norm.bias
        self.window = window

    def forward(self, input: Tensor) -> Tensor:
        """Normalise; every ``members`` frames that follow one another are a window."""
        by_window = input.unflatten(0, (-1, self.window.members)).transpose(1, 2)
        normed = F.group_norm(by_window, self.num_groups, self.weight, self.bias, self.eps)
        return normed.transpose(1, 2).flatten(0, 1)


def share_norms(network: nn.Module, window: FrameWindow) -> None:
    """Put ``SharedNorm`` in the place of every GroupNorm of ``network`` but those of transformer blocks; ``window`` steers them.

    ``network`` is a UNet2DConditionModel or ControlNetModel.
    """
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.GroupNorm) and ".attentions." not in name:
            network.set_submodule(name, SharedNorm(module, window))
