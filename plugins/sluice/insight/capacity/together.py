"""Of many lines, which are foreseen each by itself, and what the rest come to as one sum. Pure.

A forecast takes some 30 ms, and an estate may have a million tables. The largest and those that have grown most decide what is
told and what is paid: the rest is foreseen together, and each of it grows as the sum does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from sluice.insight.capacity.drops import added
from sluice.insight.capacity.growth import Growth, grown_in_a_month
from sluice.ledger.forecasts import Line

ALONE = 50
"""So many of the largest, and so many of those that have grown most, are foreseen by themselves."""


def choose(lines: Sequence[Growth]) -> tuple[tuple[Growth, ...], tuple[Growth, ...]]:
    """Give those that are foreseen by themselves, and the rest, each in the order of the lines."""
    if len(lines) <= ALONE:
        return tuple(lines), ()
    numbers = range(len(lines))
    largest = sorted(numbers, key=lambda at: -lines[at].line.values[-1])[:ALONE]
    growing = sorted(numbers, key=lambda at: -_grown(lines[at]))[:ALONE]
    alone = {*largest, *growing}
    return tuple(lines[at] for at in sorted(alone)), tuple(lines[at] for at in numbers if at not in alone)


def together(lines: Sequence[Growth]) -> Growth:
    """Add up some lines of a store, at least one, of one metric: on a day on which one was not measured it is as it was last."""
    drops, coming = (
        added(drop for one in lines for drop in one.drops),
        added(drop for one in lines for drop in one.coming),
    )
    line = _sum([one.line for one in lines])
    later = tuple(one for one in coming if one.day.toordinal() > line.days[-1])
    return Growth(replace(lines[0].series, subject=""), line, drops, later)


def _grown(one: Growth) -> float:
    """Say by how much it has grown in a month, or in all the days that are known of a young one."""
    month = grown_in_a_month(one)
    return one.line.values[-1] - one.line.values[0] if month is None else month


def _sum(lines: Sequence[Line]) -> Line:
    by_day = defaultdict[int, float](float)
    for line in lines:
        for day, before, value in zip(line.days, (0.0, *line.values), line.values, strict=False):
            by_day[day] += value - before
    days, values, now = sorted(by_day), list[float](), 0.0
    for day in days:
        now += by_day[day]
        values.append(max(now, 0.0))  # what is left of nothing may lie a rounding below it
    return Line(tuple(days), tuple(values))
