"""A year of a store's drills, made small enough for a page by a look, and read again. Pure.

The times of a day are those of the slowest drill that came back whole; what failed is counted beside it, and a day without any is
a gap. When the promise is passed is told from the last months alone, as everywhere (`safety.drill.trend`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sluice.overview.links import evidence_path
from sluice.safety.drill.certificate import Certificate, Goals, folder_of
from sluice.safety.drill.trend import AVAILABLE, Drilled, Trend, trend_of
from sluice.safety.drill.trend_told import when_breached

BACK = timedelta(days=365)
SHOWN, RECOVERIES = 12, 12
"""So many drills are listed one by one, and so many full recoveries."""


@dataclass(frozen=True)
class Drill:
    """One drill."""

    name: str
    target: str
    at: datetime
    available: float | None
    """Seconds until it was; None where it never was."""
    lost: tuple[float, float] | None
    failed: tuple[str, ...]
    """Why its copy is none; empty where it was right."""
    late: bool
    certificate: str
    """The path of its certificate."""

    @property
    def passed(self) -> bool:
        """Whether it was right, and in time."""
        return not self.failed and not self.late


class Day(NamedTuple):
    """One day of drills. There are hundreds of each store, and a page reads them all."""

    day: date
    times: Sequence[float] | None
    """Seconds of each of the year's phases, of the slowest that came back whole; None where none did."""
    failed: int
    lost: Sequence[float] | None
    """Seconds of writes, at least and at most."""
    late: int
    """1 where that slowest was too late."""

    @property
    def available(self) -> float | None:
        """Seconds until it was available; None where none came back whole."""
        return sum(self.times) if self.times else None


@dataclass(frozen=True)
class Passed:
    """When the RTO will be passed, with the days between which that lies with 80 %."""

    likely: date
    earliest: date
    latest: date | None
    """None: it may be never, too."""


@dataclass(frozen=True)
class Year:
    """A store's drills of a year."""

    first: date
    phases: tuple[str, ...]
    """In their order, the one that ends with `available` last."""
    columns: Sequence[Sequence[Any]]
    """The days from `first` on, as `_day_told` writes them, a column for each thing."""
    drills: tuple[Drill, ...]
    """The newest of them, the last first."""
    recoveries: tuple[Drill, ...]
    """The newest full recoveries, the last first."""
    breach: Passed | None
    told: str
    """When that will be, in words, or why nobody says it."""
    counted: int
    failed: int
    late: int
    missing: int
    """Days without a drill."""

    @property
    def days(self) -> tuple[Day | None, ...]:
        """The days from `first` on; None where there was none."""
        return tuple(_days(self.first, self.columns))

    @property
    def length(self) -> int:
        """How many days there are."""
        return len(self.columns[0])

    def until(self, day: date) -> Year:
        """Go on to the day of the look: whoever wrote the year down ended it with the last drill."""
        more = (day - self.first).days + 1 - self.length
        empty = (0, 0, 0, None, None, *[None] * len(self.phases))
        return replace(
            self, columns=[[*column, *[value] * more] for column, value in zip(self.columns, empty, strict=True)]
        )


def year_told(
    store: str, certificates: Sequence[Certificate], stored: Mapping[str, int], goals: Goals, now: datetime
) -> dict[str, Any]:
    """Write what a page needs of a year of certificates; empty where there is none."""
    year = trend_of(certificates, stored, goals, now, BACK)
    recent = trend_of(certificates, stored, goals, now)
    if year is None:
        return {}
    phases = _phases(year)
    days = [_day_told(drills, year.slowest.get(day), phases) for day, drills in year.days]
    breach = recent.breach if recent else None
    return {
        "first": year.days[0][0].isoformat(),
        "phases": phases,
        "columns": [list(column) for column in zip(*days, strict=True)],
        "drills": [_drill_told(one) for one in reversed(year.drills[-SHOWN:])],
        "recoveries": [_drill_told(one) for one in reversed(year.recoveries[-RECOVERIES:])],
        "breach": [one and one.isoformat() for one in (breach.likely, breach.earliest, breach.latest)]
        if breach
        else None,
        "told": when_breached(recent) if recent else "no date: no drill in the last four months",
        "counted": len(year.drills),
        "failed": sum(bool(one.failed) for one in year.drills),
        "late": sum(one.late and not one.failed for one in year.drills),
        "missing": sum(day[0] == 0 for day in days),
    }


def year_read(store: str, told: Mapping[str, Any]) -> Year | None:
    """Read it again; None where there is none."""
    if not told:
        return None
    first, phases = date.fromisoformat(told["first"]), told["phases"]
    breach = [one and date.fromisoformat(one) for one in told["breach"] or ()]
    return Year(
        first=first,
        phases=tuple(phases),
        columns=told["columns"],
        drills=tuple(_drill_read(store, one) for one in told["drills"]),
        recoveries=tuple(_drill_read(store, one) for one in told["recoveries"]),
        breach=Passed(*breach) if breach else None,
        **{name: told[name] for name in ("told", "counted", "failed", "late", "missing")},
    )


def _day_told(drills: Sequence[Drilled], slowest: Drilled | None, phases: Sequence[str]) -> list[Any]:
    """Write a day: how many drills it had, how many failed, whether the slowest was late, what was lost, and its times."""
    lost = next((one.lost for one in reversed(drills) if one.lost and not one.failed), None)
    times = [round(slowest.phases.get(name, 0.0), 1) for name in phases] if slowest else [None] * len(phases)
    low, high = (round(seconds, 1) for seconds in lost) if lost else (None, None)
    return [
        len(drills),
        sum(bool(one.failed) for one in drills),
        int(bool(slowest and slowest.late)),
        low,
        high,
        *times,
    ]


def _days(first: date, columns: Sequence[Sequence[Any]]) -> Iterator[Day | None]:
    """Put the days together again: they are kept as columns, since a list for each of eighteen thousand days costs a third of
    a second to watch over (Python's collector)."""
    for number, (count, failed, late, low, high, *times) in enumerate(zip(*columns, strict=True)):
        day = first + timedelta(days=number)
        lost = None if low is None else (low, high)
        yield Day(day, None if None in times else times, failed, lost, late) if count else None


def _drill_told(one: Drilled) -> dict[str, Any]:
    available = one.available if AVAILABLE in one.phases else None
    name = one.certificate.rpartition("/")[2].removesuffix(".json")
    return {
        "name": name,
        "target": one.target,
        "at": one.at.isoformat(),
        "available": available,
        "lost": list(one.lost) if one.lost else None,
        "failed": list(one.failed[:3]),
        "late": one.late and not one.failed,
    }


def _drill_read(store: str, told: Mapping[str, Any]) -> Drill:
    return Drill(
        name=told["name"],
        target=told["target"],
        at=datetime.fromisoformat(told["at"]),
        available=told["available"],
        lost=tuple(told["lost"]) if told["lost"] else None,
        failed=tuple(told["failed"]),
        late=told["late"],
        certificate=evidence_path(f"{folder_of(store)}{told['name']}.json"),
    )


def _phases(trend: Trend) -> list[str]:
    names = dict.fromkeys(_names(trend))
    return [name for name in names if name != AVAILABLE] + [AVAILABLE] * (AVAILABLE in names)


def _names(trend: Trend) -> Iterator[str]:
    for one in trend.slowest.values():
        yield from one.phases
