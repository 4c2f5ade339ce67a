"""What each store holds, how it grows and when it will be full: the last report's numbers; without one, what was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sluice.insight.capacity.growth import SIZES, summed
from sluice.insight.capacity.words import amount, many
from sluice.ledger.forecasts import Forecasts, Line
from sluice.ledger.samples import Series
from sluice.ledger.seen import Kind, SeenThings
from sluice.overview.asked import Asked
from sluice.overview.capacity.shortened import LAST, comes_first, weekly
from sluice.overview.capacity.stores import Arrival, Measure, StoreCapacity, measured, store_of
from sluice.overview.links import evidence_path, origin_of, run_path

MAKES, COLLECTS = "capacity_report", "collect_samples"
"""The DAGs that this lies behind."""
LATE = timedelta(days=9)
"""So old a report may be: there is one a week, and it takes a day."""
YEAR = timedelta(days=365)


@dataclass(frozen=True)
class Cost:
    """What the estate costs a month, low to high, now and in 90 days."""

    currency: str
    priced: str
    now: tuple[float, float]
    later: tuple[float, float]
    parts: tuple[Mapping[str, Any], ...]
    """The dearest first: `name`, `now`, `how`."""
    part_count: int
    savings: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Score:
    """How right earlier forecasts were."""

    told: str
    good: bool


@dataclass(frozen=True)
class LastReport:
    """The report that all of this is out of."""

    since: date
    until: date
    """The first day that it knows nothing of."""
    page: str
    """The path of its own page."""
    run: str
    is_late: bool
    """Whether the next one should be there by now."""


@dataclass(frozen=True)
class Capacity:
    """All of it, the store that is full first first."""

    at: datetime
    seen: datetime | None
    """When the report was looked for."""
    failed: str
    """Why the last look found nothing; empty where it did."""
    report: LastReport | None
    first: str
    """The limit that is reached first, in the report's words."""
    stores: tuple[StoreCapacity, ...]
    scores: tuple[Score, ...]
    cost: Cost | None
    cost_reason: str

    @property
    def headline(self) -> str:
        """Say the one thing that is to be known."""
        if self.report is None:
            return (
                "No capacity report has been made yet" if not self.failed else "Nobody knows what the last report says"
            )
        if self.first:
            return self.first.removesuffix(".")
        if any(one.arrivals for store in self.stores for one in store.measures):
            return "Nothing comes to its limit within a year"
        return "Nothing says yet when anything will be full"

    def limits(self) -> list[tuple[StoreCapacity, Arrival]]:
        """Give each limit that is reached within a year, the first first."""
        found = [(store, at) for store in self.stores for one in store.measures for at in one.arrivals if at.earliest]
        return sorted(found, key=lambda pair: comes_first(pair[1]))


def capacity(asked: Asked) -> Capacity:
    """Answer. Raises StoreDown."""
    looked = SeenThings(asked.ledger).one_of(Kind.CAPACITY, LAST)
    found = looked.found if looked else {}
    if "stores" not in found or not asked.may_read(origin_of(found["page"])[0]):
        found = {}
    cost = found.get("cost")
    return Capacity(
        at=asked.now,
        seen=looked.at if looked else None,
        failed=_failed(looked.failed if looked else "", looked.found if looked else {}),
        report=_report(found, asked.now) if found else None,
        first=found.get("first", ""),
        stores=tuple(map(store_of, found["stores"])) if found else tuple(_measured(asked)),
        scores=tuple(Score(**one) for one in found.get("scores", ())),
        cost=_cost(cost) if cost else None,
        cost_reason=found.get("cost_reason", ""),
    )


def _failed(why: str, found: Mapping[str, Any]) -> str:
    other = "The last report is of another version than this one: the next one shows here."
    return why or (other if found and "stores" not in found else "")


def _report(found: Mapping[str, Any], now: datetime) -> LastReport:
    since, until = (date.fromisoformat(found[name]) for name in ("since", "until"))
    dag_id, run_id, _ = origin_of(found["page"])
    return LastReport(since, until, evidence_path(found["page"]), run_path(dag_id, run_id), now.date() - until > LATE)


def _cost(told: Mapping[str, Any]) -> Cost:
    low, high = told["now"], told["later"]
    return Cost(
        told["currency"], told["priced"], (low[0], low[1]), (high[0], high[1]), tuple(told["components"]), told["count"],
        tuple(told["savings"]), tuple(told["notes"]),
    )  # fmt: skip


def _measured(asked: Asked) -> Iterator[StoreCapacity]:
    """Give what was measured of each store, where there is no report: a year of what it holds."""
    if not asked.may_read(COLLECTS):
        return
    today = asked.now.date()
    lines = Forecasts(asked.ledger).lines((*SIZES, "items_bytes"), today - YEAR, today + timedelta(days=1))
    by_store: dict[str, dict[Series, Line]] = defaultdict(dict)
    for series, line in lines.items():
        by_store[series.store][series] = line
    for name, found in sorted(by_store.items()):
        sizes = [found[one] for one in (Series(name, size) for size in SIZES) if one in found]
        items = [line for series, line in found.items() if series.metric == "items_bytes"]
        line = sizes[0] if sizes else summed(items)
        if line.days:
            engine = asked.estate.stores[name].engine if name in asked.estate.stores else ""
            yield StoreCapacity(name, engine, (_size(line),), (), 0)


def _size(line: Line) -> Measure:
    was = [[str(day), value] for day, value in weekly([*map(date.fromordinal, line.days)], line.values, busiest=False)]
    told = f"{amount(line.values[-1], 'bytes')} now, by {many(len(line.days), 'day')} that were measured."
    return measured("What it holds", "bytes", told, was)
