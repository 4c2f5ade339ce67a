"""The swap, either way: one short transaction that renames both tables and turns capture round.

While it waits for its lock everybody queues behind it, so it waits briefly and tries often, with jitter, and names who is
in the way. Everything slow (vacuum, diff, waiting for old snapshots) was done before.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime

from psycopg import errors, sql

from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Swap
from sluice.migration.kinds.same_cluster.route import ATTIC, Route
from sluice.stores.catalogue import partitions
from sluice.stores.postgres import Connection, LockBusy, Table, one, rows
from sluice.stores.statements import statement


def patiently(c: Connection, marks: Marks, route: Route, apply: Callable[[], None]) -> Swap:
    """Take the migration's fence, run `apply` and commit, in as many short tries as the YAML allows.

    Raises LockBusy, naming who was in the way, with nothing changed.
    """
    cutover = route.migration.cutover
    milliseconds = round(cutover.lock_timeout.total_seconds() * 1000)
    failed: list[float] = []
    for _ in range(cutover.tries):
        failpoint("attempt.wanted")
        asked = _now(c)
        try:
            # The pipeline saves a round trip for each statement that gives nothing back: everybody waits for these.
            with c.pipeline(), c.transaction():
                c.execute(statement("swap.set_lock_timeout"), {"milliseconds": milliseconds})
                marks.execute(c, "take_fence")
                apply()
                failpoint("attempt.committing")
            failpoint("attempt.committed")
            return Swap(_since(c, asked), tuple(failed))
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            failpoint("attempt.failed")
            failed.append(_since(c, asked))
            time.sleep(random.uniform(0.05, 0.25))
    blockers = ", ".join(_blockers(c, route))
    told = (
        f"In the way: {blockers}. Nothing was changed; run it again."
        if blockers
        else "Nobody holds them now: their statements last longer than a try. Nothing was changed; run it again at a quieter"
        " hour, or raise cutover.lock_timeout."
    )
    raise LockBusy(
        f"{route.source} and {route.target} could not be locked in {cutover.tries} tries of {milliseconds} ms. {told}"
    )


def lock_tables(c: Connection, *tables: sql.Composable) -> None:
    """Stop everybody, readers too, until the transaction ends."""
    c.execute(statement("swap.lock_tables", tables=sql.SQL(", ").join(tables)))


def rename(c: Connection, table: Table, to: Table) -> None:
    """Give a table another name in its schema."""
    c.execute(statement("swap.rename_table", table=table.identifier, name=sql.Identifier(to.name)))


def put_away(c: Connection, table: Table) -> None:
    """Move a table into the attic: kept, out of the application's way."""
    c.execute(statement("expand.create_schema", schema=sql.Identifier(ATTIC)))
    c.execute(statement("swap.put_away", table=table.identifier, schema=sql.Identifier(ATTIC)))


def carry_sequences(c: Connection, from_oid: int, to_oid: int, to_table: Table) -> None:
    """Bring the sequences of one table to the other, under the swap's lock.

    An identity's sequence cannot be moved: the other one is set past it plus what sessions may hold in cache. A serial's
    sequence is shared by both defaults and changes its owner.
    """
    ours = _identity_sequences(c, to_oid)
    for row in rows(c, statement("swap.list_sequences"), oid=from_oid):
        if row["internal"] and row["column"] not in ours:
            continue  # the other table has no such column
        if row["internal"]:
            sequence = _sequence(row["sequence"])
            one(
                c,
                statement("swap.push_sequence", sequence=sequence),
                **{"from": row["sequence"], "to": ours[row["column"]]},
            )
        else:
            column = sql.Identifier(to_table.schema, to_table.name, row["column"])
            c.execute(statement("swap.own_sequence", sequence=_sequence(row["sequence"]), column=column))


def count_behind(c: Connection, other_oid: int, live_oid: int) -> int:
    """Count the live table's identity sequences that could hand out a number a second time. Read-only."""
    other, live = _identity_sequences(c, other_oid), _identity_sequences(c, live_oid)
    return sum(_is_behind(c, live[column], sequence) for column, sequence in other.items())


def refresh_statistics(c: Connection, oid: int, parent: Table) -> None:
    """VACUUM (ANALYZE) the partitions and ANALYZE the parent, which autovacuum never does. Outside any transaction."""
    parts = [Table(part["schema"], part["name"]) for part in partitions(c, oid)]
    for table in parts or [parent]:
        c.execute(statement("swap.vacuum_table", table=table.identifier))
        failpoint("statistics.partition")
    c.execute(statement("swap.analyze_table", table=parent.identifier))


def _identity_sequences(c: Connection, oid: int) -> dict[str, str]:
    return {
        row["column"]: row["sequence"] for row in rows(c, statement("swap.list_sequences"), oid=oid) if row["internal"]
    }


def _is_behind(c: Connection, sequence: str, other: str) -> bool:
    """Whether a sequence has yet to come to where the other stands, whichever way they count."""
    behind = statement("swap.is_behind", sequence=_sequence(sequence), other=_sequence(other))
    return bool(one(c, behind, name=sequence)["behind"])


def _sequence(name: str) -> sql.SQL:
    # regclass text: PostgreSQL has quoted it already.
    return sql.SQL(name)


def _now(c: Connection) -> datetime:
    moment: datetime = one(c, statement("swap.read_clock"))["at"]
    return moment


def _since(c: Connection, asked: datetime) -> float:
    """Milliseconds on the server's clock."""
    return (_now(c) - asked).total_seconds() * 1000


def _blockers(c: Connection, route: Route) -> list[str]:
    oids = [
        one(c, statement("swap.find_oid"), name=t.identifier.as_string(c))["oid"] for t in (route.source, route.target)
    ]
    return [row["blocker"] for row in rows(c, statement("load.list_blockers"), oids=oids)]
