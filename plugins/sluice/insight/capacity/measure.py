"""One measure of a store in a report: what it was, what it will be, its limits and when they are reached. Frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

from sluice.estate.severity import Severity

WEEK = 7
LimitName: TypeAlias = Literal["full", "most", "sessions", "provisioned"]


@dataclass(frozen=True)
class Ceiling:
    """Where something ends."""

    name: LimitName
    value: float
    told: str
    """What it is to be there: `is 85 % full`."""


@dataclass(frozen=True)
class Reached:
    """When a limit is reached. Of ten such forecasts one comes before `earliest`, five before `likely`, nine before `latest`.

    None: not within the year that is looked at.
    """

    limit: Ceiling
    earliest: date | None
    likely: date | None
    latest: date | None
    days: int | None
    """Until `earliest`; 0 where it is reached already."""
    severity: Severity | None
    """P1 to P3, None where nobody need act: what this report and the one before say, since one alone is none."""


@dataclass(frozen=True)
class Curve:
    """A forecast, day by day, with its 80 % interval."""

    days: tuple[date, ...]
    p10: tuple[float, ...]
    p50: tuple[float, ...]
    p90: tuple[float, ...]


@dataclass(frozen=True)
class Drop:
    """What our own archive has dropped on a day."""

    day: date
    bytes: float


@dataclass(frozen=True)
class Outlook:
    """One measure of a store: what it was, and what it will be."""

    store: str
    metric: str
    subject: str
    title: str
    unit: str
    days: tuple[date, ...]
    values: tuple[float, ...]
    drops: tuple[Drop, ...]
    steps: tuple[date, ...]
    """Days on which it jumped, and nobody had noted why."""
    a_month: float | None
    """By how much it has grown in the last 30 days, with what was dropped counted as if it were there."""
    curve: Curve | None
    reason: str
    """Why there is no forecast, or why it is not to be trusted; empty where it is."""
    notes: tuple[str, ...]
    limits: tuple[Ceiling, ...]
    arrivals: tuple[Reached, ...]
    """One for each limit; empty where there is no forecast."""

    @property
    def is_busy(self) -> bool:
        """Whether it rises and falls with the week: then its busiest day is told, as one day says little of another."""
        return self.unit != "bytes"

    @property
    def now(self) -> float | None:
        """What was measured last, or on the busiest of the last seven days."""
        return max(self.values[-(WEEK if self.is_busy else 1) :], default=None)

    @property
    def in_90_days(self) -> tuple[float, float, float] | None:
        """P10, P50 and P90 of the ninetieth day, or of the busiest of the seven up to it."""
        days = range(91 - WEEK, 91) if self.is_busy else (90,)
        found = [one for day in days if (one := ahead(self.curve, day))]
        return max(found, key=lambda one: one[1]) if len(found) == len(days) else None


def ahead(curve: Curve | None, days: int) -> tuple[float, float, float] | None:
    """Give P10, P50 and P90 of a day to come; None where the curve does not reach it."""
    if curve is None or len(curve.days) < days:
        return None
    return curve.p10[days - 1], curve.p50[days - 1], curve.p90[days - 1]
