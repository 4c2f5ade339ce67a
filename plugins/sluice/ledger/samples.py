"""What was measured of the estate: written as it is taken, rolled up by the hour and the day, read again for a window.

In the ledger's own database, schema `insight`. A day that was not measured has no row, and nothing is made up for it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, TypeAlias, TypeVar

from psycopg import sql

from sluice.ledger.releases import bring_up_to_date
from sluice.stores.clock import find_now
from sluice.stores.postgres import Connection, Row, rows, translated
from sluice.stores.statements import statement

ONE_DAY = timedelta(days=1)
LATELY = timedelta(hours=2)
"""How old the last number of a series may be and still be its latest."""
Unit: TypeAlias = Literal["hour", "day"]
UNITS: tuple[Unit, ...] = ("hour", "day")
Value = TypeVar("Value")


@dataclass(frozen=True, order=True)
class Series:
    """A metric of a store, and of what in it: a table, a replica; the store itself is ''."""

    store: str
    metric: str
    subject: str = ""


@dataclass(frozen=True)
class Sample:
    """One number, and when it was taken."""

    at: datetime
    value: float


@dataclass(frozen=True)
class Span:
    """An hour or a day of a series, from `at` on."""

    at: datetime
    lowest: float
    highest: float
    mean: float
    last: float
    points: int


@dataclass(frozen=True)
class Beyond:
    """A level of a metric, and on which side of it a number counts."""

    metric: str
    level: float
    is_over: bool


@dataclass(frozen=True)
class Samples:
    """The samples of an estate. Each verb may be called twice."""

    connection: Connection

    def prepare(self) -> Samples:
        """Make the schema `insight` if it is missing or old. Raises ReleaseChanged, Outdated."""
        with translated("making the ledger's schema insight"):
            bring_up_to_date(self.connection, "insight")
        return self

    def now(self) -> datetime:
        """Give what time it is, by the clock that samples are kept by."""
        return find_now(self.connection)

    def record(self, at: datetime, values: Mapping[Series, float]) -> int:
        """Keep numbers that were taken at one moment; give how many. One that is none (NaN, infinite) is left out."""
        return self.record_history((series, Sample(at, value)) for series, value in values.items())

    def record_history(self, taken: Iterable[tuple[Series, Sample]]) -> int:
        """Keep numbers of any moments, with the days they need; give how many."""
        found = [(series, sample) for series, sample in taken if math.isfinite(sample.value)]
        if not found:
            return 0
        told = _columns([series for series, _ in found])
        ats, values = [sample.at for _, sample in found], [sample.value for _, sample in found]
        with translated("keeping samples"), self.connection.transaction():
            self._make_days({at.astimezone(UTC).date() for at in ats})
            self.connection.execute(statement("samples.add_series"), told)
            self.connection.execute(statement("samples.record_samples"), {**told, "ats": ats, "values": values})
            self.connection.execute(statement("samples.note_seen"), {**told, "ats": ats})
            self.connection.execute(statement("samples.note_late"), {"ats": ats})
        return len(found)

    def rates(self, at: datetime, counters: Mapping[Series, float]) -> dict[Series, float]:
        """Give by how much each counter rises, a second, since it was last read, and keep where it stands.

        One that is read for the first time, or has begun anew, has none.
        """
        told = _columns(list(counters))
        with translated("reading counters"), self.connection.transaction():
            self.connection.execute(statement("samples.add_series"), told)
            before = {_series(row): row for row in rows(self.connection, statement("samples.read_counters"), **told)}
            self.connection.execute(
                statement("samples.keep_counters"), {**told, "at": at, "values": list(counters.values())}
            )
        return {
            series: (value - row["value"]) / (at - row["at"]).total_seconds()
            for series, value in counters.items()
            if (row := before.get(series)) and row["at"] < at and row["value"] <= value
        }

    def latest(
        self,
        until: datetime,
        store: str | None = None,
        within: timedelta = LATELY,
        metrics: Collection[str] | None = None,
        some: tuple[Collection[str], Collection[str]] = ((), ()),
    ) -> dict[Series, Sample]:
        """Give the last number of each series, of some metrics or all, that has one not older than `within` at `until`.

        `some` are metrics of which only those of the subjects behind them are wanted.
        """
        told = {"metrics": None if metrics is None else list(metrics), "many": list(some[0]), "subjects": list(some[1])}
        found = self._rows("find_latest", store=store, **told, since=until - within, until=until)
        return {_series(row): Sample(row["at"], row["value"]) for row in found}

    def between(
        self, metrics: Collection[str], start: datetime, end: datetime, store: str | None = None
    ) -> dict[Series, list[Sample]]:
        """Give the numbers of some metrics from `start` to `end`, itself not included, oldest first."""
        found = self._rows("list_samples", metrics=list(metrics), start=start, end=end, store=store)
        return _grouped((row, Sample(row["at"], row["value"])) for row in found)

    def beyond(self, levels: Collection[Beyond], start: datetime, end: datetime) -> dict[Series, list[Sample]]:
        """Give the numbers as `between`, of those series alone that have one beyond a level, or of which a rule has a state."""
        told = {"metrics": [one.metric for one in levels], "levels": [one.level for one in levels]}
        found = self._rows("list_beyond", **told, over=[one.is_over for one in levels], start=start, end=end)
        return _grouped((row, Sample(row["at"], row["value"])) for row in found)

    def spans(
        self, unit: Unit, metrics: Collection[str], start: datetime, end: datetime, store: str | None = None
    ) -> dict[Series, list[Span]]:
        """Give the hours or days of some metrics from `start` to `end`, itself not included, oldest first."""
        told: dict[str, Any] = {"metrics": list(metrics), "start": start, "end": end, "store": store}
        found = rows(self.connection, statement("samples.list_spans", spans=_spans(unit)), **told)
        return _grouped((row, Span(*(row[name] for name in _SPAN))) for row in found)

    def record_spans(self, unit: Unit, taken: Iterable[tuple[Series, Span]]) -> int:
        """Keep hours or days that somebody else has measured; give how many. One that has more points already stays."""
        found = list(taken)
        told = _columns([series for series, _ in found])
        values = {name: [getattr(span, name) for _, span in found] for name in _SPAN}
        with translated(f"keeping each {unit}"), self.connection.transaction():
            self.connection.execute(statement("samples.add_series"), told)
            self.connection.execute(
                statement("samples.record_spans", spans=_spans(unit)), {**told, **values, "ats": values["at"]}
            )
        return len(found)

    def roll_up(self, start: datetime, end: datetime, units: Sequence[Unit] = UNITS) -> None:
        """Roll up every hour and day that the window touches. What was rolled up from more points stays.

        Whoever wants the hours alone rolls up their days, by them, when it is done with these.
        """
        with translated("rolling up samples"), self.connection.transaction():
            if "hour" in units:
                self.connection.execute(statement("samples.take_late"), _touched(start, end, "hour"))
            for unit in units:
                self.connection.execute(statement(f"samples.roll_up_{unit}s"), _touched(start, end, unit))

    def late_hours(self) -> list[datetime]:
        """List the hours of which numbers came when they may have been rolled up already, oldest first."""
        return [row["hour"] for row in self._rows("list_late")]

    def rolled_up_to(self) -> datetime | None:
        """Give the end of the last hour that was rolled up; None where none ever was."""
        found = self._rows("find_last_hour")[0]["at"]
        return found + _LENGTHS["hour"] if found else None

    def forget(self, samples_before: date, hours_before: date, days_before: date) -> list[str]:
        """Drop the days of samples before a date, hours and days before theirs, and series of which nothing is left.

        Give the partitions dropped. The caller has rolled them up before.
        """
        old = [name for name in self._days() if _date_of(name) < samples_before]
        for name in old:
            with translated(f"dropping {name}"):
                self.connection.execute(statement("samples.drop_day", day=sql.Identifier("insight", name)))
        for unit, before in (("hour", hours_before), ("day", days_before)):
            query = statement("samples.forget_spans", spans=sql.Identifier("insight", unit))
            with translated(f"forgetting each {unit} before {before}"):
                self.connection.execute(query, {"before": _midnight(before)})
        for what in ("late", "counters", "series"):
            with translated(f"forgetting {what}"):
                self.connection.execute(statement(f"samples.forget_{what}"), {"before": _midnight(samples_before)})
        return old

    def _make_days(self, days: Collection[date]) -> None:
        if not {_name_of(day) for day in days}.difference(self._days()):
            return
        self.connection.execute(statement("samples.lock_days"))
        for day in sorted(days):
            name = sql.Identifier("insight", _name_of(day))
            lower, upper = (sql.Literal(f"{one} 00:00:00+00") for one in (day, day + ONE_DAY))
            self.connection.execute(statement("samples.make_day", day=name, lower=lower, upper=upper))

    def _days(self) -> list[str]:
        return [row["name"] for row in self._rows("list_days")]

    def _rows(self, verb: str, **values: object) -> list[Row]:
        with translated(f"{verb.replace('_', ' ')} in the ledger"):
            return rows(self.connection, statement(f"samples.{verb}"), **values)


_SPAN = ("at", "lowest", "highest", "mean", "last", "points")
_LENGTHS: Mapping[Unit, timedelta] = {"hour": timedelta(hours=1), "day": ONE_DAY}


def _spans(unit: Unit) -> sql.Identifier:
    return sql.Identifier("insight", unit)


def _series(row: Row) -> Series:
    return Series(row["store"], row["metric"], row["subject"])


def _columns(series: Sequence[Series]) -> dict[str, Any]:
    return {
        "stores": [one.store for one in series],
        "metrics": [one.metric for one in series],
        "subjects": [one.subject for one in series],
    }


def _grouped(found: Iterable[tuple[Row, Value]]) -> dict[Series, list[Value]]:
    made: dict[Series, list[Value]] = {}
    for row, value in found:
        made.setdefault(_series(row), []).append(value)
    return made


def _touched(start: datetime, end: datetime, unit: Unit) -> dict[str, datetime]:
    """Give the whole hours or days that a window touches."""
    return {"start": _floor(start, unit), "end": _floor(end - timedelta(microseconds=1), unit) + _LENGTHS[unit]}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)


def _floor(at: datetime, unit: Unit) -> datetime:
    at = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return at if unit == "hour" else at.replace(hour=0)


def _name_of(day: date) -> str:
    return f"sample_y{day:%Y}m{day:%m}d{day:%d}"


def _date_of(name: str) -> date:
    found = re.fullmatch(r"sample_y(\d{4})m(\d\d)d(\d\d)", name)
    return date(*map(int, found.groups())) if found else date.max
