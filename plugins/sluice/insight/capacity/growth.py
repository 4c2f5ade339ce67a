"""How much a store and each of its tables had, day by day, and what our own archive has dropped of it. From the ledger alone.

Only whole days before the end of the window count: a report of a window long ago says what could be known then. A table that
is measured no more while its store is, is gone: it was part of the store's past, and grows no more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sluice.insight.capacity.drops import added, coming_drops, dropped_since, drops_of
from sluice.insight.capacity.measure import Drop
from sluice.ledger.forecasts import Forecasts, Line
from sluice.ledger.samples import Series

LOOKS_BACK = timedelta(days=400)
"""A year, and a month to see by how much it began to grow."""
MONTH = 30
SIZES = ("disk_used_bytes", "database_bytes")
"""What tells how much a server holds, the better one first."""
TABLE_SIZES = ("table_bytes", "items_bytes")
MEASURED_WITH = "database_bytes"
"""What is measured in one look with the tables of a server: it says that there was one."""
DROPPED = "dropped_bytes"
SESSIONS = "connections_used_percent"
UNITS = {"read_units_rate": "read_units_provisioned_rate", "write_units_rate": "write_units_provisioned_rate"}
"""Units consumed, and what was provisioned of them."""
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
    gone: tuple[Growth, ...] = ()
    """Tables that were dropped within the time that is looked back at."""


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
    gone = _gone(tables, lasts.get(Series(store, MEASURED_WITH)))
    there = tuple(one for one in tables if one.series.subject not in gone)
    sessions = highest.get(Series(store, SESSIONS))
    units = ((series, line) for series, line in highest.items() if series.metric in UNITS)
    return StoreGrowth(
        size=_size(store, lasts, tables, there),
        disk=_disk(store, lasts),
        sessions=Growth(Series(store, SESSIONS), sessions) if sessions else None,
        tables=there,
        units=tuple(_units(series, line, lasts) for series, line in units if series.subject not in gone),
        gone=tuple(one for one in tables if one.series.subject in gone),
    )


def grown_in_a_month(growth: Growth) -> float | None:
    """Say by how much something has grown in the last 30 days, drops added back; None where nobody knows what it was."""
    days, values = growth.line.days, growth.line.values
    begin = bisect_right(days, days[-1] - MONTH) - 1
    if begin < 0 or days[-1] - days[begin] > 2 * MONTH:
        return None
    grown = values[-1] - values[begin] + dropped_since(growth.drops, date.fromordinal(days[begin]))
    return grown * MONTH / (days[-1] - days[begin])


def _table(series: Series, line: Line, dropped: Line | None, horizon: int) -> Growth:
    drops = drops_of(dropped)
    return Growth(series, line, drops, coming_drops(drops, date.fromordinal(line.days[-1]), horizon))


def _gone(tables: Sequence[Growth], beside: Line | None) -> set[str]:
    """Name the tables that were measured no more when others were: where nothing was, nobody has looked."""
    looked = max([*(one.line.days[-1] for one in tables), beside.days[-1] if beside else 0], default=0)
    return {one.series.subject for one in tables if looked - one.line.days[-1] > LATE}


def _size(
    store: str, lasts: Mapping[Series, Line], tables: Sequence[Growth], there: Collection[Growth]
) -> Growth | None:
    """Say what the store holds: as it was measured, else the sum of its tables. Only those that are there drop any more."""
    measured = next(((one, lasts[one]) for one in (Series(store, name) for name in SIZES) if one in lasts), None)
    if not measured and not tables:
        return None
    series, line = measured or (Series(store, tables[0].series.metric), summed([one.line for one in tables]))
    if not line.days:
        return None
    drops, coming = (
        added(drop for one in tables for drop in one.drops),
        added(drop for one in there for drop in one.coming),
    )
    return Growth(series, line, drops, tuple(one for one in coming if one.day.toordinal() > line.days[-1]))


def summed(lines: Sequence[Line]) -> Line:
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
