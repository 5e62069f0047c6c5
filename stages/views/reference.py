"""The user's own front picture, which stands for the first frame and which all others look at.

Shown to attention like any frame (as in the "reference-only" use of Stable Diffusion: no weights of its own are needed), as clean
as it is where the first frame leads, else with the noise that the others have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.errors import ArtifactError, ConfigError
from stages.artifacts.images import read_srgb, to_u8


def open_reference(path: Path) -> np.ndarray:
    """The picture over white, (H, W, 3) float32 sRGB in [0, 1]. Raises ConfigError if it is not one."""
    try:
        picture = read_srgb(path)
    except ArtifactError as error:
        raise ConfigError(str(error)) from error
    if picture.shape[-1] == 3:
        return picture
    alpha = picture[..., 3:]
    return picture[..., :3] * alpha + (1 - alpha)


def framed(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """``picture`` (H, W, 3) made (height, width, 3) uint8: scaled to fit, in the middle, white around it."""
    image = Image.fromarray(to_u8(picture))
    scale = min(width / image.width, height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    whole = Image.new("RGB", (width, height), "white")
    scaled = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
    whole.paste(scaled, ((width - size[0]) // 2, (height - size[1]) // 2))
    return np.asarray(whole)
