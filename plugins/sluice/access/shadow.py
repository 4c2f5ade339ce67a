"""Reading both sides while the data moves: the application is answered, and both answers are compared.

The old side is the truth until the cutover. So whatever differs is answered from the old one; what the new side lacks or
cannot answer falls back to it. A difference is looked at again on both sides after a moment, behind the application's
back: changes arrive on the new side a little later, and only a difference that stays, with the old side unchanged, is
*real*.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import Generic, TypeVar

from sluice.access.later import Later
from sluice.access.layout import Layout
from sluice.access.routing import RouteUnknown, Routing
from sluice.access.store import SIDE_BY_SIDE, Store
from sluice.errors import Transient
from sluice.records.shape import Shape, entity_of, item_of, skipped
from sluice.stores.dynamodb.values import Item, Key, key_text, same

K = TypeVar("K", bound=Hashable)
Read = Callable[[K], Item | None]
KEPT_SAMPLES = 10_000
KEPT_EXAMPLES = 20
MOST_WAITING = 1000
LOOKS = (1 / 60, 1 / 6, 1.0)
"""When a difference is looked at again, in parts of `settle_seconds`: most are over soon."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> Latency:
        """Give the percentiles, by nearest rank; zeros of nothing."""
        ranked = sorted(seconds) or [0.0]
        return cls(*(round(1000 * ranked[ceil(len(ranked) * part) - 1], 3) for part in (0.5, 0.95, 0.99)))

    def __str__(self) -> str:
        return f"{self.p50} / {self.p95} / {self.p99} ms"


@dataclass(frozen=True)
class Difference:
    """A key whose two sides differ for good, and in which attributes. Values are not kept."""

    key: str
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class ShadowReport:
    """What the comparison has seen so far."""

    asked: int
    """Shadowed reads, compared or not."""
    compared: int
    equal: int
    race: int
    """Differed once, equal or changed when looked at again."""
    real: int
    fell_back: int
    """Answered by the old side, because the new one had nothing or could not answer."""
    failed: int
    """The new side raised, when it was read or when a difference was looked at again."""
    not_compared: int
    """One of the sides could not answer at all."""
    waiting: int
    """Differ, and are to be looked at again."""
    epoch: int | None
    """Of the route by which all of it was read; None where nothing was."""
    old: Latency
    new: Latency
    examples: tuple[Difference, ...]

    def __str__(self) -> str:
        lines = [
            f"compared {self.compared} of {self.asked}: {self.equal} equal, {self.race} race, {self.real} real",
            f"fell back to the old side {self.fell_back} times; the new side failed {self.failed} times",
            f"{self.not_compared} could not be compared; {self.waiting} differ and are looked at again",
            f"old {self.old}, new {self.new} (P50 / P95 / P99)",
            *(f"differs: {one.key} in {', '.join(one.attributes) or 'being there'}" for one in self.examples),
        ]
        return "\n".join(lines)


@dataclass
class _Times:
    """A fair sample of all durations seen (Vitter's algorithm R)."""

    kept: list[float] = field(default_factory=list)
    seen: int = 0

    def add(self, seconds: float) -> None:
        self.seen += 1
        if len(self.kept) < KEPT_SAMPLES:
            self.kept.append(seconds)
        elif (place := random.randrange(self.seen)) < KEPT_SAMPLES:
            self.kept[place] = seconds


def old_side(
    store: Store, shape: Shape, table: str, key: Callable[[K], Key], clock: Callable[[], float] = time.time
) -> Read[K]:
    """Give what reads a legacy item as the entity that its migration makes of it. What is not migrated is not there."""

    def read(asked: K) -> Item | None:
        place = key(asked)
        item = store.get(table, [place], "strong").get(key_text(place))
        now = datetime.fromtimestamp(clock(), UTC).replace(tzinfo=None)
        if item is None or "_gone" in item or skipped(shape, item, now):
            return None
        return _without_ours(entity_of(shape, item))

    return read


def new_side(
    store: Store, layout: Layout, kind: str, key: Callable[[K], Item], clock: Callable[[], float] = time.time
) -> Read[K]:
    """Give what reads the entity from the design; `key` gives the attributes that its key is made of."""

    def read(asked: K) -> Item | None:
        place = layout.key(kind, key(asked))
        item = store.get(layout.whole(kind).table, [place], "strong").get(key_text(place))
        if item is None or "_gone" in item or layout.is_expired(kind, item, clock()):
            return None
        return _without_ours(item_of(layout.shape(kind), item))

    return read


def _without_ours(item: Item) -> Item:
    return {name: value for name, value in item.items() if not name.startswith("_")}


class ShadowReader(Generic[K]):
    """Reads one entity by its key from where the route says. `old` and `new` give the entity in the *new* form."""

    def __init__(
        self,
        routing: Routing,
        old: Read[K],
        new: Read[K],
        *,
        sample: float = 1.0,
        settle_seconds: float = 30.0,
    ) -> None:
        """`sample` is the part of shadowed reads that is compared.

        A difference is looked at again after a moment, and for the last time after `settle_seconds`: longer than changes take to
        be delivered, or whoever reads what was just written sees differences that are none.
        """
        self._routing, self._old, self._new = routing, old, new
        self._sample = sample
        self._lock = threading.Lock()
        self._waiting = 0
        self._epoch: int | None = None
        self._begin()
        # Pools of its own: what is read may use the store's, and must not wait for itself.
        self._beside = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="sluice-shadow")
        self._later, self._looks = Later("sluice-shadow-looks"), [settle_seconds * part for part in LOOKS]

    def read(self, key: K) -> Item | None:
        """Give the entity, as an item in the wire's form. Raises RouteUnknown, and what its sides raise."""
        route = self._routing.read_from()
        if route == "old":
            return self._old(key)
        if route == "new":
            return self._new(key)
        self._follow()
        self._count("asked")
        return self._compared(key) if random.random() < self._sample else self._fallen_back(key)

    def report(self) -> ShadowReport:
        """Say what was seen by now. What differs and is to be looked at again is none of it yet, but `waiting`."""
        with self._lock:
            counted = Counter(self._counted)
            old, new = (Latency.of(self._times[side].kept) for side in ("old", "new"))
            examples, waiting, epoch = tuple(self._examples.values()), self._waiting, self._epoch
        compared = counted["equal"] + counted["race"] + counted["real"]
        return ShadowReport(
            counted["asked"], compared, counted["equal"], counted["race"], counted["real"], counted["fell_back"],
            counted["failed"], counted["not_compared"], waiting, epoch, old, new, examples,
        )  # fmt: skip

    def _begin(self) -> None:
        self._counted: Counter[str] = Counter()
        self._times = {"old": _Times(), "new": _Times()}
        self._examples: dict[str, Difference] = {}

    def _follow(self) -> None:
        """Begin to count anew in another epoch: what was seen before a switch says nothing of what was copied since."""
        with suppress(RouteUnknown):
            epoch = self._routing.route().epoch
            with self._lock:
                if epoch != self._epoch:
                    self._epoch = epoch
                    self._begin()

    def _fallen_back(self, key: K) -> Item | None:
        try:
            found = self._new(key)
        except Exception:  # it is on trial: none of its errors is the application's
            self._count("failed")
            found = None
        if found is not None:
            return found
        self._count("fell_back")
        return self._old(key)

    def _compared(self, key: K) -> Item | None:
        old, new = self._both(key)
        if isinstance(old, Exception):
            self._count("not_compared")
            # Down: the new side may answer. Anything else, such as an item that cannot be mapped, is the answer.
            return self._answer(new if isinstance(old, Transient) else old)
        if isinstance(new, Exception):
            self._count("fell_back", "failed", "not_compared")
            return old
        if same(old, new):
            self._count("equal")
            return old
        if new is None:
            self._count("fell_back")
        self._look_later(key, old)
        return old

    def _look_later(self, key: K, before: Item | None) -> None:
        with self._lock:
            full = self._waiting >= MOST_WAITING
            self._waiting += not full
        if full:
            self._count("not_compared")
        else:
            self._look_at(0, key, before, time.monotonic(), self._epoch)

    def _look_at(self, number: int, key: K, before: Item | None, seen: float, epoch: int | None) -> None:
        self._later.at(seen + self._looks[number], lambda: self._look_again(number, key, before, seen, epoch))

    def _look_again(self, number: int, key: K, before: Item | None, seen: float, epoch: int | None) -> None:
        """Tell a race from a real difference."""
        over = True
        try:
            if epoch == self._epoch:  # else it was read by a route gone by
                over = self._judge(key, before, last=number + 1 == len(self._looks))
        finally:
            with self._lock:
                self._waiting -= over
        if not over:
            self._look_at(number + 1, key, before, seen, epoch)

    def _judge(self, key: K, before: Item | None, *, last: bool) -> bool:
        """Count what has been decided by now; False where it is to be looked at once more."""
        old, new = self._both(key)
        if isinstance(old, Exception):
            self._count("not_compared")
        elif isinstance(new, Exception):
            self._count("failed", "not_compared")
        # Changed on the old side meanwhile: the new one cannot be expected to have it.
        elif same(old, new) or not same(old, before):
            self._count("race")
        elif last:
            self._count("real")
            self._remember(key, old or {}, new or {})
        else:
            return False
        return True

    def _both(self, key: K) -> tuple[Item | Exception | None, Item | Exception | None]:
        beside = self._beside.submit(self._timed, "old", self._old, key)
        new = self._timed("new", self._new, key)
        return beside.result(), new

    def _timed(self, side: str, read: Read[K], key: K) -> Item | Exception | None:
        began = time.perf_counter()
        try:
            found: Item | Exception | None = read(key)
        except Exception as error:  # a side may be the application's own, with any driver
            found = error
        taken = time.perf_counter() - began
        with self._lock:
            self._times[side].add(taken)
        return found

    def _answer(self, found: Item | Exception | None) -> Item | None:
        if isinstance(found, Exception):
            raise found
        return found

    def _count(self, *words: str) -> None:
        with self._lock:
            self._counted.update(words)

    def _remember(self, key: K, old: Item, new: Item) -> None:
        names = sorted(name for name in old.keys() | new.keys() if not same(_only(old, name), _only(new, name)))
        told = Difference(str(key), tuple(names if old and new else ()))
        with self._lock:
            if len(self._examples) < KEPT_EXAMPLES:
                self._examples[told.key] = told


def _only(item: Item, name: str) -> Item:
    return {name: item[name]} if name in item else {}
