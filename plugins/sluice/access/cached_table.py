"""The layer of a cache that all processes share: a table. An invalidation leaves a mark in it that no older value overwrites."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sluice.access.breaker import BreakerOpen
from sluice.access.layout import Layout
from sluice.access.store import Store
from sluice.access.values import from_wire
from sluice.records.record import MOST_BYTES
from sluice.records.shape import records_of
from sluice.stores.dynamodb.actions import Condition, Put
from sluice.stores.dynamodb.client import DynamoDown, Throttled
from sluice.stores.dynamodb.values import Item, Value, key_text, size_of
from sluice.stores.dynamodb.writes import Cancelled

DOWN = (DynamoDown, Throttled, BreakerOpen)
LARGEST = MOST_BYTES - 4096
"""Bytes of a value that the table takes: the rest is for its key and its name."""


@dataclass
class Entry:
    """A value, and until when it is good: seconds since 1970."""

    value: Any
    until: float


@dataclass(frozen=True)
class CachedTable:
    """The table of cached values. `kind` is the design's entity of them: keyed by cacheType and key, gone at expiresAt."""

    store: Store
    layout: Layout
    kind: str
    clock: Callable[[], float]

    def read(self, of_class: str, keys: Sequence[str]) -> dict[str, Item]:
        """Give what lies there, by key; nothing of a table that is down: that is no reason not to answer."""
        places = {key: self.layout.key(self.kind, _named(of_class, key)) for key in keys}
        try:
            found = self.store.get(self.layout.whole(self.kind).table, places.values(), "strong")
        except DOWN:
            return {}
        return {key: found[text] for key, place in places.items() if (text := key_text(place)) in found}

    def fresh(self, item: Item) -> Entry | None:
        """Give the value of what lies there; None where it was invalidated, or is too old."""
        # DynamoDB takes expired items away hours later.
        until = float(item["expiresAt"]["N"])
        return Entry(from_wire(item["data"]), until) if "data" in item and until > self.clock() else None

    def keep(self, of_class: str, key: str, value: Value, seconds: float, seen: Item | None) -> Entry | None:
        """Store a loaded value unless it was invalidated since `seen` was read; None if it must not be kept."""
        entry = Entry(from_wire(value), self.clock() + seconds)
        condition = Condition("attribute_not_exists(#g)", {"#g": "generation"})
        if seen is not None:
            condition = Condition("#g = :seen", {"#g": "generation"}, {":seen": seen["generation"]})
        if size_of({"data": value}) > LARGEST:
            return entry
        try:
            self._put(of_class, key, entry.until, {"data": value}, condition)
        except Cancelled:
            return None
        except DOWN:
            pass  # memory alone then, for its few seconds
        return entry

    def note_change(self, of_class: str, key: str, seconds: float) -> None:
        """Leave an entry without a value, whose generation no earlier reader has seen."""
        self._put(of_class, key, self.clock() + seconds, {}, None)

    def _put(self, of_class: str, key: str, until: float, data: Item, condition: Condition | None) -> None:
        # Rounded up to whole seconds, as DynamoDB wants them.
        told: Item = {"expiresAt": {"N": str(int(until) + 1)}, "generation": {"S": uuid4().hex}}
        for record in records_of(self.layout.shape(self.kind), {**_named(of_class, key), **told, **data}):
            self.store.put(Put(record.table, record.item, condition))


def _named(of_class: str, key: str) -> Item:
    return {"cacheType": {"S": of_class}, "key": {"S": key}}
