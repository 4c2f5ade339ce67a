"""A bell for those who wait for events: who publishes rings it, and who waits asks for one item in place of every partition.

It is a hint and guards nothing. A reader looks through all partitions once a second in any case, so an event that nobody rang
for, as the ring failed or its publisher is of an older release, comes a second later.

Not every event rings: who hears the bell looks at everything for a second, and so hears what follows within half of one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from math import inf

from sluice.access.event_reader import Event
from sluice.access.layout import Layout
from sluice.access.store import Store
from sluice.errors import SluiceError
from sluice.records.shape import records_of
from sluice.stores.dynamodb.actions import Put
from sluice.stores.dynamodb.values import Item, key_text

RINGS_EVERY = 0.5
"""Seconds: a publisher rings no oftener."""
HEARD_FOR = 2 * RINGS_EVERY
"""Seconds for which a reader looks at everything after the bell was rung."""


class Bell:
    """The bells of all kinds of events; `kind` is the design's entity of them, keyed by eventType. Threads may share it."""

    def __init__(self, store: Store, layout: Layout, kind: str) -> None:
        self._store, self._layout, self._entity = store, layout, kind
        self._rung: dict[str, float] = {}

    def ring(self, event: Event) -> None:
        """Tell that there is something new, unless that was told just now. Whatever fails: the event itself is stored."""
        now = time.monotonic()
        if now - self._rung.get(event.kind, -inf) < RINGS_EVERY:
            return
        self._rung[event.kind] = now
        told: Item = {
            "eventType": {"S": event.kind},
            "timestamp": {"N": str(round(event.at.timestamp() * 1000))},
            "sequence": {"S": event.id},
        }
        with suppress(SluiceError):
            for record in records_of(self._layout.shape(self._entity), told):
                self._store.put(Put(record.table, record.item))

    def listener(self, kind: str) -> Callable[[], bool]:
        """Give what tells one reader whether there may be something new of a kind."""
        key = self._layout.key(self._entity, {"eventType": {"S": kind}})
        table = self._layout.whole(self._entity).table

        def last() -> str | None:
            item = self._store.get(table, [key], "strong").get(key_text(key))
            return str(item["sequence"]["S"]) if item else None

        return _Listener(last)


class _Listener:
    def __init__(self, last: Callable[[], str | None]) -> None:
        self._last, self._until = last, -inf
        self._heard: str | None = None

    def __call__(self) -> bool:
        if time.monotonic() < self._until:
            return True
        told = self._last()
        if told == self._heard:
            return False
        self._heard, self._until = told, time.monotonic() + HEARD_FOR
        return True
