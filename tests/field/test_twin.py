"""Both implementations against the slow twin: what they compute and how they differentiate it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stages.field.composite import CHARBONNIER
from stages.field.cpu_field import CpuField
from stages.field.encoding import BLOCK, GridLayout
from stages.field.harmonics import harmonics
from stages.field.march import Samples
from stages.field.network import LOG_DENSITY
from stages.field.pixels import Batch
from stages.field.settings import FieldSettings
from stages.field.torch_field import TorchField
from tests.field import twin

EXTENT = np.array([0.6, 0.4, 1.0])
STEP_M = np.float32(0.05)
COUNTS = (4, 0, 7, 1)  # samples of the rays: one ray meets nothing


def settings_of(**changes: object) -> FieldSettings:
    return FieldSettings(**{"levels": 4, "log2_hashmap_size": 9, "base_resolution": 4, "finest_resolution": 40, "hidden": 8,
                            "mask_weight": 0.3, "distortion_weight": 0.2, **changes})


def problem(settings: FieldSettings, kind: type) -> SimpleNamespace:
    """A field with large random weights, rays with samples, and targets."""
    rng = np.random.default_rng(3)
    layout = GridLayout.of(settings.levels, settings.features, settings.log2_hashmap_size, settings.base_resolution,
                           settings.finest_resolution, EXTENT)
    assert layout.hashed.any() and not layout.hashed.all()
    field = kind(layout, settings, rng) if kind is CpuField else kind(layout, settings, rng, "cpu")
    table = rng.uniform(-1, 1, field.weights["table"].shape).astype(np.float32)
    field.load(field.state() | {"weight.table": table})
    start = np.concatenate([[0], np.cumsum(COUNTS)]).astype(np.int64)
    points, t, ray = np.zeros((BLOCK, 3), np.float32), np.zeros(BLOCK, np.float32), np.zeros(BLOCK, np.int64)
    n = int(start[-1])
    points[:n] = rng.uniform(0, EXTENT, (n, 3))
    for r, count in enumerate(COUNTS):
        t[start[r] : start[r + 1]] = 2 + STEP_M * np.arange(count) + 0.01 * r
        ray[start[r] : start[r + 1]] = r
    unit = rng.normal(size=(len(COUNTS), 3))
    unit = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float32)
    draw = lambda k: rng.random((len(COUNTS), k), np.float32)  # noqa: E731
    batch = Batch(draw(3), unit, unit, draw(4), draw(3), draw(1)[:, 0])
    return SimpleNamespace(field=field, layout=layout, samples=Samples(start, points, t, ray), batch=batch, settings=settings)


def slow(p: SimpleNamespace) -> tuple[torch.Tensor, dict[str, torch.Tensor], list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]]:
    """Loss per ray, the twin's weights, and per ray its (density, rgb, compositing weights)."""
    state = p.field.state()
    weights = {k: torch.tensor(state[f"weight.{k}"], dtype=torch.float64, requires_grad=True) for k in ("table", "w1", "w2", "w3", "w4")}
    sh = torch.tensor(harmonics(p.batch.unit), dtype=torch.float64)
    losses, rays = [], []
    for r in range(len(COUNTS)):
        density, rgb = [], []
        for n in range(p.samples.start[r], p.samples.start[r + 1]):
            features = twin.encode_point(torch.tensor(p.samples.points[n]), weights["table"], p.layout)
            d, c = twin.networks(features, sh[r] if p.settings.view_dependence else sh[r, :0], weights, float(LOG_DENSITY))
            density.append(d)
            rgb.append(c)
        sigma = torch.stack(density) if density else torch.zeros(0, dtype=torch.float64)
        colours = torch.stack(rgb) if rgb else torch.zeros(0, 3, dtype=torch.float64)
        colour, w = twin.composite(sigma, colours, float(STEP_M))
        t = torch.tensor(p.samples.t[p.samples.start[r] : p.samples.start[r + 1]], dtype=torch.float64)
        losses.append(twin.ray_loss(
            colour, w, t, float(STEP_M), torch.tensor(p.batch.rgba[r], dtype=torch.float64),
            torch.tensor(p.batch.background[r], dtype=torch.float64), p.settings.loss == "charbonnier", p.settings.mask_weight,
            p.settings.distortion_weight, float(CHARBONNIER),
        ))
        rays.append((sigma, colours, w))
    return torch.stack(losses), weights, rays


@pytest.mark.parametrize("kind", [CpuField, TorchField])
@pytest.mark.parametrize("changes", [{}, {"loss": "l2", "view_dependence": True}, {"features": 2}], ids=["default", "l2-view", "two"])
def test_loss_and_gradients_agree_with_the_twin(kind: type, changes: dict[str, object]) -> None:
    p = problem(settings_of(**changes), kind)
    want, weights, _ = slow(p)
    want.mean().backward()
    gradients, per_ray = p.field.gradients(p.batch, p.samples, STEP_M)
    np.testing.assert_allclose(np.asarray(per_ray)[:, 0], want.detach().numpy(), rtol=2e-5, atol=2e-6)
    for name, weight in weights.items():
        expected = weight.grad.numpy()
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(np.asarray(gradients[name]), expected, rtol=2e-3, atol=2e-5 * np.abs(expected).max(), err_msg=name)


@pytest.mark.parametrize("kind", [CpuField, TorchField])
def test_pictures_and_points_agree_with_the_twin(kind: type) -> None:
    p = problem(settings_of(view_dependence=True), kind)
    _, _, rays = slow(p)
    got = p.field.render(p.batch.unit, p.samples, STEP_M)
    for r, (_, rgb, w) in enumerate(rays):
        t = p.samples.t[p.samples.start[r] : p.samples.start[r + 1]]
        w, rgb = w.detach(), rgb.detach()
        want = [*(w[:, None] * rgb).sum(0).tolist(), float(w.sum()), float((w.numpy() * t).sum())]
        np.testing.assert_allclose(got[r], want, rtol=1e-4, atol=1e-6)
    density, rgb = p.field.evaluate(p.batch.unit, p.samples)
    np.testing.assert_allclose(density, torch.cat([r[0] for r in rays]).detach().numpy(), rtol=1e-4)
    np.testing.assert_allclose(rgb, torch.cat([r[1] for r in rays]).detach().numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(p.field.density(p.samples.points[: p.samples.count]), density, rtol=1e-5)


def test_both_take_the_same_steps() -> None:
    fields = [problem(settings_of(), kind) for kind in (CpuField, TorchField)]
    for p in fields:
        for _ in range(3):
            p.field.step(p.batch, p.samples, STEP_M, 1e-2)
    ours, theirs = (p.field.state() for p in fields)
    assert ours.keys() == theirs.keys() and ours["updates"] == theirs["updates"] == 3
    for name in ours:
        if name.startswith("weight"):
            np.testing.assert_allclose(ours[name], theirs[name], atol=2e-4, err_msg=name)


def test_rows_without_gradient_stay_as_they_are() -> None:
    p = problem(settings_of(), CpuField)
    before = p.field.state()["weight.table"].copy()
    touched = (p.field.gradients(p.batch, p.samples, STEP_M)[0]["table"] != 0).copy()
    p.field._d_table[:] = 0
    p.field.step(p.batch, p.samples, STEP_M, 1e-2)
    changed = p.field.state()["weight.table"] != before
    assert 0 < touched.sum() < touched.size
    np.testing.assert_array_equal(changed, touched)


def test_padding_does_not_matter() -> None:
    p = problem(settings_of(), CpuField)
    clean = p.field.render(p.batch.unit, p.samples, STEP_M)
    points = p.samples.points.copy()
    points[p.samples.count :] = 0.37
    other = replace(p.samples, points=points)
    np.testing.assert_array_equal(p.field.render(p.batch.unit, other, STEP_M), clean)


def test_colours_and_gradients_stay_finite_where_the_sigmoid_is_saturated() -> None:
    """Black regions push the colour network far out; exp of that overflows."""
    p = problem(settings_of(), CpuField)
    state = p.field.state()
    p.field.load(state | {"weight.w4": state["weight.w4"] * 2000})
    _, rgb = p.field.evaluate(p.batch.unit, p.samples)
    assert np.isfinite(rgb).all() and rgb.min() < 1e-6
    gradients, _ = p.field.gradients(p.batch, p.samples, STEP_M)
    assert all(np.isfinite(g).all() for g in gradients.values())
