"""Scenes whose cameras are not in metres.

What is learnt from pictures knows lengths: densities per metre, steps in metres, the planes between which a rasterizer draws. So the
field measures the figure, and where its size is none that a figure has in metres, the scene is reconstructed at another scale. The
factor is a power of two: a scene and the same scene in units 1024 times smaller give the same bits, and undoing it costs none.
"""

from __future__ import annotations

import math

NOMINAL_M = 1.6
PLAUSIBLE_M = (0.5, 5.0)


def metres_per_unit(longest_side: float) -> float:
    """What one unit of a scene counts as, for a figure whose box has that ``longest_side``: 1, or what brings it near to 1.6 m."""
    if PLAUSIBLE_M[0] <= longest_side <= PLAUSIBLE_M[1]:
        return 1.0
    return 2.0 ** round(math.log2(NOMINAL_M / longest_side))
