"""Timesteps lean to the noisy end and are spread within a batch; a leading view is clearer than the rest."""

from __future__ import annotations

import numpy as np

from scripts.train import architecture
from scripts.train.lessons import LEAD, Lesson, draw_lesson, noisy_first, timesteps_of
from scripts.train.shards import VIEWS_PER_CHARACTER
from stages.views.schedule import make_scheduler


def test_two_fifths_of_the_timesteps_lie_in_the_noisiest_quarter() -> None:
    drawn = np.concatenate([noisy_first(4, 1000, 1.5, np.random.default_rng(i)) for i in range(2000)])
    assert drawn.min() >= 0 and drawn.max() == 999
    assert abs((drawn >= 750).mean() - 0.25 ** (2 / 3)) < 0.02 and 0.03 < (drawn < 100).mean() < 0.1


def test_each_batch_holds_one_of_each_share() -> None:
    for seed in range(50):
        t = np.sort(noisy_first(4, 1000, 1.5, np.random.default_rng(seed)))[::-1]
        edges = 1000 * (1 - (np.arange(5) / 4) ** 1.5)
        assert all(edges[k + 1] - 1 <= t[k] <= edges[k] for k in range(4))


def test_all_views_of_a_group_are_as_noisy_unless_the_first_leads_or_each_is_alone() -> None:
    rng = np.random.default_rng(0)
    level = timesteps_of(4, 1000, 1.5, Lesson(alone=False, led=False, told=1.0), rng).reshape(4, VIEWS_PER_CHARACTER)
    assert (level == level[:, :1]).all() and len(np.unique(level)) > 1
    led = np.concatenate([timesteps_of(4, 1000, 1.5, Lesson(alone=False, led=True, told=0.0), rng).reshape(4, VIEWS_PER_CHARACTER) for _ in range(100)])
    assert (led[:, 1:] == led[:, 1:2]).all()
    assert (led[:, 0] <= LEAD * led[:, 1]).all() and (led[:, 0] > 0.8 * LEAD * led[:, 1]).any()
    alone = timesteps_of(2, 1000, 1.0, Lesson(alone=True, led=False, told=1.0), rng)
    assert sorted(alone * 12 // 1000) == list(range(12))


def test_without_a_lead_captions_tell_everything() -> None:
    lessons = [draw_lesson(0.0, np.random.default_rng(i)) for i in range(100)]
    assert all(lesson.told == 1.0 and not lesson.led and not lesson.asks_attention for lesson in lessons)


def test_led_views_are_told_nothing_and_ask_attention() -> None:
    lessons = [draw_lesson(0.5, np.random.default_rng(i)) for i in range(400)]
    led = [lesson for lesson in lessons if lesson.led]
    assert 60 < len(led) < 140 and all(lesson.told == 0.0 and lesson.asks_attention and not lesson.alone for lesson in led)
    assert all(lesson.told == 1.0 and not lesson.asks_attention for lesson in lessons if lesson.alone)
    assert {lesson.told for lesson in lessons if not lesson.led} == {None, 1.0}


def test_the_stage_asks_for_no_lead_that_was_not_taught() -> None:
    scheduler = make_scheduler("dpmpp_2m_karras", architecture.scheduler().config)
    scheduler.set_timesteps(20)
    t = scheduler.timesteps.numpy()
    assert (t[10:] / t[:10]).max() <= LEAD
