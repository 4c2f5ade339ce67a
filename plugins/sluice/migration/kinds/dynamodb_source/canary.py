"""Canaries: items written where applications write, to see them come out of the stream. They prove how far a reader is.

An empty page proves nothing (a shard may give one and have more). A canary does, and so does whatever is younger than its flight:
all that was written to its shard before has been read. Of its shard alone: so more of them are let go until each shard that may
hold something unread has answered.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sluice.stores.dynamodb.clock import store_clock
from sluice.stores.dynamodb.reads import get_items
from sluice.stores.dynamodb.streams import Change, Shard
from sluice.stores.dynamodb.tables import TableDefinition
from sluice.stores.dynamodb.values import Item, Key, Value
from sluice.stores.dynamodb.writes import Delete, Put, write_one

CANARY = "_canary"
FIRST, MOST = 8, 4096
"""How many are let go at first, and at most: then as many again each time. A thousand shards may want thousands."""
YOUNGER = timedelta(seconds=2)
"""How much later a change must have been made than a flight began: both are told in whole seconds."""
AT_ONCE = 8
LISTEN_SECONDS = 1.0
"""After so long a canary that was not seen, while others were, has another reader."""


@dataclass
class Canaries:
    """One flight of canaries over a table: let them go, hear of them, see which shards have not answered yet."""

    client: Any
    table: TableDefinition
    flight: str = field(default_factory=lambda: uuid.uuid4().hex)
    begun: datetime | None = None
    written: int = 0
    out: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    """Shards of which all that was written before the flight has been read."""
    _patience: float = 0.0
    _more_at: float = 0.0

    def let_go(self) -> None:
        """Write the first of them, or as many again. Whoever reads the table meets them, until they are called back."""
        self.begun = self.begun or store_clock(self.client, self.table.name)
        self._patience = 2 * self._patience or LISTEN_SECONDS
        self._more_at = time.monotonic() + self._patience
        numbers = range(self.written, min(MOST, 2 * self.written or FIRST))
        self.written = max(self.written, numbers.stop)
        self.out.update(f"{self.flight}#{number}" for number in numbers)
        self._each(
            lambda number: Put(self.table.name, {**self._key(number), CANARY: {"S": f"{self.flight}#{number}"}}),
            numbers,
        )

    def let_more_go(self) -> None:
        """Write as many again where a shard is silent to which none was written, as far as anybody can tell.

        That is so where all are home, or some are and the others have had their time: they have another reader. Where none is
        home delivery lags, and more of them would make it lag more. Each time they have twice as long.
        """
        if not self.out or (self.answered and time.monotonic() > self._more_at):
            self.let_go()

    def watch(self, shard: str, changes: Sequence[Change]) -> None:
        """Look at what was read of a shard."""
        self.out -= {_name(change) for change in changes}
        self.hear(flights_in(shard, changes))
        if self.begun and any(change.at - self.begun > YOUNGER for change in changes):
            self.answered.add(shard)

    def hear(self, seen: Iterable[str]) -> None:
        """Hear in which shards canaries were read, by whom ever, as `flights_in` says it."""
        told = (one.partition("@") for one in seen)
        self.answered.update(shard for flight, _, shard in told if flight == self.flight)

    def silent(self, shards: Sequence[Shard], finished: Collection[str]) -> list[str]:
        """Name the shards that may hold something unread from before the flight: neither read to their end nor answered.

        One that was read to its end and is nobody's parent has a child that is not listed yet, or its stream was switched off:
        what was written since then is nowhere to be read.
        """
        parents = {shard.parent for shard in shards}
        return [
            shard.id
            for shard in shards
            if shard.id not in self.answered and not (shard.id in finished and shard.id in parents)
        ]

    def call_back(self) -> None:
        """Delete them, the first ones last: whoever is killed here leaves some that `call_all_back` finds."""
        self._delete(range(self.written))

    def call_all_back(self) -> None:
        """Delete whatever earlier flights have left whose owner was killed: they all begin with the same keys."""
        begin, end = 0, FIRST
        while get_items(self.client, self.table.name, map(self._key, range(begin, end))):
            self._delete(range(begin, end))
            begin, end = end, 2 * end

    def _delete(self, numbers: range) -> None:
        self._each(lambda number: Delete(self.table.name, self._key(number)), reversed(numbers))

    def _each(self, action: Callable[[int], Put | Delete], numbers: Iterable[int]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda number: write_one(self.client, action(number)), numbers))

    def _key(self, number: int) -> Key:
        names = [self.table.partition, *([self.table.sort] if self.table.sort else [])]
        return {name: _value(self.table.type_of(name), number) for name in names}


def named(shards: Sequence[str]) -> str:
    """Name the first few shards of those that are still to be read."""
    more = f" and {len(shards) - 3} more" if len(shards) > 3 else ""
    return f"not read up to now: {', '.join(shards[:3])}{more}" if shards else ""


def flights_in(shard: str, changes: Iterable[Change]) -> list[str]:
    """Say of which flights a shard has told a canary, as `flight@shard`: how many is not asked, a page may hold hundreds."""
    names = filter(None, map(_name, changes))
    return list(dict.fromkeys(f"{name.partition('#')[0]}@{shard}" for name in names))


def is_canary(image: Item | None) -> bool:
    """Tell whether an image is a canary's."""
    return image is not None and CANARY in image


def without_canary(item: Item) -> Item | None:
    """Give an item as its application knows it: None for a canary."""
    return None if CANARY in item else item


def without_canaries(items: Iterable[Item]) -> Iterator[Item]:
    """Give the items that are none."""
    return (item for item in items if CANARY not in item)


def _name(change: Change) -> str:
    return str((change.new or {}).get(CANARY, {}).get("S", ""))


def _value(kind: str, number: int) -> Value:
    """A key that no application has: a word of our own, or a number at the edge of what the service takes."""
    name = f"sluice-canary-{number}"
    if kind == "N":
        return {"N": f"-9.{number}7E+120"}
    return {"B": name.encode()} if kind == "B" else {"S": name}
