"""A stream as no emulator has one: several shards that split, records twice, empty pages, throttling, trimming.

It stands between a reader and any `Stream`, and hands out what the real one tells, torn apart the way AWS may: each
key's records in their order, a child shard after its parent, and no promise beyond that. Everything random comes from
one seed.
"""

from __future__ import annotations

import random
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sluice.stores.dynamodb.client import DynamoDown, Throttled
from sluice.stores.dynamodb.streams import Change, Shard, Stream, StreamPage, Trimmed, readable
from sluice.stores.dynamodb.values import Key, key_text


@dataclass
class _Part:
    """One shard of ours: all it ever held, of which the first `horizon` records are trimmed."""

    id: str
    parent: str | None = None
    records: list[Change] = field(default_factory=list)
    horizon: int = 0

    def place_after(self, after: str | None) -> int:
        if after is None:
            return self.horizon
        place = [change.sequence for change in self.records].index(after)
        if place < self.horizon:
            raise Trimmed(f"Shard {self.id} is trimmed past {after}.")
        return place + 1


class StreamThatLies:
    """Any stream, in `shards` shards, with faults at the rates given (0 to 1). One at a time may use it."""

    def __init__(
        self,
        stream: Stream,
        shards: int = 3,
        seed: int = 0,
        *,
        twice: float = 0,
        throttled: float = 0,
        broken: float = 0,
        empty: float = 0,
        mangled: Callable[[Change], Change] = lambda change: change,
    ) -> None:
        """`twice`: a page begins with records told before. `mangled` may poison a change."""
        self.stream, self.mangled = stream, mangled
        self.twice, self.throttled, self.broken, self.empty = twice, throttled, broken, empty
        self._random, self._lock = random.Random(seed), threading.RLock()
        self._parts = {f"shard-{number}": _Part(f"shard-{number}") for number in range(shards)}
        self._roots = tuple(self._parts)
        self._children: dict[str, tuple[str, ...]] = {}
        self._read: dict[str, str | None] = {}
        self._finished: set[str] = set()
        self._expiring: set[str] = set()
        self.hushed: set[str] = set()
        """Shards that give empty pages for now, whatever they hold."""

    @property
    def arn(self) -> str:
        return self.stream.arn

    def shards(self) -> tuple[Shard, ...]:
        with self._lock:
            self._fault()
            return tuple(Shard(part.id, part.parent, part.id in self._children) for part in self._parts.values())

    def read(self, shard_id: str, after: str | None, limit: int = 1000) -> StreamPage:
        with self._lock:
            self._fault()
            self.listen()
            if shard_id not in self._parts:
                raise Trimmed(f"Shard {shard_id} is trimmed away.")
            part = self._parts[shard_id]
            begin = part.place_after(after)
            if shard_id in self.hushed or self._happens(self.empty):
                return StreamPage((), after, ended=False)
            again = min(begin - part.horizon, self._random.randint(1, 5)) if self._happens(self.twice) else 0
            page = part.records[begin - again : begin + limit]
            position = page[-1].sequence if page else after
            ended = shard_id in self._children and begin + limit >= len(part.records)
            return StreamPage(tuple(map(self.mangled, page)), position, ended)

    def from_now(self, shard_id: str) -> Callable[[], StreamPage]:
        with self._lock:
            self._fault()
            self.listen()
            part = self._parts[shard_id]
            begin = len(part.records)

        def read() -> StreamPage:
            nonlocal begin
            with self._lock:
                self._fault()
                self.listen()
                silent = shard_id in self.hushed or self._happens(self.empty)
                page = () if silent else tuple(map(self.mangled, part.records[begin:]))
                begin += len(page)
                ended = shard_id in self._children and begin == len(part.records)
                return StreamPage(page, page[-1].sequence if page else None, ended)

        return read

    def listen(self) -> None:
        """Take in what the real stream has told by now; what comes later lands in the shards there are then."""
        with self._lock:
            moved = True
            while moved:
                moved = any([self._listen_to(shard) for shard in readable(self.stream.shards(), self._finished)])

    def split(self, shard_id: str, into: int = 2) -> tuple[str, ...]:
        """End a shard; what its keys do from now on is told by its children. `into` 1: it rolls over."""
        with self._lock:
            self.listen()
            children = tuple(f"{shard_id}.{number}" for number in range(into))
            self._children[shard_id] = children
            self._parts |= {child: _Part(child, shard_id) for child in children}
            return children

    def trim(self, records: int = 10**9) -> int:
        """Lose the oldest `records` of each shard; give how many were lost. An ended shard without any is gone."""
        with self._lock:
            self.listen()
            before = sum(part.horizon for part in self._parts.values())
            for part in self._parts.values():
                part.horizon = min(len(part.records), part.horizon + records)
            lost = sum(part.horizon for part in self._parts.values()) - before
            for part in [self._parts[name] for name in self._children if name in self._parts]:
                if part.horizon == len(part.records):
                    del self._parts[part.id]
            return lost

    def expire(self, client: object, table: str, key: Key) -> None:
        """Remove an item as the table's TTL does: the record says that nobody but the service did it."""
        with self._lock:
            self.listen()
            self._expiring.add(key_text(key))
            client.delete_item(TableName=table, Key=key)  # type: ignore[attr-defined]
            self.listen()

    def _listen_to(self, shard: Shard) -> bool:
        page = self.stream.read(shard.id, self._read.get(shard.id))
        self._read[shard.id] = page.position
        for change in page.changes:
            self._part_of(change.key).records.append(self._told(change))
        if page.ended:
            self._finished.add(shard.id)
        return bool(page.changes) or page.ended

    def _part_of(self, key: Key) -> _Part:
        number, turn = divmod(zlib.crc32(key_text(key).encode()), len(self._roots))
        name = self._roots[turn]
        while children := self._children.get(name):
            number, turn = divmod(number, len(children))
            name = children[turn]
        return self._parts[name]

    def _told(self, change: Change) -> Change:
        if change.kind == "REMOVE" and key_text(change.key) in self._expiring:
            self._expiring.remove(key_text(change.key))
            return replace(change, expired=True)
        return change

    def _fault(self) -> None:
        if self._happens(self.throttled):
            raise Throttled("The stream asks for patience.")
        if self._happens(self.broken):
            raise DynamoDown("The connection broke.")

    def _happens(self, rate: float) -> bool:
        return rate > 0 and self._random.random() < rate
