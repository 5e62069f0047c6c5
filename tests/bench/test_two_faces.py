"""The count of faces at the back: the score that divides, and how sure one may be."""

from __future__ import annotations

import pytest

from scripts.bench.two_faces import between, rate


def test_the_dividing_score_makes_the_fewest_errors() -> None:
    assert 0.3 < between([0.6, 0.7, 0.9], [0.1, 0.2, 0.3]) < 0.6
    threshold = between([0.2, 0.6, 0.7, 0.9], [0.1, 0.25, 0.3, 0.4, 0.5])
    assert 0.5 < threshold < 0.6


def test_none_of_300_leaves_one_percent() -> None:
    none = rate(0, 300)
    assert none["rate"] == 0 and none["at_most"] == pytest.approx(1 - 0.05 ** (1 / 300))
    assert rate(3, 3)["at_most"] == 1.0
    assert rate(3, 300)["at_most"] == pytest.approx(0.0256, abs=1e-3)
