"""Windows and chunks, against the definitions."""

from __future__ import annotations

import pytest

from stages.views.windows import alone_windows, full_windows, plan_chunks, plan_joint, repeat_windows, ring_windows


def test_first_previous_self_without_duplicates() -> None:
    assert ring_windows([4]) == ((0,), (0, 1), (0, 1, 2), (0, 2, 3))


def test_second_ring_starts_from_the_front_of_the_first() -> None:
    assert ring_windows([3, 3])[3:] == ((0, 3), (0, 3, 4), (0, 4, 5))


def test_no_window_looks_ahead_or_beyond_three() -> None:
    for frame, window in enumerate(ring_windows([24, 8])):
        assert frame in window and max(window) == frame and len(window) == len(set(window)) <= 3


def test_alone_full_and_repeated() -> None:
    assert alone_windows([2, 1]) == ((0,), (1,), (2,))
    assert full_windows([3]) == ((0, 1, 2),) * 3
    assert repeat_windows(((0,), (0, 1)), 2) == ((0,), (0, 1), (2,), (2, 3))


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 12, 40])
def test_chunks_cover_all_frames_and_resolve_every_window(chunk: int) -> None:
    windows = ring_windows([8, 4])
    frames, carried = [], ()
    for plan in plan_chunks(windows, chunk):
        assert plan.carried == carried and len(plan.frames) <= chunk
        pool = (*plan.carried, *plan.frames)
        for group in plan.groups:
            for row, positions in zip(group.rows, group.pool, strict=True):
                assert tuple(pool[p] for p in positions) == windows[plan.frames[row]]
        carried = tuple(pool[p] for p in plan.keep)
        assert len(carried) <= 2
        frames.extend(plan.frames)
    assert frames == list(range(12)) and carried == ()


def test_between_chunks_only_first_and_last_are_carried() -> None:
    plans = plan_chunks(ring_windows([8]), 3)
    assert [plan.carried for plan in plans] == [(), (0, 2), (0, 5)]


def test_frames_that_see_one_another_go_through_together() -> None:
    assert [plan.frames for plan in plan_chunks(full_windows([4]), 2)] == [(0, 1, 2, 3)]
    windows = ((0,), (0, 1, 2, 3), (1, 2), (2, 3), (1, 4), (4, 5))
    assert [plan.frames for plan in plan_chunks(windows, 2)] == [(0, 1, 2, 3), (4, 5)]
    assert [plan.frames for plan in plan_chunks(windows, 1)] == [(0,), (1, 2, 3), (4,), (5,)]


def test_a_part_of_the_frames_hands_on_what_the_rest_expects() -> None:
    windows = ring_windows([5, 3])
    before, after = plan_chunks(windows, 2, 0, 3), plan_chunks(windows, 2, 3)
    assert [plan.frames for plan in (*before, *after)] == [(0, 1), (2,), (3, 4), (5, 6), (7,)]
    pool = (*before[-1].carried, *before[-1].frames)
    assert tuple(pool[i] for i in before[-1].keep) == after[0].carried == (0, 2)


def test_joint_windows_are_cut_by_what_fits() -> None:
    windows = ring_windows([6])
    assert [(plan.frames, plan.members, plan.painted) for plan in plan_joint(windows, range(6), 7)] == [
        ((0,), 1, (0,)), ((0, 1), 2, (1,)), ((0, 1, 2, 0, 2, 3), 3, (2, 3)), ((0, 3, 4, 0, 4, 5), 3, (4, 5)),
    ]
    assert [plan.frames for plan in plan_joint(windows, (4, 5), 1)] == [(0, 3, 4), (0, 4, 5)]
    two = plan_joint(windows, range(2, 6), 6)[0]
    assert [two.frames[i] for i in two.places] == [2, 3] and two.told == (2, 2, 2, 3, 3, 3)


def test_what_is_no_chunk_and_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="names frame 3, and there are 2"):
        plan_chunks(((0,), (1, 3)), 2)
    with pytest.raises(ValueError, match="at least 1 frame"):
        plan_chunks(ring_windows([4]), 0)
