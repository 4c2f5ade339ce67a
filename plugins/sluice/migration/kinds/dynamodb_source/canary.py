"""Canaries: items written where applications write, to see them come out of the stream. They prove how far a reader is.

An empty page proves nothing (a shard may give one and have more), a canary does: all that was written to its shard before it
has been read. Several, with keys spread over the table, so that each shard of a small table has one.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice.stores.dynamodb.streams import Change
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.stores.dynamodb.values import Item, Key, Value
from sluice.stores.dynamodb.writes import Delete, Put, write_one

CANARY = "_canary"
NUMBER = 8


@dataclass
class Canaries:
    """One flight of canaries over a table: let them go, watch the stream, see how many are still out."""

    client: Any
    table: TableDefinition
    flight: str = field(default_factory=lambda: uuid.uuid4().hex)
    out: dict[str, float] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    """Seconds from each one's write to its return."""

    def let_go(self) -> None:
        """Write them. Whoever reads the table meets them, until they are called back."""
        for number in range(NUMBER):
            name = f"{self.flight}#{number}"
            self.out[name] = time.monotonic()
            write_one(self.client, Put(self.table.name, {**self._key(number), CANARY: {"S": name}}))

    def watch(self, changes: Sequence[Change]) -> None:
        """Look for them among changes that were delivered."""
        for change in changes:
            name = (change.new or {}).get(CANARY, {}).get("S", "")
            if name in self.out:
                self.delays.append(time.monotonic() - self.out.pop(name))

    def home(self, names: Iterable[str]) -> None:
        """Hear of those that another reader has delivered."""
        for name in names:
            if name in self.out:
                self.delays.append(time.monotonic() - self.out.pop(name))

    def call_back(self) -> None:
        """Delete them."""
        for number in range(NUMBER):
            write_one(self.client, Delete(self.table.name, self._key(number)))

    def _key(self, number: int) -> Key:
        names = [self.table.partition, *([self.table.sort] if self.table.sort else [])]
        return {name: _value(self.table.type_of(name), number) for name in names}


def canaries_in(changes: Iterable[Change]) -> list[str]:
    """Name the canaries that were written among changes, each once."""
    seen = ((change.new or {}).get(CANARY, {}).get("S") for change in changes)
    return list(dict.fromkeys(name for name in seen if name))


def is_canary(image: Item | None) -> bool:
    """Tell whether an image is a canary's."""
    return image is not None and CANARY in image


def without_canary(item: Item) -> Item | None:
    """Give an item as its application knows it: None for a canary."""
    return None if CANARY in item else item


def without_canaries(items: Iterable[Item]) -> Iterator[Item]:
    """Give the items that are none."""
    return (item for item in items if CANARY not in item)


def _value(kind: str, number: int) -> Value:
    """A key that no application has: a word of our own, or a number at the edge of what the service takes."""
    name = f"sluice-canary-{number}"
    if kind == "N":
        return {"N": f"-9.{number}7E+120"}
    return {"B": name.encode()} if kind == "B" else {"S": name}
