"""A line through points of which some may be anything, and how much a day differs from the day before. Pure."""

from __future__ import annotations

import numpy as np

from sluice.insight.forecast.series import Floats

MOST = 400
"""Of more points only every second, third … is asked: the pairs of 400 are 80,000 already."""
AS_NORMAL = 1.4826
"""The median distance from the median times this is the standard deviation, where chance is normal."""


def theil_sen(x: Floats, y: Floats) -> float:
    """Give the slope of the line through points, oldest first: the median slope of all pairs. Two points at least.

    Sen, Estimates of the regression coefficient based on Kendall's tau (1968). Up to 29 % of the points may be anything.
    """
    every = -(-len(x) // MOST)
    first, second = np.triu_indices(len(x[::every]), 1)
    rises, runs = y[::every][second] - y[::every][first], x[::every][second] - x[::every][first]
    return float(np.median(rises / runs))


def spread(values: Floats) -> float:
    """Give the standard deviation of values of which up to half may be anything."""
    return AS_NORMAL * float(np.median(np.abs(values - np.median(values))))


def roughness(x: Floats, y: Floats, slope: float) -> float:
    """Give the standard deviation of a day's change around the slope, of the usual days; of all where those are too even."""
    runs = np.diff(x)
    changes = (np.diff(y) - slope * runs) / np.sqrt(runs)
    return spread(changes) or 0.3 * float(np.mean(np.abs(changes)))
