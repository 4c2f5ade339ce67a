"""Comparing every row, against counting both tables from the cache, and against reladiff where it is installed.

`SLUICE_RELADIFF` names its program; it wants an environment of its own: `pip install 'reladiff[postgresql]'`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from functools import partial
from typing import Any

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sluice.stores.postgres import Connection, Table
from sluice.stores.statements import statement

from benchmarks._scratch import Scratch, begin, copy_all, rounds, scratch, setting, summary, timed

COUNT, HEADLINE = "count(*) of both, cached", "every row, every column"


def main() -> dict[str, Any]:
    """Compare two equal tables, which is what every cutover waits for."""
    with scratch() as made:
        begin(made.kind())
        copy_all(made, 2)
        made.settle()
        made.connect().execute(statement("bench.vacuum_everything"))
        cases: dict[str, Callable[[], float]] = {
            COUNT: partial(_count, made, made.connect()),
            HEADLINE: partial(_compare, made),
        }
        if program := os.environ.get("SLUICE_RELADIFF"):
            cases["reladiff, checksums, two threads"] = partial(_reladiff, made, program)
        return summary("diff", HEADLINE, COUNT, rounds(cases, setting("ROUNDS", 3)))


def _tables(made: Scratch) -> tuple[Table, Table]:
    return Table.parse(made.migration.source.table), Table.parse(made.migration.target.table)


def _count(made: Scratch, c: Connection) -> float:
    left, right = (sql.SQL("{}").format(table.identifier) for table in _tables(made))
    return timed(lambda: c.execute(statement("bench.count_both", left=left, right=right)))


def _compare(made: Scratch) -> float:
    diff = made.kind().diff()
    if not diff.clean:
        raise ValueError(f"the tables differ, so this measures something else: {diff.facts()}")
    return diff.seconds


def _reladiff(made: Scratch, program: str) -> float:
    parts = conninfo_to_dict(made.dsn())
    address = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**parts)
    left, right = map(str, _tables(made))
    command = [program, address, left, address, right, "--key-columns=id", "--columns=%", "--threads=2"]

    def work() -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        if done.stdout:
            raise ValueError(f"reladiff sees differences: {done.stdout[:300]}")

    return timed(work)
