"""Capacity at a terminal: what each store holds and which limit it reaches first, the tables that grow most, and the cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from sluice.insight.capacity.words import amount, change, money
from sluice.local.standing.words import table

if TYPE_CHECKING:
    from sluice.overview.capacity.page import Capacity
    from sluice.overview.capacity.stores import Arrival, StoreCapacity

TABLES = 5
"""So many tables of a store are shown, those that grow most."""


def tables(it: Capacity) -> Iterator[Table]:
    """Lay it out: the store that is full first first."""
    stores = table(it.headline, "store", "measure", "how it stands", "limits")
    for one in it.stores:
        for measure in one.measures:
            stores.add_row(one.name, measure.title, measure.told, "\n".join(map(_limit, measure.arrivals)) or "–")
    yield stores
    if it.failed:
        yield _told("The last look", it.failed)
    growing = table("Tables that grow most", "table", "of", "now", "a month", "in 90 days, 80 % between")
    for one in it.stores:
        _add(growing, one)
    if growing.row_count:
        yield growing
    if it.cost:
        now, later = (money(sums, it.cost.currency) for sums in (it.cost.now, it.cost.later))
        yield _told("Cost a month", f"{now} now, {later} in 90 days. {it.cost.priced}")
    if it.scores:
        yield _told("How right earlier forecasts were", "\n".join(one.told for one in it.scores))


def _add(growing: Table, store: StoreCapacity) -> None:
    for one in store.tables[:TABLES]:
        ahead = " – ".join(amount(value, "bytes") for value in one.in_90_days[::2]) if one.in_90_days else one.reason
        growing.add_row(one.name, store.name, amount(one.now, "bytes"), change(one.a_month, "bytes"), ahead)


def _limit(at: Arrival) -> str:
    return f"{at.severity} {at.told}" if at.severity else at.told


def _told(title: str, text: str) -> Table:
    made = table(title, "")
    made.show_header = False
    made.add_row(text)
    return made
