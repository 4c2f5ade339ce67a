"""Tables that are backed up while somebody writes, their streams shipped: for tests of DynamoDB's backups and drills."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sluice.safety.censuses import keep_census
from sluice.safety.documents.drilling import drill
from sluice.safety.documents.driver import Documents
from sluice.safety.documents.service import ServiceBackups
from sluice.safety.documents.tables import BOTH, Clients, Tables
from sluice.safety.drill.certificate import Certificate, Goals
from sluice.safety.drill.drilling import Asked, Counted
from sluice.safety.driver import Window
from sluice.safety.target import Target
from sluice.stores.dynamodb.actions import Put
from sluice.stores.dynamodb.batches import write_batches
from sluice.stores.dynamodb.values import Item
from sluice.stores.objects import Vault

from tests import documents as dynamodb
from tests.conftest import ScratchVault

STORE = "shop"
GOALS = Goals(back_within=300, losing_at_most=30)
EVERY = timedelta(seconds=10)
COUNT = itertools.count()
ODD: Item = {
    "id": {"S": "odd"},
    "digits": {"N": "12345678901234567890123456789012345678"},
    "small": {"N": "-1E-120"},
    "numbers": {"NS": ["1", "2.5", "1E+30"]},
    "bytes": {"B": b"\x00\xff"},
    "many": {"BS": [b"a", b"\x01"]},
    "empty": {"S": ""},
    "none": {"NULL": True},
    "yes": {"BOOL": False},
    "within": {"M": {"list": {"L": [{"S": "a\u2028b"}, {"M": {"deep": {"B": b"x"}}}]}}},
    "gone": {"N": "4102444800"},
}
"""One item of every type that there is."""


@dataclass
class Shop:
    """Tables under care."""

    engine: dynamodb.Documents
    client: Any
    driver: Documents
    said: list[str] = field(default_factory=list)

    @property
    def table(self) -> str:
        """The table that is written to."""
        return self.driver.tables.names[0]

    def put(self, number: int, text: str = "new") -> None:
        """Write an item, as an application does."""
        self.client.put_item(TableName=self.table, Item=item_of(number, text))

    def delete(self, number: int) -> None:
        """Delete one."""
        self.client.delete_item(TableName=self.table, Key={"id": {"S": f"item {number}"}})

    @contextmanager
    def written_to(self) -> Iterator[None]:
        """Have somebody write: new items, changes and deletions."""
        over = threading.Event()
        client = self.engine.client()

        def write() -> None:
            for turn in itertools.count():
                if over.is_set():
                    return
                key = {"id": {"S": f"item {turn * 7 % 900}"}}
                client.put_item(
                    TableName=self.table, Item={**key, "text": {"S": f"turn {turn}"}, "turn": {"N": str(turn)}}
                )
                if turn % 3 == 0:
                    client.delete_item(TableName=self.table, Key={"id": {"S": f"item {turn * 5 % 900}"}})

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def counted(self) -> Counted:
        """Count the live tables, and keep the count."""
        found = self.driver.count(self.said.append)
        return Counted(keep_census(self.driver.vault, STORE, found).key, found)

    def drilled(
        self, target: Target, *counted: Counted, at: datetime | None = None, goals: Goals = GOALS
    ) -> Certificate:
        """Do a drill, and see that nothing of it stands afterwards."""
        asked = Asked(target, at or self.driver.tables.now(), goals, counted, f"{target}{next(COUNT)}")
        made = drill(self.driver, asked, EVERY, self.said.append)
        assert self.driver.scratches() == []
        return made


def opened_shop(engine: dynamodb.Documents, vault: Vault, **clients: Any) -> Shop:
    """Make two tables: one that is written to, with all that can be set of it, and a quiet one."""
    client = engine.client()
    orders, quiet = engine.fresh_name("orders"), engine.fresh_name("quiet.ones")
    client.create_table(
        TableName=orders,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("id", "text")],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 900, "WriteCapacityUnits": 900},
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_text",
                "KeySchema": [{"AttributeName": "text", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["turn"]},
                "ProvisionedThroughput": {"ReadCapacityUnits": 700, "WriteCapacityUnits": 700},
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": BOTH},
        DeletionProtectionEnabled=True,
        Tags=[{"Key": "team", "Value": "shop"}, {"Key": "cost", "Value": "42"}],
    )
    client.create_table(
        TableName=quiet,
        AttributeDefinitions=[
            {"AttributeName": "at", "AttributeType": "N"},
            {"AttributeName": "id", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": BOTH},
    )
    client.update_time_to_live(TableName=orders, TimeToLiveSpecification={"Enabled": True, "AttributeName": "gone"})
    client.update_continuous_backups(
        TableName=orders, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    client.update_contributor_insights(TableName=orders, ContributorInsightsAction="ENABLE")
    arn = client.describe_table(TableName=orders)["Table"]["TableArn"]
    client.put_resource_policy(ResourceArn=arn, Policy=POLICY.replace("<arn>", arn))
    client.enable_kinesis_streaming_destination(TableName=orders, StreamArn=KINESIS)
    client.put_item(TableName=orders, Item={**ODD, "text": {"S": "odd"}})
    client.put_item(TableName=quiet, Item={"id": {"S": "one"}, "at": {"N": "1.50"}})
    tables = Tables(STORE, (orders, quiet), Clients(client, engine.streams(), **clients))
    shop = Shop(engine, client, Documents(tables, vault))
    write_batches(client, orders, (Put(orders, item_of(number, "old")) for number in range(300)))
    return shop


def small_shop(engine: dynamodb.Documents, vault: ScratchVault, table: str, bucket: str) -> Shop:
    """Care for one table that is there, with a bucket of its own whose name begins so."""
    own = f"{bucket}-{table.rpartition('-')[2]}"
    vault.store.create_bucket(own)
    tables = Tables(STORE, (table,), Clients(engine.client(), engine.streams()))
    return Shop(engine, tables.clients.dynamodb, Documents(tables, Vault(vault.client(), own)))


def item_of(number: int, text: str) -> Item:
    """An item of the shop's."""
    return {"id": {"S": f"item {number}"}, "text": {"S": text}, "gone": {"N": "4102444800"}}


@contextmanager
def one_second() -> Iterator[None]:
    """Keep no more distance than whole seconds want: here clock and stream are one process's.

    This engine says of every history that it begins and ends in the second of the question: two tables' have no moment in common
    where a second ends between the questions. Let them begin a minute before.
    """
    told = ServiceBackups._history

    def begun_before(driver: ServiceBackups, table: str) -> Window | None:
        found = told(driver, table)
        return found and Window(found.earliest - timedelta(minutes=1), found.latest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServiceBackups, "_history", begun_before)
        for module, seconds in (("shipping", 1), ("counting", 0), ("taking", 0)):
            patch.setattr(f"sluice.safety.documents.{module}.YOUNGER", timedelta(seconds=seconds))
        yield


POLICY = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:role/reader"},'
    ' "Action": "dynamodb:GetItem", "Resource": "<arn>"}]}'
)
KINESIS = "arn:aws:kinesis:us-east-1:000000000000:stream/changes"


def closed_shop(shop: Shop) -> None:
    """Let its tables go."""
    for table in shop.driver.tables.names:
        shop.client.update_table(TableName=table, DeletionProtectionEnabled=False)
        shop.engine.drop(table)
