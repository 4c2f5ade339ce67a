"""Clients that write while servers change places, and keep a list of what was acknowledged: what a promotion is judged by.

They find the server that takes writes as any application can, by libpq's `target_session_attrs`; each key is written once, and
counts once the commit has come back. What broke off in between counts for nothing: it may be there or not.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg
from psycopg.conninfo import make_conninfo

from sluice.safety.drill.heartbeat import beat, prepare_heart
from sluice.safety.replicas.scratch_group import Member
from sluice.stores.postgres import Connection, Refused, StoreDown, connect, rows
from sluice.stores.statements import statement

REST = 0.02
"""Seconds until a client tries again."""
BEATS_EVERY = timedelta(milliseconds=100)
"""The pace of the heart while a trial runs: what is lost is bounded as finely as that."""


@dataclass
class Trial:
    """What clients were promised."""

    address: str
    acknowledged: dict[int, float] = field(default_factory=dict)
    """Each key that was, and when, by the monotonic clock."""
    _keys: Iterator[int] = field(default_factory=itertools.count)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, clients: int) -> Iterator[Trial]:
        """Have clients write for as long as the block lasts."""
        self._over.clear()
        work = [self._beat, *([self._write] * clients)]
        threads = [threading.Thread(target=self._client, args=(does,), daemon=True) for does in work]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def wait_since(self, moment: float, count: int, within: float = 60.0) -> float:
        """Wait until so many were acknowledged since a moment; gives when the first of them was. Raises TimeoutError."""
        until = time.monotonic() + within
        while len(since := sorted(at for at in list(self.acknowledged.values()) if at > moment)) < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{len(since)} of {count} writes were acknowledged within {within:.0f} s")
            time.sleep(0.01)
        return since[0]

    def lost(self, c: Connection) -> list[int]:
        """Name the keys that were acknowledged and are not there."""
        there = {row["key"] for row in rows(c, statement("replicas.list_trial"))}
        return sorted(set(self.acknowledged) - there)

    def _client(self, does: Callable[[Connection], None]) -> None:
        while not self._over.is_set():
            try:
                with connect(self.address, purpose="trial") as c:
                    while not self._over.is_set():
                        does(c)
            except (psycopg.Error, StoreDown, Refused):
                time.sleep(REST)

    def _write(self, c: Connection) -> None:
        key = next(self._keys)
        c.execute(statement("replicas.write_trial"), {"key": key})
        self.acknowledged[key] = time.monotonic()

    def _beat(self, c: Connection) -> None:
        beat(c)
        self._over.wait(BEATS_EVERY.total_seconds())


def prepare_trial(leading: Member, group: Sequence[Member]) -> Trial:
    """Make the table of keys, and a heart, where one leads; and give the address at which clients find whoever does."""
    with connect(leading.server.dsn, purpose="trial") as c:
        prepare_heart(c)
        c.execute(statement("replicas.create_trial"))
        c.execute(statement("replicas.create_trial_table"))
    hosts = ",".join(str(one.place.socket) for one in group)
    whose = {"dbname": leading.database, "user": leading.superuser}
    return Trial(make_conninfo(host=hosts, target_session_attrs="read-write", **whose))
