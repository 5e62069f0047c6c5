"""The rasterizer in torch operations against the compiled one and its slow twins: every value, every gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from stages.artifacts.cameras import ring
from stages.rendering import TorchBackend
from stages.rendering.clip import to_clip, view_clip_matrices
from stages.rendering.cpu import CpuRasterizer
from stages.rendering.cpu.antialias import edge_topology as compiled_edge_topology
from stages.rendering.protocol import Rasterizer
from stages.rendering.torch_ops import TorchRasterizer
from stages.rendering.torch_ops.edges import edge_topology
from stages.rendering.torch_ops.gather import gathered, summed
from stages.rendering.torch_ops.spans import members
from stages.rendering.torch_ops.visibility import sortable
from tests.rendering.test_cpu_rasterizer import cube, scene, slow_interpolate, slow_rasterize, slow_texture

Scene = tuple[Tensor, Tensor, tuple[int, int]]
SIZE = (27, 40)


def soup(seed: int = 0, views: int = 2, triangles: int = 60, scale: float = 0.5) -> Scene:
    """Triangles that share nothing, cut one another and reach over every border and both planes."""
    rng = np.random.default_rng(seed)
    xyz = (rng.uniform(-1.1, 1.1, (triangles, 1, 3)) + rng.normal(size=(triangles, 3, 3)) * scale).reshape(-1, 3)
    w = rng.uniform(0.5, 3, (views, 3 * triangles, 1))
    pos = torch.tensor(np.concatenate([xyz * w, w], -1), dtype=torch.float32)
    return pos, torch.arange(3 * triangles, dtype=torch.int32).view(-1, 3), SIZE


def partly_behind() -> Scene:
    """Corners behind the eye, at it, and so little before it that they land far outside."""
    pos, tri, size = soup(1)
    at = torch.arange(pos.shape[1])
    pos[:, at % 7 == 0, 3] *= -1
    pos[:, at % 11 == 0, 3] = 0
    pos[:, at % 13 == 0, 3] = 2e-6
    return pos, tri, size


def ball(subdivisions: int, focal_px: float, size: tuple[int, int] = SIZE, views: int = 3) -> Scene:
    """A closed surface from all sides."""
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=0.5)
    clip = view_clip_matrices(ring("t", views, np.zeros(3), 2.0, 20.0, focal_px, size[1], size[0]))
    return to_clip(torch.tensor(made.vertices, dtype=torch.float32), clip), torch.tensor(made.faces, dtype=torch.int32), size


def on_the_centres() -> Scene:
    """A tilted sheet whose edges, the diagonals too, run through pixel centres."""
    x, y = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="xy")
    column, row = 2 * x.flatten() + 1.5, 2 * y.flatten() + 1.5
    w = 1 + column / 64
    pos = torch.stack([(column / 16 - 1) * w, (row / 16 - 1) * w, (column + row) / 64 * w, w], -1)[None]
    at = (torch.arange(8)[:, None] * 9 + torch.arange(8)).flatten()
    tri = torch.cat([torch.stack([at, at + 1, at + 10], -1), torch.stack([at, at + 10, at + 9], -1)])
    return pos, tri.int(), (32, 32)


def doubled() -> Scene:
    """Everything twice: the first of each two is seen."""
    pos, tri, size = soup(2, triangles=30)
    return torch.cat([pos, pos], 1), torch.cat([tri, tri + pos.shape[1]]), size


def huge() -> Scene:
    """Two triangles of which each covers the picture, a thousand of its widths wide, and a needle across it."""
    xy = torch.tensor([[-999.0, -900], [1000, -800], [3, 1500], [-1.3, -1.2], [1.4, 1.25], [1.4, 1.251]])
    z = torch.tensor([0.9, -0.9, 0.2, -0.5, -0.5, -0.5])[:, None]
    return torch.cat([xy, z, torch.ones(6, 1)], 1)[None], torch.tensor([[0, 1, 2], [2, 0, 1], [3, 4, 5]], dtype=torch.int32), (33, 65)


def nothing() -> Scene:
    """All outside."""
    pos, tri, size = soup(3)
    return pos + torch.tensor([99.0, 0, 0, 0]), tri, size


SCENES: dict[str, Callable[[], Scene]] = {
    "soup": soup, "large soup": lambda: soup(4, 1, 12, 3.0), "slivers": lambda: soup(5, 2, 400, 0.02), "partly behind": partly_behind,
    "ball": lambda: ball(3, 60.0), "tiny triangles": lambda: ball(5, 24.0), "shared edges on pixel centres": on_the_centres, "doubled": doubled, "huge": huge,
    "nothing": nothing, "no triangles": lambda: (soup()[0], torch.zeros(0, 3, dtype=torch.int32), SIZE), "one row": lambda: ball(2, 60.0, (1, 40)),
    "one column": lambda: ball(2, 60.0, (40, 1)),
}
every_scene = pytest.mark.parametrize("name", SCENES)


def noise(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gradients(out: Tensor, leaves: tuple[Tensor, ...], seed: int = 9) -> tuple[Tensor, ...]:
    """Of a weighted sum of ``out`` that no symmetry makes 0."""
    return torch.autograd.grad((out * noise(out.shape, seed)).sum(), leaves)


def close(ours: Tensor, compiled: Tensor, share: float = 1e-5) -> None:
    """Equal but for rounding, as a share of the largest."""
    assert ours.shape == compiled.shape and ours.dtype == compiled.dtype
    assert (ours - compiled).abs().max() <= share * compiled.abs().max()


def leaves(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(t.detach().clone().requires_grad_() for t in tensors)


@every_scene
def test_what_is_seen_is_equal_in_every_bit(name: str) -> None:
    pos, tri, size = SCENES[name]()
    ours, compiled = (r.rasterize(pos, tri, size) for r in (TorchRasterizer(), CpuRasterizer()))
    assert torch.equal(ours, compiled)
    assert (compiled[..., 3] > 0).any() == (name not in ("nothing", "no triangles"))


@every_scene
def test_gradients_of_weights_are_equal(name: str) -> None:
    """And z/w has none."""
    pos, tri, size = SCENES[name]()
    found = []
    for r in (TorchRasterizer(), CpuRasterizer()):
        (p,) = leaves(pos)
        found.append(gradients(r.rasterize(p, tri, size), (p,))[0])
    close(*found)
    assert (found[0][..., 2] == 0).all() and found[0].isfinite().all()


@every_scene
@pytest.mark.parametrize("shared", [True, False])
def test_interpolation_is_equal(name: str, shared: bool) -> None:
    pos, tri, size = SCENES[name]()
    rast = CpuRasterizer().rasterize(pos, tri, size)
    attr = noise((1 if shared else len(pos), pos.shape[1], 5), 2)
    found = []
    for r in (TorchRasterizer(), CpuRasterizer()):
        given = leaves(attr, rast)
        out = r.interpolate(*given, tri)
        found.append((out, *gradients(out, given)))
    (ours, ours_attr, ours_rast), (compiled, compiled_attr, compiled_rast) = found
    close(ours, compiled, 1e-6)
    close(ours_attr, compiled_attr)
    close(ours_rast, compiled_rast)


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("texels", [(9, 7), (1, 5), (64, 64)])
def test_texture_is_equal(views: int, texels: tuple[int, int]) -> None:
    """Coordinates beyond the edges, on them, and at 0 where nothing is seen."""
    tex, uv = noise((views, *texels, 3), 4), torch.rand(2, 6, 5, 2, generator=torch.Generator().manual_seed(5)) * 1.4 - 0.2
    uv[:, 0], uv[:, 1], uv[:, 2, :, 0] = 0, 1, 0.5 / texels[1]
    found = []
    for r in (TorchRasterizer(), CpuRasterizer()):
        given = leaves(tex, uv)
        out = r.texture(*given)
        found.append((out, *gradients(out, given)))
    for ours, compiled in zip(*found, strict=True):
        close(ours, compiled, 1e-6)


@every_scene
def test_antialiasing_is_equal(name: str) -> None:
    pos, tri, size = SCENES[name]()
    rast = CpuRasterizer().rasterize(pos, tri, size)
    colour = noise((len(pos), *size, 3), 6)
    found = []
    for r in (TorchRasterizer(), CpuRasterizer()):
        given = leaves(colour, pos)
        out = r.antialias(given[0], rast, given[1], tri)
        found.append((out, *gradients(out, given)))
    (ours, ours_colour, ours_pos), (compiled, compiled_colour, compiled_pos) = found
    close(ours, compiled, 1e-6)
    close(ours_colour, compiled_colour)
    if name == "doubled":  # which of two outlines in one place is pulled at is a matter of rounding
        ours_pos, compiled_pos = (g.view(len(g), 2, -1, 4).sum(1) for g in (ours_pos, compiled_pos))
    close(ours_pos, compiled_pos, 1e-2 if name == "partly behind" else 1e-4)  # the compiled one moves edges in float32, these by millions of pixels
    assert ours_pos.isfinite().all()


def drawn(r: Rasterizer, v_pos: Tensor, uv: Tensor, tex: Tensor, colour: Tensor, tri: Tensor, clip: Tensor, size: tuple[int, int]) -> Tensor:
    """A textured and tinted picture with its alpha, (B, H, W, 4)."""
    pos = to_clip(v_pos, clip)
    rast = r.rasterize(pos, tri, size)
    alpha = (rast[..., 3:] > 0).float()
    picture = r.texture(tex, r.interpolate(uv, rast, tri)) * r.interpolate(colour, rast, tri)
    return r.antialias(torch.cat([torch.where(alpha > 0, picture, 0.3), alpha], -1), rast, pos, tri)


@pytest.mark.parametrize("figure", ["ball", "cube"])
def test_a_whole_picture_and_its_gradients_are_equal(figure: str) -> None:
    made = trimesh.creation.icosphere(subdivisions=3, radius=0.6)
    v_pos, tri = cube() if figure == "cube" else (torch.tensor(made.vertices, dtype=torch.float32), torch.tensor(made.faces, dtype=torch.int32))
    clip = view_clip_matrices(ring("t", 3, np.zeros(3), 4.0, 10.0, 160.0, 72, 60))
    given = (v_pos, torch.sigmoid(noise((1, len(v_pos), 2), 1)), noise((1, 16, 12, 3), 2), noise((1, len(v_pos), 3), 3))
    found = []
    for r in (TorchRasterizer(), CpuRasterizer()):
        x = leaves(*given)
        out = drawn(r, *x, tri, clip, (60, 72))
        found.append((out, *torch.autograd.grad(((out - noise(out.shape, 4)) ** 2).mean(), x)))
    for ours, compiled in zip(*found, strict=True):
        assert compiled.abs().max() > 1e-4
        close(ours, compiled, 2e-5)


def test_slow_twins_agree() -> None:
    """Those of the compiled rasterizer, without it."""
    r = TorchRasterizer()
    pos, tri = scene()
    rast = r.rasterize(pos, tri, (22, 18))
    for view, picture in zip(pos.numpy(), rast.numpy(), strict=True):
        slow = slow_rasterize(view, tri.numpy(), (22, 18))
        np.testing.assert_array_equal(picture[..., 3], slow[..., 3])
        np.testing.assert_allclose(picture[..., :3], slow[..., :3], atol=1e-5)
    attr, (tex, uv) = noise((2, 12, 5), 0), (noise((2, 9, 7, 3), 1), torch.rand(2, 6, 5, 2, generator=torch.Generator().manual_seed(2)) * 1.2 - 0.1)
    torch.testing.assert_close(r.interpolate(attr, rast, tri), slow_interpolate(attr, rast, tri), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(r.texture(tex, uv), slow_texture(tex, uv), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["soup", "ball", "doubled", "huge"])
def test_pieces_of_any_size_and_turns_give_the_same_bytes(name: str) -> None:
    pos, tri, size = SCENES[name]()
    colour, found = noise((len(pos), *size, 3), 7), []
    for at_once in (None, None, 1009, 50, 10**9):
        r, (p, c) = TorchRasterizer(at_once=at_once), leaves(pos, colour)
        rast = r.rasterize(p, tri, size)
        out = r.antialias(r.interpolate(p[..., :3], rast, tri) * c, rast, p, tri)
        found.append([rast, out, *gradients(out, (p, c))])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_order_of_triangles_changes_only_their_numbers() -> None:
    pos, tri, size = soup(8)
    turned = torch.randperm(len(tri), generator=torch.Generator().manual_seed(0))
    a, b = (TorchRasterizer().rasterize(pos, t, size) for t in (tri, tri[turned]))
    numbers = torch.cat([torch.zeros(1, dtype=torch.long), turned + 1])
    assert torch.equal(a[..., :3], b[..., :3]) and torch.equal(a[..., 3].long(), numbers[b[..., 3].long()])


@pytest.mark.parametrize("at_once", [1, 2, 5, 100])
def test_members_of_lists_come_in_order_and_in_bounded_pieces(at_once: int) -> None:
    counts = [0, 3, 0, 0, 7, 1, 0, 12, 0]
    pieces = list(members(torch.tensor(counts), at_once))
    assert all(len(which) == len(number) <= at_once for which, number in pieces)
    found = [(int(w), int(n)) for which, number in pieces for w, n in zip(which, number, strict=True)]
    assert found == [(w, n) for w, count in enumerate(counts) for n in range(count)]
    assert not list(members(torch.zeros(4, dtype=torch.int64), at_once)) and not list(members(torch.zeros(0, dtype=torch.int64), at_once))


def test_sums_and_gathers_are_each_others_gradient() -> None:
    table, index = noise((6, 3), 0).double().requires_grad_(), torch.tensor([4, 0, 4, 4, 1])
    assert torch.autograd.gradcheck(lambda x: gathered(x, index), table)
    assert torch.autograd.gradcheck(lambda x: summed(x, index, 6), noise((5, 3), 1).double().requires_grad_())
    assert torch.equal(summed(torch.ones(5, 1), index, 6)[:, 0], torch.tensor([1.0, 1, 0, 0, 3, 0]))


def test_depths_sort_as_whole_numbers() -> None:
    z = torch.tensor([-1.0, -0.5, -1e-300, 0.0, 1e-300, 0.25, 1.0], dtype=torch.float64)
    assert (sortable(z).diff() > 0).all() and sortable(-z[3:4]) == sortable(z[3:4])


def test_edges_are_those_of_the_compiled_one() -> None:
    meshes = [t for make in SCENES.values() for t in (make()[1],)] + [torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4]], dtype=torch.int32)]
    for tri in meshes:
        assert np.array_equal(edge_topology(tri.long()).T.numpy(), compiled_edge_topology(tri.numpy()))


def test_triangles_changed_in_place_are_noticed() -> None:
    pos, tri, size = ball(1, 60.0)
    r, colour = TorchRasterizer(), noise((3, *SIZE, 1), 0)
    r.antialias(colour, r.rasterize(pos, tri, size), pos, tri)
    tri[: len(tri) // 2] = tri[0]
    rast = r.rasterize(pos, tri, size)
    close(r.antialias(colour, rast, pos, tri), CpuRasterizer().antialias(colour, rast, pos, tri), 1e-6)


@pytest.mark.skipif(TorchBackend().probe() is not None, reason=str(TorchBackend().probe()))
@every_scene
def test_a_gpu_draws_what_the_cpu_draws(name: str) -> None:
    pos, tri, size = SCENES[name]()
    colour, found = noise((len(pos), *size, 3), 7), []
    for r in (TorchBackend().create(), TorchBackend().create(), CpuRasterizer()):
        p, c = leaves(pos, colour)
        rast = r.rasterize(p, tri, size)
        out = r.antialias(r.interpolate(p[..., :3], rast, tri) * c, rast, p, tri)
        assert rast.device == out.device == pos.device
        found.append([rast, out, *gradients(out, (p, c))])
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[1], strict=True))
    assert torch.equal(found[0][0][..., 3], found[2][0][..., 3])
    for ours, compiled in zip(found[0], found[2], strict=True):
        close(ours, compiled, 1e-4)
