"""The last numbers as they are given away: of what is measured of every table of a server, those of its largest alone.

A server may have thousands of tables. All their numbers are in the ledger, where Grafana and the reports read them; where each
series costs, or is read again every minute, the largest say most of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sluice.ledger.samples import ONE_DAY, Sample, Samples, Series

SIZE = "table_bytes"
OF_TABLES = (SIZE, "index_bytes", "table_rows_count", "dead_rows_percent", "bloat_percent")
"""What every table of a server has."""
TABLES = 100
"""Of so many tables of each server numbers are shown where nobody says of how many."""


def last_numbers(samples: Samples, now: datetime, tables: int = TABLES) -> dict[Series, Sample]:
    """Give the last number of each series within a day, of so many tables of each server. Raises what the ledger raises."""
    shown = largest(samples.latest(now, metrics=[SIZE]), tables)
    found = samples.latest(now, within=ONE_DAY, some=(OF_TABLES, {table for _, table in shown}))
    return {
        series: last
        for series, last in found.items()
        if series.metric not in OF_TABLES or (series.store, series.subject) in shown
    }


def largest(sizes: Mapping[Series, Sample], tables: int) -> set[tuple[str, str]]:
    """Name the largest tables of each store: its name, and theirs. Pure."""
    by_store: dict[str, list[tuple[float, str]]] = {}
    for series, last in sizes.items():
        by_store.setdefault(series.store, []).append((-last.value, series.subject))
    return {(store, table) for store, found in by_store.items() for _, table in sorted(found)[:tables]}
