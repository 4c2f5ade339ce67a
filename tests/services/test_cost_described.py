"""What an estate costs by what AWS says: RDS and DynamoDB, both emulated, asked as the capacity report asks them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from sluice.estate import read_stores
from sluice.estate.amounts import ranging
from sluice.estate.costs import Reserved
from sluice.estate.insight import Cloud, Watch
from sluice.estate.models import Estate
from sluice.flow.insight import described
from sluice.flow.insight.costs import reckoning
from sluice.insight.capacity.bill import Bill
from sluice.ledger.samples import Samples, Series, Span
from sluice.stores.dynamodb.autoscaling import Scaled, apply_scaling
from sluice.stores.postgres import connect

from tests.samples import ROOT

REGION, UNTIL = "us-east-1", date(2026, 10, 5)
KEYS = {"region_name": REGION, "aws_access_key_id": "SCRATCH", "aws_secret_access_key": "SCRATCH"}


class Said:
    """A log that can be read."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str, *told: object) -> None:
        """Take a line."""
        self.lines.append(text % told)


@pytest.fixture
def rds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server of RDS with two replicas, one of which has one of its own."""
    login = {"conn_type": "aws", "login": "SCRATCH", "password": "SCRATCH", "extra": {"region_name": REGION}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SHOP", json.dumps(login))
    monkeypatch.setenv("AIRFLOW_CONN_DYNAMODB_TYLER", json.dumps(login))
    with mock_aws():
        client = boto3.client("rds", **KEYS)
        client.create_db_instance(
            DBInstanceIdentifier="shop", DBInstanceClass="db.r6g.large", Engine="postgres", MasterUsername="master",
            MasterUserPassword="secret-of-master", AllocatedStorage=100, StorageType="gp3", BackupRetentionPeriod=7,
        )  # fmt: skip
        for name, source in (("shop-2", "shop"), ("shop-3", "shop"), ("shop-4", "shop-3")):
            client.create_db_instance_read_replica(
                DBInstanceIdentifier=name, SourceDBInstanceIdentifier=source, DBInstanceClass="db.r6g.large"
            )
        yield client


@pytest.fixture
def samples(database) -> Iterator[Samples]:
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        yield Samples(c).prepare()


def estate(**watched: str) -> Estate:
    """The sample's estate, with servers of RDS below its stores."""
    found = read_stores(ROOT)
    stores = {
        name: found.stores["certify"].model_copy(
            update={"watch": Watch(cloud=Cloud(connection="aws_shop", instance=instance))}
        )
        for name, instance in watched.items()
    }
    four = (Reserved(what="db.r6g.large", count=4),)
    return found.model_copy(update={"stores": stores or dict(found.stores), "reserved": four})


def bill(samples: Samples, of: Estate, recent: bool = True, log: Said | None = None) -> Bill:
    """Reckon it."""
    found, _ = reckoning(samples, of, UNTIL, recent, log or Said())({})  # type: ignore[arg-type]
    assert found
    return found


def test_replicas_and_their_replicas_are_in_the_bill_and_use_what_is_reserved(rds: Any, samples: Samples) -> None:
    found = bill(samples, estate(shop="shop"))
    disks = sorted(one.name.split(", ")[0] for one in found.components if "disk of" in one.name)
    assert disks == ["shop: shop", "shop: shop-2", "shop: shop-3", "shop: shop-4"]
    (reserved,) = found.reserved
    assert (reserved.percent, reserved.enough) == ((100.0, 100.0), True)
    assert not any("what is reserved" in one.what for one in found.savings)


def test_a_server_that_has_run_for_three_months_is_advised_to_be_reserved(rds: Any, samples: Samples) -> None:
    start = datetime.combine(UNTIL - timedelta(days=91), time(), UTC)
    up = [(Series("shop", "up_count"), Span(start + timedelta(hours=n), 1, 1, 1, 1, 60)) for n in range(91 * 24)]
    samples.record_spans("hour", up)
    found = bill(samples, estate(shop="shop").model_copy(update={"reserved": ()}))
    assert [one.what for one in found.savings] == ["shop: reserve 1 of db.r6g.large for a year, for shop"]
    assert "running for 91 days" in found.savings[0].why


def test_a_replica_that_is_a_store_of_its_own_is_paid_once_and_by_that_one(rds: Any, samples: Samples) -> None:
    found = bill(samples, estate(shop="shop", reports="shop-3"))
    disks = sorted(one.name.split(", ")[0] for one in found.components if "disk of" in one.name)
    assert disks == ["reports: shop-3", "reports: shop-4", "shop: shop", "shop: shop-2"]


def test_where_a_server_is_not_described_the_bill_says_so_and_no_reservation_is_judged(
    rds: Any, samples: Samples
) -> None:
    found = bill(samples, estate(shop="shop", lost="gone"))
    assert any(one.startswith("Not whole: ") and "lost gone" in one for one in found.notes)
    assert found.reserved == () and not any("what is reserved" in one.what for one in found.savings)


def test_a_replica_in_another_region_is_named_as_not_counted(
    rds: Any, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    far, ask = "arn:aws:rds:eu-west-1:123456789012:db:shop-far", described._one
    told = {"ReadReplicaDBInstanceIdentifiers": [far]}
    monkeypatch.setattr(described, "_one", lambda client, name: {**ask(client, name), **told})
    assert any("shop shop-far in eu-west-1" in one for one in bill(samples, estate(shop="shop")).notes)


def test_a_bill_of_long_ago_says_that_it_has_no_servers(rds: Any, samples: Samples) -> None:
    found = bill(samples, estate(shop="shop"), recent=False)
    assert found.notes[0].startswith("Without servers, ") and found.reserved == ()
    assert [one.name for one in found.components] == ["the estate: reserved: 4 of db.r6g.large"]


def test_units_that_the_service_scales_are_known_with_their_bounds(
    rds: Any, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb, service = (boto3.client(name, **KEYS) for name in ("dynamodb", "application-autoscaling"))
    key, units = [{"AttributeName": "id", "KeyType": "HASH"}], {"ReadCapacityUnits": 20, "WriteCapacityUnits": 20}
    index = {
        "IndexName": "GSI1",
        "KeySchema": key,
        "Projection": {"ProjectionType": "ALL"},
        "ProvisionedThroughput": units,
    }
    dynamodb.create_table(
        TableName="users", KeySchema=key, AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PROVISIONED", ProvisionedThroughput=units, GlobalSecondaryIndexes=[index],
    )  # fmt: skip
    register(service, Scaled("table/users", "dynamodb:table:WriteCapacityUnits", 10, 50))
    register(service, Scaled("table/users/index/GSI1", "dynamodb:index:ReadCapacityUnits", 10, 50))
    at = datetime.combine(UNTIL - timedelta(days=1), time(), UTC)
    told = {"items_bytes": 40.0 * 2**30, "write_units_rate": 10.0, "write_units_provisioned_rate": 20.0}
    samples.record_spans("hour", [(Series("tyler", one, "users"), Span(at, v, v, v, v, 60)) for one, v in told.items()])
    monkeypatch.setattr(described, "documents_of", lambda _: (dynamodb, None))
    monkeypatch.setattr(described, "autoscaling_of", lambda _: service)
    hours = samples.spans("hour", list(told), at, at + timedelta(hours=1))
    (table,) = described.tables_of(estate(), hours, described.Asking(Said()))  # type: ignore[arg-type]
    assert table.writes.scaled == ranging(10 + 20, 50 + 20), "of its index nobody moves the writes"
    assert table.reads.scaled is None, "an index alone moves no table"

    log = Said()
    monkeypatch.setattr(service, "get_paginator", refuse)
    (table,) = described.tables_of(estate(), hours, asking := described.Asking(log))  # type: ignore[arg-type]
    assert table.writes.scaled is None
    assert asking.missing == ["tyler users, whether the service scales its units"]


def refuse(*_: Any, **__: Any) -> Any:
    """Refuse a question."""
    raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "x")


def register(service: Any, one: Scaled) -> None:
    """Have the service scale it."""
    assert apply_scaling(service, [one]).registered == 1


def test_a_refusal_of_one_question_leaves_the_rest_of_a_table_as_it_is_described(
    rds: Any, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb = boto3.client("dynamodb", **KEYS)
    key = [{"AttributeName": "id", "KeyType": "HASH"}]
    index = {"IndexName": "GSI1", "KeySchema": key, "Projection": {"ProjectionType": "ALL"}}
    dynamodb.create_table(
        TableName="users", KeySchema=key, AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST", GlobalSecondaryIndexes=[index],
    )  # fmt: skip
    at = datetime.combine(UNTIL - timedelta(days=1), time(), UTC)
    sizes = [(Series("tyler", "items_bytes", name), Span(at, *[40.0 * 2**30] * 4, 60)) for name in ("users", "deleted")]
    samples.record_spans("hour", sizes)

    monkeypatch.setattr(dynamodb, "describe_continuous_backups", refuse)
    monkeypatch.setattr(described, "documents_of", lambda _: (dynamodb, None))
    found = bill(samples, estate())
    names = [one.name for one in found.components]
    assert "tyler: users, storage" in names and not any("deleted" in one for one in names)
    assert any(one.startswith("What indexes are read is not measured") for one in found.notes), "its index was seen"
    assert any("tyler users, its continuous backup" in one for one in found.notes)
