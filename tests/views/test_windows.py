"""Windows and chunks, against the definitions."""

from __future__ import annotations

import pytest

from stages.views.windows import alone_windows, full_windows, plan_chunks, repeat_windows, ring_windows


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


def test_windows_that_need_one_chunk_say_so() -> None:
    with pytest.raises(ValueError, match="one chunk that holds all frames"):
        plan_chunks(full_windows([4]), 2)
    with pytest.raises(ValueError, match="at least 1 frame"):
        plan_chunks(ring_windows([4]), 0)
