"""Every metric of the list has a writer, and no writer an unlisted one: all that look are run, and the ledger says what came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sluice.flow.insight import ledger
from sluice.flow.insight.streams import keep_stream_age
from sluice.insight.collecting.airflow import PARTS, ages_of
from sluice.insight.collecting.collecting import Look, collect, keep
from sluice.insight.collecting.dropped import Archived, carry_dropped
from sluice.insight.collecting.looked import Looked
from sluice.insight.collecting.pooler import look_at_pooler, values_of
from sluice.insight.collecting.postgres import look_at_postgres
from sluice.insight.collecting.rds import MEMORY, PLAIN, STORAGE, look_at_rds
from sluice.insight.collecting.sizes import measure_sizes
from sluice.insight.collecting.tables import measure_tables
from sluice.insight.dashboards.prometheus import ages
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import Samples, Series
from sluice.local.ports import free_port
from sluice.stores.postgres import connect

from tests.as_airflow import postgres_connection
from tests.conftest import Database
from tests.replicated import opened_trio
from tests.services.test_collecting_cloud import LAST, Cloud, cloud

__all__ = ["cloud"]
NOW = datetime(2026, 4, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
GROWN = b"""
    CREATE TABLE app.log (at timestamptz, text text) PARTITION BY RANGE (at);
    CREATE TABLE app.log_all PARTITION OF app.log FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
    INSERT INTO app.log SELECT '2024-01-01', repeat('x', 500) FROM generate_series(1, 5000);
    ANALYZE app.log;
"""
POOL = {
    "database": "shop",
    "user": "app",
    "cl_waiting": 0,
    "cl_active": 1,
    "sv_active": 1,
    "maxwait": 0,
    "maxwait_us": 0,
}


@pytest.fixture
def samples(database: Database) -> Samples:
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        yield Samples(c).prepare()


def see_servers(samples: Samples, folder: Path, dsn: str) -> None:
    """Two looks at a server that has a replica, a slot and a disk, at one that is busy, and at a pooler that is down."""
    nobody = f"host=127.0.0.1 port={free_port()} user=postgres dbname=pgbouncer"
    with opened_trio(folder, "b") as group:
        with group.connect() as c:
            c.execute(b"SELECT pg_create_physical_replication_slot('kept', true)")
        shop = group.leading.server.dsn
        looks = [
            Look("shop", "server", lambda line: look_at_postgres(shop, "shop", line, 10**12), up="up_count"),
            Look("certify", "server", lambda line: look_at_postgres(dsn, "certify", line), up="up_count"),
            Look("shop", "PgBouncer", lambda line: look_at_pooler(nobody, "shop", line), up="pooler_up_count"),
        ]
        for minute in range(2):
            keep(samples, collect(looks, NOW + minute * MINUTE))
    samples.record(NOW, values_of("shop", [POOL], {"shop": 20}))


def see_cloud(samples: Samples, cloud: Cloud) -> None:
    """A look at tables and at an instance."""
    cloud.make_table("users")
    cloud.of_table("SuccessfulRequestLatency", LAST, 5, Operation="GetItem")
    cloud.rds.create_db_instance(
        DBInstanceIdentifier="shop", DBInstanceClass="db.r6g.large", Engine="postgres", AllocatedStorage=100,
        MasterUsername="master", MasterUserPassword="secret-of-master",
    )  # fmt: skip
    for name in (*PLAIN.values(), MEMORY, STORAGE):
        cloud.count("AWS/RDS", name, LAST, 1, DBInstanceIdentifier="shop")
    found = cloud.look() + look_at_rds(cloud.cloudwatch, cloud.rds, "shop", "shop", cloud.reached, NOW)
    found += measure_tables(cloud.dynamodb, "tyler", ["users"])
    samples.record(NOW, found.values)
    samples.record_history(found.history)


def see_sizes(samples: Samples, dsn: str) -> None:
    """The hourly look."""
    with connect(dsn, purpose="test") as c:
        c.execute(GROWN)
    found: Looked = measure_sizes(dsn, "certify", {}, 10**12)
    samples.record(NOW, {**found.values, **carry_dropped("certify", [Archived("a", "b", True, 9)], {"a": 8.0}, {})})


def test_every_metric_has_a_writer_and_no_writer_an_unlisted_one(
    samples: Samples, database: Database, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    see_servers(samples, tmp_path / "trio", database.dsn())
    see_cloud(samples, cloud)
    see_sizes(samples, database.dsn())
    heard = {f"latest_{part}_heartbeat": NOW.isoformat() for part in PARTS}
    samples.record(NOW, ages_of({"metadatabase": {"status": "healthy"}, **dict.fromkeys(PARTS, heard)}, NOW))
    monkeypatch.setattr(ledger, "ROOT", Path(__file__).parents[2])
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection(database.dsn("sluice_ledger")))
    keep_stream_age("tyler", "users", 1.0)
    reckoned = {series.metric for series in ages(samples.latest(NOW), NOW)}
    kept = {row["metric"] for row in samples.connection.execute(b"SELECT DISTINCT metric FROM insight.series")}
    assert {*kept, *reckoned} == METRICS.keys()
    assert len(samples.latest(NOW + 2 * MINUTE, metrics=["up_count"])) == 2, "both servers answered"
    assert Series("shop", "slot_retained_bytes", "kept") in samples.latest(NOW + 2 * MINUTE)
