"""What our own archive has dropped of a table, and what it will drop if that goes on as it has. Pure.

A drop is no shrinkage: the ledger knows it, and it is added back before anybody looks for a trend.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import median

from sluice.insight.capacity.measure import Drop
from sluice.ledger.forecasts import Line

REGULAR = 3
"""So many drops make a habit."""
TOGETHER = 3
"""Days within which drops are one."""


def drops_of(line: Line | None) -> tuple[Drop, ...]:
    """Say what was dropped on each day, of a line that says what was dropped ever. What it begins with was before."""
    if line is None:
        return ()
    pairs = zip(line.days[1:], line.values, line.values[1:], strict=False)
    return tuple(Drop(date.fromordinal(day), after - before) for day, before, after in pairs if after > before)


def coming_drops(drops: Sequence[Drop], last: date, horizon: int) -> tuple[Drop, ...]:
    """Say what will be dropped, where that has a habit: at least three times, and the next is not overdue by half."""
    groups = _together(drops)
    if len(groups) < REGULAR:
        return ()
    every = median(b.day.toordinal() - a.day.toordinal() for a, b in pairwise(groups))
    if last - groups[-1].day > timedelta(days=1.5 * every):
        return ()
    usual = median(one.bytes for one in groups[-6:])
    days = (groups[-1].day + timedelta(days=round(every * number)) for number in range(1, horizon + 1))
    return tuple(
        Drop(max(day, last + timedelta(days=1)), usual) for day in days if day <= last + timedelta(days=horizon)
    )


def dropped_since(drops: Iterable[Drop], day: date) -> float:
    """Add up what was dropped after a day."""
    return sum(one.bytes for one in drops if one.day > day)


def added(drops: Iterable[Drop]) -> tuple[Drop, ...]:
    """Add up what was dropped on the same day."""
    by_day = defaultdict[date, float](float)
    for one in drops:
        by_day[one.day] += one.bytes
    return tuple(Drop(day, by_day[day]) for day in sorted(by_day))


def _together(drops: Sequence[Drop]) -> list[Drop]:
    made: list[Drop] = []
    for one in drops:
        if made and one.day - made[-1].day <= timedelta(days=TOGETHER):
            made[-1] = Drop(made[-1].day, made[-1].bytes + one.bytes)
        else:
            made.append(one)
    return made
