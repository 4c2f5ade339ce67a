"""What a table's policy would do to the partitions that are there in the two years to come: a table to read. Read only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.estate.dataset import Dataset
from sluice.estate.retention import Retention
from sluice.ledger.releases import is_current
from sluice.stores.clock import find_now
from sluice.stores.postgres import Connection, rows
from sluice.stores.statements import statement
from sluice.upkeep.archive.census import check_tenant
from sluice.upkeep.archive.dropping import is_due
from sluice.upkeep.archive.late import gone_of
from sluice.upkeep.archive.ledger import is_there, months_of
from sluice.upkeep.archive.simulating import Foreseen, Tonight, simulate, tonight
from sluice.upkeep.partitions.looking import look
from sluice.upkeep.partitions.planning import MOST
from sluice.upkeep.partitions.spans import Span
from sluice.upkeep.partitions.there import Branch, branches_of

LINE = "{:<7}  {:>4}  {:<24}  {:>4}  {:>5}  {:>14}  {:>9}"
HEAD = ("month", "goes", "from, to", "held", "stays", "rows", "MB")


@dataclass(frozen=True)
class Size:
    """How large a partition is, by the planner's word."""

    rows: int | None
    """None where it was never analyzed."""
    bytes: int


@dataclass(frozen=True)
class Foresight:
    """What is foreseen for one table that is cut by time."""

    table: str
    keep: str
    months: tuple[Foreseen, ...]
    sizes: Mapping[Span, Size]
    """Of the partitions that are there; those to come have none."""
    tonight: Tonight
    rooms: tuple[int, int] = (0, 0)
    """Partitions that stand for late rows in the place of months that have left, beside those that stay: now, and at the end."""

    @property
    def title(self) -> str:
        """Say what it is of."""
        return f"{self.table}, {self.keep} kept: {len(self.months)} months from {self.months[0].month.lower:%Y-%m} on"

    def __str__(self) -> str:
        held = {f"held: {span}: {why}": None for month in self.months for span, why in month.held}
        lines = [LINE.format(*self._cells(month)).rstrip() for month in self.months]
        told = [self.title, str(self.tonight), LINE.format(*HEAD), *lines, *held, *self._told_of_rooms()]
        return "\n".join(told)

    def _told_of_rooms(self) -> Iterator[str]:
        (now, then), end = self.rooms, self.months[-1]
        if not then:
            return
        yield (
            f"for late rows: {now:,} partitions of months that have left, {then:,} at the end of {end.month.lower:%Y-%m}, beside"
            " those that stay"
        )
        if (whole := then + end.stays) > MOST:
            yield (
                f"{whole:,} partitions in all: more than {MOST:,} slow every plan. Cut the table into larger pieces, or"
                " say `late: refuse`, which keeps none"
            )

    def _cells(self, month: Foreseen) -> tuple[object, ...]:
        known = [self.sizes[span] for span in month.goes if span in self.sizes]
        counted = [one.rows for one in known if one.rows is not None]
        rest = [len(month.held) or "", month.stays]
        if not month.goes:
            return f"{month.month.lower:%Y-%m}", "", "", *rest, "", ""
        # Of some of them nothing is known: it is so much at least.
        rows, size = f"{sum(counted):,}", f"{sum(one.bytes for one in known) / 1e6:,.1f}"
        return (
            f"{month.month.lower:%Y-%m}",
            len(month.goes),
            str(Span(month.goes[0].lower, month.goes[-1].upper)),
            *rest,
            _at_least(rows, len(counted), len(month.goes)),
            _at_least(size, len(known), len(month.goes)),
        )


def foresee(c: Connection, dataset: Dataset) -> list[Foresight]:
    """Foresee each part of a table that is cut by time; nothing where its file has no `retention`. Read only."""
    if dataset.retention is None:
        return []
    check_tenant(c, dataset)
    return [
        _foresee(c, branch, dataset, dataset.retention)
        for branch in branches_of(look(c, dataset))
        if branch.how == "range"
    ]


def _foresee(c: Connection, branch: Branch, dataset: Dataset, retention: Retention) -> Foresight:
    """What stands in the place of a month that has left is for its late rows: it does not go, and is counted apart."""
    gone = gone_of(c, branch.table)
    there = [span for span in branch.spans if span not in gone]
    at = find_now(c)
    months = tuple(simulate(there, dataset, retention, at))
    now = len(branch.spans) - len(there)
    then = now if retention.late == "refuse" else now + sum(len(month.goes) for month in months)
    first = _tonight(c, branch, there, retention, at)
    return Foresight(str(branch.table), str(retention.keep), months, _sizes(c, branch), first, (now, then))


def _tonight(c: Connection, branch: Branch, there: Sequence[Span], retention: Retention, now: datetime) -> Tonight:
    """Foresee the next run: what was brought back stays until its time is over. A ledger of an older version is not asked."""
    known = months_of(c, branch.table) if is_there(c) and is_current(c, "archive") else []
    back = {month.span for month in known if month.expires_at and month.state == "restored" and month.expires_at > now}
    cooled = [month.span for month in known if retention.then == "drop" and is_due(month, retention)]
    return tonight([span for span in there if span not in back], retention, now, cooled)


def told(dataset: Dataset, foreseen: Sequence[Foresight]) -> str:
    """Lay out what is foreseen for a dataset."""
    return "\n\n".join(map(str, foreseen)) or f"{dataset.table}: its file has no `retention`. Everything stays."


def _sizes(c: Connection, branch: Branch) -> Mapping[Span, Size]:
    spans = dict(_spans(branch))
    found = rows(c, statement("archive.list_sizes"), oids=list(spans))
    return {spans[row["oid"]]: Size(row["rows"], row["bytes"]) for row in found}


def _spans(branch: Branch) -> Iterator[tuple[int, Span]]:
    for one in branch.partitions:
        if one.span:
            yield one.oid, one.span


def _at_least(text: str, known: int, of: int) -> str:
    return "" if not known else text if known == of else f"≥ {text}"
