"""The swap, either way: one short transaction that renames both tables and turns capture round.

While it waits for its lock everybody queues behind it, so it waits briefly and tries often, with jitter, and names who is
in the way. Everything slow (vacuum, diff, waiting for old snapshots) was done before.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import psycopg
from psycopg import errors, sql

from sluice.estate.models import SameClusterMigration
from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Swap
from sluice.migration.kinds.same_cluster.route import ATTIC, Route
from sluice.stores.postgres import Answer, Connection, LockBusy, Row, Table, one, rows
from sluice.stores.statements import statement


def patiently(
    c: Connection,
    marks: Marks,
    route: Route,
    apply: Callable[[], None],
    ready: Callable[[], None] = lambda: None,
) -> Swap:
    """Take the migration's fence, run `ready` and `apply` and commit, in as many short tries as the YAML allows.

    `ready` is what needs no lock of a table: the pause, on the server's clock, begins behind it. It ends at the commit, which
    is on disk when this returns. Raises LockBusy, naming who was in the way, with nothing changed.
    """
    cutover = route.migration.cutover
    milliseconds = round(cutover.lock_timeout.total_seconds() * 1000)
    failed: list[float] = []
    for _ in range(cutover.tries):
        failpoint("attempt.wanted")
        watch = Watch(c)
        try:
            with _at_once(c, watch):
                c.execute(statement("swap.set_lock_timeout"), {"milliseconds": milliseconds})
                c.execute(statement("swap.hurry"))
                marks.take(c)
                ready()
                watch.start()
                apply()
                failpoint("attempt.committing")
            failpoint("attempt.committed")
            return Swap(watch.milliseconds, tuple(failed))
        except (errors.LockNotAvailable, errors.DeadlockDetected, errors.QueryCanceled):
            failpoint("attempt.failed")
            failed.append(watch.milliseconds)
            time.sleep(random.uniform(0.05, 0.25))
    blockers = ", ".join(_blockers(c, route))
    told = (
        f"In the way: {blockers}. Nothing was changed; run it again."
        if blockers
        else "Nobody holds them now: their statements last longer than a try. Nothing was changed; run it again at a quieter"
        " hour, or raise cutover.lock_timeout."
    )
    raise LockBusy(
        f"{route.source} and {route.target} could not be locked in {cutover.tries} tries of {milliseconds} ms (the longest kept"
        f" others waiting for {max(failed):.0f} ms). {told}"
    )


class Watch:
    """Reads the server's clock along with other statements: reading it costs nobody a round trip."""

    def __init__(self, c: Connection) -> None:
        self._c = c
        self._began: Answer | None = None
        self._ended: Answer | None = None

    def start(self) -> None:
        """Before the first lock is asked for."""
        self._began = self._c.execute(statement("swap.read_clock"))

    def stop(self) -> None:
        """When the locks are free."""
        self._ended = self._c.execute(statement("swap.read_clock"))

    @property
    def milliseconds(self) -> float:
        """How long somebody may have waited for us; nothing where no lock was asked for.

        Of a failed try it is more than that: the server lets go at the error, and tells the time only when we answered.
        """
        if self._began is None or self._ended is None:
            return 0.0
        return (_moment(self._ended) - _moment(self._began)).total_seconds() * 1000


@contextmanager
def _at_once(c: Connection, watch: Watch) -> Iterator[None]:
    """A transaction whose statements, COMMIT and all, go out without waiting for each other's answers.

    Everybody waits for these: each round trip less is that much less for all. After an error in one of them the server skips
    the others, COMMIT too.
    """
    try:
        with c.pipeline() as sending:
            try:
                c.execute(statement("swap.begin"))
                yield
                c.execute(statement("swap.commit"))
                watch.stop()
                # The first answer that is waited for: whatever failed above raises here.
                one(c, statement("swap.wait_for_disk"))
            except BaseException:
                _hear_out(sending)
                raise
    except BaseException:
        # Of a session that is gone, the server itself takes back what it did.
        with suppress(psycopg.OperationalError):
            c.rollback()
            watch.stop()
        raise


def _hear_out(sending: psycopg.Pipeline) -> None:
    """Let the server skip what was sent behind an error."""
    with suppress(psycopg.Error):
        sending.sync()


def lock_tables(c: Connection, migration: SameClusterMigration, *tables: sql.Composable) -> None:
    """Stop everybody, readers too, until the transaction ends. All together within one lock timeout."""
    limit = round(migration.cutover.lock_timeout.total_seconds() * 1000)
    c.execute(statement("swap.limit_statement"), {"milliseconds": limit})
    c.execute(statement("swap.lock_tables", tables=sql.SQL(", ").join(tables)))
    c.execute(statement("swap.lift_limit"))


def rename(c: Connection, table: Table, to: Table) -> None:
    """Give a table another name in its schema."""
    c.execute(statement("swap.rename_table", table=table.identifier, name=sql.Identifier(to.name)))


def put_away(c: Connection, table: Table) -> None:
    """Move a table into the attic: kept, out of the application's way."""
    c.execute(statement("expand.create_schema", schema=sql.Identifier(ATTIC)))
    c.execute(statement("swap.put_away", table=table.identifier, schema=sql.Identifier(ATTIC)))


def carry_sequences(c: Connection, ours: list[Row], theirs: list[Row], to_table: Table) -> None:
    """Bring the sequences of the live table, `ours`, to the one that takes its name, under the swap's lock.

    An identity's sequence cannot be moved: the other one is set past it plus what sessions may hold in cache. A serial's
    sequence is shared by both defaults and changes its owner.
    """
    to = _identities(theirs)
    for row in ours:
        if row["internal"] and row["column"] not in to:
            continue  # the other table has no such column
        if row["internal"]:
            push = statement("swap.push_sequence", sequence=_sequence(row["sequence"]))
            c.execute(push, {"from": row["sequence"], "to": to[row["column"]]})
        else:
            column = sql.Identifier(to_table.schema, to_table.name, row["column"])
            c.execute(statement("swap.own_sequence", sequence=_sequence(row["sequence"]), column=column))


def widen_sequences(c: Connection, source_oid: int, target_oid: int) -> None:
    """Let the live table's sequences count as far as its columns: until it is retired, the old one had to hold every number."""
    for row in _narrow(c, source_oid, target_oid):
        c.execute(
            statement(
                "swap.widen_sequence",
                sequence=_sequence(row["sequence"]),
                type=sql.SQL(row["type"]),
                limit=sql.SQL(row["limit"]),
            )
        )


def count_narrow(c: Connection, source_oid: int, target_oid: int) -> int:
    """Count the live table's sequences that end before its columns do, as the old table's did. Read-only."""
    return len(_narrow(c, source_oid, target_oid))


def count_behind(c: Connection, other_oid: int, live_oid: int) -> int:
    """Count the live table's identity sequences that could hand out a number a second time. Read-only."""
    other, live = _identity_sequences(c, other_oid), _identity_sequences(c, live_oid)
    return sum(_is_behind(c, live[column], sequence) for column, sequence in other.items())


def _narrow(c: Connection, source_oid: int, target_oid: int) -> list[Row]:
    return rows(c, statement("swap.list_narrow_sequences"), source_oid=source_oid, target_oid=target_oid)


def _identity_sequences(c: Connection, oid: int) -> dict[str, str]:
    return _identities(rows(c, statement("swap.list_sequences"), oid=oid))


def _identities(sequences: list[Row]) -> dict[str, str]:
    return {row["column"]: row["sequence"] for row in sequences if row["internal"]}


def _is_behind(c: Connection, sequence: str, other: str) -> bool:
    """Whether a sequence has yet to come to where the other stands, whichever way they count."""
    behind = statement("swap.is_behind", sequence=_sequence(sequence), other=_sequence(other))
    return bool(one(c, behind, name=sequence)["behind"])


def _sequence(name: str) -> sql.SQL:
    # regclass text: PostgreSQL has quoted it already.
    return sql.SQL(name)


def _moment(answer: Answer) -> datetime:
    row = answer.fetchone()
    moment: datetime = row["at"] if row else datetime.max
    return moment


def _blockers(c: Connection, route: Route) -> list[str]:
    oids = [
        one(c, statement("swap.find_oid"), name=t.identifier.as_string(c))["oid"] for t in (route.source, route.target)
    ]
    return [row["blocker"] for row in rows(c, statement("load.list_blockers"), oids=oids)]
