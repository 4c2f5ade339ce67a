"""For how long a table has a partition for every moment, and how urgent that is. Read only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sluice.estate.dataset import Dataset
from sluice.estate.severity import Severity
from sluice.stores.clock import find_now
from sluice.stores.postgres import Connection, translated
from sluice.upkeep.partitions.looking import look
from sluice.upkeep.partitions.there import Branch, branches_of

DAY = 86_400.0
ENDLESS = 36_500
"""Days of headroom of a table that no time fills."""
URGENT, SOON = 7, 28
"""Days of headroom below which a table is P1: somebody gets up; and P2: somebody acts in working hours."""


@dataclass(frozen=True)
class Headroom:
    """From now `until` then there is a partition for every moment; no `until` where that is for ever."""

    table: str
    days: float
    until: datetime | None = None
    caught: bool = False
    """Whether a default partition takes what comes after."""

    @property
    def severity(self) -> Severity | None:
        """How urgent it is; None where nobody need act."""
        return "P1" if self.days < URGENT else "P2" if self.days < SOON else None

    @property
    def headline(self) -> str:
        """Say what happens, and when; empty where nobody need act."""
        if self.severity is None:
            return ""
        when = f"from {self.until:%Y-%m-%d %H:%M} UTC on" if self.until and self.days > 0 else "already"
        what = "rows fall into its default partition" if self.caught else "writes fail"
        return f"{self.severity}: {self.table} has partitions for {self.days:g} more days; {what} {when}."


def measure_headroom(c: Connection, dataset: Dataset) -> Headroom:
    """Measure a table's headroom by the database's clock. Raises NotPartitioned, NotTimes, Misfit, StoreDown."""
    with translated(f"measuring the headroom of {dataset.table}"):
        return least_headroom(look(c, dataset), find_now(c))


def least_headroom(branch: Branch, now: datetime) -> Headroom:
    """Give the headroom of the part of a table that runs out first."""
    return min(_headrooms(branch, now), key=lambda one: one.days, default=Headroom(str(branch.table), float(ENDLESS)))


def headroom(branch: Branch, now: datetime) -> float:
    """Say for how many days from `now` on there is a partition for every moment."""
    return min((_covered(branch, now) - now).total_seconds() / DAY, float(ENDLESS))


def _headrooms(branch: Branch, now: datetime) -> Iterator[Headroom]:
    for one in branches_of(branch):
        if one.how == "range":
            days = round(headroom(one, now), 2)
            until = _covered(one, now) if days < ENDLESS else None
            yield Headroom(str(one.table), days, until, caught=one.default is not None)


def _covered(branch: Branch, now: datetime) -> datetime:
    covered = now
    for span in branch.spans:
        if span.lower <= covered < span.upper:
            covered = span.upper
    return covered
