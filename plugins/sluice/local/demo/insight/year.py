"""A year of days of three stores, made up: a server with purges, one whose disk nobody knows, and DynamoDB tables.

The same seed gives the same year. Each table is of a kind that a forecast can get wrong: growth with a weekly beat, months that
are archived and dropped, a jump that nobody noted, growth that grows, five days of history, no growth, and a name that is HTML.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from sluice.ledger.samples import Series, Span

SHOP, EVENTS, LEDGER = "demo_shop", "demo_events", "demo_books"
"""A PostgreSQL on a disk of 780 GB, DynamoDB tables, a PostgreSQL of whose disk nobody has said the size."""
DAYS = 365
DISK = 780e9
KEPT_MONTHS = 90
"""Days that the archive leaves in the table, and 30 of which it drops each time."""
STEP_AT, YOUNG = 230, 5
SMALL = 40
"""So many small tables, so that not all are shown."""
GB = 1e9
Sizes = Callable[[int], float]


@dataclass(frozen=True)
class Table:
    """How large a table would be on a day if nothing were dropped, by how much a day may differ, and when it began."""

    name: str
    size: Sizes
    noise: float = 0.0
    since: int = 0
    purged: float = 0.0
    """Bytes a month that are archived and dropped."""


def shop_tables() -> list[Table]:
    """Give the tables of the shop."""
    return [
        Table("app.orders", lambda n: 60 * GB + 0.40 * GB * n + 0.6 * GB * math.sin(2 * math.pi * n / 7), 0.4 * GB),
        Table("app.audit_log", lambda n: 100 * GB + 1.1 * GB * n, 0.8 * GB, purged=33 * GB),
        Table("app.sessions", lambda n: 22 * GB + 3 * GB * math.sin(2 * math.pi * n / 7), 0.4 * GB),
        Table("app.documents", lambda n: 15 * GB + 0.03 * GB * n + (120 * GB if n >= STEP_AT else 0), 0.1 * GB),
        Table("app.<script>alert('names')</script>", lambda n: 1 * GB + 0.004 * GB * n, 0.01 * GB),
        Table("app.young", lambda n: 0.5 * GB + 0.05 * GB * (n - DAYS + YOUNG), 0.01 * GB, since=DAYS - YOUNG),
        *(Table(f"app.small_{number:02d}", _steady(number), 0.0) for number in range(SMALL)),
    ]


def event_tables() -> list[Table]:
    """Give the DynamoDB tables."""
    return [
        Table("events", lambda n: 20 * GB * math.exp(0.004 * n), 0.2 * GB),
        Table("users", lambda n: 8 * GB + 0.01 * GB * n, 0.02 * GB),
        Table("carts", lambda n: 3 * GB + 0.2 * GB * math.sin(2 * math.pi * n / 7), 0.02 * GB),
    ]


def year(until: date, seed: int = 7) -> Iterator[tuple[Series, Span]]:
    """Give every day of the year before `until`, of every series."""
    draw, began = Random(seed), until - timedelta(days=DAYS)
    shop = {table.name: _lived(table, began, draw) for table in shop_tables()}
    for name, lived in shop.items():
        yield from _spans(Series(SHOP, "table_bytes", name), began, lived.sizes)
        if lived.dropped:
            yield from _spans(Series(SHOP, "dropped_bytes", name), began, lived.dropped)
    used = {n: 16 * GB + sum(one.sizes.get(n, 0.0) for one in shop.values()) for n in range(DAYS)}
    yield from _spans(Series(SHOP, "disk_used_bytes"), began, used)
    yield from _spans(Series(SHOP, "disk_free_bytes"), began, {n: DISK - size for n, size in used.items()})
    yield from _spans(Series(SHOP, "connections_used_percent"), began, {n: _busy(n, draw) for n in range(DAYS)}, 12.0)
    yield from _spans(
        Series(SHOP, "partition_headroom_days", "app.audit_log"), began, {n: 92.0 - n % 30 for n in range(DAYS)}
    )
    books = Table("app.entries", lambda n: 40 * GB + 0.09 * GB * n, 0.1 * GB)
    lines = _lived(books, began, draw).sizes
    yield from _spans(Series(LEDGER, "table_bytes", books.name), began, lines)
    yield from _spans(Series(LEDGER, "disk_used_bytes"), began, {n: size + 4 * GB for n, size in lines.items()})
    for table in event_tables():
        yield from _spans(Series(EVENTS, "items_bytes", table.name), began, _lived(table, began, draw).sizes)
    writes = {n: 180 + 0.35 * n + 25 * math.sin(2 * math.pi * n / 7) + draw.gauss(0, 6) for n in range(DAYS)}
    yield from _spans(Series(EVENTS, "write_units_rate", "events"), began, writes, 60.0)
    yield from _spans(
        Series(EVENTS, "write_units_provisioned_rate", "events"), began, dict.fromkeys(range(DAYS), 400.0)
    )


def hours(until: date, days: int = 42, seed: int = 8) -> Iterator[tuple[Series, Span]]:
    """Give each hour of the last weeks, of what is judged by the hour: cache hits, how late a replica is, what a table costs."""
    draw, began = Random(seed), datetime.combine(until - timedelta(days=days), time(), UTC)
    for number in range(24 * days):
        at, n = began + timedelta(hours=number), DAYS - days + number // 24
        hit, late = 99.1 + draw.gauss(0, 0.2), 0.018 + 0.06 * (at.hour == 3) + abs(draw.gauss(0, 0.006))
        yield Series(SHOP, "cache_hit_percent"), Span(at, hit - 1, min(100.0, hit + 0.5), hit, hit, 60)
        yield Series(SHOP, "replica_lag_seconds", "shop-b"), Span(at, 0.004, late * 4, late, late, 60)
        for table in event_tables():
            size = table.size(n)
            yield Series(EVENTS, "items_bytes", table.name), Span(at, size, size, size, size, 1)
        busy = 90 + 40 * math.sin(2 * math.pi * at.hour / 24) + draw.gauss(0, 4)
        yield Series(EVENTS, "write_units_rate", "events"), Span(at, busy * 0.6, busy * 2, busy, busy, 60)
        yield Series(EVENTS, "write_units_provisioned_rate", "events"), Span(at, 400.0, 400.0, 400.0, 400.0, 60)


@dataclass(frozen=True)
class _Lived:
    sizes: Mapping[int, float]
    dropped: Mapping[int, float]
    """What was dropped ever, day by day; empty of a table that nothing is dropped of."""


def _lived(table: Table, began: date, draw: Random) -> _Lived:
    sizes, dropped, gone, wandered = dict[int, float](), defaultdict[int, float](float), 0.0, 0.0
    for n in range(table.since, DAYS):
        if table.purged and n > KEPT_MONTHS and (began + timedelta(days=n)).day == 3:
            gone += table.purged
        wandered += draw.gauss(0, table.noise)
        sizes[n] = max(0.0, table.size(n) - gone + wandered)
        if table.purged:
            dropped[n] = gone
    return _Lived(sizes, dropped)


def _steady(number: int) -> Sizes:
    return lambda n: 0.05 * GB * (1 + number % 7) + (0.0004 * GB * n if number % 3 == 0 else 0.0)


def _busy(n: int, draw: Random) -> float:
    weekend = -14 if n % 7 in (5, 6) else 0
    return min(100.0, max(5.0, 38 + 0.045 * n + weekend + draw.gauss(0, 3)))


def _spans(
    series: Series, began: date, values: Mapping[int, float], below: float = 0.0
) -> Iterator[tuple[Series, Span]]:
    """Write days of a series: the highest is the value, the lowest so much below it."""
    for n, value in values.items():
        at = datetime.combine(began + timedelta(days=n), time(), UTC)
        yield series, Span(at, value - below, value, value - below / 2, value, 24)
