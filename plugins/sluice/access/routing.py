"""Where an application reads and writes while its data moves: told by Sluice, polled here, and a lease on writing.

The cutover changes the route and then waits until every lease that was given on the old one has run out. So a write
counts only if it *ended* within the lease: the clock is monotonic and was looked at before the route was read, hence no
clock of another machine matters. A write that ended too late may have come after the drain, and is not acknowledged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from sluice.access.store import Store
from sluice.errors import Terminal, Transient
from sluice.stores.dynamodb.values import key_text

ReadFrom = Literal["old", "new", "shadow"]
WriteTo = Literal["old", "new", "none"]
MARKS = "sluice-marks"


class RouteFrozen(Transient):
    """Nobody may write for the moment: the cutover is under way. Try again in a second."""


class RouteUnknown(Transient):
    """The route cannot be read, and without a lease nobody may write."""


class LeaseOverrun(Transient):
    """The write ended after its lease: it may be lost with the old side. Do it again, it goes where it belongs."""


class NoRoute(Terminal):
    """There is no such migration, or its route is not one."""


@dataclass(frozen=True)
class Route:
    """What applications are told."""

    read_from: ReadFrom
    write_to: WriteTo
    epoch: int
    lease_seconds: float


class RouteSource(Protocol):
    """Where the route is read: `ItemRoute`, or a view of PostgreSQL that the application reads itself."""

    def read(self) -> Route:
        """Give the route as it is now: never an old copy. Raises Transient when it cannot be read."""


@dataclass(frozen=True)
class ItemRoute:
    """The item ROUTE of a migration in the table of marks, read with strong consistency."""

    store: Store
    migration: str
    table: str = MARKS

    def read(self) -> Route:
        """Read it. Raises NoRoute, DynamoDown, BreakerOpen."""
        key = {"PK": {"S": self.migration}, "SK": {"S": "ROUTE"}}
        item = self.store.get(self.table, [key], "strong").get(key_text(key))
        if item is None:
            raise NoRoute(
                f"Migration {self.migration} has no route in {self.table}: check the name, or expand it first."
            )
        read_from, write_to = item["read_from"]["S"], item["write_to"]["S"]
        if read_from not in ("old", "new", "shadow") or write_to not in ("old", "new", "none"):
            raise NoRoute(
                f"{self.migration} is routed to {read_from}/{write_to}, which this release does not know: update it."
            )
        return Route(
            cast(ReadFrom, read_from),
            cast(WriteTo, write_to),
            int(item["epoch"]["N"]),
            float(item["lease_seconds"]["N"]),
        )


@dataclass(frozen=True)
class _Known:
    route: Route
    asked_at: float

    def age(self, now: float) -> float:
        return now - self.asked_at

    def holds(self, now: float) -> bool:
        return self.age(now) < self.route.lease_seconds


class Routing:
    """The route of one migration, read again when it is `poll_seconds` old or the lease is half over. Threads share it."""

    def __init__(
        self, source: RouteSource, *, poll_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source, self._poll, self._clock = source, poll_seconds, clock
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def read_from(self) -> ReadFrom:
        """Say where to read. While frozen that is the side that was written; unknown is old, where everything began."""
        known = self._latest()
        return "old" if known is None else known.route.read_from

    @contextmanager
    def writing(self) -> Iterator[Route]:
        """Hold the lease around one write; the route says where it goes.

        Raises RouteFrozen and RouteUnknown before anything is written, LeaseOverrun after a write that took too long.
        """
        known = self._latest()
        if known is None or not known.holds(self._clock()):
            raise RouteUnknown("The route cannot be read, and no lease is left. Nothing was written: try again.")
        if known.route.write_to == "none":
            self._forget()
            raise RouteFrozen(
                "A cutover is under way and writing is closed for a moment. Nothing was written: try again."
            )
        yield known.route
        if not known.holds(self._clock()):
            raise LeaseOverrun(f"The write ended after its lease of {known.route.lease_seconds:g} s. Do it again.")

    def _latest(self) -> _Known | None:
        with self._lock:
            if self._known is None or self._known.age(self._clock()) >= self._patience(self._known.route):
                # Before the read: what it says was true at some time after this.
                asked_at = self._clock()
                with suppress(Transient):  # what is known may still hold
                    self._known = _Known(self._source.read(), asked_at)
            return self._known

    def _patience(self, route: Route) -> float:
        return min(self._poll, route.lease_seconds / 2)

    def _forget(self) -> None:
        """While frozen, look again each time: writers want in as soon as it is over."""
        with self._lock:
            self._known = None
