"""A cache in three layers: per request, shared in the process, and a table that all processes share.

A value is loaded once and kept for as long as its class says. Who changes something says `invalidate`: the table keeps
a note of that, so a value that was loaded before and is stored after is refused. Other processes' memory is cleared by
`hear` when they follow the invalidations, and else trusts a value for `memory_seconds` at most.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from cachetools import TLRUCache

from sluice.access.breaker import BreakerOpen
from sluice.access.layout import Layout
from sluice.access.store import Store
from sluice.access.values import from_wire, to_wire
from sluice.errors import Terminal
from sluice.records.record import MOST_BYTES
from sluice.records.shape import records_of
from sluice.stores.dynamodb.actions import Condition, Put
from sluice.stores.dynamodb.client import DynamoDown, Throttled
from sluice.stores.dynamodb.values import Item, key_text, size_of
from sluice.stores.dynamodb.writes import Cancelled

SECONDS: Mapping[str, float] = {"USER": 300, "QUERY": 120, "SESSION": 1800, "CONFIG": 3600}
"""How long a value of each class is kept."""
DOWN = (DynamoDown, Throttled, BreakerOpen)
INVALIDATED = "CACHE_INVALIDATED"
LARGEST = MOST_BYTES - 4096
"""Bytes of a value that the table takes: the rest is for its key and its name."""

LoadAll = Callable[[Sequence[str]], Mapping[str, Any]]


class UnknownClass(Terminal):
    """There is no such class of cached values."""


class Announce(Protocol):
    """How other processes are told: `Events.publish` is one."""

    def __call__(self, kind: str, entity_id: str, data: Mapping[str, Any]) -> object:
        """Tell it."""


@dataclass(frozen=True)
class Hits:
    """Look-ups by where they were answered."""

    request: int
    memory: int
    table: int
    loaded: int

    @property
    def ratio(self) -> float:
        """The part that no load was needed for; 0 of nothing."""
        asked = self.request + self.memory + self.table + self.loaded
        return (asked - self.loaded) / asked if asked else 0.0


@dataclass
class _Entry:
    value: Any
    until: float


@dataclass
class _Counted:
    lock: threading.Lock = field(default_factory=threading.Lock)
    by_class: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, kind: str, layer: str, number: int) -> None:
        with self.lock:
            self.by_class[kind, layer] += number


class Cache:
    """The layers that a process shares. Threads may use it; what is kept is given to all of them, so do not change it."""

    def __init__(
        self,
        store: Store,
        layout: Layout,
        *,
        kind: str = "cache",
        seconds: Mapping[str, float] = SECONDS,
        memory_seconds: float = 5.0,
        entries: int = 10_000,
        announce: Announce | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`kind` is the design's entity of cached values: keyed by cacheType and key, gone at expiresAt."""
        self._store, self._layout, self._entity = store, layout, kind
        self._seconds, self._clock = dict(seconds), clock
        self._memory_seconds, self._announce = memory_seconds, announce
        self._lock = threading.Lock()
        self._memory: TLRUCache[tuple[str, str], _Entry] = TLRUCache(entries, lambda _, entry, __: entry.until, clock)
        self._changes = 0
        self._counted = _Counted()

    def request(self) -> RequestCache:
        """Give the layer of one request: within it, a value never changes unless it is invalidated through it."""
        return RequestCache(self)

    def hits(self, kind: str | None = None) -> Hits:
        """Give the counts so far, of one class or of all."""
        with self._counted.lock:
            counted = dict(self._counted.by_class)
        layers = ("request", "memory", "table", "loaded")
        return Hits(
            *(sum(n for (k, at), n in counted.items() if at == layer and kind in (None, k)) for layer in layers)
        )

    def warm(self, kind: str, keys: Iterable[str], load_all: LoadAll) -> int:
        """Fill memory and table before anybody asks, as after a recovery; gives how many had to be loaded. Not counted."""
        return len(self._find(kind, list(dict.fromkeys(keys)), load_all)[1])

    def invalidate(self, kind: str, key: str) -> None:
        """Make everybody load it anew: after an update, a logout, a change of configuration.

        Call it after the change is stored. Raises when the table could not be told: then it is not invalidated elsewhere.
        """
        self._class(kind)
        try:
            self._note_change(kind, key)
        finally:
            self._drop(kind, key)
        if self._announce:
            self._announce(INVALIDATED, key, {"class": kind})

    def hear(self, told: Iterable[Any]) -> None:
        """Drop what other processes have invalidated: give it the events that a reader of CACHE_INVALIDATED has."""
        for event in told:
            self._drop(event.data["class"], event.entity_id)

    def get_many(self, kind: str, keys: Sequence[str], load_all: LoadAll) -> dict[str, Any]:
        """Give the values there are, by key; `load_all` is asked for those that no layer has."""
        values, loaded = self._find(kind, list(dict.fromkeys(keys)), load_all, count=True)
        return values | loaded

    def count(self, kind: str, layer: str, number: int) -> None:
        """Count look-ups."""
        self._counted.add(kind, layer, number)

    # ---- within ----

    def _find(
        self, kind: str, keys: list[str], load_all: LoadAll, count: bool = False
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give what was kept, and what had to be loaded."""
        self._class(kind)
        with self._lock:
            seen_changes = self._changes
            kept = {key: entry.value for key in keys if (entry := self._memory.get((kind, key)))}
        missing = [key for key in keys if key not in kept]
        found = self._from_table(kind, missing)
        fresh = {key: entry for key, item in found.items() if (entry := self._fresh(item))}
        missing = [key for key in missing if key not in fresh]
        loaded = dict(load_all(missing)) if missing else {}
        loaded = {key: loaded[key] for key in missing if key in loaded}
        for key, value in loaded.items():
            if entry := self._to_table(kind, key, value, found.get(key)):
                fresh[key] = entry
        self._remember(kind, fresh, seen_changes)
        if count:
            in_table = len(fresh.keys() - loaded.keys())
            for layer, number in (("memory", len(kept)), ("table", in_table), ("loaded", len(missing))):
                self.count(kind, layer, number)
        return kept | {key: entry.value for key, entry in fresh.items() if key not in loaded}, loaded

    def _remember(self, kind: str, entries: Mapping[str, _Entry], seen_changes: int) -> None:
        now = self._clock()
        with self._lock:
            # Something was invalidated meanwhile, perhaps one of these: then they are not trusted.
            if self._changes == seen_changes:
                for key, entry in entries.items():
                    until = min(entry.until, now + self._memory_seconds)
                    self._memory[kind, key] = _Entry(entry.value, until)

    def _drop(self, kind: str, key: str) -> None:
        with self._lock:
            self._changes += 1
            self._memory.pop((kind, key), None)

    def _from_table(self, kind: str, keys: Sequence[str]) -> dict[str, Item]:
        places = {key: self._layout.key(self._entity, _named(kind, key)) for key in keys}
        try:
            found = self._store.get(self._layout.whole(self._entity).table, places.values(), "strong")
        except DOWN:
            return {}  # a cache that is down is no reason not to answer
        return {key: found[text] for key, place in places.items() if (text := key_text(place)) in found}

    def _fresh(self, item: Item) -> _Entry | None:
        # DynamoDB takes expired items away hours later.
        until = float(item["expiresAt"]["N"])
        return _Entry(from_wire(item["data"]), until) if "data" in item and until > self._clock() else None

    def _to_table(self, kind: str, key: str, value: Any, seen: Item | None) -> _Entry | None:
        """Store a loaded value unless it was invalidated since `seen` was read; None if it must not be kept."""
        until = self._clock() + self._class(kind)
        condition = Condition("attribute_not_exists(#g)", {"#g": "generation"})
        if seen is not None:
            condition = Condition("#g = :seen", {"#g": "generation"}, {":seen": seen["generation"]})
        wire = to_wire(value)
        if size_of({"data": wire}) > LARGEST:
            return _Entry(value, until)
        try:
            self._put(kind, key, until, {"data": wire}, condition)
        except Cancelled:
            return None
        except DOWN:
            pass  # memory alone then, for its few seconds
        return _Entry(value, until)

    def _note_change(self, kind: str, key: str) -> None:
        """Leave an entry without a value, whose generation no earlier reader has seen."""
        self._put(kind, key, self._clock() + self._class(kind), {}, None)

    def _put(self, kind: str, key: str, until: float, data: Item, condition: Condition | None) -> None:
        # Rounded up to whole seconds, as DynamoDB wants them.
        told: Item = {"expiresAt": {"N": str(int(until) + 1)}, "generation": {"S": uuid4().hex}}
        for record in records_of(self._layout.shape(self._entity), {**_named(kind, key), **told, **data}):
            self._store.put(Put(record.table, record.item, condition))

    def _class(self, kind: str) -> float:
        if kind not in self._seconds:
            raise UnknownClass(f"{kind} is no class of cached values; there are {sorted(self._seconds)}.")
        return self._seconds[kind]


def _named(kind: str, key: str) -> Item:
    return {"cacheType": {"S": kind}, "key": {"S": key}}


class RequestCache:
    """What one request has seen. Not for several threads."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._seen: dict[tuple[str, str], Any] = {}

    def get(self, kind: str, key: str, load: Callable[[], Any]) -> Any:
        """Give the value, from the nearest layer that has it; None from `load` means there is nothing, and is not kept."""
        if (kind, key) in self._seen:
            self._cache.count(kind, "request", 1)
            return self._seen[kind, key]

        def load_all(_: Sequence[str]) -> dict[str, Any]:
            value = load()
            return {} if value is None else {key: value}

        found = self._cache.get_many(kind, [key], load_all)
        if key in found:
            self._seen[kind, key] = found[key]
        return found.get(key)

    def invalidate(self, kind: str, key: str) -> None:
        """Forget it here and everywhere."""
        self._seen.pop((kind, key), None)
        self._cache.invalidate(kind, key)
