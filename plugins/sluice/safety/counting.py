"""Count and hash all that one snapshot sees: several sessions take it, and each counts one table at a time, the largest first.

Each table is counted in a transaction of its own, so that no lock is held for longer than its table is read. A table that was
truncated or rewritten since the snapshot is told: no snapshot sees what it held.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Lock

from psycopg import Error, errors, sql

from sluice.errors import Transient
from sluice.safety.driver import Tell
from sluice.stores.postgres import Connect, Connection, Refused, Table, one, rows
from sluice.stores.statements import statement

STOPS_WITHIN = 0.5
"""Seconds until a session that goes on is told to stop once more."""


class Rewritten(Transient):
    """A table was truncated, rewritten or dropped while it was to be counted."""


@dataclass(frozen=True)
class Content:
    """A table's rows, and the sum of their hashes."""

    rows: int
    hash: str


@dataclass(frozen=True)
class Held:
    """All that a snapshot sees, and where the sequences were meanwhile."""

    tables: Mapping[str, Content]
    surroundings: Mapping[str, Sequence[str]]
    sequences: Mapping[str, int]


@dataclass(frozen=True)
class Sized:
    """A table that is to be counted."""

    table: Table
    oid: int
    file: int
    """What it lies in, as the snapshot sees it."""
    bytes: int


def count_all(connect: Connect, snapshot: str, workers: int, tell: Tell) -> Held:
    """Count and hash every table that a snapshot sees, by so many sessions. Raises Refused, Rewritten."""
    with connect("census") as c, seeing(c, snapshot):
        database = c.info.dbname
        sequences = sequences_of(c)
        found = [
            Sized(Table(row["schema"], row["name"]), row["oid"], row["file"], row["bytes"])
            for row in rows(c, statement("safety.list_marked"))
        ]
        around: dict[str, list[str]] = {}
        parts = {"ours": statement("safety.ours"), "changed": statement("safety.changed_rights")}
        for line in rows(c, statement("safety.list_surroundings", **parts)):
            around.setdefault(line["kind"], []).append(line["line"])
    progress = Progress(database, sum(sized.bytes for sized in found), tell)
    return Held(Counting(connect, snapshot, progress).run(found, workers), around, sequences)


def sequences_of(c: Connection) -> dict[str, int]:
    """Tell where each sequence is by now."""
    return {
        str(Table(row["schema"], row["name"])): int(row["at"]) for row in rows(c, statement("safety.list_sequences"))
    }


@contextmanager
def seeing(c: Connection, snapshot: str) -> Iterator[None]:
    """See in a session what a snapshot sees, for as long as the block lasts."""
    with c.transaction():
        c.execute(statement("safety.begin_snapshot"))
        c.execute(statement("safety.take_snapshot", name=sql.Literal(snapshot)))
        c.execute(statement("safety.pin_mark"))
        yield


@dataclass
class Progress:
    """Tells how much has been counted, and how long the rest will take at this pace."""

    database: str
    bytes: int
    tell: Tell
    begun: float = field(default_factory=time.monotonic)
    done: int = 0
    lock: Lock = field(default_factory=Lock)

    def counted(self, sized: Sized, content: Content) -> None:
        """Tell of a table."""
        with self.lock:
            self.done += sized.bytes
            rate = self.done / max(time.monotonic() - self.begun, 0.001)
            eta = f"ETA {(self.bytes - self.done) / rate:.0f} s" if rate else "ETA unknown"
            far = f"{self.done / 1e6:,.1f} of {self.bytes / 1e6:,.1f} MB, {eta}"
            self.tell(f"{self.database}: {sized.table} counted, {content.rows:,} rows; {far}")


@dataclass
class Counting:
    """The sessions that count the tables of one snapshot."""

    connect: Connect
    snapshot: str
    progress: Progress
    sessions: list[Connection] = field(default_factory=list)
    over: Event = field(default_factory=Event)

    def run(self, tables: Sequence[Sized], workers: int) -> dict[str, Content]:
        """Count them all. Where one fails, or somebody stops us, all stop at once."""
        left = iter(sorted(tables, key=lambda sized: sized.bytes, reverse=True))  # of a list: threads may share it
        with ThreadPoolExecutor(workers) as pool:
            working = [pool.submit(self._work, left) for _ in range(min(workers, len(tables)))]
            try:
                found = [content for one in as_completed(working) for content in one.result()]
            except BaseException:
                self.over.set()
                while wait(working, timeout=STOPS_WITHIN).not_done:
                    self._cancel()
                raise
        return dict(sorted(found))

    def _cancel(self) -> None:
        """End what the sessions are about. One that has begun something this very moment is told again."""
        for session in [*self.sessions]:
            with suppress(Error):
                session.cancel_safe()

    def _work(self, left: Iterator[Sized]) -> list[tuple[str, Content]]:
        found = []
        with self.connect("census") as c:
            self.sessions.append(c)
            for sized in left:
                if self.over.is_set():
                    break
                with seeing(c, self.snapshot):
                    content = count_one(c, sized)
                found.append((str(sized.table), content))
                self.progress.counted(sized, content)
        return found


def count_one(c: Connection, sized: Sized) -> Content:
    """Count and hash one table, in the snapshot of this transaction. Raises Refused, Rewritten."""
    name = f"{sized.table} of {c.info.dbname}"
    try:
        found = one(c, statement("safety.hash_table", table=sized.table.identifier))
        file = one(c, statement("safety.find_file"), oid=sized.oid)["file"]
    except errors.InsufficientPrivilege as error:
        raise Refused(
            f"{name} cannot be counted whole by the role {c.info.user} ({error.diag.message_primary}): it must see every row."
            f" Give it SELECT on all tables (pg_read_all_data), and BYPASSRLS: ALTER ROLE {c.info.user} BYPASSRLS."
        ) from error
    except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
        raise Rewritten(f"{name} was dropped before it was counted. The count is begun anew by itself.") from error
    if file != sized.file:
        raise Rewritten(
            f"{name} was truncated or rewritten before it was counted: no snapshot sees what it held. The count is begun anew by"
            " itself; choose an hour in which nobody does that."
        )
    return Content(found["rows"], found["hash"])
