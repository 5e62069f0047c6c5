"""The rings hold the whole body with the margin asked for, touch it at least once, and look at the face."""

import types

import numpy as np

from stages.artifacts.framing import body_ring, head_ring


def cloud(rng: np.random.Generator) -> types.SimpleNamespace:
    v = rng.uniform([-0.6, -0.15, 0.0], [0.6, 0.2, 1.58], (400, 3))
    v[0], v[1] = (0.0, -0.05, 1.33), (0.0, 0.02, 1.58)
    return types.SimpleNamespace(v_pos=v, landmarks={"chin": 0, "crown": 1})


def test_body_ring_keeps_the_margin_and_uses_the_frame() -> None:
    body = cloud(np.random.default_rng(0))
    cameras = body_ring(body, 48, 288, 384, margin=0.05)
    xy = np.stack([c.project(body.v_pos)[0] for c in cameras]) / [288, 384]
    assert xy.min() >= 0.05 - 1e-9 and xy.max() <= 0.95 + 1e-9
    assert min(xy.min(), 1 - xy.max()) < 0.06
    assert [round(c.azimuth_deg, 6) for c in cameras[:3]] == [0.0, 7.5, 15.0]
    assert cameras[0].name == "body_00"


def test_head_ring_centres_the_head() -> None:
    body = cloud(np.random.default_rng(1))
    for camera in head_ring(body, 8, 288, 384):
        xy, _ = camera.project((body.v_pos[:1] + body.v_pos[1:2]) / 2)
        assert abs(xy[0, 0] - 144) < 8 and 192 < xy[0, 1] < 192 + 0.08 * 384, "hats need room above"
        ends, _ = camera.project(body.v_pos[:2])
        assert abs(abs(ends[0, 1] - ends[1, 1]) / 384 - 1 / 2.0) < 0.05
