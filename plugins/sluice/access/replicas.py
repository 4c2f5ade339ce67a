"""Reads on replicas, writes on the primary: for an application with PostgreSQL behind it.

    servers = Replicated(Node("a", opening(one_dsn, writes=True)), [Node("b", opening(other_dsn)), …])
    with servers.watched():
        with servers.writing() as write:
            write.connection.execute(…)
        with servers.reading(after=write.position) as c:     # sees what was just written
            c.execute(…)

A write never goes to a replica. A read is one transaction that cannot write, wherever it goes: so one that writes by mistake
fails each time, and not one time in five. Where no replica is well, reads go to the primary; where the primary is gone,
replicas serve them on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from sluice.access.replica_choice import Limits, Looked, Positions, Standing, Wheel, judged, shares
from sluice.errors import Transient
from sluice.stores.postgres import Refused, StoreDown, connect, translated
from sluice.stores.statements import statement

Session = psycopg.Connection[Any]
Open = Callable[[], AbstractContextManager[Session]]
"""Opens a session for the length of a block: `ConnectionPool.connection` of psycopg_pool is one, `opening` another."""


class NotThePrimary(Transient):
    """The server that was to write takes no writes: it is fenced, or follows another by now."""


@dataclass(frozen=True)
class Node:
    """A server, as the application opens it."""

    name: str
    open: Open
    weight: int = 1
    """How many reads it gets, against the other replicas."""


@dataclass
class Writing:
    """A transaction that writes."""

    connection: Session
    position: str = ""
    """Once it is committed: where in the log it lies. Whoever reads `after` it sees it."""


def opening(dsn: str, *, writes: bool = False) -> Open:
    """Open a session of its own each time. With `writes` libpq takes, of several hosts in `dsn`, the one that takes writes."""
    told = make_conninfo(dsn, target_session_attrs="read-write" if writes else "any", connect_timeout=3)
    return lambda: connect(told, purpose="application")


class Replicated:
    """A primary and its replicas. Threads share it."""

    def __init__(
        self,
        primary: Node,
        replicas: Sequence[Node],
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nodes = {node.name: node for node in (primary, *replicas)}
        self._primary, self._replicas = primary, tuple(replicas)
        self._limits, self._clock = limits or Limits(), clock
        self._standings = {node.name: Standing() for node in replicas}
        self._primary_down = False
        self._positions, self._wheel, self._lock = Positions(), Wheel(), threading.Lock()

    @property
    def standings(self) -> Mapping[str, Standing]:
        """What is held of each replica."""
        return dict(self._standings)

    # ---- reading and writing ----

    @contextmanager
    def reading(self, after: str = "") -> Iterator[Session]:
        """Open a transaction that reads, where it is best done; `after`: where what was written before has arrived.

        Raises StoreDown where no server is left.
        """
        with ExitStack() as stack:
            name, session = self._open_one(after, stack)
            try:
                with translated(f"reading from {name}"):
                    yield session
            except StoreDown:
                self._note(name, Looked(False))
                raise

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Open a transaction on the primary, committed with the block. Raises StoreDown, NotThePrimary."""
        with self._primary.open() as c, translated(f"writing to {self._primary.name}"):
            write = Writing(c)
            try:
                with c.transaction():
                    yield write
            except errors.ReadOnlySqlTransaction as error:
                raise NotThePrimary(
                    f"{self._primary.name} takes no writes now: another may lead by now. Nothing was written: try again."
                ) from error
            write.position = str(_ask(c, "access.find_written")["position"])

    # ---- looking ----

    @contextmanager
    def watched(self, every: float = 1.0) -> Iterator[None]:
        """Look at every server for as long as the block lasts, each by a thread: one that hangs holds no other up."""
        over = threading.Event()
        threads = [
            threading.Thread(target=self._watch, args=(node, every, over), name=f"look at {node.name}", daemon=True)
            for node in self._nodes.values()
        ]
        self.look()
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def look(self) -> None:
        """Look at every server once."""
        for node in self._nodes.values():
            self._look_at(node)

    # ---- within ----

    def _open_one(self, after: str, stack: ExitStack) -> tuple[str, Session]:
        """Open whoever is next; who cannot be opened, or has not replayed so far, is passed over."""
        without: dict[str, Exception | None] = {}
        while (name := self._next(without.keys())) not in without:
            without[name] = None
            with ExitStack() as trying:
                try:
                    session = trying.enter_context(self._nodes[name].open())
                    if name == self._primary.name or not after or self._has(name, session, after):
                        with translated(f"reading from {name}"):
                            trying.enter_context(session.transaction())
                            session.execute(statement("access.begin_reading"), {})
                        stack.push(trying.pop_all())
                        return name, session
                except (StoreDown, psycopg.OperationalError) as error:
                    self._note(name, Looked(False))
                    without[name] = error
        failed = next((error for error in without.values() if error), None)
        raise StoreDown(
            f"No server is left to read from; {', '.join(without)} were tried. {failed or 'None of them is far enough.'}"
        ) from failed

    def _next(self, without: Set[str]) -> str:
        """Give who is next; the primary again where nobody is left."""
        with self._lock:
            out = without | ({self._primary.name} if self._primary_down else set())
            weights = {node.name: node.weight for node in self._replicas}
            return self._wheel.turn(shares(self._primary.name, weights, self._standings, self._limits, out))

    def _has(self, name: str, session: Session, after: str) -> bool:
        """Whether a replica has replayed so far: by the last look, or by asking it."""
        if self._standings[name].position >= _place(after):
            return True
        with translated(f"asking {name} how far it is"):
            return bool(_ask(session, "access.has_replayed", after=after)["has"])

    def _watch(self, node: Node, every: float, over: threading.Event) -> None:
        while not over.wait(every):
            self._look_at(node)

    def _look_at(self, node: Node) -> None:
        found = Looked(False)
        with suppress(StoreDown, Refused, psycopg.OperationalError), node.open() as c:
            told = _ask(c, "access.look")
            position, now = _place(told["position"] or "0/0"), self._clock()
            if node.name == self._primary.name:
                found = Looked(not told["follows"], position)
                if found.well:
                    self._positions.note(now, position)
            else:
                found = Looked(told["follows"], position, self._positions.lag(position, now))
        self._note(node.name, found)

    def _note(self, name: str, found: Looked) -> None:
        with self._lock:
            if name == self._primary.name:
                self._primary_down = not found.well
            else:
                self._standings[name] = judged(self._standings[name], found, self._limits)


def _ask(c: Session, name: str, **values: object) -> Mapping[str, Any]:
    """Ask for one row, whatever rows the application's sessions give."""
    row = c.cursor(row_factory=dict_row).execute(statement(name), values).fetchone()
    assert row is not None
    return row


def _place(position: str) -> int:
    high, low = position.split("/")
    return int(high, 16) << 32 | int(low, 16)
