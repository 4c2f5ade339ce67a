"""A dump and what comes back of it, killed at each edge: a whole one or none, and nothing of it left at work."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sluice import failpoints
from sluice.failpoints import EDGES
from sluice.safety.driver import Clock, name_scratch
from sluice.safety.logical.driver import Logical
from sluice.safety.logical.places import Here, Lent
from sluice.safety.logical.progress import Progress
from sluice.safety.target import Target
from sluice.stores.objects import Vault, vault_client

from tests.chaos.test_backup_edges import run, start
from tests.conftest import Database

BUCKET = "killed-dumps"
TAKEN = [edge.name for edge in EDGES if "safety/logical/dumping.py" in edge.where]
BACK = [edge.name for edge in EDGES if "safety/logical/restoring.py" in edge.where]
AT_WORK = "SELECT FROM pg_stat_activity WHERE application_name ~ '^(pg_dump|pg_restore|sluice:dump)'"


@dataclass(frozen=True)
class Told:
    """What a process has to know."""

    dsn: str
    store: str
    vault: tuple[str, str, str]
    folder: Path

    @property
    def driver(self) -> Logical:
        """The driver, with a client of this process's own; copies stand on the server itself."""
        opened, place = Vault(vault_client(*self.vault, "us-east-1"), BUCKET), Lent(self.dsn, self.folder / "copies")
        return Logical(self.store, self.dsn, opened, self.folder / "dumps", place)


def take_one(told: Told, armed: str) -> None:
    """Dump it."""
    failpoints.arm(armed)
    told.driver.take(print)


def restore(told: Told, armed: str) -> None:
    """Bring the newest dump back, and leave it there."""
    failpoints.arm(armed)
    told.driver.restore(Target("latest"), name_of(armed), Clock(), print)


def name_of(armed: str) -> str:
    """Name a scratch."""
    return name_scratch("killed", datetime(2026, 11, 1, tzinfo=UTC), armed)


@pytest.fixture
def told(vault, database: Database, tmp_path: Path) -> Iterator[Told]:
    """A database with a partitioned table in it, and a bucket."""
    vault.store.create_bucket(BUCKET)
    made = Told(database.dsn("admin"), database.name, (vault.endpoint, vault.store.key, vault.store.secret), tmp_path)
    with psycopg.connect(made.dsn, autocommit=True) as c:
        c.execute("CREATE TABLE parted (id int) PARTITION BY RANGE (id); CREATE TABLE whole AS SELECT 1 AS id")
    yield made


def nobody_at_work(c: psycopg.Connection) -> bool:
    """Wait until no session of a dump is left."""
    until = time.monotonic() + 10
    while c.execute(AT_WORK).fetchall():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_killed_at_each_edge_it_is_whole_or_none_and_nothing_is_left_at_work(told: Told) -> None:
    driver = told.driver
    with psycopg.connect(told.dsn, autocommit=True) as c:
        for edge in TAKEN:
            assert run(take_one, told, f"{edge}=kill") == -signal.SIGKILL, edge
            assert len(driver.backups()) == (edge == "dump.kept"), f"{edge}: half of one is told as a backup"
            assert nobody_at_work(c), edge
        assert list(driver.folder.iterdir()) != [], "killed with a dump on the disk"
        assert run(take_one, told, "") == 0
        assert list(driver.folder.iterdir()) == []
        for edge in BACK:
            assert run(restore, told, f"{edge}=kill") == -signal.SIGKILL, edge
            assert driver.scratches() == [name_of(f"{edge}=kill")], edge
            driver.destroy(name_of(f"{edge}=kill"))
            assert nobody_at_work(c), edge
        assert driver.scratches() == []
    assert {*TAKEN, *BACK} == {edge.name for edge in EDGES if edge.name.startswith("dump.")}


def test_whoever_is_killed_while_pg_dump_runs_takes_it_along(told: Told) -> None:
    with psycopg.connect(told.dsn, autocommit=True) as c, psycopg.connect(told.dsn) as other:
        other.execute("LOCK TABLE parted")  # pg_dump waits for it, a count does not
        process = start(take_one, told, "")
        until = time.monotonic() + 20
        while not c.execute("SELECT FROM pg_stat_activity WHERE application_name = 'pg_dump'").fetchall():
            assert time.monotonic() < until
            time.sleep(0.05)
        process.kill()
        process.join()
        assert nobody_at_work(c)
        other.rollback()
        assert c.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").fetchall() == []
    assert told.driver.backups() == []


class Stopped(Exception):
    """Somebody has stopped the task."""


def test_whoever_is_stopped_while_pg_dump_runs_ends_it(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.safety.logical.dumping.Progress", partial(Progress, every=0.0))

    with psycopg.connect(told.dsn, autocommit=True) as c, psycopg.connect(told.dsn) as other:

        def tell(line: str) -> None:
            if "is dumped: " in line and c.execute(f"{AT_WORK} AND wait_event_type = 'Lock'").fetchall():
                raise Stopped

        other.execute("LOCK TABLE parted")
        with pytest.raises(Stopped):
            told.driver.take(tell)
        assert nobody_at_work(c), "it waits still for a lock"
        assert other.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS


def test_a_drill_that_was_killed_leaves_a_server_that_is_found_and_ended(told: Told) -> None:
    here = replace(told.driver, place=Here(told.folder / "servers"))
    here.take(print)
    edge = f"{BACK[-1]}=kill"
    assert run(restore_here, told, edge) == -signal.SIGKILL
    assert here.scratches() == [name_of(edge)]
    here.destroy(name_of(edge))
    assert here.scratches() == []


def restore_here(told: Told, armed: str) -> None:
    """Bring the newest dump back on a server of its own."""
    failpoints.arm(armed)
    here = replace(told.driver, place=Here(told.folder / "servers"))
    here.restore(Target("latest"), name_of(armed), Clock(), print)
