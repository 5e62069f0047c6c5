"""Pictures that say of each pixel which part of the character it shows: flat colours, so that people can open them.

Label 0 is nothing that was asked for, black; label k is the k-th word. Colours follow from k alone and differ strongly between neighbours.
"""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np

from pipeline.errors import ArtifactError
from stages.artifacts.images import read_png, write_png

_GOLDEN = 0.61803398875  # of a turn of hue from one label to the next


def label_colours(count: int) -> np.ndarray:
    """(1 + count, 3) uint8 sRGB, black first."""
    bright = [colorsys.hsv_to_rgb((0.02 + k * _GOLDEN) % 1.0, 0.75 if k % 2 else 0.95, 1.0 if k % 3 else 0.75) for k in range(count)]
    return (255 * np.array([(0.0, 0.0, 0.0), *bright])).round().astype(np.uint8)


def write_labels(path: Path, labels: np.ndarray, count: int) -> None:
    """(H, W) uint8 labels of ``count`` words as a picture."""
    write_png(path, label_colours(count)[labels])


def read_labels(path: Path, count: int) -> np.ndarray:
    """What ``write_labels`` wrote, (H, W) uint8. Raises ArtifactError for a picture with other colours."""
    pixels = read_png(path)
    known = {tuple(colour): k for k, colour in enumerate(label_colours(count).tolist())}
    colours, where = np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0, return_inverse=True)
    strange = [tuple(colour) for colour in colours.tolist() if tuple(colour) not in known]
    if strange:
        raise ArtifactError(path, f"holds the colour {strange[0]}, which is no label", "Run the masks stage again.")
    return np.array([known[tuple(colour)] for colour in colours.tolist()], np.uint8)[where].reshape(pixels.shape[:2])
