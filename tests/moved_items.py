"""A DynamoDB table of users that becomes records of a single-table design, and the application that writes it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sluice.estate.single_table import SingleTableMigration
from sluice.migration.kinds.single_table import SingleTable
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item

from tests.documents import Documents

RECORDS = [
    {
        "record": "METADATA",
        "key": {
            "PK": "USER#{id}",
            "SK": "METADATA",
            "GSI1PK": "USER#{id|spread:user}",
            "GSI1SK": "{createdAt}",
            "GSI2PK": "{email|lower}",
            "GSI2SK": "{status}",
        },
        "whole": True,
        "set": {"entityType": "USER"},
    },
    {
        "record": "LOOKUP#STATUS",
        "when": {"has": "status"},
        "key": {
            "PK": "USER#{id}",
            "SK": "LOOKUP#STATUS#{status}",
            "GSI2PK": "STATUS#{status}",
            "GSI2SK": "{createdAt}",
        },
        "keep": ("id", "email", "status"),
    },
]
LEASE = timedelta(milliseconds=500)
INDEXES = {f"GSI{n}": {"partition": f"GSI{n}PK", "sort": f"GSI{n}SK"} for n in (1, 2)}


def migration(table: str, target: str, **more: Any) -> SingleTableMigration:
    """A migration of users, as its YAML would say it."""
    return SingleTableMigration.model_validate(
        {
            "migration": f"users_{random.randrange(10**9)}",
            "kind": "single_table",
            "from": {"store": "tyler", "table": table},
            "into": {
                "spread": {"user": 4},
                "tables": {
                    "entity": {"name": target, "key": {"partition": "PK", "sort": "SK"}, "indexes": INDEXES},
                },
                "records": tuple(RECORDS),
            },
            "attributes": {
                "id": {"from": "{userId}"},
                "createdAt": {"from": "{created}", "otherwise": "1970-01-01T00:00:00Z"},
            },
            "backfill": {"segments": 4, "chunk_rows": 100},
            "cutover": {"lease": "1s", "clock_skew": "0ms"},
            **more,
        }
    )


def user(number: int, **more: Any) -> Item:
    """A legacy item."""
    item: Item = {
        "email": {"S": f"User{number}@example.com"},
        "userId": {"S": f"u{number:05}"},
        "status": {"S": random.choice(["ACTIVE", "LOCKED", "GONE"])},
        "logins": {"N": f"{random.randrange(1000)}.50"},
        "roles": {"SS": ["b", "a"]},
        **more,
    }
    return item if number % 7 == 0 else {**item, "created": {"S": f"2024-0{1 + number % 9}-01T00:00:00Z"}}


@dataclass
class Application:
    """Legacy clients: they write where the route says, and remember each write that was acknowledged."""

    kind: SingleTable
    client: Any
    old: str
    people: int = 300
    acknowledged: dict[str, Item | None] = field(default_factory=dict)
    writes: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Write until told to stop."""
        while not self.stopping.is_set():
            self.write(random.randrange(self.people))
            time.sleep(0.002)

    def write(self, number: int) -> None:
        """Change or delete one user, through the route."""
        route = self.kind.marks.route() or {"write_to": {"S": "old"}}
        where = route["write_to"]["S"]
        if where == "none":
            time.sleep(0.05)
            return
        item = None if random.random() < 0.2 else user(number, note={"S": str(random.random())})
        email = f"User{number}@example.com"
        if where == "old":
            self._write_old(email, item)
        else:
            self._write_new(number, item)
        self.acknowledged[email] = item
        self.writes += 1

    def _write_old(self, email: str, item: Item | None) -> None:
        if item is None:
            self.client.delete_item(TableName=self.old, Key={"email": {"S": email}})
        else:
            self.client.put_item(TableName=self.old, Item=item)

    def _write_new(self, number: int, item: Item | None) -> None:
        records = self.kind.tables.forth.wanted(item or user(number))
        actions: list[dict[str, Any]] = []
        for status in ("ACTIVE", "LOCKED", "GONE"):
            key = {"PK": {"S": f"USER#u{number:05}"}, "SK": {"S": f"LOOKUP#STATUS#{status}"}}
            if item is None or status != item["status"]["S"]:
                actions.append({"Delete": {"TableName": records[0].table, "Key": key}})
        if item is None:
            actions.append({"Delete": {"TableName": records[0].table, "Key": records[0].key}})
        else:
            actions += [{"Put": {"TableName": record.table, "Item": record.item}} for record in records]
        self.client.transact_write_items(TransactItems=actions)


@contextmanager
def legacy_table(
    documents: Documents, make_table: Callable[..., str], people: int
) -> Iterator[tuple[Callable[[], SingleTable], str]]:
    """Make a legacy table with so many users; give what opens the kind that moves it, anew each time, and its name."""
    old = make_table("email", name="users")
    client = documents.client()
    for number in range(people):
        client.put_item(TableName=old, Item=user(number))
    m = migration(old.removeprefix(documents.prefix), "entity")
    # A second is the least that a file may say; here nobody writes for longer than this.
    m = m.model_copy(update={"cutover": m.cutover.model_copy(update={"lease": LEASE})})
    try:
        yield lambda: SingleTable(m, documents.client(), documents.streams(), documents.prefix), old
    finally:
        for table in ("entity", "sluice-marks"):
            documents.drop(f"{documents.prefix}{table}")


def all_items(client: Any, table: str) -> dict[str, Item]:
    """Everything in a legacy table, without what is ours."""
    page = scan_page(client, table)
    return {i["email"]["S"]: {n: v for n, v in i.items() if n[0] != "_"} for i in page.items}
