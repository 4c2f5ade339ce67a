"""How large the tables of a real server are: all in one query, without waiting for anybody, and nothing guessed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sluice.insight.collecting.dropped import Archived
from sluice.insight.collecting.looked import Looked
from sluice.insight.collecting.sizes import TRIES, Sized, count_in, list_tables, measure_sizes
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import Sample, Series
from sluice.stores.postgres import Connection, connect
from sluice.upkeep.archive.ledger import prepare

from tests.conftest import Database
from tests.other_versions import Versions

NOON = datetime(2024, 4, 5, 12, tzinfo=UTC)
PARTITIONED = b"""
    CREATE TABLE app.log (at timestamptz NOT NULL, tenant int, text text, PRIMARY KEY (at, tenant)) PARTITION BY LIST (tenant);
    CREATE TABLE app.log_1 PARTITION OF app.log FOR VALUES IN (1) PARTITION BY RANGE (at);
    CREATE TABLE app.log_1_old PARTITION OF app.log_1 FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
    CREATE TABLE app.log_1_now PARTITION OF app.log_1 FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);
    CREATE TABLE app.log_2 PARTITION OF app.log FOR VALUES IN (2);
    INSERT INTO app.log SELECT '2019-06-01'::timestamptz + n * interval '1 day', 1 + n % 2, repeat('x', 9000)
    FROM generate_series(1, 500) AS n;
    ANALYZE app.log;
"""


@pytest.fixture(scope="module")
def versions(server, tmp_path_factory) -> Iterator[Versions]:
    made = Versions(tmp_path_factory.mktemp("versions"), server)
    yield made
    made.stop()


@pytest.fixture
def session(database: Database) -> Iterator[Connection]:
    with connect(database.dsn(), purpose="test") as c:
        yield c


def measure(database: Database, before: dict[Series, Sample] | None = None, **how: Any) -> Looked:
    return measure_sizes(database.dsn(), "certify", before or {}, **how)


def of(found: Looked, metric: str, subject: str = "") -> float | None:
    return found.values.get(Series("certify", metric, subject))


@pytest.mark.parametrize("version", ["15", "17", "18"])
def test_a_table_is_counted_with_all_its_partitions(versions: Versions, version: str) -> None:
    database = versions.database(version)
    with connect(database.dsn(), purpose="test") as c:
        c.execute(PARTITIONED)
        parts = c.execute(
            b"SELECT sum(pg_total_relation_size(relid)) AS bytes, sum(pg_indexes_size(relid)) AS indexes"
            b" FROM pg_partition_tree('app.log')"
        ).fetchone()
    found = measure(database)
    assert of(found, "table_bytes", "app.log") == parts["bytes"]
    assert of(found, "index_bytes", "app.log") == parts["indexes"]
    assert of(found, "table_rows_count", "app.log") == 500
    assert of(found, "partition_headroom_days", "app.log") == 36_500, "the part that is cut by time has no end"
    assert of(found, "database_bytes") > parts["bytes"]
    assert {series.subject for series in found.values} == {"", "app.log"}
    assert {series.metric for series in found.values} <= METRICS.keys()
    assert len(found.notes) == 1, "of its disk nobody has said how large it is; all else is measured"


def test_a_table_that_somebody_has_locked_is_left_out_and_the_others_are_measured(
    database: Database, session: Connection
) -> None:
    session.execute(PARTITIONED)
    session.execute(b"CREATE TABLE app.free AS SELECT 1 AS a; CREATE TABLE app.indexed (a int PRIMARY KEY)")
    for locking, name in {
        b"LOCK TABLE app.log_1_now": "app.log",
        b"REINDEX INDEX app.indexed_pkey": "app.indexed",
    }.items():
        with connect(database.dsn(), purpose="holder", autocommit=False) as holder:
            holder.execute(locking)
            found = measure(database)
            assert of(found, "table_bytes", "app.free") == 8192
            assert of(found, "table_bytes", name) is None
            assert of(found, "table_locked_count", name) == 1
            assert of(found, "table_locked_count", "app.free") is None
            assert found.notes[0] == f"certify: locked by somebody, and measured in an hour: {name}."
            holder.rollback()
    assert of(measure(database), "table_bytes", "app.log")


def test_nobody_queues_behind_us_where_somebody_waits_for_a_lock_already(
    database: Database, session: Connection
) -> None:
    session.execute(b"CREATE TABLE app.busy (a int); CREATE TABLE app.free (a int)")
    with (
        connect(database.dsn(), purpose="reader", autocommit=False) as reader,
        connect(database.dsn(), purpose="waiter", lock_timeout="0") as waiter,
    ):
        reader.execute(b"SELECT FROM app.busy")
        waiter.pgconn.send_query(b"ALTER TABLE app.busy ADD b int")
        while not session.execute(b"SELECT FROM pg_locks WHERE NOT granted").fetchall():
            pass
        found = measure(database)
        assert (of(found, "table_bytes", "app.busy"), of(found, "table_bytes", "app.free")) == (None, 0)
        reader.rollback()
        while waiter.pgconn.get_result():
            pass


def test_a_lock_that_comes_while_we_look_is_met_by_another_look(session: Connection) -> None:
    session.execute(b"CREATE TABLE app.thing (a int)")
    tried = 0

    class Unlucky:
        """A session whose first looks meet a lock."""

        transaction = session.transaction

        def execute(self, *told: Any) -> Any:
            nonlocal tried
            tried += 1
            if tried < TRIES:
                session.execute(b"DO $$BEGIN RAISE lock_not_available; END$$")
            return session.execute(*told)

    with session.transaction():
        tables, locked = list_tables(Unlucky())  # type: ignore[arg-type]
    assert ([one.name for one in tables], locked, tried) == (["app.thing"], [], TRIES)


def test_what_holds_nothing_is_estimated_where_rows_were_deleted(database: Database, session: Connection) -> None:
    for name in (b"full", b"half", b"loose"):
        fill = b" WITH (fillfactor = 50)" if name == b"loose" else b""
        session.execute(b"CREATE TABLE app.%s (a bigint, b text, c timestamptz)%s" % (name, fill), prepare=False)
        session.execute(
            b"INSERT INTO app.%s SELECT n, md5(n::text), CASE WHEN n %% 3 = 0 THEN now() END"
            b" FROM generate_series(1, 60000) AS n" % name
        )
    session.execute(b"DELETE FROM app.half WHERE a % 2 = 0")
    session.execute(b"SELECT pg_stat_force_next_flush()")  # or else what was deleted is counted behind the vacuum
    session.execute(b"VACUUM ANALYZE app.half")
    session.execute(b"ANALYZE app.full; ANALYZE app.loose")
    session.execute(b"CREATE TABLE app.unknown AS SELECT * FROM app.full")
    found = measure(database)
    assert of(found, "bloat_percent", "app.half") == pytest.approx(50, abs=6)
    assert of(found, "bloat_percent", "app.full") < 6
    assert of(found, "bloat_percent", "app.loose") < 6, "what its fillfactor leaves is no waste"
    assert of(found, "bloat_percent", "app.unknown") is None, "it was never analysed"


def test_rows_that_nobody_sees_any_more_are_a_share(database: Database, session: Connection) -> None:
    session.execute(
        b"CREATE TABLE app.thing WITH (autovacuum_enabled = off) AS SELECT n FROM generate_series(1, 1000) AS n"
    )
    session.execute(b"DELETE FROM app.thing WHERE n <= 250")
    session.execute(b"SELECT pg_stat_force_next_flush()")
    assert of(measure(database), "dead_rows_percent", "app.thing") == 25


@pytest.mark.parametrize("version", ["15", "18"])
def test_partitions_that_end_have_days_left_and_a_gap_ends_them(versions: Versions, version: str) -> None:
    database = versions.database(version)
    with connect(database.dsn(), purpose="test") as c:
        keys = {b"plain": b"timestamptz", b"dated": b"date", b"gap": b"timestamp", b"over": b"date"}
        for name, key in keys.items():
            c.execute(b"CREATE TABLE app.%s (at %s) PARTITION BY RANGE (at)" % (name, key))
            for number in range(4):
                if (name == b"gap" and number == 2) or (name == b"over" and number > 0):
                    continue
                bounds = c.execute(
                    b"SELECT format('FOR VALUES FROM (%%L) TO (%%L)', (now() + (%s - 1) * interval '10 days')::date,"
                    b" (now() + %s * interval '10 days')::date) AS told" % (b"%d" % number, b"%d" % number)
                ).fetchone()["told"]
                c.execute(b"CREATE TABLE app.%s_%d PARTITION OF app.%s %s" % (name, number, name, bounds.encode()))
        c.execute(b"CREATE TABLE app.plain_rest PARTITION OF app.plain DEFAULT")
    found = measure(database)
    assert of(found, "partition_headroom_days", "app.plain") == pytest.approx(29.5, abs=0.51)
    assert of(found, "partition_headroom_days", "app.dated") == pytest.approx(29.5, abs=0.51)
    assert of(found, "partition_headroom_days", "app.gap") == pytest.approx(9.5, abs=0.51)
    assert of(found, "partition_headroom_days", "app.over") == 0


def test_what_the_archive_has_dropped_is_counted_on_and_what_waits_counts_with_its_table(
    database: Database, session: Connection
) -> None:
    session.execute(b"CREATE TABLE app.orders AS SELECT n FROM generate_series(1, 1000) AS n; ANALYZE app.orders")
    session.execute(
        b"CREATE TABLE app.orders_may AS SELECT n FROM generate_series(1, 500) AS n; ANALYZE app.orders_may"
    )
    assert of(measure(database), "dropped_bytes", "app.orders") is None, "the archive has never been here"
    prepare(session)
    with connect(database.dsn("admin"), purpose="test") as admin:
        admin.execute(b"ALTER TABLE sluice_archive.month DISABLE TRIGGER ALL")  # its own order is not what is tested
        admin.execute(
            b"INSERT INTO sluice_archive.month (parent_schema, parent_name, lower_bound, upper_bound, bounds, partition_schema,"
            b" partition_name, partition_oid, state, rows) SELECT 'app', 'orders', at, at + interval '1 month', '', 'app',"
            b" name, 1, state, 500 FROM (VALUES ('orders_april', 'dropped', '2024-04-01 00:00+00'::timestamptz),"
            b" ('orders_may', 'cooling', '2024-05-01 00:00+00')) AS t (name, state, at)"
        )
        found = measure(database)
        width = of(found, "table_bytes", "app.orders") / 1500
        assert of(found, "table_rows_count", "app.orders") == 1500
        assert of(found, "table_bytes", "app.orders_may") is None
        assert of(found, "dropped_rows_count", "app.orders") == 500
        assert of(found, "dropped_bytes", "app.orders") == pytest.approx(500 * width)
        admin.execute(b"UPDATE sluice_archive.month SET state = 'dropped'; DROP TABLE app.orders_may")
    before = {
        Series("certify", name, "app.orders"): Sample(NOON, value)
        for name, value in (("dropped_bytes", 7e6), ("dropped_rows_count", 500))
    }
    again = measure(database, before)
    assert of(again, "dropped_bytes", "app.orders") == pytest.approx(
        7e6 + 500 * of(again, "table_bytes", "app.orders") / 1000
    )
    assert of(again, "dropped_rows_count", "app.orders") == 1000


def test_a_dropped_month_whose_name_stands_again_is_a_table_of_its_own() -> None:
    april, orders = (Sized(name, 10.0, 1.0, 5.0, 0.0, 8.0, None) for name in ("app.april", "app.orders"))
    waiting, dropped = (Archived("app.orders", "app.april", dropped, 5.0) for dropped in (False, True))
    assert [(one.name, one.bytes) for one in count_in([april, orders], [waiting])] == [("app.orders", 20.0)]
    assert count_in([april, orders], [dropped]) == [april, orders]


def test_a_role_that_may_do_little_measures_what_it_may(database: Database, session: Connection) -> None:
    session.execute(b"CREATE TABLE app.thing (a int)")
    prepare(session)
    found = measure_sizes(database.dsn("certify_app"), "certify", {})
    assert of(found, "table_bytes", "app.thing") == 0
    assert of(found, "disk_used_bytes") is None
    assert "GRANT pg_monitor" in found.notes[0]


def test_of_a_server_in_the_cloud_only_the_log_is_measured_on_its_disk(database: Database) -> None:
    found = measure(database, in_cloud=True)
    assert of(found, "wal_bytes")
    assert of(found, "disk_used_bytes") is None


def test_a_disk_of_which_nobody_says_how_large_it_is_is_named(database: Database) -> None:
    def told(**how: Any) -> bool:
        return any(
            "watch: {disk: {size: …}}" in note for note in measure_sizes(database.dsn(), "certify", {}, **how).notes
        )

    assert told()
    assert not told(size=10**12)
    assert not told(in_cloud=True)
