"""Training on a ball: it learns, it repeats itself, it goes on where it stopped; what is baked is a ball."""

from __future__ import annotations

from pathlib import Path

import numba
import numpy as np
import pytest

from pipeline.errors import StageError
from stages.artifacts.scores import figure_psnr
from stages.field.bake import bake
from stages.field.cpu_field import CpuField
from stages.field.encoding import GridLayout
from stages.field.render import novel_cameras, render
from stages.field.scene import Scene
from stages.field.settings import FieldSettings
from stages.field.torch_field import TorchField
from stages.field.training import Training
from tests.field.scenes import RADIUS_M, SMALL, ball_scene


def begin(scene: Scene, settings: FieldSettings = SMALL, kind: str = "cpu") -> Training:
    rng = np.random.default_rng(settings.seed)
    layout = GridLayout.of(settings.levels, settings.features, settings.log2_hashmap_size, settings.base_resolution,
                           settings.finest_resolution, scene.box.extent)
    field = CpuField(layout, settings, rng) if kind == "cpu" else TorchField(layout, settings, rng, "cpu")
    return Training(scene, field, settings, rng)


def finish(training: Training) -> Training:
    training.run(lambda quality: None, lambda state: None)
    return training


def same(a: Training, b: Training) -> bool:
    left, right = a.field.state(), b.field.state()
    return left.keys() == right.keys() and all(np.array_equal(left[k], right[k]) for k in left) and a.history == b.history


@pytest.fixture(scope="module")
def trained() -> Training:
    return finish(begin(ball_scene()))


def test_a_view_that_was_held_out_is_rendered_well(trained: Training) -> None:
    view = trained.scene.held_out[0]
    picture = render(trained.field, trained.scene, view.camera)
    assert figure_psnr(view.rgba, picture.rgba) > 20
    middle = picture.depth_m[24, 24]
    assert abs(middle - 2.5) < 0.08
    assert np.isinf(picture.depth_m[0, 0]) and picture.rgba[0, 0, 3] == 0


def test_same_seed_same_field_whatever_the_threads(trained: Training) -> None:
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = finish(begin(ball_scene()))
    finally:
        numba.set_num_threads(threads)
    assert same(alone, trained)
    other = SMALL.model_copy(update={"seed": 1, "steps": 3})
    assert not same(finish(begin(ball_scene(other), other)), trained)


def test_a_training_that_was_stopped_ends_in_the_same_numbers(trained: Training, tmp_path: Path) -> None:
    first = begin(ball_scene())
    for _ in range(27):
        first.advance()
    first.save(tmp_path / "state")
    second = begin(ball_scene())
    second.restore(tmp_path / "state")
    assert second.done == 27
    assert same(finish(second), trained)
    np.testing.assert_array_equal(second.scene.occupancy.occupied, trained.scene.occupancy.occupied)


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    training = begin(ball_scene())
    training.field.weights["w1"][:] = np.nan
    with pytest.raises(StageError, match="not finite at step 0: lower field.learning_rate"):
        training.advance()


def test_torch_learns_too() -> None:
    settings = SMALL.model_copy(update={"steps": 50, "samples_per_batch": 8192})
    training = finish(begin(ball_scene(settings), settings, "torch"))
    view = training.scene.held_out[0]
    assert figure_psnr(view.rgba, render(training.field, training.scene, view.camera).rgba) > 16


def test_baked_grid_is_a_solid_ball(trained: Training) -> None:
    baked = bake(trained.field, trained.scene, 40, "unseen")
    index = np.stack(np.meshgrid(*(np.arange(n) for n in baked.density.shape), indexing="ij"), -1)
    world = index @ baked.grid2world[:3, :3].T + baked.grid2world[:3, 3]
    distance = np.linalg.norm(world, axis=-1)
    cell = baked.grid2world[0, 0]
    opacity = 1 - np.exp(-baked.density * cell)
    assert max(baked.density.shape) == 40
    seen = np.abs(world[..., 2]) < 0.3  # the ring does not see the poles
    assert (opacity[distance < 0.7 * RADIUS_M] > 0.9).mean() > 0.8
    assert opacity[(distance > RADIUS_M + 2 * cell) & seen].max() < 0.4
    shell = (np.abs(distance - RADIUS_M) < cell) & seen
    truth = 0.5 + 0.4 * world / np.maximum(distance, 1e-9)[..., None]
    assert np.abs(baked.rgb - truth)[shell].mean() < 0.04
    within = (np.abs(distance - (RADIUS_M - 3 * cell)) < cell / 2) & seen
    assert np.abs(baked.rgb - truth)[within].mean() < 0.08


def test_without_filling_the_inside_is_what_the_networks_say(trained: Training) -> None:
    hollow, solid = (bake(trained.field, trained.scene, 40, fill).density for fill in ("none", "unseen"))
    assert (solid >= hollow).all() and (solid > hollow).any()


def test_novel_cameras_go_round_and_meet_no_training_view(trained: Training) -> None:
    cameras = [v.camera for v in trained.scene.training]
    novel = novel_cameras(cameras, np.zeros(3), 8)
    assert len({round(c.azimuth_deg, 3) for c in novel}) == 8
    assert min(np.linalg.norm(a.position - b.position) for a in novel for b in cameras) > 0.1
    for camera in novel:
        assert abs(np.linalg.norm(camera.position) - 3) < 1e-6
        np.testing.assert_allclose(camera.project(np.zeros(3))[0], [24, 24], atol=1e-6)


def test_sharpening_changes_the_figure_only() -> None:
    plain, sharp = (ball_scene(SMALL.model_copy(update={"sharpen": s})).pixels._rgba for s in (0.0, 1.0))
    np.testing.assert_array_equal(plain[:, 3], sharp[:, 3])
    changed = np.abs(plain[:, :3] - sharp[:, :3]).max(1) > 1e-6
    assert changed.any() and not changed[plain[:, 3] == 0].any()
