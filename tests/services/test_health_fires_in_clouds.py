"""Every rule for an instance of RDS and for tables of DynamoDB: CloudWatch, emulated by moto, is told what breaks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from sluice.insight.collecting.collecting import Look
from sluice.insight.collecting.dynamodb import look_at_tables
from sluice.insight.collecting.rds import look_at_rds
from sluice.ledger.samples import Samples
from sluice.stores.postgres import connect

from tests.conftest import Database
from tests.firing import MOTO, NAME, Watched, shows
from tests.services import test_collecting_cloud as collecting
from tests.services.test_collecting_cloud import Cloud
from tests.watched import a_store

cloud, instance = collecting.cloud, collecting.instance
GIB = 2.0**30
LONG = 25
"""Minutes: two periods of five minutes, and what CloudWatch comes late by."""


@pytest.fixture
def samples(database: Database) -> Iterator[Samples]:
    with connect(database.dsn("sluice_ledger"), purpose="test") as opened:
        yield Samples(opened).prepare()


CALM = {
    "CPUUtilization": 20.0,
    "FreeableMemory": 8 * GIB,
    "FreeStorageSpace": 60 * GIB,
    "ReadIOPS": 100.0,
    "WriteIOPS": 100.0,
}
BUSY = {
    "CPUUtilization": 95.0,
    "FreeableMemory": 1 * GIB,
    "FreeStorageSpace": 2 * GIB,
    "ReadIOPS": 900.0,
    "WriteIOPS": 900.0,
}
OF_INSTANCES = ("processors_busy", "memory_full", "disk_full", "disk_almost_gone", "reads_unusual", "writes_unusual")


@shows(*OF_INSTANCES, by=MOTO)
def test_an_instance_that_has_too_much_to_do(instance: Cloud, samples: Samples) -> None:
    reached = instance.reached
    watched = Watched(samples, a_store())
    watched.looks.append(
        Look(
            NAME,
            "instance",
            lambda _: look_at_rds(instance.cloudwatch, instance.rds, NAME, "shop", reached, watched.now),
        )
    )
    for metric in ("read_operations_rate", "write_operations_rate"):
        watched.usually(metric, 100)

    def has(numbers: Mapping[str, float]) -> Callable[[], None]:
        def count() -> None:
            for name, value in numbers.items():
                instance.count("AWS/RDS", name, watched.now, value, DBInstanceIdentifier="shop")

        return count

    assert not {*OF_INSTANCES} & watched.minutes(LONG, has(CALM))
    assert {*OF_INSTANCES} <= watched.minutes(LONG, has(BUSY))
    assert not {*OF_INSTANCES} & watched.minutes(LONG, has(CALM))


OF_TABLES = ("requests_throttled", "read_units_scarce", "write_units_scarce", "service_errors", "requests_slow")


@pytest.fixture
def tables(cloud: Cloud, samples: Samples) -> Watched:
    """A table with 10 read units and 5 write units a second."""
    cloud.make_table("users")
    watched = Watched(samples, a_store(engine="dynamodb", connection="dynamodb"))
    clients, reached = (cloud.dynamodb, cloud.cloudwatch), cloud.reached
    watched.looks.append(
        Look(NAME, "tables", lambda _: look_at_tables(*clients, NAME, ("users",), reached, watched.now))
    )
    return watched


@shows(*OF_TABLES, by=MOTO)
def test_a_table_that_has_too_much_to_do(cloud: Cloud, tables: Watched) -> None:
    def has(share: float, latency: float, wrong: float) -> Callable[[], None]:
        def count() -> None:
            cloud.of_table("ConsumedReadCapacityUnits", tables.now, 600 * share)
            cloud.of_table("ConsumedWriteCapacityUnits", tables.now, 300 * share)
            cloud.of_table("SuccessfulRequestLatency", tables.now, latency, Operation="GetItem")
            if wrong:
                cloud.of_table("ReadThrottleEvents", tables.now, wrong)
                cloud.of_table("SystemErrors", tables.now, wrong, Operation="PutItem")

        return count

    assert not {*OF_TABLES} & tables.minutes(LONG, has(0.5, 10, 0))
    assert {*OF_TABLES} <= tables.minutes(LONG, has(0.95, 400, 6))
    assert not {*OF_TABLES} & tables.minutes(LONG, has(0.5, 10, 0))


@shows("table_unreachable", by=MOTO)
def test_a_table_that_is_gone(cloud: Cloud, tables: Watched) -> None:
    assert "table_unreachable" not in tables.minutes(3)
    cloud.dynamodb.delete_table(TableName="users")
    assert "table_unreachable" in tables.minutes(3)
    cloud.make_table("users")
    assert "table_unreachable" not in tables.minutes(1)
