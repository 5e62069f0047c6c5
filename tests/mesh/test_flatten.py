"""xatlas as a program of its own."""

from __future__ import annotations

import signal
from types import FrameType

import numpy as np
import pytest
import trimesh

from pipeline.errors import StageError
from stages.mesh.flatten import flattened


def test_charts_of_two_boxes_have_all_triangles_and_their_size() -> None:
    boxes = [trimesh.creation.box(extents) for extents in ((1.0, 2.0, 3.0), (0.5, 0.5, 0.5))]
    charted = flattened([(box.vertices, box.faces) for box in boxes], 40.0)
    for box, (v_px, index) in zip(boxes, charted, strict=True):
        assert index.dtype == np.int32 and len(index) == len(box.faces)
        a, b = (v_px[index[:, k]] - v_px[index[:, 0]] for k in (1, 2))
        area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2
        assert area == pytest.approx(box.area * 40.0**2, rel=0.1)


def test_no_chart_is_larger_than_the_largest() -> None:
    ball = trimesh.creation.icosphere(4)
    charts = {}
    for largest in (0.0, 0.05 * ball.area):
        ((v_px, index),) = flattened([(ball.vertices, ball.faces)], 40.0, largest)
        shares = [ball.area_faces[part].sum() for part in trimesh.graph.connected_components(trimesh.graph.face_adjacency(index), nodes=np.arange(len(index)))]
        assert sum(shares) == pytest.approx(ball.area)
        charts[largest] = max(shares)
    assert charts[0.0] > 0.1 * ball.area and charts[0.05 * ball.area] <= 0.05 * ball.area


def test_what_xatlas_refuses_is_said() -> None:
    with pytest.raises(StageError, match="unwrapping failed: .*[Ii]nd"):
        flattened([(np.zeros((3, 3)), np.array([[0, 1, 7]]))], 1.0)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no timer that interrupts")
def test_a_wait_can_be_broken_off() -> None:
    """As the command line does it, by an exception in a signal's handler. These charts take many minutes."""

    waiting = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        while frame is not None:
            waiting.append(frame.f_code.co_name)
            frame = frame.f_back
        raise KeyboardInterrupt

    ball = trimesh.creation.icosphere(6)
    rough = ball.vertices + 0.02 * np.random.default_rng(0).standard_normal(ball.vertices.shape)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 3.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            flattened([(rough, ball.faces)], 100.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert "communicate" in waiting  # heard while the program worked, not after it
