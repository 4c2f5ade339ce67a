"""A jump that nobody noted: found, and what was before it lifted or lowered onto what came after. Pure.

The sum of all differences from the usual slope (CUSUM: Page, Continuous inspection schemes, 1954) is the series without its
slope: where the medians of a few points before and after a day are far apart there, it jumped. Only one that dwarfs every
other is a step. Loads that come again and again are how this table grows, and nothing is made even.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sluice.insight.forecast.lines import spread
from sluice.insight.forecast.series import Floats

FAR = 5.0
"""A step is so many times the spread of all other differences between neighbours."""
SECOND = 0.4
"""The next largest is at most this share of it."""
SHARE = 0.15
"""And it is at least this share of all the growth beside it."""


@dataclass(frozen=True)
class Step:
    """So much more, or less, from the point of that number on."""

    at: int
    by: float

    def told(self, day: int) -> str:
        """Say what happened on the day that `date.toordinal` counts so."""
        return f"on {date.fromordinal(day)} it jumped by {self.by:+,.4g}, noted by nobody: what was before is made even with it"


def find_step(x: Floats, y: Floats) -> Step | None:
    """Find the one step of a series; None where there is none, or too few points to tell."""
    width = 3 if len(x) < 30 else 5
    if len(x) < 2 * width + 4:
        return None
    level = y - _usual_slope(x, y, width) * (x - x[0])
    middle = np.median(sliding_window_view(level, width), axis=1)
    jumps = middle[width:] - middle[:-width]
    at = int(np.argmax(np.abs(jumps)))
    by = float(jumps[at])
    others = np.abs(np.concatenate([jumps[: max(0, at - width - 1)], jumps[at + width + 2 :]]))
    large = abs(by) > FAR * spread(jumps) and abs(by) >= SHARE * abs(float(y[-1] - y[0]) - by)
    alone = float(others.max(initial=0.0)) <= SECOND * abs(by)
    return Step(_place(level, at + width, width, by), by) if by and large and alone else None


def make_even(y: Floats, step: Step) -> Floats:
    """Lift, or lower, all that was before the step."""
    return y + step.by * (np.arange(len(y)) < step.at)


def _usual_slope(x: Floats, y: Floats, width: int) -> float:
    """Give the median slope between points that are near each other: few such pairs have a step between them."""
    gaps = range(max(1, width // 2), 2 * width + 1)
    return float(np.median(np.concatenate([(y[gap:] - y[:-gap]) / (x[gap:] - x[:-gap]) for gap in gaps])))


def _place(level: Floats, near: int, width: int, by: float) -> int:
    """Give the number of the first point after the step: after the largest change its way."""
    low, high = max(1, near - width + 1), min(len(level) - 1, near + width - 1)
    return low + int(np.argmax(np.diff(level)[low - 1 : high] * np.sign(by)))
