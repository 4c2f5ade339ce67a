"""What was forecast of each series, and in which report: kept once a window, and read again when the days have come.

In the ledger's own database, schema `insight`, beside the samples (`samples.py`, which makes it).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Literal, TypeAlias

from psycopg import sql

from sluice.ledger.samples import Series
from sluice.stores.postgres import Connection, Row, rows, translated
from sluice.stores.statements import statement

Of: TypeAlias = Literal["last", "highest", "lowest", "mean"]
"""What of a day."""


@dataclass(frozen=True)
class Line:
    """The days of one series, oldest first; a day that was not measured is missing."""

    days: tuple[int, ...]
    """As `date.toordinal` counts them."""
    values: tuple[float, ...]


@dataclass(frozen=True)
class Made:
    """One forecast as it is kept: the quantiles of some days ahead of the last that was measured."""

    series: Series
    until: date
    """The first day that it knew nothing of."""
    base: float
    """What was measured on the last."""
    ahead: tuple[int, ...]
    """Days after `until`, that day itself being the first."""
    p10: tuple[float, ...]
    p50: tuple[float, ...]
    p90: tuple[float, ...]


@dataclass(frozen=True)
class Reported:
    """A report that was made."""

    until: date
    since: date
    monthly: bool
    key: str
    """Of its JSON, in the vault."""


@dataclass(frozen=True)
class Forecasts:
    """The forecasts and reports of an estate. Each verb may be called twice."""

    connection: Connection

    def lines(
        self, metrics: Collection[str], since: date, until: date, store: str | None = None, of: Of = "last"
    ) -> dict[Series, Line]:
        """Give the whole days of some metrics from `since` to `until`, itself not included."""
        query = statement("capacity.list_lines", value=sql.Identifier(of))
        bounds = {"since": _midnight(since), "until": _midnight(until)}
        with translated("reading days in the ledger"):
            found = rows(self.connection, query, metrics=list(metrics), store=store, **bounds)
        return {_series(row): Line(tuple(row["days"]), tuple(row["values"])) for row in found}

    def keep(self, store: str, until: date, made: Sequence[Made]) -> int:
        """Keep a window's forecasts of a store, instead of those that it had; give how many."""
        told = {
            "stores": [one.series.store for one in made],
            "metrics": [one.series.metric for one in made],
            "subjects": [one.series.subject for one in made],
            "base": [one.base for one in made],
            **{name: [_array(getattr(one, name)) for one in made] for name in ("ahead", "p10", "p50", "p90")},
        }
        with translated(f"keeping the forecasts of {store}"), self.connection.transaction():
            # A sum of tables is forecast, too, and nobody has measured it as such.
            self.connection.execute(statement("samples.add_series"), told)
            self.connection.execute(statement("capacity.drop_forecasts"), {"store": store, "until": until})
            self.connection.execute(statement("capacity.keep_forecasts"), {**told, "until": until})
        return len(made)

    def made(self, store: str, since: date, until: date) -> list[Made]:
        """Give a store's forecasts of the windows that ended from `since` to `until`, itself not included."""
        found = self._rows("list_forecasts", store=store, since=since, until=until)
        return [
            Made(
                _series(row), row["until"], row["base"], *(tuple(row[name]) for name in ("ahead", "p10", "p50", "p90"))
            )
            for row in found
        ]

    def keep_report(self, report: Reported) -> None:
        """Keep where a window's report is."""
        with translated("keeping the report in the ledger"):
            self.connection.execute(statement("capacity.keep_report"), vars(report))

    def report_before(self, until: date, monthly: bool = False) -> Reported | None:
        """Give the last report that knew less; the last monthly one where that is asked for."""
        found = self._rows("find_report_before", until=until, monthly=monthly)
        return Reported(**found[0]) if found else None

    def is_overtaken(self, until: date) -> bool:
        """Tell whether a report knows more than one of `until` does."""
        return bool(self._rows("find_report_after", until=until))

    def forget(self, before: date) -> None:
        """Drop what was forecast and reported before a day."""
        with translated(f"forgetting forecasts before {before}"):
            self.connection.execute(statement("capacity.forget_forecasts"), {"before": before})

    def _rows(self, verb: str, **values: object) -> list[Row]:
        with translated(f"{verb.replace('_', ' ')} in the ledger"):
            return rows(self.connection, statement(f"capacity.{verb}"), **values)


def _array(values: Sequence[float]) -> str:
    """Write an array: unnest would take one of arrays apart to its numbers."""
    return f"{{{','.join(map(repr, values))}}}"


def _series(row: Row) -> Series:
    return Series(row["store"], row["metric"], row["subject"])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
