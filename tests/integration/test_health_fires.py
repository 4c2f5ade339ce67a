"""Every rule for PostgreSQL on a real server: what it is for is made to happen, seen by the collector, and mended again.

The numbers are real, the minutes are not: each look is kept as if a minute had passed, so that what must last half an hour does.
Where only the level is out of a test's reach (days, gigabytes, half of all transaction numbers), another one is set, and said.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sluice.estate.health import Levels
from sluice.estate.models import Store
from sluice.insight.collecting.collecting import Look, collect, keep
from sluice.insight.collecting.pooler import look_at_pooler
from sluice.insight.collecting.postgres import look_at_postgres
from sluice.insight.collecting.sizes import measure_sizes
from sluice.insight.health.evaluating import evaluate
from sluice.insight.health.looking import gathered
from sluice.insight.health.rules import Rule, read_rules
from sluice.insight.health.troubles import troubles
from sluice.ledger.incidents import Key, State
from sluice.ledger.samples import Samples, Series, Span
from sluice.local import databases
from sluice.local.ports import free_port
from sluice.stores.cluster import Cluster
from sluice.stores.postgres import connect

from tests.conftest import Database
from tests.replicated import PGBOUNCER, opened_pooler, opened_trio
from tests.watched import HOUR, MINUTE, NOON, ROOT, a_store

PLACES = 20
"""Sessions that the server takes from clients."""
LONG_AGO = timedelta(days=14)


class Watched:
    """A store, what is measured of it, and the rules."""

    def __init__(self, samples: Samples, dsn: str, store: Store | None = None) -> None:
        self.samples, self.dsn = samples, dsn
        self.stores = {"certify": store or a_store()}
        self.rules: dict[str, Rule] = dict(read_rules(ROOT, self.stores).rules)
        self.now = NOON
        self.states: dict[Key, State] = {}
        self.disk: int | None = None
        self.pooler: str | None = None

    def level(self, rule: str, **levels: float) -> None:
        """Set another level, and nothing else of a rule."""
        self.rules[rule] = replace(self.rules[rule], levels=Levels(**levels))

    def minutes(self, count: int, meanwhile: Callable[[], Any] = lambda: None) -> set[str]:
        """Look once a minute, with something done before each look; give which rules say that something is wrong."""
        for _ in range(count):
            meanwhile()
            self._look()
        return self.wrong()

    def hours(self, count: int) -> set[str]:
        """Measure everything once an hour."""
        for _ in range(count):
            self.samples.record(self.now, measure_sizes(self.dsn, "certify", {}).values)
            self._look()
            self.wrong()
            self.now += HOUR - MINUTE
        return self.wrong(self.now - HOUR + MINUTE)

    def _look(self) -> None:
        looks = [
            Look(
                "certify", "server", lambda line: look_at_postgres(self.dsn, "certify", line, self.disk), up="up_count"
            )
        ]
        if console := self.pooler:
            looks.append(
                Look("certify", "pooler", lambda line: look_at_pooler(console, "certify", line), up="pooler_up_count")
            )
        self.now += MINUTE
        keep(self.samples, collect(looks, self.now - MINUTE))

    def wrong(self, at: Any = None) -> set[str]:
        """Judge what is there by now."""
        now = at or self.now
        look = gathered(self.samples, self.rules, self.stores, now)
        self.states = evaluate(self.rules, look, self.states)
        return {one.rule for one in troubles(self.states, self.rules, look)}

    def usually(self, metric: str, mean: float) -> None:
        """Have something be usual for the last two weeks."""
        days = [NOON - LONG_AGO + timedelta(days=n, hours=h) for n in range(14) for h in range(24)]
        made = [(Series("certify", metric), Span(at, mean, mean, mean, mean, 60)) for at in days]
        self.samples.record_spans("hour", made)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server of its own: what is counted here is nobody else's."""
    cluster = Cluster(tmp_path_factory.mktemp("fires") / "own", free_port(), secrets.token_urlsafe(), durable=False)
    cluster.create()
    cluster.start()
    try:
        databases.create_database(cluster, "certify", owner="postgres")
        with session(cluster) as c:
            c.execute(f"ALTER SYSTEM SET superuser_reserved_connections = {200 - PLACES}")
            for setting in ("autovacuum = off", "deadlock_timeout = '20ms'", "max_wal_size = '4GB'"):
                c.execute(f"ALTER SYSTEM SET {setting}")
        cluster.stop()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def session(cluster: Cluster, **how: Any) -> Iterator[psycopg.Connection]:
    with psycopg.connect(cluster.dsn("certify"), **{"autocommit": True, **how}) as c:
        yield c


@pytest.fixture
def c(own: Cluster) -> Iterator[psycopg.Connection]:
    with session(own) as opened:
        opened.execute("DROP TABLE IF EXISTS thing")
        yield opened


@pytest.fixture
def samples(database: Database) -> Iterator[Samples]:
    with connect(database.dsn("sluice_ledger"), purpose="test") as opened:
        yield Samples(opened).prepare()


@pytest.fixture
def watched(own: Cluster, samples: Samples) -> Watched:
    made = Watched(samples, own.dsn("certify"))
    assert made.minutes(2) == set(), "a server at rest is well"
    return made


@contextmanager
def hanging(c: psycopg.Connection, statement: str) -> Iterator[None]:
    """Have a session run what does not end by itself."""

    def run() -> None:
        with suppress(psycopg.Error):
            c.execute(statement)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        c.cancel()
        thread.join(10)


def test_a_server_that_does_not_answer(own, watched):
    own.stop()
    try:
        assert watched.minutes(3) == {"unreachable"}
    finally:
        own.start()
    assert watched.minutes(1) == set()


def test_slow_statements_endless_ones_and_old_transactions(own, watched):
    watched.level("statement_endless", over=1)  # it is 600 s
    watched.level("transaction_open", over=1)  # and half an hour
    with session(own) as slow, hanging(slow, "SELECT pg_sleep(60)"):
        time.sleep(1.2)
        assert watched.minutes(1) == {"statement_endless", "transaction_open"}
        assert watched.minutes(3) == {"statement_endless", "transaction_open", "slow_statements"}
    assert watched.minutes(1) == set()


def test_many_connections_and_almost_none_left(own, watched):
    with ExitStack() as stack:
        for _ in range(PLACES - 3):
            stack.enter_context(session(own))
        assert watched.minutes(4) == {"connections_many"}
        for _ in range(2):
            stack.enter_context(session(own))
        assert watched.minutes(3) == {"connections_many", "connections_gone"}
    until_gone(own)
    assert watched.minutes(2) == set()


def until_gone(own: Cluster) -> None:
    """Wait until the server has noticed that sessions are closed, and counted them."""
    with session(own) as c:
        while (
            c.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'").fetchone()[0] > 2
        ):
            time.sleep(0.02)


def test_who_waits_for_a_lock_for_half_a_minute(own, watched, c):
    c.execute("CREATE TABLE thing ()")
    with session(own, autocommit=False) as holder, session(own) as waiter:
        holder.execute("LOCK TABLE thing")
        with hanging(waiter, "SELECT FROM thing"):
            time.sleep(30.5)
            assert "lock_waits" in watched.minutes(2)
        holder.rollback()
    assert watched.minutes(1) == set()


def test_a_deadlock(own, watched, c):
    c.execute("CREATE TABLE thing AS SELECT n FROM generate_series(1, 2) AS n")
    with session(own, autocommit=False) as one, session(own, autocommit=False) as other:
        one.execute("UPDATE thing SET n = n WHERE n = 1")
        other.execute("UPDATE thing SET n = n WHERE n = 2")
        with hanging(one, "UPDATE thing SET n = n WHERE n = 2"), suppress(psycopg.errors.DeadlockDetected):
            time.sleep(0.1)
            other.execute("UPDATE thing SET n = n WHERE n = 1")
    assert "deadlocks" in watched.minutes(1, lambda: time.sleep(0.1))
    assert "deadlocks" in watched.minutes(5), "whoever looks every five minutes sees it"
    assert watched.minutes(10) == set()


def test_sessions_that_are_killed(own, watched):
    def kill() -> None:
        for _ in range(15):  # a quarter a second, of a minute
            victim = psycopg.connect(own.dsn("certify"))
            with session(own) as c:
                c.execute("SELECT pg_terminate_backend(%s, 1000)", [victim.info.backend_pid])
            victim.close()

    assert "sessions_fail" not in watched.minutes(5, kill)
    assert "sessions_fail" in watched.minutes(1, kill)
    assert watched.minutes(1) == set()


def test_more_than_is_usual_of_transactions_and_rollbacks(own, watched):
    for metric in ("transactions_rate", "rollbacks_rate"):
        watched.usually(metric, 1)
    assert watched.minutes(11) == set()

    def work() -> None:
        with session(own) as busy:  # what one has done is counted by its end at the latest
            for _ in range(330):
                with suppress(psycopg.Error):
                    busy.execute("SELECT 1/0")

    wrong = watched.minutes(16, work)
    assert {"traffic_unusual", "rollbacks_many"} <= wrong
    assert watched.minutes(11) == set()


def test_statements_that_take_longer_than_is_usual(own, watched, c):
    watched.usually("mean_statement_milliseconds", 1)
    c.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def slowly() -> None:
        for _ in range(5):
            c.execute("SELECT pg_sleep(0.03)")
        flush(c)

    assert "statements_slower" in watched.minutes(16, slowly)
    assert watched.minutes(11, lambda: [c.execute("SELECT 1") for _ in range(50)]) == set()


def test_a_cache_that_misses_and_files_of_sorts(own, watched, c):
    watched.level("temporary_files", over=1000, clear=100)  # it is 50 MB a second
    c.execute("CREATE TABLE thing AS SELECT n, repeat('x', 500) AS filler FROM generate_series(1, 120000) AS n")
    c.execute("SET work_mem = '64kB'; SET max_parallel_workers_per_gather = 0")

    def read() -> None:  # more than a quarter of the shared buffers: it goes through a few of them alone
        c.execute("SELECT count(*) FROM thing")
        flush(c)

    def sort() -> None:
        c.execute("SELECT n FROM (SELECT n FROM thing ORDER BY n % 100 LIMIT 20000) AS sorted OFFSET 20000")
        read()

    assert "temporary_files" in watched.minutes(11, sort)
    assert watched.minutes(21, read) == {"cache_missed"}
    c.execute("DROP TABLE thing")

    def again() -> None:
        for _ in range(9):
            c.execute("SELECT count(*) FROM pg_class")
        flush(c)

    assert watched.minutes(2, again) == set()


def test_a_slot_that_nobody_reads(own, watched, c):
    watched.level("slot_holds_log", over=100_000)  # it is 10 GB
    c.execute("SELECT pg_create_physical_replication_slot('left', true)")
    try:
        c.execute("CREATE TABLE thing AS SELECT n FROM generate_series(1, 100000) AS n")
        assert watched.minutes(11) == {"slot_holds_log"}
        assert watched.minutes(20) == {"slot_holds_log", "slot_inactive"}
    finally:
        c.execute("SELECT pg_drop_replication_slot('left')")
    assert watched.minutes(16) == set()


def test_a_detaching_that_broke_off(own, watched, c):
    c.execute("DROP TABLE IF EXISTS parted")
    c.execute("CREATE TABLE parted (n int) PARTITION BY LIST (n)")
    c.execute("CREATE TABLE part PARTITION OF parted FOR VALUES IN (1)")
    with session(own, autocommit=False) as reader, session(own) as breaker:
        reader.execute("SELECT * FROM parted")
        breaker.execute("SET lock_timeout = '200ms'")
        with suppress(psycopg.errors.LockNotAvailable):
            breaker.execute("ALTER TABLE parted DETACH PARTITION part CONCURRENTLY")
    assert watched.minutes(11) == {"detach_broken_off"}
    c.execute("ALTER TABLE parted DETACH PARTITION part FINALIZE")
    assert watched.minutes(1) == set()


def test_transaction_numbers_that_run_out(own, watched, c):
    def age() -> float:
        row = c.execute("SELECT 100 * max(age(datfrozenxid)) / 2147483648.0 FROM pg_database").fetchone()
        return float(row[0])

    freeze(own)
    few = 300 * 100 / 2**31
    watched.level("wraparound_near", over=age() + few)  # it is half of all
    watched.level("wraparound_imminent", over=age() + 2 * few)
    assert watched.minutes(1) == set()
    burn(c, 400)
    assert watched.minutes(1) == {"wraparound_near"}
    burn(c, 400)
    assert watched.minutes(1) == {"wraparound_near", "wraparound_imminent"}
    freeze(own)
    assert watched.minutes(1) == set()


def burn(c: psycopg.Connection, count: int) -> None:
    for _ in range(count):
        c.execute("SELECT pg_current_xact_id()")


def freeze(own: Cluster) -> None:
    with psycopg.connect(own.dsn("postgres"), autocommit=True) as c:
        c.execute("UPDATE pg_database SET datallowconn = true")
        names = [name for (name,) in c.execute("SELECT datname FROM pg_database")]
    for name in names:
        with psycopg.connect(own.dsn(name), autocommit=True) as c:
            c.execute("VACUUM (FREEZE)")


def test_dead_rows_and_bloat(own, watched, c):
    c.execute("CREATE TABLE thing AS SELECT n, repeat('x', 200) AS filler FROM generate_series(1, 20000) AS n")
    c.execute("ANALYZE thing")
    assert watched.hours(1) == set()
    c.execute("DELETE FROM thing WHERE n % 10 <> 0")
    flush(c)
    assert "dead_rows" in watched.hours(3)
    c.execute("VACUUM (ANALYZE, TRUNCATE false) thing")
    flush(c)
    assert watched.hours(3) == {"bloat"}
    c.execute("VACUUM (FULL, ANALYZE) thing")
    flush(c)
    assert watched.hours(4) == set(), "so small a table has no such number any more"


def flush(c: psycopg.Connection) -> None:
    """Have what a session has counted be seen at once."""
    c.execute("SELECT pg_stat_force_next_flush()")
    c.execute("SELECT 1")


def test_a_disk_that_is_full(own, watched, c):
    c.execute("CREATE TABLE thing AS SELECT n, repeat('x', 500) AS filler FROM generate_series(1, 50000) AS n")
    c.execute("CHECKPOINT")
    held = look_at_postgres(watched.dsn, "certify", NoLine(), 10**15).values[Series("certify", "disk_used_bytes")]
    watched.disk = round(held / 0.9)
    assert watched.minutes(6) == {"disk_full"}
    watched.disk = round(held / 0.97)
    assert "disk_almost_gone" in watched.minutes(2)
    watched.disk = round(held / 0.84)  # it was extended
    assert watched.minutes(1) == set()


class NoLine:
    """A look that nobody cuts off."""

    @contextmanager
    def holding(self, _: Any) -> Iterator[None]:
        yield


BY_THE_FILE = {"replicas": {"connection": "pg", "name": "a", "servers": {"b": {"connection": "pg_b"}}}}


@pytest.mark.parametrize("told", [BY_THE_FILE, {}], ids=["by the file", "by what was seen"])
def test_a_replica_that_falls_behind_and_one_that_is_gone(tmp_path: Path, samples: Samples, told: dict[str, Any]):
    store = a_store(**told)
    with opened_trio(tmp_path, "b") as group:
        watched = Watched(samples, group.leading.server.dsn, store)
        watched.level("replica_far_behind", over=100_000, clear=1000)  # it is 1 GB
        follower = group.replicas[0]
        assert "replication_broken" not in watched.minutes(3)
        with connect(follower.dsn, purpose="test") as there, connect(watched.dsn, purpose="test") as c:
            there.execute(b"SELECT pg_wal_replay_pause()")
            c.execute(b"CREATE TABLE thing AS SELECT n FROM generate_series(1, 100000) AS n")
            assert "replica_far_behind" in watched.minutes(6)
            there.execute(b"SELECT pg_wal_replay_resume()")
            while look_at_postgres(watched.dsn, "certify", NoLine()).values[
                Series("certify", "replica_lag_bytes", "b")
            ]:
                time.sleep(0.05)
        assert "replica_far_behind" not in watched.minutes(1)
        (member,) = [one for one in group.members if one.name == "b"]
        member.kill()
        assert "replication_broken" in watched.minutes(3)
        member.start()
        while not look_at_postgres(watched.dsn, "certify", NoLine()).values[Series("certify", "replicas_count")]:
            time.sleep(0.05)
        assert "replication_broken" not in watched.minutes(1)


@pytest.mark.skipif(PGBOUNCER is None, reason="no PgBouncer is installed here")
def test_a_pool_with_a_line_before_it(tmp_path: Path, samples: Samples):
    rules = {"pool_full", "pool_queue", "pool_waits"}
    with opened_trio(tmp_path, "") as group, opened_pooler(group, tmp_path) as pooler, ExitStack() as stack:
        watched = Watched(samples, group.leading.server.dsn)
        watched.pooler = pooler.console
        through = make_conninfo(pooler.console, dbname="shop")
        assert not rules & watched.minutes(1)
        clients = [stack.enter_context(psycopg.connect(through, prepare_threshold=None)) for _ in range(21)]
        for client in clients[:20]:
            client.execute("SELECT 1")
        with hanging(clients[20], "SELECT 1"):
            time.sleep(1.2)
            assert rules <= watched.minutes(6)
            for client in clients[:20]:
                client.rollback()
        clients[20].rollback()
        assert not rules & watched.minutes(2)
