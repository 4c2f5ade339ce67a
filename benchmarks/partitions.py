"""Making 24 partitions ahead: against the same DDL by hand, and against pg_partman's maintenance where there is one.

`SLUICE_PARTMAN` names a folder with pg_partman's sources (`git clone https://github.com/pgpartman/pg_partman`): its SQL is all
that it needs here. It makes no walls: partitions that it makes have row security off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from psycopg import sql
from psycopg.conninfo import make_conninfo
from sluice.estate.dataset import Dataset
from sluice.stores.postgres import Connection, connect, one
from sluice.stores.statements import statement
from sluice.upkeep.partitions.keeping import apply_partitions, verify_partitions

from benchmarks._scratch import Scratch, rounds, scratch, setting, summary, timed

FIRST, MORE = 4, 24
"""Partitions that are there already, and that are made."""
LIMIT = "plain DDL: made beside and attached, a transaction each"
AT_ONCE = "plain DDL: PARTITION OF, a transaction each; keeps readers and writers out"
HEADLINE = "create_partitions: looked at, made, analyzed"
VERIFIED = "create_partitions, and all looked at again"
PARTMAN = "pg_partman: run_maintenance"


def main() -> dict[str, Any]:
    """Make the same table anew for each case, four partitions in it; measure the next 24."""
    with scratch(0) as made, _session(made) as c:
        cases: dict[str, Callable[[], float]] = {
            LIMIT: partial(_by_hand, c, "bench.make_beside_and_attach"),
            AT_ONCE: partial(_by_hand, c, "bench.make_partition_of"),
            HEADLINE: partial(_ours, c, verified=False),
            VERIFIED: partial(_ours, c, verified=True),
            **_peer(c),
        }
        for case in cases.values():
            case()
        return summary("partitions", HEADLINE, LIMIT, rounds(cases, setting("ROUNDS", 7)))


@contextmanager
def _session(made: Scratch) -> Iterator[Connection]:
    with connect(make_conninfo(made.cluster.dsn("certify")), purpose="bench") as c:
        yield c


def _dataset(months: int) -> Dataset:
    """Keep this month and so many more."""
    cut = {"range": "at", "every": "month"}
    told = {"dataset": "ahead", "store": "certify", "table": "app.ahead", "partition": cut, "months_ahead": months}
    return Dataset.model_validate(told)


def _begin(c: Connection) -> None:
    for made in ("drop_ahead", "make_ahead"):
        c.execute(statement(f"bench.{made}"))


def _end(c: Connection, wanted: int = FIRST + MORE) -> None:
    found = one(c, statement("bench.count_ahead"))["partitions"]
    if found != wanted:
        raise ValueError(f"{found} partitions and not {wanted}, so this measures something else")


def _ours(c: Connection, verified: bool) -> float:
    def work() -> None:
        apply_partitions(c, _dataset(FIRST - 1 + MORE), told.append)
        if verified:
            verify_partitions(c, _dataset(FIRST - 1 + MORE))

    told: list[str] = []
    _begin(c)
    apply_partitions(c, _dataset(FIRST - 1), told.append)
    seconds = timed(work)
    _end(c)
    return seconds


def _by_hand(c: Connection, asked: str) -> float:
    _begin(c)
    _make(c, asked, 0, FIRST)
    seconds = timed(lambda: _make(c, asked, FIRST, FIRST + MORE))
    _end(c)
    return seconds


def _make(c: Connection, asked: str, begin: int, end: int) -> None:
    for number in range(begin, end):
        edges = {"lower": sql.Literal(str(_month(number))), "upper": sql.Literal(str(_month(number + 1)))}
        made = statement(asked, partition=sql.Identifier("app", f"ahead_{number}"), **edges)
        c.execute(made, prepare=False)


def _month(number: int) -> datetime:
    return datetime(2026 + number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _peer(c: Connection) -> dict[str, Callable[[], float]]:
    """pg_partman, where SLUICE_PARTMAN says where its sources are."""
    folder = os.environ.get("SLUICE_PARTMAN")
    if not folder:
        return {}
    c.execute(statement("bench.make_partman_schema"))
    for kind in ("types", "tables", "functions", "procedures"):
        for path in sorted(Path(folder, "sql", kind).glob("*.sql")):
            text = path.read_text().replace("@extschema@", "partman")
            lines = [line for line in text.splitlines() if "pg_extension_config_dump" not in line]
            c.execute("\n".join(lines).encode())
    return {PARTMAN: partial(_partman, c)}


def _partman(c: Connection) -> float:
    _begin(c)
    c.execute(statement("bench.begin_partman"))
    # It also keeps months that are over: what is measured are the months that come.
    there = one(c, statement("bench.count_ahead"))["partitions"]
    c.execute(statement("bench.let_partman_make"), {"premake": FIRST - 1 + MORE})
    seconds = timed(lambda: c.execute(statement("bench.maintain_by_partman")))
    _end(c, there + MORE)
    c.execute(statement("bench.end_partman"))  # or else we would leave the table to it
    return seconds
