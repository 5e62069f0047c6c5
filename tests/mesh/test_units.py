"""Cameras in another unit than metres, and cameras that stand far away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.artifacts.cameras import FAR_M, ring
from stages.artifacts.field import FieldGrid
from stages.artifacts.views import MaskedViews, write_view_set
from stages.mesh import warm
from stages.mesh.observed import observe
from stages.mesh.reach import far_of, in_metres

UNIT_M = 1 / 128


def views_in_units(folder: Path) -> MaskedViews:
    """The ball of ``warm`` with cameras in units of ``UNIT_M``."""
    metric = warm.ball_views(folder)
    write_view_set(folder, [(c.scaled(1 / UNIT_M), metric.image(c.name)) for c in metric.cameras])
    return MaskedViews.open(folder)


def field_in_metres(folder: Path) -> FieldGrid:
    """The field of ``warm``, learnt from cameras in units of ``UNIT_M``."""
    field = warm.ball_field(folder)
    return FieldGrid.write(folder, field.density, field.rgb, field.grid2world, UNIT_M)


def test_the_mesh_is_the_same_in_the_cameras_unit(tmp_path: Path) -> None:
    metric = warm.make(tmp_path / "metric")
    with pytest.MonkeyPatch.context() as patch:
        made = {"views": views_in_units(tmp_path / "views"), "field": field_in_metres(tmp_path / "field")}
        patch.setattr(warm, "ball_views", lambda folder: made["views"])
        patch.setattr(warm, "ball_field", lambda folder: made["field"])
        foreign = warm.make(tmp_path / "foreign")
    assert np.array_equal(foreign.v_pos * np.float32(UNIT_M), metric.v_pos) and np.ptp(foreign.v_pos) > 100
    for name in ("kd.png", "normal.png"):
        assert (foreign.folder / name).read_bytes() == (metric.folder / name).read_bytes()


def test_the_far_plane_lies_behind_the_figure(tmp_path: Path) -> None:
    field = warm.ball_field(tmp_path / "field")
    near, far = ring("near", 3, np.zeros(3), 4.0, 0.0, 40.0, 16, 16), ring("far", 3, np.zeros(3), 400.0, 0.0, 4000.0, 16, 16)
    assert far_of(near, field.box) == FAR_M and far_of([*near, *far], field.box) > 401
    observed = observe(warm.ball_views(tmp_path / "views"))
    (same,) = in_metres(observed, field)
    assert np.array_equal(same.clip, observed[0].clip) and all(np.array_equal(a.c2w, b.c2w) for a, b in zip(same.cameras, observed[0].cameras))
    (there,) = in_metres([replace(observed[0], cameras=far)], field)
    z = (there.clip[:, 2] / there.clip[:, 3])[:, 3]
    assert (z < 1).all()  # of the origin, for every camera
