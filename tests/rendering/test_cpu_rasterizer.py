"""The CPU rasterizer against slow, obvious twins, and its gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stages.artifacts.cameras import ring
from stages.rendering.clip import to_clip, view_clip_matrices
from stages.rendering.cpu import CpuRasterizer
from stages.rendering.cpu.antialias import edge_topology

SIZE = (22, 18)


def scene(seed: int = 0, views: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Clip-space vertices (views, V, 4) of a few overlapping triangles at varied depth, and their indices."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(-0.9, 0.9, (12, 3))
    w = rng.uniform(0.8, 2.5, (views, 12))
    pos = np.stack([np.concatenate([xyz * w[v][:, None], w[v][:, None]], 1) for v in range(views)])
    return torch.tensor(pos, dtype=torch.float32), torch.arange(12, dtype=torch.int32).reshape(4, 3)


def slow_rasterize(pos: np.ndarray, tri: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """One view, pixel by pixel, by the homogeneous edge functions of Olano and Greer (1997)."""
    height, width = size
    out = np.zeros((height, width, 4))
    for y in range(height):
        for x in range(width):
            at = np.array([(x + 0.5) / width * 2 - 1, (y + 0.5) / height * 2 - 1])
            best = np.inf
            for f, corners in enumerate(tri):
                p = pos[corners].astype(np.float64)
                m = np.stack([p[:, 0] - at[0] * p[:, 3], p[:, 1] - at[1] * p[:, 3]], 1)
                a = np.array([np.linalg.det(m[[1, 2]]), np.linalg.det(m[[2, 0]]), np.linalg.det(m[[0, 1]])])
                if a.sum() == 0 or ((a / a.sum()) < 0).any():
                    continue
                b = a / a.sum()
                z = (b @ p[:, 2]) / (b @ p[:, 3])
                if -1 <= z <= 1 and z < best:
                    best = z
                    out[y, x] = b[0], b[1], z, f + 1
    return out


def test_rasterize_equals_its_slow_twin() -> None:
    pos, tri = scene()
    rast = CpuRasterizer().rasterize(pos, tri, SIZE).numpy()
    for view in range(len(pos)):
        slow = slow_rasterize(pos[view].numpy(), tri.numpy(), SIZE)
        np.testing.assert_array_equal(rast[view, ..., 3], slow[..., 3])
        np.testing.assert_allclose(rast[view, ..., :3], slow[..., :3], atol=1e-5)
        assert 30 < (slow[..., 3] > 0).sum() < SIZE[0] * SIZE[1]


def test_triangles_behind_the_eye_are_left_out() -> None:
    pos, tri = scene()
    pos[:, 3:6] *= -1
    assert not (CpuRasterizer().rasterize(pos, tri, SIZE)[..., 3] == 2).any()


def test_bands_of_rows_change_nothing() -> None:
    import numba

    pos, tri = scene(3, views=1)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = CpuRasterizer().rasterize(pos, tri, SIZE)
    finally:
        numba.set_num_threads(threads)
    assert torch.equal(one, CpuRasterizer().rasterize(pos, tri, SIZE))


def slow_interpolate(attr: torch.Tensor, rast: torch.Tensor, tri: torch.Tensor) -> torch.Tensor:
    """Gather in torch."""
    corners = tri.long()[(rast[..., 3].long() - 1).clamp_min(0)]
    view = torch.arange(len(rast))[:, None, None, None].expand(corners.shape)
    values = attr.expand(len(rast), -1, -1)[view, corners]
    b = torch.stack([rast[..., 0], rast[..., 1], 1 - rast[..., 0] - rast[..., 1]], -1)
    return (values * b[..., None]).sum(-2) * (rast[..., 3:] > 0)


@pytest.mark.parametrize("shared", [True, False])
def test_interpolate_equals_its_slow_twin_in_values_and_gradients(shared: bool) -> None:
    pos, tri = scene()
    attr = torch.randn(1 if shared else 2, 12, 5, generator=torch.Generator().manual_seed(2), requires_grad=True)
    rast = CpuRasterizer().rasterize(pos, tri, SIZE).requires_grad_()
    fast, slow = CpuRasterizer().interpolate(attr, rast, tri), slow_interpolate(attr, rast, tri)
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5)
    weight = torch.randn(fast.shape, generator=torch.Generator().manual_seed(3))
    for a, b in zip(torch.autograd.grad((fast * weight).sum(), (attr, rast)), torch.autograd.grad((slow * weight).sum(), (attr, rast)), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def slow_texture(tex: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
    """torch's own sampler."""
    tex = tex.expand(len(uv), -1, -1, -1).permute(0, 3, 1, 2)
    return torch.nn.functional.grid_sample(tex, uv * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False).permute(0, 2, 3, 1)


@pytest.mark.parametrize("shared", [True, False])
def test_texture_equals_its_slow_twin_in_values_and_gradients(shared: bool) -> None:
    rng = torch.Generator().manual_seed(4)
    tex = torch.rand(1 if shared else 2, 9, 7, 3, generator=rng, requires_grad=True)
    uv = (torch.rand(2, 6, 5, 2, generator=rng) * 1.2 - 0.1).requires_grad_()
    fast, slow = CpuRasterizer().texture(tex, uv), slow_texture(tex, uv)
    torch.testing.assert_close(fast, slow, atol=1e-5, rtol=1e-5)
    weight = torch.randn(fast.shape, generator=rng)
    for a, b in zip(torch.autograd.grad((fast * weight).sum(), (tex, uv)), torch.autograd.grad((slow * weight).sum(), (tex, uv)), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_edges_of_a_tetrahedron() -> None:
    tri = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], np.int32)
    edge = edge_topology(tri)
    assert [tuple(e) for e in edge[:, :2]] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for a, b, c, d in edge:
        assert {a, b, c, d} == {0, 1, 2, 3}
    assert (edge_topology(tri[:1])[:, 3] == -1).all()


def soft_square(offset: float, size: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """A square from x = -0.5 + offset to 0.5 + offset in NDC, w = 2."""
    xy = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) + torch.tensor([offset, 0.0])
    pos = torch.cat([xy * 2, torch.zeros(4, 1), torch.full((4, 1), 2.0)], 1)[None]
    return pos, torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)


def covered(pos: torch.Tensor, tri: torch.Tensor, size: int = 16) -> torch.Tensor:
    r = CpuRasterizer()
    rast = r.rasterize(pos, tri, (size, size))
    return r.antialias((rast[..., 3:] > 0).float(), rast, pos, tri)


@pytest.mark.parametrize("offset", [0.0, 0.013, 0.031, 0.06, -0.04])
def test_antialiased_coverage_is_the_area(offset: float) -> None:
    area = covered(*soft_square(offset)).sum().item()
    assert area == pytest.approx(64.0, abs=1e-3)


def test_antialiasing_leaves_inner_edges_and_empty_pictures_alone() -> None:
    pos, tri = soft_square(0.0)
    colour = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    r = CpuRasterizer()
    out = r.antialias(colour, r.rasterize(pos, tri, (16, 16)), pos, tri)
    assert torch.equal(out[:, 6:10, 6:10], colour[:, 6:10, 6:10])  # the diagonal
    far = pos + torch.tensor([40.0, 0, 0, 0])
    assert torch.equal(r.antialias(colour, r.rasterize(far, tri, (16, 16)), far, tri), colour)


def loss_of(v_pos: torch.Tensor, clip: torch.Tensor, tri: torch.Tensor, goal: torch.Tensor, parts: str) -> torch.Tensor:
    """A weighted sum of what is drawn: inside colours ("inner") or the silhouette ("outline")."""
    r = CpuRasterizer()
    pos = to_clip(v_pos, clip)
    rast = r.rasterize(pos, tri, goal.shape[1:3])
    if parts == "inner":
        return (r.interpolate(torch.sin(9 * v_pos)[None], rast, tri) * goal).sum()
    return (r.antialias((rast[..., 3:] > 0).float(), rast, pos, tri) * goal[..., :1]).sum()


def cube() -> tuple[torch.Tensor, torch.Tensor]:
    """A cube turned so that no edge is parallel to the picture."""
    v = torch.tensor([[x, y, z] for x in (-1.0, 1) for y in (-1.0, 1) for z in (-1.0, 1)])
    turn, _ = torch.linalg.qr(torch.tensor([[0.8, 0.3, 0.5], [-0.4, 0.9, 0.2], [-0.3, -0.4, 0.8]]))
    t = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
    return 0.4 * v @ turn.T, torch.tensor(t, dtype=torch.int32)


def test_gradients_of_inner_pixels_match_finite_differences() -> None:
    v, tri = cube()
    clip = view_clip_matrices(ring("t", 3, np.zeros(3), 4.0, 10.0, 90.0, 40, 40))
    goal = torch.zeros(3, 40, 40, 3)
    goal[:, 17:24, 17:24] = torch.rand(3, 7, 7, 3, generator=torch.Generator().manual_seed(5))  # away from silhouettes
    v.requires_grad_()
    grad = torch.autograd.grad(loss_of(v, clip, tri, goal, "inner"), v)[0]
    # corners' attributes move with them, so the sum of the two paths is what differences see
    check_differences(lambda x: loss_of(x, clip, tri, goal, "inner"), v.detach(), grad, step=2e-3, tolerance=0.06)


def test_gradients_of_silhouettes_match_finite_differences() -> None:
    v, tri = cube()
    clip = view_clip_matrices(ring("t", 3, np.zeros(3), 4.0, 10.0, 160.0, 64, 64))
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    goal = torch.tensor(np.sin(x / 9) * np.cos(y / 11), dtype=torch.float32)[None, ..., None].expand(3, -1, -1, 3)
    v.requires_grad_()
    grad = torch.autograd.grad(loss_of(v, clip, tri, goal, "outline"), v)[0]
    check_differences(lambda x: loss_of(x, clip, tri, goal, "outline"), v.detach(), grad, step=1e-2, tolerance=0.12)


def check_differences(function, v: torch.Tensor, grad: torch.Tensor, step: float, tolerance: float) -> None:
    """Central differences of every coordinate against ``grad``, relative to the largest."""
    found = torch.zeros_like(v)
    for i in range(v.shape[0]):
        for k in range(3):
            ahead, behind = v.clone(), v.clone()
            ahead[i, k] += step
            behind[i, k] -= step
            found[i, k] = (function(ahead) - function(behind)) / (2 * step)
    assert found.abs().max() > 1e-2
    assert (grad - found).abs().max() < tolerance * found.abs().max()


def test_pixels_smaller_than_triangles_are_no_condition() -> None:
    """A sphere of triangles far smaller than a pixel still pulls at its outline."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.5)
    v = torch.tensor(ball.vertices, dtype=torch.float32, requires_grad=True)
    tri = torch.tensor(ball.faces, dtype=torch.int32)
    clip = view_clip_matrices(ring("t", 1, np.zeros(3), 4.0, 0.0, 100.0, 32, 32))
    scale = torch.ones(1, requires_grad=True)
    r = CpuRasterizer()
    pos = to_clip(v * scale, clip)
    rast = r.rasterize(pos, tri, (32, 32))
    area = r.antialias((rast[..., 3:] > 0).float(), rast, pos, tri).sum()
    radius_px = 100 * 0.5 / np.sqrt(16 - 0.25)
    assert area.item() == pytest.approx(np.pi * radius_px**2, rel=0.02)
    assert torch.autograd.grad(area, scale)[0].item() == pytest.approx(2 * np.pi * radius_px**2, rel=0.15)


def test_everything_is_repeatable() -> None:
    v, tri = cube()
    clip = view_clip_matrices(ring("t", 2, np.zeros(3), 4.0, 0.0, 160.0, 64, 64))
    goal = torch.rand(2, 64, 64, 3, generator=torch.Generator().manual_seed(6))
    grads = []
    for _ in range(3):
        x = v.clone().requires_grad_()
        grads.append(torch.autograd.grad(loss_of(x, clip, tri, goal, "outline") + loss_of(x, clip, tri, goal, "inner"), x)[0])
    assert torch.equal(grads[0], grads[1]) and torch.equal(grads[0], grads[2])
