"""What was measured, a value a day: brought into order, and what was dropped on purpose added again. Pure.

A day without a value stays one: nothing is filled in. The last of two values of one day counts, and what is no number counts
as not measured. What the ledger knows to have been dropped is no shrinkage: it is added to all that was measured since, so
that what is left is growth, and `Series.dropped` says how far that lies above what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from math import isfinite
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Days: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Point:
    """What was measured on a day: bytes, connections, units."""

    day: date
    value: float


@dataclass(frozen=True)
class Purge:
    """What was, or will be, dropped on a day by ourselves: that day's point was measured afterwards."""

    day: date
    bytes: float


@dataclass(frozen=True, eq=False)
class Series:
    """Values by day, oldest first, each day once."""

    days: Days
    """As `date.toordinal` counts them."""
    values: Floats
    unreadable: int = 0
    """How many points were no number."""
    repeated: int = 0
    """How many points another one of the same day took the place of."""
    dropped: float = 0.0
    """By how much the last value lies above what was measured, because of what was added back."""

    @property
    def last(self) -> date:
        """The newest day. Raises IndexError where there is none."""
        return date.fromordinal(int(self.days[-1]))

    @property
    def newest(self) -> float:
        """What was measured on the newest day. Raises IndexError where there is none."""
        return float(self.values[-1]) - self.dropped

    def __len__(self) -> int:
        return len(self.days)


def series_of(points: Iterable[Point]) -> Series:
    """Bring points into order: the last of one day counts, NaN and infinities do not."""
    told = list(points)
    known = [point for point in told if isfinite(point.value)]
    by_day = {point.day.toordinal(): float(point.value) for point in known}
    days = sorted(by_day)
    values = np.array([by_day[day] for day in days], dtype=np.float64)
    return Series(np.array(days, dtype=np.int64), values, len(told) - len(known), len(known) - len(days))


def add_back(series: Series, purges: Sequence[Purge]) -> Series:
    """Give growth as if nothing had been dropped: each purge is added to its own day and all days since."""
    if not len(series):
        return series
    added = sum((purge.bytes * (series.days >= purge.day.toordinal()) for purge in purges), np.zeros(len(series)))
    return replace(series, values=series.values + added, dropped=series.dropped + float(added[-1]))


def taken_off(planned: Sequence[Purge], last: date, horizon_days: int) -> Floats:
    """Give what will have been dropped by each of the days after `last`: plans for that day or earlier are the ledger's."""
    gone = np.zeros(horizon_days)
    for purge in planned:
        ahead = (purge.day - last) // timedelta(days=1)
        if 0 < ahead <= horizon_days:
            gone[ahead - 1 :] += purge.bytes
    return gone
