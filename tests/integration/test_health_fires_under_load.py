"""Every rule for what an application does to PostgreSQL: pgbench does it, the collector sees it, and it is well again."""

from __future__ import annotations

import time

import psycopg
import pytest
from sluice.insight.collecting import postgres
from sluice.insight.metrics import METRICS
from sluice.stores.cluster import Cluster

from tests.firing import PLACES, Load, Server, seen, shows

SECOND = 1.2
"""Longer than one, surely."""


@shows("slow_statements", "statement_endless", "transaction_open")
def test_slow_statements_endless_ones_and_old_transactions(watched: Server, load: Load) -> None:
    watched.level("statement_endless", over=1)  # it is 600 s
    watched.level("transaction_open", over=1)  # and half an hour
    with load.goes_on("SELECT pg_sleep(60)", clients=4):
        time.sleep(SECOND)
        assert watched.minutes(1) == {"statement_endless", "transaction_open"}
        assert watched.minutes(3) == {"statement_endless", "transaction_open", "slow_statements"}
    assert watched.minutes(1) == set()


@shows("connections_many", "connections_gone")
def test_many_connections_and_almost_none_left(watched: Server, load: Load) -> None:
    with load.goes_on(r"\sleep 1 s", clients=PLACES - 3):
        assert watched.minutes(4) == {"connections_many"}
        with load.goes_on(r"\sleep 1 s", clients=2):
            assert watched.minutes(3) == {"connections_many", "connections_gone"}
    assert watched.minutes(2) == set()


@shows("lock_waits")
def test_who_waits_for_a_lock_for_long(
    watched: Server, load: Load, c: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert METRICS["lock_waits_count"].told.endswith(f"for longer than {postgres.LOCK_WAIT:g} s")
    monkeypatch.setattr(postgres, "LOCK_WAIT", 1.0)
    c.execute("CREATE TABLE thing ()")
    with load.goes_on("BEGIN; LOCK TABLE thing; SELECT pg_sleep(60); END", clients=3):
        time.sleep(SECOND)
        with monkeypatch.context() as patch:
            patch.setattr(postgres, "LOCK_WAIT", 30.0)
            assert "lock_waits" not in watched.minutes(2), "it is no half minute yet"
        assert "lock_waits" in watched.minutes(2)
    assert watched.minutes(1) == set()


CROSSING = r"""
\set first random(1, 2)
BEGIN;
UPDATE thing SET n = n WHERE n = :first;
UPDATE thing SET n = n WHERE n = 3 - :first;
END;
"""


@shows("deadlocks")
def test_deadlocks(watched: Server, load: Load, c: psycopg.Connection) -> None:
    c.execute("CREATE TABLE thing AS SELECT n FROM generate_series(1, 2) AS n")
    load.runs(CROSSING, clients=4, times=40)
    assert "deadlocks" in watched.minutes(1)
    assert "deadlocks" in watched.minutes(5), "whoever looks every five minutes sees it"
    assert watched.minutes(10) == set()


@shows("sessions_fail")
def test_sessions_that_are_killed(watched: Server, load: Load) -> None:
    def kill() -> None:  # a quarter a second, of a minute
        with load.goes_on("SELECT pg_sleep(60)", clients=15):
            load.kill()

    assert "sessions_fail" not in watched.minutes(5, kill)
    assert "sessions_fail" in watched.minutes(1, kill)
    assert watched.minutes(1) == set()


@shows("traffic_unusual", "rollbacks_many")
def test_more_than_is_usual_of_transactions_and_rollbacks(watched: Server, load: Load) -> None:
    for metric in ("transactions_rate", "rollbacks_rate"):
        watched.usually(metric, 1)
    assert watched.minutes(11) == set()
    wrong = watched.minutes(16, lambda: load.runs("BEGIN; SELECT 1; ROLLBACK;", clients=2, times=200))
    assert {"traffic_unusual", "rollbacks_many"} <= wrong
    assert watched.minutes(11) == set()


@shows("statements_slower")
def test_statements_that_take_longer_than_is_usual(watched: Server, load: Load, c: psycopg.Connection) -> None:
    watched.usually("mean_statement_milliseconds", 1)
    c.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    assert "statements_slower" in watched.minutes(16, lambda: load.runs("SELECT pg_sleep(0.03)", times=5))
    assert watched.minutes(11, lambda: load.runs("SELECT 1", times=50)) == set()


READING = "SELECT count(*) FROM thing;"
SORTING = """
SET work_mem = '64kB';
SELECT n FROM (SELECT n FROM thing ORDER BY n % 100 LIMIT 20000) AS sorted OFFSET 20000;
"""


@shows("cache_missed", "temporary_files")
def test_a_cache_that_misses_and_files_of_sorts(watched: Server, load: Load, c: psycopg.Connection) -> None:
    """The table is more than a quarter of the shared buffers, so a scan of it goes through a few of them alone."""
    watched.level("temporary_files", over=1000, clear=100)  # it is 50 MB a second
    c.execute("CREATE TABLE thing AS SELECT n, repeat('x', 500) AS filler FROM generate_series(1, 120000) AS n")
    assert "temporary_files" in watched.minutes(11, lambda: load.runs(SORTING))
    assert watched.minutes(21, lambda: load.runs(READING)) == {"cache_missed"}
    c.execute("DROP TABLE thing")
    assert watched.minutes(2, lambda: load.runs("SELECT count(*) FROM pg_class", times=9)) == set()


@shows("dead_rows", "bloat")
def test_dead_rows_and_bloat(watched: Server, load: Load, c: psycopg.Connection) -> None:
    c.execute("CREATE TABLE thing AS SELECT n, repeat('x', 200) AS filler FROM generate_series(1, 20000) AS n")
    c.execute("ANALYZE thing")
    assert watched.hours(1) == set()
    load.runs("UPDATE thing SET n = n", times=3)
    assert "dead_rows" in watched.hours(3)
    c.execute("VACUUM (ANALYZE, TRUNCATE false) thing")
    flush(c)
    assert watched.hours(3) == {"bloat"}
    c.execute("VACUUM (FULL, ANALYZE) thing")
    flush(c)
    assert watched.hours(4) == set()


def flush(c: psycopg.Connection) -> None:
    """Have what a session has counted be seen at once."""
    c.execute("SELECT pg_stat_force_next_flush()")
    c.execute("SELECT 1")


WRITING = "INSERT INTO thing SELECT n FROM generate_series(1, 1000) AS n;"


@shows("slot_holds_log", "slot_inactive")
def test_a_slot_that_nobody_reads(watched: Server, load: Load, c: psycopg.Connection) -> None:
    watched.level("slot_holds_log", over=100_000)  # it is 10 GB
    c.execute("CREATE TABLE thing (n int)")
    c.execute("SELECT pg_create_physical_replication_slot('left', true)")
    try:
        load.runs(WRITING, times=50)
        assert watched.minutes(11) == {"slot_holds_log"}
        assert watched.minutes(20) == {"slot_holds_log", "slot_inactive"}
    finally:
        c.execute("SELECT pg_drop_replication_slot('left')")
    assert watched.minutes(16) == set()


@shows("slot_lost")
def test_a_slot_whose_log_is_gone(own: Cluster, watched: Server, load: Load, c: psycopg.Connection) -> None:
    watched.level("slot_holds_log", over=100_000)  # it is 10 GB
    c.execute("CREATE TABLE thing (n int)")
    c.execute("SELECT pg_create_physical_replication_slot('left', true)")
    c.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    c.execute("SELECT pg_reload_conf()")
    try:
        load.runs(WRITING, times=50)
        assert watched.minutes(11) == {"slot_holds_log"}
        for _ in range(4):  # files of 16 MB
            load.runs(WRITING)
            c.execute("SELECT pg_switch_wal()")
        c.execute("CHECKPOINT")
        assert "slot_lost" in watched.minutes(1)
        assert watched.minutes(40) == {"slot_lost", "slot_inactive"}, "it holds nothing any more, and is not well"
    finally:
        c.execute("SELECT pg_drop_replication_slot('left')")
        c.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
        c.execute("SELECT pg_reload_conf()")
    assert watched.minutes(16) == set()


@shows("wraparound_near", "wraparound_imminent")
def test_transaction_numbers_that_run_out(own: Cluster, watched: Server, load: Load) -> None:
    freeze(own)
    age, few = seen(watched.dsn, "wraparound_percent"), 300 * 100 / 2**31
    watched.level("wraparound_near", over=age + few)  # it is half of all
    watched.level("wraparound_imminent", over=age + 2 * few)
    assert watched.minutes(1) == set()
    load.runs("SELECT pg_current_xact_id()", times=400)
    assert watched.minutes(1) == {"wraparound_near"}
    load.runs("SELECT pg_current_xact_id()", times=400)
    assert watched.minutes(1) == {"wraparound_near", "wraparound_imminent"}
    freeze(own)
    assert watched.minutes(1) == set()


def freeze(own: Cluster) -> None:
    with psycopg.connect(own.dsn("postgres"), autocommit=True) as c:
        c.execute("UPDATE pg_database SET datallowconn = true")
        names = [name for (name,) in c.execute("SELECT datname FROM pg_database")]
    for name in names:
        with psycopg.connect(own.dsn(name), autocommit=True) as c:
            c.execute("VACUUM (FREEZE)")
