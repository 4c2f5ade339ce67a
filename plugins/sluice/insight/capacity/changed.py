"""What is other than in the report before: limits whose day moved, tables that are new or gone, those that grew most. Pure.

The report before is its JSON, as it lies in the vault: one of a form that is not known any more says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sluice.insight.capacity.compared import Changed, Faster, Moved
from sluice.insight.capacity.report import SCHEMA, StoreReport

MOST = 5
"""So many tables that grew most are named."""
MOVED = 3
"""Days by which a likely day may move before it is told."""


@dataclass(frozen=True)
class Before:
    """What the report before said, as far as it is compared."""

    until: date
    likely: Mapping[tuple[str, str, str, str], date | None]
    """Of each limit, by store, metric, subject and name."""
    days: Mapping[tuple[str, str, str, str], int | None]
    """How many were left until each, at the earliest: of the last report, whichever one is compared with."""
    tables: Mapping[tuple[str, str], float]
    """Bytes, by store and table."""


def read_before(told: Mapping[str, Any]) -> Before | None:
    """Read it; None where its form is another one."""
    if told.get("schema") != SCHEMA:
        return None
    limits = {
        (one["store"], one["metric"], one["subject"], at["limit"]["name"]): at
        for store in told["stores"]
        for one in store["measures"]
        for at in one["arrivals"]
    }
    likely = {name: date.fromisoformat(at["likely"]) if at["likely"] else None for name, at in limits.items()}
    tables = {(store["name"], table["name"]): table["now"] for store in told["stores"] for table in store["tables"]}
    days = {name: at["days"] for name, at in limits.items()}
    return Before(date.fromisoformat(told["until"]), likely, days, tables)


def changed(before: Before, stores: Sequence[StoreReport]) -> Changed:
    """Compare."""
    now = {(store.name, table.name): table.now for store in stores for table in store.tables}
    known = {store.name for store in stores}
    grown = sorted(
        (Faster(*name, now[name] - was, 100 * (now[name] - was) / was if was else None)
         for name, was in before.tables.items() if name in now and now[name] > was),
        key=lambda one: (-one.bytes, one.store, one.table),
    )  # fmt: skip
    seen_before = {store for store, _ in before.tables}
    return Changed(
        since=before.until,
        moved=tuple(_moved(before, stores)),
        new=tuple(f"{store}: {table}" for store, table in sorted(now.keys() - before.tables.keys()) if store in seen_before),
        gone=tuple(f"{store}: {table}" for store, table in sorted(before.tables.keys() - now.keys()) if store in known),
        fastest=tuple(grown[:MOST]),
    )  # fmt: skip


def _moved(before: Before, stores: Sequence[StoreReport]) -> Iterator[Moved]:
    for one in (measure for store in stores for measure in store.measures):
        for at in one.arrivals:
            name = (one.store, one.metric, one.subject, at.limit.name)
            if name not in before.likely:
                continue
            was = before.likely[name]
            if (was is None) != (at.likely is None) or (was and at.likely and abs((at.likely - was).days) >= MOVED):
                whose = f"{one.subject} of {one.store}" if one.subject else one.store
                yield Moved(whose, at.limit.told, was, at.likely)
