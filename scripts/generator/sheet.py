"""Write a contact sheet of random characters: ``python -m scripts.generator.sheet out.png --count 8``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.generator.assemble import build_character
from scripts.generator.attributes import sample_attributes
from scripts.generator.captions import caption
from scripts.generator.draw import render
from scripts.generator.sampling import sample_pose, vary_body
from scripts.generator.split import held_out
from stages.artifacts.framing import body_ring, head_ring
from stages.conditions.body import load_base_body


def main() -> None:
    """Rows of characters; five views each: face, front, side, back, face from behind an angle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--columns", type=int, default=2, help="characters in a row")
    parser.add_argument("--held-out", action="store_true", help="show the held-out characters instead")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    base, cells = load_base_body(), []
    for i in range(options.count):
        a = held_out(wide=True)[i] if options.held_out else sample_attributes(rng)
        body = vary_body(base, rng, a.figure)
        pose = sample_pose(rng)
        posed, character = body.posed(pose), build_character(a, body).posed(pose)
        far, near = body_ring(posed, 24, 288, 384), head_ring(posed, 8, 288, 384)
        cells.append(np.concatenate([render(character, c)[0] for c in (near[0], near[1], far[0], far[5], far[12])], 1))
        print(caption(a, rng, 0.0))
    cells += [np.ones_like(cells[0])] * (-len(cells) % options.columns)
    rows = [np.concatenate(cells[i : i + options.columns], 1) for i in range(0, len(cells), options.columns)]
    Image.fromarray((np.concatenate(rows) * 255 + 0.5).astype(np.uint8)).save(options.out)


if __name__ == "__main__":
    main()
