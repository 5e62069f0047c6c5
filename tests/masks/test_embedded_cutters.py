"""The GroundingDINO and the SAM that the project ships, on a character that neither has seen."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.generator import HELD_OUT, build_character
from scripts.generator.draw import render_all
from scripts.train.things import things_in, words_for
from stages.artifacts.framing import body_ring
from stages.conditions.body import load_base_body
from stages.conditions.software import draw, vertex_normals
from stages.masks.agreement import iou
from stages.masks.parts import composed
from third_party.grounded_sam import GroundedSamModel, load
from third_party.models import locate


@pytest.fixture(scope="module")
def model() -> GroundedSamModel:
    return load(locate("embedded/grounding_dino"), locate("embedded/sam"), "cpu")


@pytest.fixture(scope="module")
def front() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Picture (H, W, 3) on white, alpha, and where each thing is."""
    body = load_base_body()
    camera = body_ring(body, 1, 288, 384)[0]
    shown = render_all(build_character(HELD_OUT[5], body), camera)
    bare = draw(body, vertex_normals(body.v_pos, body.t_pos_idx), camera)
    return shown.rgb, shown.alpha, things_in((shown.part + 1).astype(np.uint8), (bare.part + 1).astype(np.uint8))


def test_the_figure_is_cut_out_by_a_word_before_any_colour(model: GroundedSamModel, front: tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]) -> None:
    picture, alpha, _ = front
    for backdrop in ((1.0, 1.0, 1.0), (0.2, 0.5, 0.3)):
        coloured = picture - (1 - alpha[..., None]) * (1 - np.array(backdrop))
        found, scores = model.segment(coloured.astype(np.float32), "girl", 0.3, 0.25, None)
        assert iou(found, alpha > 0.5) > 0.9 and scores["weak"] == 0


def test_parts_are_told_apart_by_their_words(model: GroundedSamModel, front: tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]) -> None:
    picture, alpha, things = front
    words = {thing: words_for(thing, HELD_OUT[5])[-1] for thing in ("hair", "face", "top", "bottom", "shoes")}
    labels = composed(model.find_parts(picture, list(words.values()), 0.3), alpha > 0.5)
    for k, thing in enumerate(words, 1):
        overlaps = {other: iou(labels == k, things[other]) for other in words}
        assert max(overlaps, key=overlaps.get) == thing and overlaps[thing] > 0.4, overlaps


def test_words_that_it_never_learnt_are_named(model: GroundedSamModel) -> None:
    assert model.unread(["hair", "zeppelin", "cat ears"]) == ["zeppelin"]
