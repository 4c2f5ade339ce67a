"""How fast DynamoDB items become records: our copy and our delivery beside the barest loops that keep the same conditions.

The bare loops scan or read as we do and write transactions of a hundred puts on as many threads, each put under the same
condition as ours, their mapping written out by hand; they keep no places, have no fence and note nothing. The plain loop is
what boto3's own documentation shows: one conditional put after another, in the client's own settings.
"""

from __future__ import annotations

import cProfile
import pstats
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from sluice.estate.single_table import SingleTableMigration
from sluice.local.documents import DocumentStore
from sluice.local.ports import free_port
from sluice.migration.engine.contract import Fence
from sluice.migration.engine.lanes import work_lane
from sluice.migration.engine.throttle import Throttle
from sluice.migration.kinds.dynamodb_source.tokens import token
from sluice.migration.kinds.single_table import SingleTable
from sluice.migration.kinds.single_table.ours import absent, newer
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.client import dynamodb_client, streams_client
from sluice.stores.dynamodb.streams import padded
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.stores.dynamodb.writes import Condition

from benchmarks._scratch import rounds, setting, summary, timed

ITEMS, CHANGES, PLAIN = setting("ITEMS", 20_000), setting("CHANGES", 10_000), setting("PLAIN", 500)
THREADS, TOGETHER = 4, 97
COPY, BARE_COPY, PLAIN_PUTS = "copy, ours", "copy, the barest loop", "copy, boto3's plain loop"
DELIVERY, BARE_DELIVERY = "delivery, ours", "delivery, the barest loop"
Item = dict[str, Any]


def main() -> dict[str, Any]:
    """Copy into an empty table, then deliver changes to a full one, turn by turn. Plain puts are timed on a part, and said so."""
    count = setting("ROUNDS", 7)  # one pair differs much from the next: the engine's own time does
    with place() as made:
        copies: dict[str, Callable[[], float]] = {
            BARE_COPY: partial(made.emptied, made.copy_bare),
            COPY: partial(made.emptied, made.copy_ours),
            PLAIN_PUTS: partial(made.emptied, made.copy_plainly),
        }
        copied = summary("dynamodb", COPY, BARE_COPY, rounds(copies, count))
        profile(made)
        deliveries: dict[str, Callable[[], float]] = {BARE_DELIVERY: made.deliver_bare, DELIVERY: made.deliver_ours}
        made.emptied(made.copy_ours)
        delivered = summary("dynamodb", DELIVERY, BARE_DELIVERY, rounds(deliveries, count))
    return {**copied, "results": [*copied["results"], *delivered["results"]], "plain_puts_timed": PLAIN}


def user(number: int, note: str = "") -> Item:
    """An item of half a kilobyte or so."""
    texts = {"email": f"u{number}@example.org", "userId": f"u{number:07}", "created": "2024-01-01T00:00:00Z"}
    return {name: {"S": text} for name, text in {**texts, "status": "ACTIVE", "note": note, "bio": "x" * 400}.items()}


def by_hand(item: Item) -> list[Item]:
    """The two records of an item, as a person would write them down for this table alone."""
    key, rest = f"USER#{item['userId']['S']}", {**item, "id": item["userId"], "createdAt": item["created"]}
    del rest["userId"], rest["created"]
    whole = {"PK": {"S": key}, "SK": {"S": "METADATA"}, **rest}
    found = {"PK": {"S": key}, "SK": {"S": f"STATUS#{item['status']['S']}"}, "id": rest["id"], "email": item["email"]}
    return [whole, found]


@dataclass
class Made:
    """A DynamoDB with a table of users, and what reads it."""

    store: DocumentStore
    number: int = 0

    def client(self) -> Any:
        """A client with the project's settings."""
        return dynamodb_client(self.store.url, self.store.key, self.store.secret, "us-east-1", 60)

    def kind(self) -> SingleTable:
        """The migration into the target of this round."""
        streams = streams_client(self.store.url, self.store.key, self.store.secret, "us-east-1")
        return SingleTable(migration(self.target), self.client(), streams)

    @property
    def target(self) -> str:
        """This round's table."""
        return f"entity-{self.number}"

    def emptied(self, copy: Callable[[], float]) -> float:
        """Copy into a new table; the one before is dropped."""
        client = self.client()
        if self.number:
            client.delete_table(TableName=self.target)
        self.number += 1
        apply_tables(client, (TableDefinition(self.target, "PK", "SK", stream=True),))
        return copy()

    def copy_ours(self) -> float:
        """Expand, capture and lay out; only the lane's work is timed."""
        kind = self.kind()
        kind.expand()
        kind.start_capture()
        kind.plan_chunks()
        return timed(lambda: work_lane(kind, 0, Fence(1), Throttle(kind.migration.backfill.limits)))

    def copy_bare(self) -> float:
        """The same pages, the same conditions."""
        client = self.client()
        return timed(lambda: write_bare(client, self.target, scanned(client), lambda key, *_: absent(key), token(1)))

    def copy_plainly(self) -> float:
        """Conditional puts one after another, of a part of the items; the seconds are those for all."""
        client = boto3.client("dynamodb", endpoint_url=self.store.url, region_name="us-east-1",
                              aws_access_key_id=self.store.key, aws_secret_access_key=self.store.secret)  # fmt: skip
        items = [user(number) for number in range(PLAIN)]

        def put_all() -> None:
            for item in items:
                for record in by_hand(item):
                    client.put_item(TableName=self.target, Item=record, ConditionExpression="attribute_not_exists(PK)")

        return timed(put_all) * ITEMS / PLAIN

    def change(self) -> None:
        """Write changes to the source, as fast as it goes."""
        client, note = self.client(), secrets.token_hex(4)
        puts = [{"PutRequest": {"Item": user(number % ITEMS, f"{note}-{number}")}} for number in range(CHANGES)]
        with ThreadPoolExecutor(THREADS) as pool:
            parts = [puts[start : start + 25] for start in range(0, CHANGES, 25)]
            list(pool.map(lambda part: client.batch_write_item(RequestItems={"users": part}), parts))

    def deliver_ours(self) -> float:
        """Follow the stream until canaries, let go after the last change, are home: until all is delivered, that is."""
        kind = self.kind()
        kind.replicate(600)
        self.change()
        return timed(lambda: kind.drain(600))

    def deliver_bare(self) -> float:
        """Read the stream from where it is now, and write the same puts."""
        kind, client = self.kind(), self.client()
        stream = kind._ways.source_stream
        (shard,) = stream.shards()
        place = kind.marks.places("forward").get(shard.id)
        after = place.at if place else None
        while (page := stream.read(shard.id, after)).changes:
            after = page.position
        self.change()

        def deliver() -> None:
            position = after
            while (page := stream.read(shard.id, position)).changes:
                latest = {change.new["email"]["S"]: change.new for change in page.changes if change.new}
                write_bare(client, self.target, [list(latest.values())], newer, token(1, padded(page.position or "")))
                position = page.position

        return timed(deliver)


def scanned(client: Any) -> Iterator[list[Item]]:
    """Pages of the source, read consistently."""
    asked: dict[str, Any] = {"TableName": "users", "ConsistentRead": True}
    while True:
        answer = client.scan(**asked)
        yield answer["Items"]
        if not (last := answer.get("LastEvaluatedKey")):
            return
        asked["ExclusiveStartKey"] = last


def write_bare(client: Any, table: str, pages: Any, condition: Callable[..., Condition], token: str) -> None:
    """Write the records of pages of items, each put under the condition that ours has."""

    def write(records: Sequence[tuple[Item, str]]) -> None:
        puts = [{"Put": put(record, came_from)} for record, came_from in records]
        client.transact_write_items(TransactItems=puts)

    def put(record: Item, came_from: str) -> Item:
        asked = condition({"PK": record["PK"]}, came_from, token)
        return {
            "TableName": table,
            "Item": {**record, "_token": {"S": token}, "_from": {"S": came_from}},
            "ConditionExpression": asked.expression,
            "ExpressionAttributeNames": asked.names,
            "ExpressionAttributeValues": asked.values,
        }

    name = table.replace("-", "_")
    with ThreadPoolExecutor(THREADS) as pool:
        for page in pages:
            records = [(record, f"{name}/email={item['email']['S']}") for item in page for record in by_hand(item)]
            list(pool.map(write, [records[start : start + TOGETHER] for start in range(0, len(records), TOGETHER)]))


def profile(made: Made) -> None:
    """Print where our client's time goes in a copy; waiting for the engine is counted as what waits."""
    seen = cProfile.Profile()
    made.number += 1
    kind = made.kind()
    kind.expand()
    kind.start_capture()
    kind.plan_chunks()
    print("profile of a copy, as its own thread sees it:", flush=True)
    seen.runcall(work_lane, kind, 0, Fence(1), Throttle(kind.migration.backfill.limits))
    pstats.Stats(seen).sort_stats("tottime").print_stats(12)


def migration(target: str) -> SingleTableMigration:
    """The migration of the users, as its file would say it."""
    records = (
        {"record": "METADATA", "key": {"PK": "USER#{id}", "SK": "METADATA"}, "whole": True},
        {"record": "STATUS", "key": {"PK": "USER#{id}", "SK": "STATUS#{status}"}, "keep": ("id", "email")},
    )
    return SingleTableMigration.model_validate(
        {
            "migration": target.replace("-", "_"),
            "kind": "single_table",
            "from": {"store": "bench", "table": "users"},
            "into": {
                "tables": {"entity": {"name": target, "key": {"partition": "PK", "sort": "SK"}}},
                "records": records,
            },
            "attributes": {"id": {"from": "{userId}"}, "createdAt": {"from": "{created}"}},
            "backfill": {"segments": 1, "chunk_rows": 5000},
        }
    )


@contextmanager
def place() -> Iterator[Made]:
    """Start an engine of its own, with a table full of users."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        store = DocumentStore(Path(folder), free_port(), "BENCH", secrets.token_urlsafe())
        store.start({"PATH": "/usr/bin:/bin"})
        try:
            made = Made(store)
            client = made.client()
            apply_tables(client, (TableDefinition("users", "email"),))  # its stream begins with the capture
            with ThreadPoolExecutor(THREADS) as pool:
                parts = [range(start, min(ITEMS, start + 25)) for start in range(0, ITEMS, 25)]
                puts = [[{"PutRequest": {"Item": user(number)}} for number in part] for part in parts]
                list(pool.map(lambda part: client.batch_write_item(RequestItems={"users": part}), puts))
            time.sleep(1)
            yield made
        finally:
            store.stop()
