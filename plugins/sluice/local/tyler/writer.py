"""One writer of the application of `tyler`: it inserts, updates, deletes and inserts again, one item at a time.

Each key has one writer, so its last acknowledged state is exact. What was refused for the moment is tried again, and the
user goes on waiting; the wait is counted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from threading import Event

from sluice.errors import Terminal, Transient
from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.certify.shape import Effect, Image, Key
from sluice.local.certify.tally import Tally
from sluice.local.tyler.dirt import FAR, MAKERS, legacy_item
from sluice.local.tyler.shape import LEGACY, Legacy
from sluice.local.tyler.sides import Sides, side_of
from sluice.stores.dynamodb.values import Item, key_of

ADOPTED = 400
"""Items of each table that were seeded and are known to a writer."""
BEHIND = 1.0
AGAIN = (0.02, 0.1)
"""Seconds between two tries."""
WEIGHTS = {"inserts": 30, "updates": 45, "deletes": 15, "reinserts": 10}


class Stopped(Exception):
    """The application stops, and what it was about to write has no answer yet."""


@dataclass
class Writer:
    """Writes the items whose number is `number` modulo `writers`. `counts` says how many were seeded."""

    number: int
    writers: int
    sides: Sides
    counts: Mapping[str, int]
    interval: float
    acknowledged: Acknowledged
    tally: Tally
    seed: int = 1
    made: int = 0
    there: dict[str, dict[str, Item]] = field(default_factory=dict)
    gone: dict[str, dict[str, Item]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = Random(f"{self.seed} writer {self.number}")
        for table, count in self.counts.items():
            mine = range(self.number, min(count, ADOPTED * self.writers), self.writers)
            items = [item for one in mine if _is_plain(item := legacy_item(table, one))]
            self.there[table] = {_name(LEGACY[table], item): item for item in items}
            self.gone[table] = {}

    def run(self, stopping: Event, hurry: Event) -> None:
        """Write at the writer's rate, or without a pause while `hurry` is set, until `stopping`."""
        due = time.monotonic()
        try:
            while not stopping.is_set():
                due = max(due + self.interval, time.monotonic() - BEHIND)
                if hurry.is_set():
                    due = time.monotonic()
                else:
                    stopping.wait(max(0.0, due - time.monotonic()))
                self._act(stopping)
        finally:
            self.tally.gave_up(self.number)

    def cancel(self) -> None:
        """Nothing to break off: every call has a time of its own."""

    def _act(self, stopping: Event) -> None:
        legacy = LEGACY[self.random.choice(list(LEGACY))]
        there, gone = self.there[legacy.table], self.gone[legacy.table]
        before: Item | None = None
        after: Item | None = None
        (kind,) = self.random.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))
        if kind == "inserts" or not (gone if kind == "reinserts" else there):
            kind, after = "inserts", self._new(legacy)
        elif kind == "reinserts":
            after = self._changed(legacy, self._any(gone))
        else:
            before = known = self._any(there)
            after = None if kind == "deletes" else self._changed(legacy, known)
        self._write(legacy, before, after, kind, stopping)

    def _write(self, legacy: Legacy, before: Item | None, after: Item | None, kind: str, stopping: Event) -> None:
        effect = [effect_of(legacy, before, after)]
        name = effect[0].key.id
        was = self.there[legacy.table].pop(name, None) or self.gone[legacy.table].pop(name, None)
        self.tally.asked(self.number)
        try:
            settle(self.sides, legacy, before if before is not None else was, after, self._retried, stopping)
        except Stopped:
            self.acknowledged.unknown(effect)
        except Terminal as error:
            self.acknowledged.unknown(effect)
            self.tally.failed(self.number, error, f"{kind} of {legacy.table} {name}")
        else:
            self.acknowledged.committed(effect)
            self.tally.answered(self.number, [kind])
            (self.gone if after is None else self.there)[legacy.table][name] = after or before or {}

    def _retried(self, error: BaseException) -> None:
        self.tally.retried(self.number, error)

    def _new(self, legacy: Legacy) -> Item:
        self.made += 1
        return self._changed(legacy, {legacy.key: {"S": f"w{self.number}-{self.made:06}"}})

    def _changed(self, legacy: Legacy, item: Item) -> Item:
        drawn = legacy_content(legacy.table, self.random)
        return {**key_of(item, legacy.key), **drawn, "touched": {"N": str(self.random.randrange(10**6))}}

    def _any(self, items: dict[str, Item]) -> Item:
        return items[self.random.choice(list(items))]


def settle(
    sides: Sides,
    legacy: Legacy,
    before: Item | None,
    after: Item | None,
    retried: Callable[[BaseException], None],
    stopping: Event,
) -> None:
    """Write where the route says until it is done; `retried` hears of each try that failed. Raises Stopped, Terminal."""
    while True:
        try:
            with sides.writing(legacy) as route:
                sides.write(side_of(route), legacy, before, after)
            return
        except Transient as error:
            retried(error)
        if stopping.wait(Random().uniform(*AGAIN)):
            raise Stopped


def legacy_content(table: str, random: Random) -> Item:
    """Draw what an item holds beside its key. A token that users write has not expired."""
    drawn = MAKERS[table](1, random)
    return {**drawn, "expires": {"N": str(FAR)}} if table == "refresh-tokens" else drawn


def effect_of(legacy: Legacy, before: Item | None, after: Item | None) -> Effect:
    """Say what a write does to which key."""
    return Effect(Key(legacy.table, _name(legacy, after or before or {})), _image(before), _image(after))


def item_in(image: Image) -> Item:
    """Give the item that was remembered."""
    found: Item = json.loads(image["item"] or "{}")
    return found


def _image(item: Item | None) -> Image | None:
    return None if item is None else {"item": json.dumps(item)}


def _name(legacy: Legacy, item: Item) -> str:
    return str(item[legacy.key]["S"])


def _is_plain(item: Item) -> bool:
    """Whether an item can be remembered as text, is not large, and has not expired."""
    return "scan" not in item and "proof" not in item and float(item.get("expires", {"N": FAR})["N"]) >= FAR
