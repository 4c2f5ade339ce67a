"""How much a store and each of its tables had, day by day, and what our own archive has dropped of it. From the ledger alone.

Only whole days before the end of the window count: a report of a window long ago says what could be known then. A drop is no
shrinkage: the ledger knows it, and it is added back before anybody looks for a trend.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median

from sluice.insight.capacity.report import Drop
from sluice.ledger.forecasts import Forecasts, Line
from sluice.ledger.samples import Series

LOOKS_BACK = timedelta(days=400)
"""A year, and a month to see by how much it began to grow."""
MONTH = 30
SIZES = ("disk_used_bytes", "database_bytes")
"""What tells how much a server holds, the better one first."""
TABLE_SIZES = ("table_bytes", "items_bytes")
DROPPED = "dropped_bytes"
SESSIONS = "connections_used_percent"
UNITS = {"read_units_rate": "read_units_provisioned_rate", "write_units_rate": "write_units_provisioned_rate"}
"""Units consumed, and what was provisioned of them."""
REGULAR = 3
"""So many drops make a habit."""
TOGETHER = 3
"""Days within which drops are one."""
LATE = 2
"""Days after which a table that was not measured any more is gone."""


@dataclass(frozen=True)
class Growth:
    """One series, and what was dropped of what it measures."""

    series: Series
    line: Line
    drops: tuple[Drop, ...] = ()
    coming: tuple[Drop, ...] = ()
    """What is dropped in the days to come, if that goes on as it has."""
    bound: float | None = None
    """What was provisioned last, of a table's units."""

    @property
    def last(self) -> date:
        """The last day that was measured."""
        return date.fromordinal(self.line.days[-1])


@dataclass(frozen=True)
class StoreGrowth:
    """What is known of one store."""

    size: Growth | None
    disk: float | None
    """How much its disk holds, by what was measured: used and free."""
    sessions: Growth | None
    tables: tuple[Growth, ...]
    units: tuple[Growth, ...]


def read_store(kept: Forecasts, store: str, until: date, horizon: int) -> StoreGrowth:
    """Read what is known of a store before `until`, with drops to come for `horizon` days. Raises StoreDown."""
    since = until - LOOKS_BACK
    lasts = kept.lines((*SIZES, *TABLE_SIZES, DROPPED, "disk_free_bytes", *UNITS.values()), since, until, store)
    highest = kept.lines((SESSIONS, *UNITS), since, until, store, of="highest")
    tables = tuple(
        _table(series, line, lasts.get(Series(store, DROPPED, series.subject)), horizon)
        for series, line in lasts.items()
        if series.metric in TABLE_SIZES and series.subject
    )
    size = _size(store, lasts, tables)
    sessions = highest.get(Series(store, SESSIONS))
    return StoreGrowth(
        size=size,
        disk=_disk(store, lasts),
        sessions=Growth(Series(store, SESSIONS), sessions) if sessions else None,
        tables=tables,
        units=tuple(_units(series, line, lasts) for series, line in highest.items() if series.metric in UNITS),
    )


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


def grown_in_a_month(growth: Growth) -> float | None:
    """Say by how much something has grown in the last 30 days, drops added back; None where nobody knows what it was."""
    days, values = growth.line.days, growth.line.values
    begin = bisect_right(days, days[-1] - MONTH) - 1
    if begin < 0 or days[-1] - days[begin] > 2 * MONTH:
        return None
    grown = values[-1] - values[begin] + dropped_since(growth.drops, date.fromordinal(days[begin]))
    return grown * MONTH / (days[-1] - days[begin])


def dropped_since(drops: Iterable[Drop], day: date) -> float:
    """Add up what was dropped after a day."""
    return sum(one.bytes for one in drops if one.day > day)


def _table(series: Series, line: Line, dropped: Line | None, horizon: int) -> Growth:
    drops = drops_of(dropped)
    return Growth(series, line, drops, coming_drops(drops, date.fromordinal(line.days[-1]), horizon))


def _size(store: str, lasts: Mapping[Series, Line], tables: Sequence[Growth]) -> Growth | None:
    """Say what the store holds: as it was measured, else the sum of its tables."""
    measured = next(((one, lasts[one]) for one in (Series(store, name) for name in SIZES) if one in lasts), None)
    if not measured and not tables:
        return None
    series, line = measured or (Series(store, tables[0].series.metric), _sum([one.line for one in tables]))
    if not line.days:
        return None
    drops, coming = (_added([drop for one in tables for drop in getattr(one, of)]) for of in ("drops", "coming"))
    return Growth(series, line, drops, tuple(one for one in coming if one.day.toordinal() > line.days[-1]))


def _sum(lines: Sequence[Line]) -> Line:
    """Add tables up, on the days on which each that was there was measured: a day on which one is missing is no total."""
    found, there = defaultdict[int, float](float), defaultdict[int, int](int)
    for line in lines:
        for day, value in zip(line.days, line.values, strict=True):
            found[day] += value
            there[day] += 1
    newest = max(found, default=0)
    spans = [(one.days[0], newest if newest - one.days[-1] <= LATE else one.days[-1]) for one in lines]
    whole = [day for day in sorted(found) if there[day] == sum(first <= day <= last for first, last in spans)]
    return Line(tuple(whole), tuple(found[day] for day in whole))


def _disk(store: str, lasts: Mapping[Series, Line]) -> float | None:
    used, free = (lasts.get(Series(store, name)) for name in ("disk_used_bytes", "disk_free_bytes"))
    return used.values[-1] + free.values[-1] if used and free and used.days[-1] == free.days[-1] else None


def _units(series: Series, line: Line, lasts: Mapping[Series, Line]) -> Growth:
    """A table on demand has nothing provisioned: what is left over of the time when it had is no bound."""
    provisioned = lasts.get(Series(series.store, UNITS[series.metric], series.subject))
    bound = provisioned.values[-1] if provisioned and provisioned.days[-1] >= line.days[-1] - 1 else None
    return Growth(series, line, bound=bound)


def _together(drops: Sequence[Drop]) -> list[Drop]:
    made: list[Drop] = []
    for one in drops:
        if made and one.day - made[-1].day <= timedelta(days=TOGETHER):
            made[-1] = Drop(made[-1].day, made[-1].bytes + one.bytes)
        else:
            made.append(one)
    return made


def _added(drops: Sequence[Drop]) -> tuple[Drop, ...]:
    by_day = defaultdict[date, float](float)
    for one in drops:
        by_day[one.day] += one.bytes
    return tuple(Drop(day, by_day[day]) for day in sorted(by_day))
