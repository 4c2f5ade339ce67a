"""A server that is backed up, its log shipped as it is written, and a writer on: for tests of backups and drills."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo
from sluice.safety.backup import Backup
from sluice.safety.census import Census
from sluice.safety.driver import Clock
from sluice.safety.physical.driver import Physical
from sluice.safety.physical.log import LogStore, log_of
from sluice.safety.physical.recovering import Reached, recover
from sluice.safety.physical.scratch import Scratch
from sluice.safety.physical.shipping import Shipper
from sluice.safety.target import Target
from sluice.stores.cluster import Cluster
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connect, Connection, connect

STORE = "shop"
COUNT = itertools.count()
SHAPE = """
CREATE TABLE tenants (id int PRIMARY KEY, name text);
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON tenants USING (id::text = current_setting('app.tenant_id', true));
CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), text text);
INSERT INTO tenants SELECT g, 'tenant ' || g FROM generate_series(1, 50) AS g;
INSERT INTO notes (text) SELECT repeat(md5(g::text), 4) FROM generate_series(1, 20000) AS g;
"""


RECEIVED = """
SELECT FROM pg_stat_replication
WHERE application_name = 'pg_receivewal' AND flush_lsn >= pg_current_wal_insert_lsn()
"""


@dataclass
class Shop:
    """One server under care."""

    cluster: Cluster
    vault: Vault
    folder: Path
    said: list[str] = field(default_factory=list)

    @property
    def log(self) -> LogStore:
        """Its log in the vault."""
        with self.connect() as c:
            return log_of(c, self.vault, STORE)

    def connect(self) -> Connection:
        """Open a session of its owner's."""
        return connect(self.cluster.dsn(), purpose="test")

    def promote(self) -> None:
        """Have the server end a recovery: it goes on, on a new timeline."""
        self.cluster.stop()
        (self.cluster.data / "recovery.signal").touch()
        with (self.cluster.data / "postgresql.conf").open("a") as settings:
            settings.write("restore_command = 'false'\n")
        self.cluster.start()
        with self.connect() as c:
            while c.execute("SELECT pg_is_in_recovery() AS yet").fetchone() == {"yet": True}:
                time.sleep(0.05)

    def shipper(self) -> Shipper:
        """Make what ships its log."""
        every = timedelta(milliseconds=200)
        return Shipper(self.cluster.dsn(), self.log, "sluice_log", self.folder / "log", every, self.said.append)

    @contextmanager
    def shipped(self) -> Iterator[None]:
        """Ship the log beside; at the end all that was written until then is in the vault."""
        shipper, failed = self.shipper(), []
        over = threading.Event()

        def ship() -> None:
            try:
                while not over.is_set():
                    shipper.run(timedelta(seconds=60), over.is_set)
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=ship, daemon=True)
        thread.start()
        try:
            yield
            self._received(failed)
        finally:
            over.set()
            thread.join()
        assert not failed, failed

    def _received(self, failed: list[BaseException]) -> None:
        """Wait until all that was written has been received."""
        with self.connect() as c:
            c.execute("SET synchronous_commit = on; CREATE TABLE flushed (); DROP TABLE flushed")
            while not failed and not c.execute(RECEIVED).fetchall():
                time.sleep(0.05)

    @contextmanager
    def written_to(self) -> Iterator[None]:
        """Have somebody write, a row a transaction."""
        over = threading.Event()

        def write() -> None:
            with self.connect() as c:
                while not over.is_set():
                    c.execute("INSERT INTO notes (text) VALUES ('new')")

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def count(self) -> Census:
        """Count it as of a place in its log, which somebody ships."""
        return Physical(STORE, self.cluster.dsn(), self.vault, self.folder / "drills").count(self.said.append)

    @contextmanager
    def restored(self, chain: list[Backup], target: Target) -> Iterator[tuple[Reached, Connection, Clock]]:
        """Bring it back beside the original; gives where it stopped, a session in it, and the clock."""
        scratch, clock = Scratch(self.folder / f"scratch{next(COUNT)}"), Clock()
        scratch.folder.mkdir(mode=0o700)
        try:
            reached = recover(chain, self.log, target, scratch, clock, self.said.append)
            with connect(scratch.dsn("postgres", "postgres"), purpose="test") as c:
                yield reached, c, clock
        finally:
            scratch.remove()


def by(c: Connection) -> Connect:
    """Open sessions beside one, with its address and its role."""
    return lambda purpose: connect(make_conninfo(c.info.dsn, password=c.info.password), purpose=purpose)


@contextmanager
def opened_shop(folder: Path, port: int, vault: Vault) -> Iterator[Shop]:
    """Make the server, with what it holds; it goes with the block."""
    cluster = Cluster(folder / "postgres", port, "secret", durable=False)
    cluster.create()
    if increments(cluster):
        with (cluster.data / "postgresql.conf").open("a") as settings:
            settings.write("summarize_wal = on\n")
    cluster.start()
    try:
        shop = Shop(cluster, vault, folder)
        with shop.connect() as c:
            c.execute(SHAPE)  # type: ignore[call-overload]
        yield shop
    finally:
        cluster.stop()


def increments(cluster: Cluster) -> bool:
    """Whether this PostgreSQL can back up what has changed: from 17 on."""
    return int((cluster.data / "PG_VERSION").read_text()) >= 17


def ids(c: Connection) -> tuple[Any, ...]:
    """Count the notes of a database, and name the last."""
    found = c.execute("SELECT count(*) AS rows, max(id) AS last FROM notes").fetchone()
    assert found
    return found["rows"], found["last"]
