"""A look at real servers: what is found of each, what is absent and said, and that one which hangs holds up nobody."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo
from sluice.insight.collecting import disk, postgres, sizes
from sluice.insight.collecting.cloudwatch import CloudSilent
from sluice.insight.collecting.collecting import Hung, Look, Taken, collect, keep
from sluice.insight.collecting.lifeline import Lifeline
from sluice.insight.collecting.looked import Looked
from sluice.insight.collecting.pooler import NotAPooler, PoolerSilent, look_at_pooler
from sluice.insight.collecting.postgres import COUNTERS, EVERYBODYS, SESSIONS, STATEMENTS, look_at_postgres
from sluice.insight.collecting.sessions import ThroughPooler, opened
from sluice.insight.collecting.sizes import measure_sizes
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import Sample, Samples, Series
from sluice.local import databases
from sluice.local.ports import free_port
from sluice.stores.cluster import Cluster
from sluice.stores.dynamodb.client import DynamoDown
from sluice.stores.postgres import Refused, StoreDown, connect
from sluice.stores.statements import raw, statement

from tests.conftest import Database
from tests.other_versions import Versions
from tests.replicated import PGBOUNCER, opened_pooler, opened_trio

NOON = datetime(2024, 4, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def versions(server, tmp_path_factory) -> Iterator[Versions]:
    made = Versions(tmp_path_factory.mktemp("versions"), server)
    yield made
    made.stop()


@pytest.fixture
def samples(database: Database) -> Iterator[Samples]:
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        yield Samples(c).prepare()


def look(dsn: str, **how: Any) -> Looked:
    return look_at_postgres(dsn, "certify", Lifeline(), **how)


def named(found: Looked) -> set[str]:
    return {series.metric for series in found.values}


def of(found: Looked, metric: str, subject: str = "") -> float | None:
    return found.values.get(Series("certify", metric, subject))


def until(what: Callable[[], Any]) -> Any:
    """Look until there is something; a test that waits in vain is stopped by pytest's own patience."""
    while not (found := what()):
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("version", ["15", "17", "18"])
def test_every_version_tells_all_that_is_on_the_list(versions: Versions, version: str) -> None:
    found = look(versions.database(version).dsn())
    assert named(found) == {"up_count", "replicas_count", *EVERYBODYS, *SESSIONS}
    assert {series.metric for series in found.counters} == {*COUNTERS, *STATEMENTS}
    assert {*named(found), *(series.metric for series in found.counters)} <= METRICS.keys()
    assert found.notes == ()


def test_a_role_without_pg_monitor_has_fewer_numbers_and_is_told_why(database: Database) -> None:
    found = look(database.dsn("certify_app"))
    assert named(found) == {"up_count", *EVERYBODYS}
    assert "GRANT pg_monitor" in found.notes[0]


def test_a_server_without_its_extension_has_no_mean_and_says_so(database: Database) -> None:
    with connect(database.dsn("admin"), purpose="test") as c:
        c.execute(b"DROP EXTENSION pg_stat_statements")
    found = look(database.dsn())
    assert not {series.metric for series in found.counters} & {*STATEMENTS}
    assert "no extension pg_stat_statements" in found.notes[0]


def test_an_extension_that_lies_elsewhere_is_found(database: Database) -> None:
    with connect(database.dsn("admin"), purpose="test") as c:
        c.execute(b'DROP EXTENSION pg_stat_statements; CREATE SCHEMA "Odd %% one"')
        c.execute(
            b'CREATE EXTENSION pg_stat_statements SCHEMA "Odd %% one"; GRANT USAGE ON SCHEMA "Odd %% one" TO PUBLIC'
        )
    assert Series("certify", "statements_rate") in look(database.dsn()).counters


def test_who_waits_for_a_lock_and_how_old_a_transaction_is_are_seen(database: Database) -> None:
    with (
        connect(database.dsn(), purpose="holder", autocommit=False) as holder,
        connect(database.dsn(), purpose="waiter", lock_timeout="0") as waiter,
    ):
        holder.execute(b"CREATE TABLE public.locked ()")
        holder.commit()
        holder.execute(b"LOCK TABLE public.locked")
        waiter.pgconn.send_query(b"LOCK TABLE public.locked; SELECT 1")
        found = until(lambda: (now := look(database.dsn())) and of(now, "longest_lock_wait_seconds") and now)
        assert of(found, "lock_waits_count") == 0, "it has not waited for half a minute"
        assert of(found, "longest_transaction_seconds") > of(found, "longest_lock_wait_seconds") > 0
        assert of(found, "connections_count") == 3
        assert of(until(lambda: (now := look(database.dsn())) and of(now, "slow_statements_count") and now),
                  "longest_statement_seconds") > 1  # fmt: skip
        holder.rollback()
        until(lambda: waiter.pgconn.get_result() is None)


def test_a_disk_whose_size_is_told_is_so_full(database: Database) -> None:
    found = look(database.dsn(), disk=10**12)
    held = of(found, "disk_used_bytes")
    assert of(found, "disk_used_percent") == pytest.approx(held / 10**10)
    assert of(found, "disk_free_bytes") == 10**12 - held
    assert held > of(found, "wal_bytes") > 0
    assert "GRANT pg_monitor" in look(database.dsn("certify_app"), disk=10**12).notes[-1]


def test_a_replica_and_a_slot_are_seen(tmp_path: Path) -> None:
    with opened_trio(tmp_path, "b") as group:
        dsn = group.leading.server.dsn
        with connect(dsn, purpose="test") as c:
            c.execute(b"SELECT pg_create_physical_replication_slot('left', true); CREATE TABLE t AS SELECT 1")
            c.execute(b"SELECT pg_create_physical_replication_slot('sluice_log_shop', true)")
        found = until(lambda: (now := look(dsn)) and of(now, "replica_lag_bytes", "b") == 0 and now)
        assert of(found, "replica_lag_seconds", "b") == 0
        assert of(found, "replicas_count") == 1
        assert of(found, "slot_inactive_count", "left") == 1
        assert of(found, "slot_retained_bytes", "sluice_log_shop") is not None
        assert of(found, "slot_inactive_count", "sluice_log_shop") is None, "Sluice moves its own on, and reads by none"
        with connect(dsn, purpose="test") as c:
            c.execute(b"INSERT INTO t SELECT generate_series(1, 1000)")
        assert of(look(dsn), "slot_retained_bytes", "left") > 1000
        assert of(look(dsn), "slot_lost_count", "left") == 0
        with connect(dsn, purpose="test") as c:
            c.execute(b"SELECT pg_create_physical_replication_slot('pg_basebackup_1', true, true)")
            c.execute(b"SELECT pg_create_physical_replication_slot('idle', false)")
            now = look(dsn)
        subjects = {series.subject for series in now.values if series.metric.startswith("slot_")}
        assert "pg_basebackup_1" not in subjects, "it ends with its session, and the next one is called otherwise"
        assert of(now, "slot_retained_bytes", "idle") is None, "it holds nothing that could be counted"
        assert of(now, "slot_lost_count", "idle") == 0
        follower = look(group.replicas[0].dsn)
        assert of(follower, "up_count") == 1, "who is asked may be a replica itself"
        assert follower.counters[Series("certify", "wal_bytes_rate")] > 0


@contextmanager
def own_server(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder / "own", free_port(), secrets.token_urlsafe(), durable=False)
    cluster.create()
    cluster.start()
    databases.create_database(cluster, "certify", owner="postgres")
    try:
        yield cluster
    finally:
        cluster.stop()


def looks(**stores: str) -> list[Look]:
    return [
        Look(name, "server", lambda line, name=name, dsn=dsn: look_at_postgres(dsn, name, line), up="up_count")
        for name, dsn in stores.items()
    ]


def kept(samples: Samples, at: datetime = NOON) -> dict[Series, float]:
    return {series: sample.value for series, sample in samples.latest(at + MINUTE).items()}


def test_what_a_server_counts_begins_anew_with_it_and_no_rate_is_made_of_that(tmp_path: Path, samples: Samples) -> None:
    rate = Series("own", "transactions_rate")
    with own_server(tmp_path) as cluster:
        for _ in range(30):
            connect(cluster.dsn("certify"), purpose="test").close()
        until(lambda: look_at_postgres(cluster.dsn("certify"), "own", Lifeline()).counters[rate] > 30)
        for minute in range(2):
            keep(samples, collect(looks(own=cluster.dsn("certify")), NOON + minute * MINUTE))
        assert kept(samples, NOON + MINUTE)[rate] > 0
        cluster.kill()
        (down,) = collect(looks(own=cluster.dsn("certify")), NOON + 2 * MINUTE)
        assert isinstance(down.failed, StoreDown)
        assert keep(samples, [down]) == 1
        cluster.start()
        keep(samples, collect(looks(own=cluster.dsn("certify")), NOON + 3 * MINUTE))
        again = samples.between([rate.metric, "up_count"], NOON + 2 * MINUTE, NOON + 4 * MINUTE)
        assert rate not in again
        assert [one.value for one in again[Series("own", "up_count")]] == [0, 1]
        keep(samples, collect(looks(own=cluster.dsn("certify")), NOON + 4 * MINUTE))
        assert samples.between([rate.metric], NOON + 4 * MINUTE, NOON + 5 * MINUTE)[rate][0].value >= 0


def test_two_counters_make_a_share_and_a_mean(database: Database, samples: Samples) -> None:
    def counted() -> float:
        return look(database.dsn()).counters[Series("certify", "statements_rate")]

    keep(samples, collect(looks(certify=database.dsn()), NOON))
    before = counted()
    with connect(database.dsn(), purpose="test") as c:
        c.execute(b"SELECT count(*) FROM pg_class AS a, pg_class AS b")
    until(lambda: counted() > before)
    keep(samples, collect(looks(certify=database.dsn()), NOON + MINUTE))
    found = kept(samples, NOON + MINUTE)
    assert 0 < found[Series("certify", "cache_hit_percent")] <= 100
    assert found[Series("certify", "mean_statement_milliseconds")] > 0


def test_a_server_that_is_frozen_is_cut_off_and_the_others_are_measured(
    tmp_path: Path, database: Database, samples: Samples
) -> None:
    with own_server(tmp_path) as cluster:
        session = connect(cluster.dsn("certify"), purpose="test")
        backend = session.info.backend_pid

        def hang(line: Lifeline) -> Looked:
            with line.holding(session):
                os.kill(backend, signal.SIGSTOP)  # the kernel answers for it, and no timeout of ours runs on the server
                session.execute(b"SELECT 1")
            raise AssertionError("it answered")

        try:
            frozen = Look("own", "server", hang, up="up_count")
            found = collect([frozen, *looks(certify=database.dsn())], NOON, timedelta(seconds=2))
        finally:
            os.kill(backend, signal.SIGCONT)
        assert session.broken, "the thread is not left behind: its session was cut"
        assert isinstance(found[0].failed, Hung)
    keep(samples, found)
    told = kept(samples)
    assert told[Series("own", "up_count")] == 0
    assert told[Series("certify", "up_count")] == 1
    assert {series.metric for series in told if series.store == "own"} == {"up_count"}
    assert told[Series("certify", "collection_seconds")] < 2


def test_a_server_that_is_too_slow_for_its_state_is_up_and_says_nothing_else(
    database: Database, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE", "1ms")
    (taken,) = collect(looks(certify=database.dsn()), NOON)
    assert taken.failed is None
    assert "is too slow to say how it is" in taken.looked.notes[0]
    keep(samples, [taken])
    assert kept(samples).keys() == {Series("certify", "up_count"), Series("certify", "collection_seconds")}
    assert kept(samples)[Series("certify", "up_count")] == 1, "who is told that it is down looks in the wrong place"


def test_statistics_that_are_too_slow_cost_nothing_but_their_own_numbers(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(name: str, **parts: Any) -> Any:
        is_slow = name == "collecting.find_statements"
        return raw("SELECT pg_sleep(9) AS calls") if is_slow else statement(name, **parts)

    monkeypatch.setattr(postgres, "statement", slow)
    monkeypatch.setattr(postgres, "PATIENCE", "500ms")
    found = look(database.dsn())
    assert of(found, "connections_count") is not None
    assert "how long its statements take is not measured" in found.notes[0]


def test_a_disk_with_too_many_files_to_count_costs_nothing_but_its_own_numbers(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(name: str) -> Any:
        return raw("SELECT pg_sleep(9)") if name == "collecting.find_disk" else statement(name)

    monkeypatch.setattr(disk, "statement", slow)
    monkeypatch.setattr(postgres, "PATIENCE", "500ms")
    found = look(database.dsn(), disk=10**12)
    assert of(found, "up_count") == 1
    assert {"transactions_rate"} <= {series.metric for series in found.counters}
    assert not {"wal_bytes", "disk_used_bytes"} & named(found)
    assert "certify: what its disk holds is not measured, counting its files takes too long" in found.notes[-1]
    monkeypatch.setattr(sizes, "PATIENCE", "500ms")
    assert of(measure_sizes(database.dsn(), "certify", {}, 10**12), "database_bytes") > 0


def test_whoever_cannot_be_cut_off_is_given_up(samples: Samples) -> None:
    def hang(_: Lifeline) -> Looked:
        time.sleep(3)
        return Looked({Series("own", "connections_count"): 1.0})

    (taken,) = collect([Look("own", "server", hang, up="up_count")], NOON, timedelta(seconds=0.1))
    assert isinstance(taken.failed, Hung)
    assert keep(samples, [taken]) == 1


def test_a_refusal_is_not_an_outage_and_a_mistake_of_ours_costs_one_look(database: Database, samples: Samples) -> None:
    def mistaken(_: Lifeline) -> Looked:
        raise KeyError("a mistake")

    wrong = make_conninfo(database.dsn(), password="wrong")
    found: list[Taken] = collect([*looks(refused=wrong, certify=database.dsn()), Look("x", "page", mistaken)], NOON)
    assert [type(one.failed) for one in found] == [Refused, type(None), KeyError]
    keep(samples, found)
    assert {series.store for series in kept(samples)} == {"certify"}


@pytest.mark.skipif(PGBOUNCER is None, reason="no PgBouncer is installed here")
def test_the_pools_of_a_pgbouncer_are_seen(tmp_path: Path) -> None:
    with opened_trio(tmp_path, "") as group, opened_pooler(group, tmp_path) as pooler:
        through = make_conninfo(pooler.console, dbname="shop")
        client = connect_through(through)
        client.execute(b"BEGIN")
        found = look_at_pooler(pooler.console, "shop", Lifeline()).values
        told = {series.metric: value for series, value in found.items() if series.subject == "shop/postgres"}
        assert told == {"pool_clients_waiting_count": 0, "pool_clients_active_count": 1, "pool_wait_seconds": 0,
                        "pool_servers_used_percent": 5}  # fmt: skip
        assert {series.subject for series in found} == {"", "shop/postgres"}
        assert found[Series("shop", "pooler_up_count")] == 1
        assert {series.metric for series in found} <= METRICS.keys()
        client.close()
        with pytest.raises(NotAPooler, match="database pgbouncer"):
            look_at_pooler(through, "shop", Lifeline())
    with pytest.raises(PoolerSilent, match="before shop"):
        look_at_pooler(pooler.console, "shop", Lifeline())


SET_BY_LOOKS = b"SELECT name, setting FROM pg_settings WHERE source = 'session' AND name <> 'application_name'"


@pytest.mark.skipif(PGBOUNCER is None, reason="no PgBouncer is installed here")
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_look_through_a_pooler_is_refused_and_changes_nobodys_session(tmp_path: Path, mode: str) -> None:
    with opened_trio(tmp_path, "") as group, opened_pooler(group, tmp_path, mode) as pooler:
        through = make_conninfo(pooler.console, dbname="shop")
        application = connect_through(through)
        before = application.execute(SET_BY_LOOKS).fetchall()
        for measure in (look, lambda dsn: measure_sizes(dsn, "certify", {})):
            with pytest.raises(
                ThroughPooler, match=r"certify: .* the server's own address; the pooler is `watch.pooler`"
            ):
                measure(through)
            assert application.execute(SET_BY_LOOKS).fetchall() == before
        application.close()


@pytest.mark.skipif(PGBOUNCER is None, reason="no PgBouncer is installed here")
def test_a_look_through_a_pooler_that_keeps_a_session_for_us_is_as_good_as_any(tmp_path: Path) -> None:
    with opened_trio(tmp_path, "") as group, opened_pooler(group, tmp_path, "session") as pooler:
        assert of(look(make_conninfo(pooler.console, dbname="shop")), "up_count") == 1


def test_all_that_a_look_sets_ends_with_its_transaction(database: Database) -> None:
    with opened(database.dsn(), "certify", "look", Lifeline(), statement_timeout="5s") as c:
        assert c.execute(b"SHOW statement_timeout").fetchone() == {"statement_timeout": "5s"}
        assert c.execute(b"SHOW row_security").fetchone() == {"row_security": "off"}
        c.execute(b"COMMIT; BEGIN")
        assert [row["name"] for row in c.execute(SET_BY_LOOKS)] == []


def failing(failed: Exception) -> Any:
    def fail(_: Lifeline) -> Looked:
        raise failed

    return fail


def test_a_pooler_that_does_not_answer_is_kept_as_down_and_one_that_refuses_is_not(samples: Samples) -> None:
    def pooler(name: str, address: str) -> Look:
        return Look(name, "PgBouncer", lambda line: look_at_pooler(address, name, line), up="pooler_up_count")

    nobody = f"host=127.0.0.1 port={free_port()} user=postgres dbname=pgbouncer"
    refuses = Look("refuses", "PgBouncer", failing(NotAPooler("it is none")), up="pooler_up_count")
    keep(samples, collect([pooler("shop", nobody), refuses], NOON))
    assert kept(samples) == {Series("shop", "pooler_up_count"): 0}


def test_of_a_service_that_is_down_every_table_is_kept_as_down(samples: Samples) -> None:
    def service(store: str, failed: Exception, *named: str) -> Look:
        return Look(store, "service", failing(failed), up="table_up_count", subjects=named)

    samples.record(NOON - MINUTE, {Series("seen", "table_up_count", one): 1.0 for one in ("a", "b")})
    samples.record(NOON - MINUTE, {Series("other", "table_up_count", "c"): 1.0})
    down = DynamoDown("it does not answer")
    keep(samples, collect([service("seen", down), service("named", down, "users")], NOON))
    keep(samples, collect([service("silent", CloudSilent("it is slow"), "a"), service("hung", Hung("x"), "a")], NOON))
    assert {(one.store, one.subject): value for one, value in kept(samples).items()} == {
        ("seen", "a"): 0, ("seen", "b"): 0, ("named", "users"): 0, ("other", "c"): 1,
    }  # fmt: skip


def test_a_deadlock_is_seen_for_as_long_as_it_takes_until_somebody_looks(samples: Samples) -> None:
    lately, told = Series("shop", "deadlocks_count"), []
    for minute, count in ((0, 7.0), (1, 7.0), (2, 9.0), (3, 9.0), (7, 10.0), (11, 10.0), (12, 10.0), (17, 10.0)):
        found = Looked(counters={Series("shop", "deadlocks_rate"): count})
        server = Look("shop", "server", lambda _, found=found: found, up="up_count")
        at = NOON + minute * MINUTE
        keep(samples, [Taken(server, at, 0.1, found)])
        told.append(kept(samples, at).get(lately))
    assert told == [None, 0, 2, 2, 3, 3, 1, 0]


def test_of_a_server_that_is_looked_at_once_an_hour_the_deadlocks_of_the_hour_are_counted(samples: Samples) -> None:
    for hours, count in ((0, 7.0), (1, 7.0), (2, 12.0)):
        at = NOON + hours * timedelta(hours=1)
        found = Looked(counters={Series("shop", "deadlocks_rate"): count})
        keep(samples, [Taken(Look("shop", "server", lambda _, found=found: found, up="up_count"), at, 0.1, found)])
    assert kept(samples, at)[Series("shop", "deadlocks_count")] == 5


def test_what_was_read_is_remembered_no_sooner_than_it_is_kept(samples: Samples) -> None:
    remembered: list[Sample] = []
    rate, at = Series("tyler", "write_units_rate", "users"), NOON - MINUTE

    def read(_: Lifeline) -> Looked:
        return Looked(history=((rate, Sample(at, 2.0)),), once_kept=(remember,))

    def remember() -> None:
        remembered.extend(samples.between([rate.metric], at, NOON)[rate])

    taken = collect([Look("tyler", "service", read)], NOON)
    assert remembered == []
    keep(samples, taken)
    assert remembered == [Sample(at, 2.0)]


def connect_through(address: str) -> Any:
    import psycopg

    return psycopg.connect(address, autocommit=True, prepare_threshold=None)
