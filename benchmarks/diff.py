"""Comparing every row, against counting both tables from the cache, and against reladiff where it is installed.

`SLUICE_RELADIFF` names its program; it wants an environment of its own: `pip install 'reladiff[postgresql]'`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from psycopg.conninfo import conninfo_to_dict
from sluice.migration.kinds.same_cluster import SameCluster
from sluice.stores.postgres import Connection, Table
from sluice.stores.statements import statement

from benchmarks._scratch import Scratch, begin, copy_all, rounds, scratch, setting, summary, timed

LIMIT, HEADLINE = "two plain scans of the same hash", "every row, every column, equal"
SPOILT = (10, 10_000)


def main() -> dict[str, Any]:
    """Compare two equal tables, which is what every cutover waits for, and tables with a few and with many differences.

    The limit is what PostgreSQL needs to hash both tables with the very same expression, one after the other.
    """
    with scratch() as made:
        begin(made.kind())
        copy_all(made, 2)
        made.settle()
        made.connect().execute(statement("bench.vacuum_everything"))
        count = setting("ROUNDS", 3)
        cases: dict[str, Callable[[], float]] = {
            LIMIT: partial(_plain, made, made.connect()),
            HEADLINE: partial(_compare, made, 0),
            **_peer(made, 0),
        }
        seen = rounds(cases, count)
        for spoilt in SPOILT:
            with _spoilt(made, spoilt):
                found: dict[str, Callable[[], float]] = {
                    f"{spoilt:,} rows differ": partial(_compare, made, spoilt),
                    **_peer(made, spoilt),
                }
                seen |= rounds(found, count)
        return summary("diff", HEADLINE, LIMIT, seen)


def _plain(made: Scratch, c: Connection) -> float:
    kind = made.kind()
    assert isinstance(kind, SameCluster)
    pair = kind._route().pair()
    sides = (pair.left, pair.right)
    scans = [statement("bench.hash_table", table=side.table.identifier, hash=side.hash()) for side in sides]
    return timed(lambda: [c.execute(scan) for scan in scans])


def _compare(made: Scratch, expected: int) -> float:
    diff = made.kind().diff()
    if (diff.missing, diff.extra, diff.different) != (0, 0, expected):
        raise ValueError(f"not {expected} differences, so this measures something else: {diff.facts()}")
    return diff.seconds


@contextmanager
def _spoilt(made: Scratch, count: int) -> Iterator[None]:
    """Change so many rows of the target, spread over all of it, and put them back."""
    target = Table.parse(made.migration.target.table).identifier
    c = made.connect()
    c.execute(statement("bench.spoil_rows", target=target), {"rows": count})
    c.execute(statement("bench.vacuum_everything"))
    yield
    c.execute(statement("bench.mend_rows", target=target))


def _peer(made: Scratch, expected: int) -> dict[str, Callable[[], float]]:
    """reladiff, where SLUICE_RELADIFF says where it is; its command line is printed."""
    program = os.environ.get("SLUICE_RELADIFF")
    return (
        {f"reladiff, two threads, {expected:,} rows differ": partial(_reladiff, made, program, expected)}
        if program
        else {}
    )


def _reladiff(made: Scratch, program: str, expected: int) -> float:
    parts = conninfo_to_dict(made.dsn())
    address = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**parts)
    left, right = (str(Table.parse(end.table)) for end in (made.migration.source, made.migration.target))
    command = [program, address, left, address, right, "--key-columns=id", "--columns=%", "--threads=2"]
    print("  " + " ".join(command).replace(str(parts["password"]), "…"), flush=True)
    said: list[str] = []

    def work() -> None:
        said.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    seconds = timed(work)
    told = [line for line in said[0].splitlines() if line.startswith(("- ", "+ "))]  # long rows are wrapped
    if len(told) != 2 * expected:
        raise ValueError(f"reladiff sees {len(told)} rows, not {2 * expected}: {said[0][:300]}")
    return seconds
