"""What a weekday has above or below its week, believed as far as the two halves of the history agree on it. Pure."""

from __future__ import annotations

import numpy as np

from sluice.insight.forecast.series import Days, Floats

LEAST_DAYS = 28
AGREED = 0.3
"""Below this correlation of the halves there is no week: of pure chance one in five goes above it."""


def week_of(days: Days, y: Floats) -> Floats | None:
    """Give what to take off each weekday (of `day % 7`); None where weekdays are alike, or were seen too seldom.

    How well the whole is known follows from how well its halves agree: Spearman and Brown (1910), 2 r / (1 + r).
    """
    half = len(days) // 2
    if len(days) < LEAST_DAYS:
        return None
    first, second, whole = _offsets(days[:half], y[:half]), _offsets(days[half:], y[half:]), _offsets(days, y)
    if first is None or second is None or whole is None:
        return None
    size = float(np.sqrt((first @ first) * (second @ second)))
    agreed = float(first @ second) / size if size else 0.0
    return whole * (2 * agreed / (1 + agreed)) if agreed > AGREED else None


def _offsets(days: Days, y: Floats) -> Floats | None:
    """Give the median distance of each weekday from the week around it; None where one was never seen with a week around it."""
    every = np.arange(days[0], days[-1] + 1)
    if len(every) < 14:
        return None
    around = np.convolve(np.interp(every, days, y), np.ones(7) / 7, "valid")
    inside = (days >= every[3]) & (days <= every[-4])
    beyond, weekday = y[inside] - np.interp(days[inside], every[3:-3], around), days[inside] % 7
    if len(np.unique(weekday)) < 7:
        return None
    offsets = np.array([np.median(beyond[weekday == number]) for number in range(7)])
    return np.asarray(offsets - offsets.mean())
