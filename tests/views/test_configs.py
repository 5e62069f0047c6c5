"""The shipped configurations: complete, and marching-waifu-x with the numbers that its authors used."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import load
from stages import RECIPES
from stages.conditions.body import load_base_body, load_pose
from stages.mesh.settings import MeshSettings
from stages.views.settings import ViewsSettings
from third_party import models

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def header(path: Path) -> str:
    """The comments at the head of a YAML, in one line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return " ".join(line.lstrip("# ") for line in itertools.takewhile(lambda line: line.startswith("#"), lines))


def resolved(name: str) -> dict[str, Any]:
    return load(RECIPES["character"](), CONFIGS / name).resolved()


def test_marching_waifu_x() -> None:
    got = resolved("marching_waifu_x.yaml")
    ring = got["conditions"]["body_ring"]
    assert (got["conditions"]["width"], got["conditions"]["height"]) == (768, 1024)
    assert (ring["views"], ring["radius_m"], ring["elevation_deg"], ring["focal_px"]) == (100, 4.0, 0.0, 2240.0)
    assert got["conditions"]["head_ring"]["views"] == 0
    assert list(got["conditions"]["kinds"]) == ["openpose", "softedge", "albedo"]
    assert (got["conditions"]["hands"], got["conditions"]["face"]) == (False, True)
    views = got["views"]
    repositories = [models.registry()[c["model"]].repository for c in views["controlnets"]]
    assert repositories == [f"lllyasviel/control_{n}" for n in ("v11p_sd15_openpose", "v11p_sd15_softedge", "v11e_sd15_ip2p")]
    assert [(c["kind"], c["scale"]) for c in views["controlnets"]] == [("openpose", 1.0), ("softedge", 1.0), ("albedo", 0.825)]
    assert views["residual_decay"] == 0.825 and views["guidance_scale"] == 12.0
    assert (views["scheduler"], views["steps"]) == ("dpmpp_2m_karras", 20)
    assert (views["window"], views["controlnet_window"]) == ("causal", False)
    assert list(views["prompt_suffix"].values()) == ["front", "angle-front", "side", "angle-back", "back"]
    masks = got["masks"]
    assert (masks["prompt"], masks["box_threshold"], masks["text_threshold"]) == ("girl", 0.3, 0.25)
    assert models.registry()[masks["grounding_dino"]].repository == "IDEA-Research/grounding-dino-base"
    assert models.registry()[masks["sam"]].repository == "facebook/sam-vit-huge"
    assert (got["field"]["steps"], got["field"]["sharpen"], got["field"]["random_background"]) == (5000, 1.0, True)
    mesh = got["mesh"]
    assert (mesh["grid_cells"], mesh["implicit_steps"], mesh["surface_steps"]) == (128, 2500, 2500)
    assert (mesh["batch"], mesh["texture_size"]) == (4, 2048)
    assert mesh["sdf_regulariser"] == MeshSettings().sdf_regulariser, "another term than nvdiffrec's 0.2 to 0.01, as the header says"


def test_marching_waifu_x_holds_its_arms_30_degrees_below_the_horizontal() -> None:
    skeleton = load_base_body().skeleton
    pose = load_pose(resolved("marching_waifu_x.yaml")["conditions"]["pose_file"])
    for joints, below_deg in (({}, 40.0), (pose, 30.0)):
        posed = skeleton.posed(skeleton.joint_transforms(joints))
        for side, towards_x in (("left", 1), ("right", -1)):
            for of, to in (("UpperArm", "LowerArm"), ("LowerArm", "Hand")):
                x, y, z = posed.heads[skeleton.index(side + to)] - posed.heads[skeleton.index(side + of)]
                assert np.degrees(np.arctan2(-z, towards_x * x)) == pytest.approx(below_deg, abs=0.01) and y == pytest.approx(0, abs=1e-6)


def test_what_differs_from_marching_waifu_x_is_said() -> None:
    said = header(CONFIGS / "marching_waifu_x.yaml")
    for part in ("40 degrees below the horizontal at rest, are raised to 30 as there", "SDF regulariser falls from 0.2 to 0.01. Ours is another"):
        assert part in said, part


@pytest.mark.parametrize("name", ["character_sd15.yaml", "profiles/sd15.yaml"])
def test_the_memory_that_nobody_measured_is_called_an_estimate(name: str) -> None:
    said = header(CONFIGS / name)
    assert "10 GB of GPU memory is an estimate: nothing of this profile has been run or measured on a GPU" in said and "or more" not in said


@pytest.mark.parametrize("name", ["character_sd15.yaml", "marching_waifu_x.yaml"])
def test_models_and_kinds_fit_together(name: str) -> None:
    got = resolved(name)
    assert got["views"]["model"] in models.registry()
    text = (CONFIGS / name).read_text(encoding="utf-8")
    for control in got["views"]["controlnets"]:
        assert control["kind"] in got["conditions"]["kinds"] and control["model"] in models.registry()
    used = [got["views"]["model"], *(c["model"] for c in got["views"]["controlnets"]), got["masks"]["grounding_dino"], got["masks"]["sam"]]
    assert f"models fetch {' '.join(used)}\n" in text


def test_the_embedded_profile_is_the_default() -> None:
    got = resolved("character.yaml")["views"]
    assert (got["model"], [(c["model"], c["kind"], c["scale"]) for c in got["controlnets"]]) == (
        "embedded", [("embedded/controlnet-parts", "parts", 1.0)],
    )
    assert (got["steps"], got["guidance_scale"], got["window"]) == (20, 2.5, "causal")
    assert ViewsSettings().source == "diffusion"
