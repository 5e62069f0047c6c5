"""The scene on which gradients are compared, and the comparison without Mitsuba and with one that is made up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.bench import gradient_scene
from scripts.bench.gradient_scene import GradientScene, make_scene
from scripts.bench.projective import OURS, SAMPLES, compared, error, rasterized


@pytest.fixture(scope="module")
def scene() -> GradientScene:
    return make_scene(96, around=60, across=24)


def test_every_mode_moves_by_one_metre_and_none_is_another(scene: GradientScene) -> None:
    lengths = np.sqrt((scene.modes**2).sum(-1).mean(1))
    np.testing.assert_allclose(lengths, 1)
    assert np.linalg.matrix_rank(scene.modes.reshape(len(scene.modes), -1)) == len(scene.modes) == 24


def test_the_ring_is_closed() -> None:
    tri = make_scene(32, 12, 8).t_pos_idx
    edges = np.sort(np.concatenate([tri[:, [0, 1]], tri[:, [1, 2]], tri[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_a_shift_of_the_samples_moves_the_picture(scene: GradientScene) -> None:
    """By a whole sample it is the picture whose camera looks a sample aside."""
    moved = scene.picture(scene.v_pos, (1.0, 0.0))
    camera = scene.camera
    aside = GradientScene(scene.v_pos, scene.t_pos_idx, scene.colours, scene.modes,
                          type(camera)(camera.name, camera.c2w, camera.fx, camera.fy, camera.cx - 1 / gradient_scene.SUPERSAMPLE, camera.cy, camera.width, camera.height))
    np.testing.assert_allclose(moved, aside.picture(scene.v_pos), atol=1e-9)


def test_our_gradient_is_near_the_true_one(scene: GradientScene) -> None:
    """Pixels are coarse beside this ring, and antialiasing is an approximation: within a tenth."""
    few = GradientScene(scene.v_pos, scene.t_pos_idx, scene.colours, scene.modes[[0, 2, 5, 6]], scene.camera)
    few.__dict__["target"] = scene.target
    assert error(few.of_modes(rasterized(few)()), few.true_gradient()) < 0.1


def test_without_mitsuba_ours_alone_is_measured(scene: GradientScene) -> None:
    turn = rasterized(scene)
    figures = compared(turn, scene, scene.of_modes(turn()), None, rounds=1)
    assert set(figures) == {"ours"} and figures["ours"]["error"] < 1e-6 and figures["ours"]["turns"] == len(SAMPLES)


def test_both_of_ours_give_the_same_gradient(scene: GradientScene) -> None:
    torch, compiled = (rasterized(scene, kind())() for kind in (OURS["torch"], OURS["cpu"]))
    np.testing.assert_allclose(torch, compiled, atol=1e-4 * np.abs(compiled).max())


def test_the_quickest_that_is_as_good_is_held_against_us(scene: GradientScene) -> None:
    turn = rasterized(scene)
    ours = scene.of_modes(turn())
    true = ours * 1.02

    class MadeUp:
        def gradient(self, inside: int, outlines: int, seed: int) -> dict:
            seconds = float(inside * outlines)
            return {"d_modes": (true * (1 + 0.04 / inside)).tolist(), "update_s": 0.0, "picture_s": seconds, "gradient_s": seconds, "cpu_s": seconds, "loss": 0.0}

    best = compared(turn, scene, true, MadeUp(), rounds=1)["at_equal_error"]
    assert (best["samples_inside"], best["samples_of_outlines"]) == (4, 1)


def test_what_runs_beside_mitsuba_says_what_is_missing(tmp_path: Path) -> None:
    script = Path(gradient_scene.__file__).with_name("projective_inside.py")
    done = subprocess.run([sys.executable, "-S", str(script), str(tmp_path / "none.npz"), "1"], capture_output=True, text=True, check=False)
    assert done.returncode and "No module named" in done.stderr
