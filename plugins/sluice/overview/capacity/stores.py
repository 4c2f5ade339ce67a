"""What the page shows of a store, out of a shortened report: its measures with their charts, and the tables that grow most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sluice.estate.severity import Severity

QUARTER, MONTH = 13, 4
"""Weeks between the numbers that are told beside a chart: of what was, of what will be."""
Point = tuple[date, float]


@dataclass(frozen=True)
class Arrival:
    """When a limit is reached: in words, and as the days between which that lies with 80 %; None is not within a year."""

    told: str
    severity: Severity | None
    earliest: date | None
    likely: date | None
    latest: date | None


@dataclass(frozen=True)
class Measure:
    """One measure: what it was by weeks, what it will be, its limits."""

    title: str
    unit: str
    told: str
    """What it is and will be, in the report's words, or why that is not to be forecast."""
    notes: tuple[str, ...]
    arrivals: tuple[Arrival, ...]
    chart: Mapping[str, Any]
    """All of it, for who draws it: `was` are days and values, `will` days with P10, P50 and P90."""

    def was(self) -> list[tuple[str, float]]:
        """What it was, a number a quarter, the last one included; oldest first."""
        return [(day, value) for day, value in self.chart["was"][::-1][::QUARTER][::-1]]

    def will(self) -> list[tuple[str, float, float, float]]:
        """What it will be, a number a month."""
        return [(day, low, likely, high) for day, low, likely, high in self.chart["will"][MONTH - 1 :: MONTH]]


@dataclass(frozen=True)
class TableLine:
    """A table that grows: bytes now, by how much in the last 30 days, dropped in them, and P10, P50 and P90 in 90 days."""

    name: str
    now: float
    a_month: float | None
    dropped: float
    in_90_days: tuple[float, float, float] | None
    reason: str
    """Why there is no forecast; empty where there is."""
    was: tuple[Point, ...]


@dataclass(frozen=True)
class StoreCapacity:
    """One store."""

    name: str
    engine: str
    measures: tuple[Measure, ...]
    tables: tuple[TableLine, ...]
    """Those that grow most."""
    table_count: int


def store_of(told: Mapping[str, Any]) -> StoreCapacity:
    """Read a store of a shortened report."""
    return StoreCapacity(
        name=told["name"],
        engine=told["engine"],
        measures=tuple(map(_measure, told["measures"])),
        tables=tuple(map(_table, told["tables"])),
        table_count=told["count"],
    )


def measured(title: str, unit: str, told: str, was: Sequence[Sequence[Any]]) -> Measure:
    """Give a measure of which nobody has foreseen anything yet."""
    chart = {"unit": unit, "was": was, "will": [], "limits": [], "arrivals": [], "steps": [], "drops": []}
    return Measure(title, unit, told, (), (), chart)


def _measure(told: Mapping[str, Any]) -> Measure:
    chart = {name: told[name] for name in ("unit", "was", "will", "arrivals", "steps", "drops")}
    return Measure(
        title=told["title"],
        unit=told["unit"],
        told=told["told"],
        notes=tuple(told["notes"]),
        arrivals=tuple(arrival_of(one) for one in told["arrivals"]),
        chart={**chart, "limits": [one for one in told["limits"] if one["near"]]},
    )


def arrival_of(told: Mapping[str, Any]) -> Arrival:
    """Read when a limit is reached."""
    days = (date.fromisoformat(told[name]) if told[name] else None for name in ("earliest", "likely", "latest"))
    return Arrival(told["told"], told["severity"], *days)


def _table(told: Mapping[str, Any]) -> TableLine:
    return TableLine(
        **{name: told[name] for name in ("name", "now", "a_month", "dropped", "reason")},
        in_90_days=tuple(told["in_90_days"]) if told["in_90_days"] else None,
        was=tuple((date.fromisoformat(day), value) for day, value in told["was"]),
    )
