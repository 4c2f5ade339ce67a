"""The stage of every drill: kinds and people, each with a connection of their own, and a way to hold the world still."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sluice.estate.models import Limits, Migration
from sluice.local.databases import MOVER
from sluice.migration.engine.contract import Copied, Diff, Fence, Kind, Phase, Progress
from sluice.migration.engine.lanes import LaneResult, work_lane
from sluice.migration.engine.throttle import Throttle
from sluice.migration.kinds import open_kind
from sluice.stores.postgres import connect

from tests.conftest import Database
from tests.harness import advance

PATIENCE = 20.0
"""Seconds until a drill gives up waiting: what it waits for comes within milliseconds or never."""

Person = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Worker:
    """A kind, and the process id of its session on the server."""

    kind: Kind
    pid: int


@dataclass
class Stage:
    """A seeded database with its migration."""

    database: Database
    migration: Migration
    connections: list[psycopg.Connection[Any]] = field(default_factory=list)

    def open(self) -> Kind:
        """Open the kind with a connection of its own."""
        return open_kind(self.migration, lambda purpose: self._kept(connect(self.database.dsn(), purpose=purpose)))

    def worker(self) -> Worker:
        """Open the kind, connected."""
        kind = self.open()
        kind.position()
        return Worker(kind, self.connections[-1].info.backend_pid)

    def person(self, role: str = MOVER, *, autocommit: bool = False) -> Person:
        """A session that is not ours. Unless told, the first statement opens a transaction."""
        name = "a person" if role == MOVER else role
        return self._kept(psycopg.connect(self.database.dsn(role), autocommit=autocommit, application_name=name))

    def ask(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement in a session of its own; gives its rows, if it has any."""
        with psycopg.connect(self.database.dsn(), autocommit=True) as c:
            cursor = c.execute(question, values or None)
            return cursor.fetchall() if cursor.description else []

    def lay_out(self, chunk_rows: int = 500) -> Progress:
        """Go to `capturing` and lay out the chunks."""
        advance(self.open, Phase.CAPTURING)
        return self.open().plan_chunks(chunk_rows)

    def rows_of_first_chunk(self) -> list[int]:
        """The ids of the first pending chunk, in the order in which it will meet them."""
        ((lo, hi),) = self.ask("SELECT lo, hi FROM sluice.chunk WHERE done_at IS NULL ORDER BY number LIMIT 1")
        found = self.ask(
            "SELECT id FROM app.user_sessions WHERE ctid >= %s::tid AND ctid < %s::tid ORDER BY ctid", lo, hi
        )
        return [id_ for (id_,) in found]

    def fence(self) -> Fence:
        """The fence of now."""
        return Fence(self.open().position().epoch)

    def copy_rest(self) -> LaneResult:
        """Work all pending chunks."""
        unlimited = Throttle(Limits(replica_lag=None, commit_latency=None, waiting_writers=None))
        return work_lane(self.open(), 0, self.fence(), unlimited)

    def diff_at_the_end(self) -> Diff:
        """Copy what is pending and compare everything."""
        self.copy_rest()
        return self.open().diff()

    @contextmanager
    def chunk_held(self) -> Iterator[Future[Copied | None]]:
        """Copy the first chunk in the background, held where it waits for a lock; it must have ended at the end."""
        worker, fence = self.worker(), self.fence()
        with self.background(worker.pid, lambda: worker.kind.copy_chunk(0, fence)) as copying:
            yield copying
        copying.result()

    @contextmanager
    def background(self, pid: int, call: Callable[[], Any]) -> Iterator[Future[Any]]:
        """Run `call` in a thread until its session `pid` waits for a lock. At the end it has ended, well or not."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(call)
            self.wait_until_blocked(pid, running)
            yield running

    def wait_until_blocked(self, pid: int, running: Future[Any]) -> None:
        """Wait until a session waits for another one's lock."""
        with psycopg.connect(self.database.dsn("admin"), autocommit=True) as c:
            wait_until(lambda: running.done() or c.execute("SELECT pg_blocking_pids(%s) <> '{}'", [pid]).fetchone()[0])
        assert not running.done(), f"nothing held it: {running.result()}"

    def close(self) -> None:
        """Hang up on everybody."""
        for connection in self.connections:
            connection.close()

    def _kept(self, connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
        self.connections.append(connection)
        return connection


def wait_until(holds: Callable[[], object]) -> None:
    """Wait until something holds; fail when it does not in time."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.005)
