"""Measuring every table of a server: seconds and queries, as their number grows; against a query for each table.

Queries are counted as they are sent, by the session's own cursors. What is measured of 500 tables is measured of 5 000: if the
cost grew faster than they do, the last line would say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

from psycopg import sql
from sluice.insight.collecting.sizes import measure_with
from sluice.ledger.samples import Samples
from sluice.local import databases
from sluice.stores.postgres import Connection, connect, one, rows
from sluice.stores.statements import statement

from benchmarks._scratch import Scratch, rounds, scratch, setting, summary, timed

SIZES = (500, 1000, 2500, 5000)
AT_ONCE = 100
"""Tables that are made in one transaction: each takes locks until it ends."""
KEPT = "kept in the ledger"


def main() -> dict[str, Any]:
    """Measure so many tables, then more of them; at the end each table with a query of its own."""
    with scratch(0) as made, _counted(made) as (c, sent), _ledger(made) as samples:
        many = setting("ROUNDS", 5)
        seen, queries, there = dict[str, list[float]](), dict[str, int](), 0
        for size in SIZES:
            _make(c, there, size)
            there = size
            for name, work in _cases(c, samples, size).items():
                before = sent[0]
                work()  # what is read is read before, and not in the first round
                queries[name] = sent[0] - before
                seen |= rounds({name: partial(timed, work)}, many)
        told = {name: f"{name}, {queries[name]:,} queries" if queries[name] else name for name in seen}
        found = {told[name]: seconds for name, seconds in seen.items()}
        each = {size: 1e6 * median(seen[_ours(size)]) / size for size in SIZES}
        print("microseconds a table: " + ", ".join(f"{size:,}: {cost:.0f}" for size, cost in each.items()))
        print(f"ten times the tables take {each[5000] / each[500] * 10:.1f} times as long")
        return summary("sampling", told[_ours(5000)], told[_by_one(5000)], found)


def _ours(size: int) -> str:
    return f"{size:,} tables measured"


def _by_one(size: int) -> str:
    return f"{size:,} tables, a query each"


def _cases(c: Connection, samples: Samples, size: int) -> dict[str, Callable[[], object]]:
    made: dict[str, Callable[[], object]] = {_ours(size): partial(_measure, c, size)}
    if size == SIZES[-1]:
        found = _measure(c, size)
        made[f"{size:,} tables, {len(found):,} numbers {KEPT}"] = lambda: samples.record(samples.now(), found)
        made[_by_one(size)] = partial(_one_by_one, c, size)
    return made


def _measure(c: Connection, size: int) -> Any:
    found = measure_with(c, "certify", {}).values
    measured = sum(series.metric == "table_bytes" and series.subject.startswith("app.many_") for series in found)
    if measured != size:
        raise ValueError(f"{measured} tables and not {size}, so this measures something else")
    return found


def _one_by_one(c: Connection, size: int) -> None:
    """As scripts of checks do it: list them, then ask for each, for less than what we ask."""
    tables = [row["oid"] for row in rows(c, statement("bench.list_many"))]
    if len(tables) != size:
        raise ValueError(f"{len(tables)} tables and not {size}, so this measures something else")
    for table in tables:
        one(c, statement("bench.measure_one"), table=table)


def _make(c: Connection, there: int, size: int) -> None:
    print(f"making {size:,} tables", flush=True)
    for begin in range(there, size, AT_ONCE):
        edges = {"lower": sql.Literal(begin + 1), "upper": sql.Literal(begin + AT_ONCE)}
        c.execute(statement("bench.make_many", **edges), prepare=False)
    c.execute(statement("bench.analyze_all"), prepare=False)


@contextmanager
def _counted(made: Scratch) -> Iterator[tuple[Connection, list[int]]]:
    """Open a session that counts what it sends."""
    with connect(made.dsn(), purpose="bench") as c:
        sent, plain = [0], c.cursor_factory

        class Counting(plain):  # type: ignore[valid-type, misc]
            def execute(self, *told: Any, **how: Any) -> Any:
                sent[0] += 1
                return super().execute(*told, **how)

        c.cursor_factory = Counting
        yield c, sent


@contextmanager
def _ledger(made: Scratch) -> Iterator[Samples]:
    databases.create_database(made.cluster, "sluice", owner=databases.LEDGER)
    dsn = made.cluster.dsn("sluice", databases.LEDGER, made.passwords[databases.LEDGER])
    with connect(dsn, purpose="bench") as c:
        yield Samples(c).prepare()
