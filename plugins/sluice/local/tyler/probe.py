"""How late is what follows: an item written where applications write, and looked for on the other side until it is there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from random import Random
from threading import Event

from sluice.errors import Transient
from sluice.local.certify.acknowledged import Acknowledged
from sluice.local.tyler.shape import Legacy
from sluice.local.tyler.sides import Side, Sides, other, side_of
from sluice.local.tyler.writer import Stopped, effect_of, legacy_content, settle
from sluice.stores.dynamodb.values import Item

EVERY, LOOK = 1.0, 0.1
LONGEST = 300.0
"""Seconds after which one that has not arrived is counted with so much."""


@dataclass
class Probe:
    """Measures one table's lag, one item after another."""

    sides: Sides
    legacy: Legacy
    acknowledged: Acknowledged
    lags: list[float] = field(default_factory=list)
    """Seconds from a write's acknowledgement to its arrival."""

    def run(self, stopping: Event, hurry: Event) -> None:
        """Measure until `stopping`."""
        del hurry
        before: Item | None = None
        while not stopping.wait(EVERY):
            try:
                side = self._leading()
                if side is None:
                    continue  # nobody follows yet
                before = self._measure(side, before, stopping)
            except Transient:
                continue
            except Stopped:
                return

    def measure_once(self, stopping: Event) -> None:
        """Wait until one more write has arrived on the other side."""
        while (side := self._leading()) is None:
            time.sleep(LOOK)
        self._measure(side, None, stopping)

    def cancel(self) -> None:
        """Nothing to break off."""

    def _leading(self) -> Side | None:
        with self.sides.writing(self.legacy) as route:
            return side_of(route) if route.epoch else None

    def _measure(self, side: Side, before: Item | None, stopping: Event) -> Item:
        stamp = str(time.time_ns())
        content = legacy_content(self.legacy.table, Random(self.legacy.table))  # always in the same place
        after: Item = {self.legacy.key: {"S": "probe"}, **content, "stamp": {"S": stamp}}
        effect = effect_of(self.legacy, before, after)
        try:
            settle(self.sides, self.legacy, before, after, lambda _: None, stopping)
        except BaseException:
            self.acknowledged.unknown([effect])
            raise
        self.acknowledged.committed([effect])
        written = time.monotonic()
        while (late := time.monotonic() - written) < LONGEST and not stopping.wait(LOOK):
            there = self.sides.entity(other(side), self.legacy, after)
            if there and there.get("stamp") == {"S": stamp}:
                break
        if not stopping.is_set():
            self.lags.append(late)
        return after
