"""A DynamoDB table of a few items, moved step by step: what a drill holds still, lets go and checks by hand."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from sluice import failpoints
from sluice.migration.engine.contract import Diff, Fence
from sluice.migration.kinds.single_table import SingleTable
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item, Key, key_of, key_text
from sluice.stores.dynamodb.writes import write_one

from tests.documents import Documents
from tests.moved_items import INDEXES, migration
from tests.streams_that_lie import StreamThatLies

PAST, FUTURE = {"N": "1"}, {"N": "4102444800"}
"""Of `expiresAt`: 1970, and 2100."""
WHOLE = {"PK": "USER#{id}", "SK": "METADATA", "GSI1PK": "{email|lower}", "GSI1SK": "{createdAt}"}
LOOKUP = {"PK": "USER#{id}", "SK": "LOOKUP#{status}", "GSI2PK": "STATUS#{status}", "GSI2SK": "{createdAt}"}
RECORDS = (
    {"record": "METADATA", "key": WHOLE, "whole": True, "set": {"entityType": "USER"}},
    {"record": "LOOKUP", "when": {"has": "status"}, "key": LOOKUP, "keep": ("id", "status")},
)


def item(name: str, version: int = 1, status: str | None = "ACTIVE", **more: Any) -> Item:
    """A legacy item."""
    made: Item = {"email": {"S": f"{name}@Example.com"}, "userId": {"S": name}, "version": {"N": str(version)}, **more}
    return {**made, "status": {"S": status}} if status else made


def records_by_hand(old: Item) -> Iterator[Item]:
    """What shall stand for a legacy item, written without the code that is tested. Nothing where it has expired."""
    if float(old.get("expiresAt", FUTURE)["N"]) < time.time():
        return
    created = old.get("created", {"S": "1970-01-01T00:00:00Z"})
    entity = {name: value for name, value in old.items() if name not in ("userId", "created")}
    entity |= {"id": old["userId"], "createdAt": created}
    key = {"PK": {"S": f"USER#{old['userId']['S']}"}, "SK": {"S": "METADATA"}}
    indexed = {"GSI1PK": {"S": old["email"]["S"].lower()}, "GSI1SK": created}
    yield {**entity, **key, **indexed, "entityType": {"S": "USER"}}
    if "status" in old:
        status = old["status"]["S"]
        key = {**key, "SK": {"S": f"LOOKUP#{status}"}, "GSI2PK": {"S": f"STATUS#{status}"}, "GSI2SK": created}
        yield {**key, "id": old["userId"], "status": old["status"]}


@dataclass
class Few:
    """A legacy table, and whoever moves it: each `opened` is a worker of its own."""

    documents: Documents
    client: Any
    old: str
    opened: Callable[[], SingleTable]

    def put(self, *items: Item) -> None:
        """An application's writes, one by one."""
        for one in items:
            self.client.put_item(TableName=self.old, Item=one)

    def put_records(self, kind: SingleTable, *items: Item) -> None:
        """An application's writes, once the records lead."""
        for one in items:
            whole = next(record.item for record in kind.tables.forth.wanted(one) if record.whole)
            self.client.put_item(TableName=kind.tables.targets[0].name, Item=whole)

    def delete(self, *names: str) -> None:
        """An application's deletions."""
        for name in names:
            self.client.delete_item(TableName=self.old, Key=key(name))

    def together(self, *puts: Item, delete: str) -> None:
        """One transaction of an application."""
        actions: list[Any] = [{"Put": {"TableName": self.old, "Item": one}} for one in puts]
        actions.append({"Delete": {"TableName": self.old, "Key": key(delete)}})
        self.client.transact_write_items(TransactItems=actions)

    def items(self) -> dict[str, Item]:
        """What the legacy table holds, without what is ours, by the item's name."""
        return {one["email"]["S"].partition("@")[0]: one for one in self._all(self.old)}

    def records(self, kind: SingleTable) -> dict[str, Item]:
        """The records that stand, without what is ours, by key."""
        return {key_text(key_of(one, "PK", "SK")): one for one in self._all(kind.tables.targets[0].name)}

    def by_hand(self) -> dict[str, Item]:
        """The records that shall stand for what the legacy table holds now."""
        wanted = (record for one in self._all(self.old) for record in records_by_hand(one))
        return {key_text(key_of(record, "PK", "SK")): record for record in wanted}

    def equal(self, kind: SingleTable) -> bool:
        """Whether every record is as it shall be, and no other stands."""
        return self.records(kind) == self.by_hand()

    def _all(self, table: str) -> list[Item]:
        found = [one for one in scan_page(self.client, table).items if "_gone" not in one and "_canary" not in one]
        return [{name: value for name, value in one.items() if name[0] != "_"} for one in found]


def key(name: str) -> Key:
    """The legacy table's key of an item."""
    return {"email": {"S": f"{name}@Example.com"}}


@cache
def _clients(documents: Documents) -> tuple[Any, Any]:
    """Clients for all of a session: to make them takes longer than most drills."""
    return documents.client(), documents.streams()


SOON = (0.05, 0.1)
"""Seconds after which a comparison looks again: here nothing is on its way when it begins."""


@contextmanager
def few_items(documents: Documents, make_table: Callable[..., str], *seeds: Item, **more: Any) -> Iterator[Few]:
    """Make a legacy table of these items, whose stream is not on yet, and a place for its records."""
    old, target = make_table("email", name="few", stream=False), documents.fresh_name("entity")
    into = {
        "tables": {
            "entity": {
                "name": target.removeprefix(documents.prefix),
                "key": {"partition": "PK", "sort": "SK"},
                "indexes": INDEXES,
            }
        },
        "records": RECORDS,
    }
    more = {"into": into, "skip": {"expired": "expiresAt"}, "backfill": {"segments": 1, "chunk_rows": 100}, **more}
    m = migration(old.removeprefix(documents.prefix), "", **more)
    # A second is the least that a file may say; here nobody writes under a lease.
    m = m.model_copy(update={"cutover": m.cutover.model_copy(update={"lease": timedelta(0)})})
    client, streams = _clients(documents)
    few = Few(documents, client, old, lambda: SingleTable(m, client, streams, documents.prefix))
    few.put(*seeds)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sluice.migration.kinds.single_table.comparing.WAITS", SOON)
            yield few
    finally:
        documents.drop(target)


def to_capturing(kind: SingleTable) -> None:
    """From planned to where a lane may copy."""
    kind.expand()
    kind.start_capture()
    kind.plan_chunks()


def copy(kind: SingleTable) -> None:
    """Copy the one segment there is."""
    kind.copy_chunk(0, Fence(kind.position().epoch))


def settled(kind: SingleTable) -> Diff:
    """Finish the copy, deliver what is left and compare."""
    kind.finish_backfill(Fence(kind.position().epoch))
    kind.replicate(5)
    return kind.diff()


def seen_to(m: Any, told: object) -> Any:
    """The migration's file with the word by which a person has seen to the strays that an error told of."""
    word = re.search(r"strays-\d+-[0-9a-f]{16}", str(told))
    assert word, told
    return m.model_copy(update={"retire": m.retire.model_copy(update={"strays": word[0]})})


def forget(kind: SingleTable, way: str) -> None:
    """Let the marks know nothing of what was read of a way."""
    for place in kind.marks.forgetting(way):
        write_one(kind.marks.client, place)


def to_shadowing(kind: SingleTable) -> SingleTable:
    """From planned to where it may be cut over."""
    to_capturing(kind)
    copy(kind)
    kind.verify(settled(kind))
    kind.shadow()
    return kind


def lying(kind: SingleTable, shards: int = 1, seed: int = 0, **faults: Any) -> StreamThatLies:
    """Put a stream that lies between a worker and the legacy table's."""
    kind._ways.__dict__["source_stream"] = stream = StreamThatLies(kind._ways.source_stream, shards, seed, **faults)
    return stream


@contextmanager
def visit(monkeypatch: pytest.MonkeyPatch, edge: str, act: Callable[[], object]) -> Iterator[None]:
    """Whoever passes `edge` first waits there until `act` is done."""
    monkeypatch.setitem(failpoints.ACTIONS, "visit", lambda name, argument: act())
    with failpoints.armed(f"{edge}=visit@1"):
        yield
