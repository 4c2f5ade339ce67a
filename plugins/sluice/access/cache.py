"""A cache in three layers: per request, shared in the process, and a table that all processes share.

A value is loaded once in a process, however many threads ask, and kept for as long as its class says. Who changes something
says `invalidate`: the table keeps a note of that, so a value that was loaded before and is stored after is refused. Other
processes' memory is cleared by `hear` when they follow the invalidations, and else trusts a value for `memory_seconds` at most.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sluice.access.cached_table import CachedTable, Entry
from sluice.access.flights import Flight, Flights, fail, land
from sluice.access.layout import Layout
from sluice.access.store import Store
from sluice.access.values import from_wire, to_wire
from sluice.errors import Terminal

try:
    from cachetools import TLRUCache
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "sluice.access.cache wants cachetools: install Sluice with its extra, pip install './sluice[access]'."
    ) from missing

SECONDS: Mapping[str, float] = {"USER": 300, "QUERY": 120, "SESSION": 1800, "CONFIG": 3600}
"""How long a value of each class is kept."""
INVALIDATED = "CACHE_INVALIDATED"

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
        seconds: Mapping[str, float] = {},
        memory_seconds: float = 5.0,
        entries: int = 10_000,
        announce: Announce | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`kind` is the design's entity of cached values; `seconds` adds classes, or changes how long one of them keeps."""
        self._table = CachedTable(store, layout, kind, clock)
        self._seconds, self._clock = {**SECONDS, **seconds}, clock
        self._memory_seconds, self._announce = memory_seconds, announce
        self._lock = threading.Lock()
        self._memory: TLRUCache[tuple[str, str], Entry] = TLRUCache(entries, lambda _, entry, __: entry.until, clock)
        self._flights = Flights()
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
        seconds = self._class(kind)
        try:
            self._table.note_change(kind, key, seconds)
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
        """Give what was kept, or another thread has loaded meanwhile, and what had to be loaded here."""
        self._class(kind)
        with self._lock:
            seen_changes = self._changes
            kept = {key: entry.value for key in keys if (entry := self._memory.get((kind, key)))}
            ours, theirs = self._flights.board(kind, [key for key in keys if key not in kept])
        in_table, loaded = self._fly(kind, ours, load_all, seen_changes)
        waited = {key: flight.wait() for key, flight in theirs.items()}
        if in_vain := {key: Flight() for key, found in waited.items() if found is None}:
            more_in_table, more_loaded = self._fly(kind, in_vain, load_all, seen_changes)
            in_table, loaded = in_table | more_in_table, loaded | more_loaded
        for found in waited.values():
            kept |= found or {}
        if count:
            asked = len(ours) + len(in_vain) - len(in_table)
            for layer, number in (
                ("memory", len(keys) - len(in_table) - asked),
                ("table", len(in_table)),
                ("loaded", asked),
            ):
                self.count(kind, layer, number)
        return kept | in_table, loaded

    def _fly(
        self, kind: str, ours: Mapping[str, Flight], load_all: LoadAll, seen_changes: int
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Find values in the table, or load them, and let those who wait have them, too."""
        try:
            in_table, loaded = self._load(kind, list(ours), load_all, seen_changes)
        except BaseException as error:
            self._leave(kind, ours)
            fail(ours, error)
            raise
        self._leave(kind, ours)
        land(ours, in_table | loaded)
        return in_table, loaded

    def _leave(self, kind: str, ours: Mapping[str, Flight]) -> None:
        with self._lock:
            for key, flight in ours.items():
                self._flights.leave(kind, key, flight)

    def _load(
        self, kind: str, keys: list[str], load_all: LoadAll, seen_changes: int
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        found = self._table.read(kind, keys) if keys else {}
        fresh = {key: entry for key, item in found.items() if (entry := self._table.fresh(item))}
        in_table = {key: entry.value for key, entry in fresh.items()}
        missing = [key for key in keys if key not in fresh]
        told = load_all(missing) if missing else {}
        # As the table gives them back: else a number would be an int at first, and later a Decimal.
        wires = {key: to_wire(told[key], f"{kind} {key}") for key in missing if key in told}
        for key, wire in wires.items():
            if entry := self._table.keep(kind, key, wire, self._class(kind), found.get(key)):
                fresh[key] = entry
        self._remember(kind, fresh, seen_changes)
        return in_table, {key: from_wire(wire) for key, wire in wires.items()}

    def _remember(self, kind: str, entries: Mapping[str, Entry], seen_changes: int) -> None:
        now = self._clock()
        with self._lock:
            # Something was invalidated meanwhile, perhaps one of these: then they are not trusted.
            if self._changes == seen_changes:
                for key, entry in entries.items():
                    until = min(entry.until, now + self._memory_seconds)
                    self._memory[kind, key] = Entry(entry.value, until)

    def _drop(self, kind: str, key: str) -> None:
        with self._lock:
            self._changes += 1
            self._memory.pop((kind, key), None)
            self._flights.leave(kind, key)

    def _class(self, kind: str) -> float:
        if kind not in self._seconds:
            raise UnknownClass(f"{kind} is no class of cached values; there are {sorted(self._seconds)}.")
        return self._seconds[kind]


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
