"""The backfill against the server's own limit: one INSERT … SELECT into the same partitions, nobody else about."""

from __future__ import annotations

from typing import Any

from psycopg import sql
from sluice.stores.postgres import Table
from sluice.stores.statements import statement

from benchmarks._scratch import Scratch, begin, copy_all, rounds, scratch, setting, summary, timed

LIMIT, HEADLINE = "one INSERT … SELECT", "two lanes"
WRITES = setting("WRITES", 240)


def main() -> dict[str, Any]:
    """Copy the same rows into a fresh target in every case."""
    with scratch() as made:
        cases = {
            LIMIT: lambda: _one_statement(made),
            "one lane": lambda: _lanes(made, 1),
            HEADLINE: lambda: _lanes(made, 2),
            f"two lanes, {WRITES} writes/s": lambda: _with_writers(made),
        }
        return summary("backfill", HEADLINE, LIMIT, rounds(cases, setting("ROUNDS", 3)))


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
    return timed(lambda: c.execute(query))


def _lanes(made: Scratch, lanes: int) -> float:
    begin(made.kind())
    made.settle()
    return timed(lambda: copy_all(made, lanes))


def _with_writers(made: Scratch) -> float:
    begin(made.kind())
    made.settle()
    with made.application(WRITES) as application:
        application.mark("backfill")
        seconds = timed(lambda: copy_all(made, 2))
        application.mark("after")
        seen = application.snapshot().phases["backfill"]
    print(f"  writers: {seen.writes / seen.seconds:.0f}/s, longest wait {seen.longest_gap_ms:.0f} ms", flush=True)
    return seconds
