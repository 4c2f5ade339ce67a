"""The backfill against the server's own limit: one INSERT … SELECT into the same partitions, nobody else about."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from psycopg import sql
from sluice.stores.postgres import Table
from sluice.stores.statements import statement

from benchmarks._scratch import Scratch, begin, copy_all, rounds, scratch, setting, summary, timed

LIMIT, HEADLINE, BUSY = "one INSERT … SELECT", "two lanes", "two lanes, writers at a fifth of their full rate"
BURST, SHARE = setting("BURST", 5_000), 5


def main() -> dict[str, Any]:
    """Copy the same rows into a fresh target in every case. How fast the application can write is measured first."""
    with scratch() as made:
        rate = _full_rate(made) / SHARE
        kept: list[float] = []
        cases = {
            LIMIT: lambda: _one_statement(made),
            "one lane": lambda: _lanes(made, 1),
            HEADLINE: lambda: _lanes(made, 2),
            BUSY: lambda: _with_writers(made, rate, kept),
        }
        result = summary("backfill", HEADLINE, LIMIT, rounds(cases, setting("ROUNDS", 3)))
    return result | {"writers_asked": rate, "writers_kept": median(kept) / rate}


def _full_rate(made: Scratch) -> float:
    """Give the application's writes a second, with capture off and nothing beside it."""
    with made.application(1) as application:
        application.burst(BURST // 10)
        rate = BURST / application.burst(BURST)
    print(f"the application alone: {rate:.0f} writes/s", flush=True)
    return rate


def _one_statement(made: Scratch) -> float:
    kind, c = made.kind(), made.connect()
    kind.abort()
    kind.expand()
    made.settle()
    source, target = (Table.parse(name) for name in (made.migration.source.table, made.migration.target.table))
    written = [row["name"] for row in c.execute(statement("bench.list_columns"), {"table": str(source)})]
    query = statement(
        "bench.copy_at_once",
        source=source.identifier,
        target=target.identifier,
        columns=sql.SQL(", ").join(map(sql.Identifier, written)),
    )
    print(f"  {query.as_string(c).splitlines()[-1]}", flush=True)
    return timed(lambda: c.execute(query))


def _lanes(made: Scratch, lanes: int) -> float:
    begin(made.kind())
    made.settle()
    return timed(lambda: copy_all(made, lanes))


def _with_writers(made: Scratch, rate: float, kept: list[float]) -> float:
    begin(made.kind())
    made.settle()
    with made.application(rate) as application:
        application.mark("before")
        time.sleep(1)
        application.mark("backfill")
        seconds = timed(lambda: copy_all(made, 2))
        application.mark("after")
        seen = application.snapshot().phases["backfill"]
    kept.append(seen.writes / seen.seconds)
    told = f"  writers: {kept[-1]:.0f}/s of {rate:.0f} asked, longest wait {seen.longest_gap_ms:.0f} ms"
    print(told, flush=True)
    return seconds
