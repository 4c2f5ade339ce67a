"""For how long a table has a partition for every moment from now on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

DAY = 86_400.0
ENDLESS = 36_500.0
"""Days of a table that no time fills."""


def days_covered(spans: Sequence[tuple[float, float]]) -> float:
    """Give the days from now that are covered without a gap. `spans` are seconds from now, lowest first."""
    covered = 0.0
    for lower, upper in spans:
        if lower <= covered < upper:
            covered = upper
    return min(covered / DAY, ENDLESS)
