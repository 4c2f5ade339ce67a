"""What the calls cost, counted, and a rate of writing that finds out by itself what the table bears."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any


class Units:
    """Capacity units consumed, by table; shared by threads."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, answer: Mapping[str, Any]) -> float:
        """Add what an answer of the service says it consumed; give that."""
        consumed = answer.get("ConsumedCapacity") or []
        entries = consumed if isinstance(consumed, list) else [consumed]
        with self._lock:
            for entry in entries:
                # Fractions of units are quarters and halves: exact in binary.
                self._counted[entry["TableName"]] += entry["CapacityUnits"]
        return float(sum(entry["CapacityUnits"] for entry in entries))

    def by_table(self) -> dict[str, float]:
        """Give the sums so far."""
        with self._lock:
            return {table: float(units) for table, units in self._counted.items()}

    def total(self) -> float:
        """Give the sum over all tables."""
        return sum(self.by_table().values())


class AdaptiveRate:
    """Permits a second, shared by threads: more while all goes well, half when the table throttles. One is a write unit.

    Additive increase, multiplicative decrease: D. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms
    for Congestion Avoidance in Computer Networks", 1989. It makes several writers who know nothing of each other share
    a table fairly. The rate falls once in `settle` seconds at most, since the answers to what was already under way say
    nothing about the new rate.
    """

    def __init__(
        self,
        start: float = 500,
        least: float = 5,
        most: float = 40_000,
        step: float = 100,
        settle: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin at `start` permits a second, between `least` and `most`, `step` more for each second without throttling."""
        self.rate = start
        self._least, self._most, self._step, self._settle = least, most, step, settle
        self._clock, self._sleep, self._lock = clock, sleep, threading.Lock()
        self._rose = self._free_at = clock()
        self._fell = self._rose - settle

    def take(self, permits: float = 1) -> None:
        """Wait until `permits` may be used; nobody is let in before those who asked earlier."""
        with self._lock:
            now = self._clock()
            # Time in which nobody asked is not saved up: a burst is what throttles.
            begins = max(now, self._free_at)
            self._free_at = begins + permits / self.rate
        if begins > now:
            self._sleep(begins - now)

    def spent(self, more: float) -> None:
        """Tell that a call cost so many permits more than it took: who asks next waits for them."""
        with self._lock:
            self._free_at += more / self.rate

    def limit(self, most: float) -> None:
        """Never give more than so many a second from now on; others take the rest."""
        with self._lock:
            self._most = most
            self.rate = min(self.rate, most)

    def went_well(self) -> None:
        """Tell of a call that was not throttled."""
        with self._lock:
            now = self._clock()
            # A pause is no proof that more is borne: it counts as one second, like any other.
            self.rate = min(self._most, self.rate + self._step * min(now - self._rose, 1.0))
            self._rose = now

    def throttled(self) -> None:
        """Tell of one that was."""
        with self._lock:
            now = self._clock()
            if now - self._fell >= self._settle:
                self.rate = max(self._least, self.rate / 2)
                self._fell = self._rose = now
