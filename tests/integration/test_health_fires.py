"""Every rule for servers of PostgreSQL and what stands around them: stopped, filled, left behind, and mended again.

What an application does to a server is in test_health_fires_under_load.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sluice.insight.collecting.collecting import Look
from sluice.insight.collecting.pooler import look_at_pooler
from sluice.ledger.samples import Samples
from sluice.stores.cluster import Cluster
from sluice.stores.postgres import connect

from tests.firing import NAME, PATIENCE, Load, Server, seen, shows
from tests.replicated import PGBOUNCER, Trio, opened_pooler, opened_trio
from tests.watched import a_store


def until(well: Callable[[], bool]) -> None:
    """Wait for something."""
    end = time.monotonic() + PATIENCE
    while not well():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.05)


@shows("unreachable")
def test_a_server_that_does_not_answer(own: Cluster, watched: Server) -> None:
    own.stop()
    try:
        assert watched.minutes(3) == {"unreachable"}
    finally:
        own.start()
    assert watched.minutes(1) == set()


@shows("detach_broken_off")
def test_a_detaching_that_broke_off(own: Cluster, watched: Server, c: psycopg.Connection) -> None:
    c.execute("DROP TABLE IF EXISTS parted")
    c.execute("CREATE TABLE parted (n int) PARTITION BY LIST (n)")
    c.execute("CREATE TABLE part PARTITION OF parted FOR VALUES IN (1)")
    with psycopg.connect(own.dsn(NAME)) as reader, psycopg.connect(own.dsn(NAME), autocommit=True) as breaker:
        reader.execute("SELECT * FROM parted")
        breaker.execute("SET lock_timeout = '200ms'")
        with suppress(psycopg.errors.LockNotAvailable):
            breaker.execute("ALTER TABLE parted DETACH PARTITION part CONCURRENTLY")
    assert watched.minutes(11) == {"detach_broken_off"}
    c.execute("ALTER TABLE parted DETACH PARTITION part FINALIZE")
    assert watched.minutes(1) == set()


@shows("disk_full", "disk_almost_gone")
def test_a_disk_that_is_full(watched: Server, c: psycopg.Connection) -> None:
    c.execute("CREATE TABLE thing AS SELECT n, repeat('x', 500) AS filler FROM generate_series(1, 50000) AS n")
    c.execute("CHECKPOINT")
    held = seen(watched.dsn, "disk_used_bytes", disk=10**15)
    watched.disk = round(held / 0.9)
    assert watched.minutes(6) == {"disk_full"}
    watched.disk = round(held / 0.97)
    assert "disk_almost_gone" in watched.minutes(2)
    watched.disk = round(held / 0.84)  # it was extended
    assert watched.minutes(1) == set()


BY_THE_FILE = {"replicas": {"connection": "pg", "name": "a", "servers": {"b": {"connection": "pg_b"}}}}
WRITING = "INSERT INTO thing SELECT n FROM generate_series(1, 1000) AS n;"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    """A server and one that follows it."""
    with opened_trio(tmp_path_factory.mktemp("pair"), "b") as group:
        with connect(group.leading.server.dsn, purpose="test") as c:
            c.execute(b"CREATE TABLE thing (n int)")
        yield group


def lag(group: Trio, what: str) -> float:
    return seen(group.leading.server.dsn, f"replica_lag_{what}", "b")


@shows("replica_far_behind")
def test_a_replica_that_applies_nothing(pair: Trio, tmp_path: Path, kept_samples: Samples) -> None:
    watched = Server(kept_samples, pair.leading.server.dsn)
    watched.level("replica_far_behind", over=100_000, clear=1000)  # it is 1 GB
    load = Load(tmp_path, watched.dsn, watched.dsn)
    with connect(pair.replicas[0].dsn, purpose="test") as there:
        there.execute(b"SELECT pg_wal_replay_pause()")
        load.runs(WRITING, times=50)
        assert "replica_far_behind" in watched.minutes(6)
        there.execute(b"SELECT pg_wal_replay_resume()")
        until(lambda: lag(pair, "bytes") == 0)
    assert "replica_far_behind" not in watched.minutes(1)


@shows("replica_late")
def test_a_replica_that_applies_everything_late(pair: Trio, tmp_path: Path, kept_samples: Samples) -> None:
    watched = Server(kept_samples, pair.leading.server.dsn)
    watched.level("replica_late", over=0.5)  # it is 5 s
    load = Load(tmp_path, watched.dsn, watched.dsn)
    with connect(pair.replicas[0].dsn, purpose="test") as there:
        delay(there, "700ms")
        with load.goes_on("INSERT INTO thing VALUES (1);\n\\sleep 20 ms"):
            until(lambda: lag(pair, "seconds") > 0.6)
            assert "replica_late" in watched.minutes(3)
        delay(there, "0")
        until(lambda: lag(pair, "bytes") == 0)
    assert "replica_late" not in watched.minutes(1)


def delay(there: Any, by: str) -> None:
    """Have a replica apply what it has only after a while."""
    there.execute(f"ALTER SYSTEM SET recovery_min_apply_delay = '{by}'")
    there.execute(b"SELECT pg_reload_conf()")


@shows("replication_broken")
@pytest.mark.parametrize("told", [BY_THE_FILE, {}], ids=["by the file", "by what was seen"])
def test_a_replica_that_is_gone(pair: Trio, kept_samples: Samples, told: dict[str, Any]) -> None:
    watched = Server(kept_samples, pair.leading.server.dsn, a_store(**told))
    assert "replication_broken" not in watched.minutes(3)
    (member,) = pair.others
    member.kill()
    assert "replication_broken" in watched.minutes(3)
    member.start()
    until(lambda: seen(watched.dsn, "replicas_count") == 1)
    assert "replication_broken" not in watched.minutes(1)


@pytest.mark.skipif(PGBOUNCER is None, reason="no PgBouncer is installed here")
@shows("pool_full", "pool_queue", "pool_waits", "pooler_unreachable")
def test_a_pool_with_a_line_before_it_and_a_pooler_that_is_gone(
    pair: Trio, tmp_path: Path, kept_samples: Samples
) -> None:
    rules = {"pool_full", "pool_queue", "pool_waits"}
    watched = Server(kept_samples, pair.leading.server.dsn, a_store(watch={"pooler": "pg_pool"}))
    with opened_pooler(pair, tmp_path) as pooler:
        watched.looks.append(through(pooler.console))
        load = Load(tmp_path, make_conninfo(pooler.console, dbname="shop"), watched.dsn)
        assert not {*rules, "pooler_unreachable"} & watched.minutes(1)
        with load.goes_on("BEGIN;\nSELECT 1;\n\\sleep 60 s\nEND;", clients=25):
            time.sleep(1.5)
            assert rules <= watched.minutes(6)
        load.until(lambda count: count == 0)
        assert not rules & watched.minutes(2)
    assert "pooler_unreachable" in watched.minutes(2)
    with opened_pooler(pair, tmp_path) as pooler:
        watched.looks[1] = through(pooler.console)
        assert "pooler_unreachable" not in watched.minutes(1)


def through(console: str) -> Look:
    """A look at the console of a pooler."""
    return Look(NAME, "pooler", lambda line: look_at_pooler(console, NAME, line), up="pooler_up_count")
