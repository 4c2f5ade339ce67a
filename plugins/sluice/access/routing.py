"""Where an application reads and writes while its data moves: told by Sluice, polled here, and a lease on writing.

The cutover changes the route and then waits until every lease that was given on the old one has run out. So a write
counts only if it *ended* within the lease: the clock is monotonic and was looked at before the route was read, hence no
clock of another machine matters. A write that ended too late may have come after the drain, and is not acknowledged.
No clock can hold back a process that is stopped between its last look and its request: what it sends then lands on the side
that was left. `check` right before the request makes that gap small, and LeaseOverrun tells of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from sluice.access.store import Store
from sluice.errors import Terminal, Transient
from sluice.stores.dynamodb.client import NoSuchTable
from sluice.stores.dynamodb.values import key_text

ReadFrom = Literal["old", "new", "shadow"]
WriteTo = Literal["old", "new", "none"]
MARKS = "sluice-marks"


class RouteFrozen(Transient):
    """Nobody may write for the moment: the cutover is under way. Try again in a second."""


class RouteUnknown(Transient):
    """The route cannot be read, and without a lease nobody may write."""


class LeaseShort(Transient):
    """Too little of the lease is left for the write. Nothing was sent: hold a new one, then do it."""


class LeaseOverrun(Transient):
    """The write ended after its lease: it may stand on a side that was left. Look where the route says now, then decide."""


class NoRoute(Terminal):
    """There is no such migration, or its route is not one."""


@dataclass(frozen=True)
class Route:
    """What applications are told."""

    read_from: ReadFrom
    write_to: WriteTo
    epoch: int
    lease_seconds: float


@dataclass(frozen=True)
class Lease(Route):
    """The route that one write goes by, and how long."""

    ends_at: float
    clock: Callable[[], float]

    def remaining(self) -> float:
        """Give the seconds that are left, less than 0 when it is over."""
        return self.ends_at - self.clock()

    def check(self, needs: float = 0.0) -> None:
        """Ask right before the request goes out: raises LeaseShort unless more than `needs` seconds are left."""
        if (left := self.remaining()) <= needs:
            raise LeaseShort(
                f"{max(left, 0):.2f} s of the lease are left and {needs:g} s are needed. Nothing was sent: begin the write anew."
            )


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
        try:
            item = self.store.get(self.table, [key], "strong").get(key_text(key))
        except NoSuchTable:
            item = None
        if item is None:
            raise NoRoute(
                f"Migration {self.migration} has no route in {self.table}: check the name, or run it to capturing first: what"
                " follows a route is deployed after that."
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
    """The route of one migration, read again when it is `poll_seconds` old or the lease is half over. Threads share it.

    One thread at a time reads it; the others go by what is known, where that still holds.
    """

    def __init__(
        self,
        source: RouteSource,
        *,
        poll_seconds: float = 1.0,
        most_age: float | None = None,
        unknown: ReadFrom | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """For reads a route that was known once is good until it is `most_age` seconds old, or for ever.

        `unknown` is where to read when none is known, instead of raising: `old` is right before a cutover and wrong after it.
        """
        self._source, self._poll, self._clock = source, poll_seconds, clock
        self._most_age, self._unknown = most_age, unknown
        self._reading = threading.Lock()
        self._tries = 0
        self._known: _Known | None = None

    def read_from(self) -> ReadFrom:
        """Say where to read; while frozen, the side that was written. Raises RouteUnknown, unless told what to say then."""
        try:
            return self.route().read_from
        except RouteUnknown:
            if self._unknown is None:
                raise
            return self._unknown

    def route(self) -> Route:
        """Give the route as it was when it was last read: what `read_from` goes by, and its epoch. Raises RouteUnknown."""
        known = self._latest(self._serves_reads)
        if known is None or not self._serves_reads(known):
            raise RouteUnknown("The route cannot be read, and what was known of it is too old or nothing. Try again.")
        return known.route

    @contextmanager
    def writing(self) -> Iterator[Lease]:
        """Hold the lease around one write; the route says where it goes.

        Raises RouteFrozen and RouteUnknown before anything is written, LeaseOverrun after a write that took too long.
        """
        known = self._latest(self._serves_writes)
        if known is None or not known.holds(self._clock()):
            raise RouteUnknown("The route cannot be read, and no lease is left. Nothing was written: try again.")
        route, ends_at = known.route, known.asked_at + known.route.lease_seconds
        if route.write_to == "none":
            raise RouteFrozen(
                "A cutover is under way and writing is closed for a moment. Nothing was written: try again."
            )
        lease = Lease(route.read_from, route.write_to, route.epoch, route.lease_seconds, ends_at, self._clock)
        yield lease
        if lease.remaining() <= 0:
            raise LeaseOverrun(
                f"The write to the {route.write_to} side ended {-lease.remaining():.1f} s after its lease of "
                f"{route.lease_seconds:g} s. It may stand on a side that was left: look where the route says now, then decide."
            )

    # ---- within ----

    def _serves_reads(self, known: _Known) -> bool:
        return self._most_age is None or known.age(self._clock()) < self._most_age

    def _serves_writes(self, known: _Known) -> bool:
        # While frozen, look again each time: writers want in as soon as it is over.
        return known.route.write_to != "none" and known.holds(self._clock())

    def _latest(self, serves: Callable[[_Known], bool]) -> _Known | None:
        """Give what is known, read anew where it is old. Who can go by what is known does not wait for another's reading."""
        known, tries = self._known, self._tries
        usable = known is not None and serves(known)
        if usable and known is not None and known.age(self._clock()) < self._patience(known.route):
            return known
        if self._reading.acquire(blocking=not usable):
            try:
                if self._tries == tries:  # else somebody has just tried
                    self._read()
            finally:
                self._reading.release()
        return self._known

    def _read(self) -> None:
        # Before the read: what it says was true at some time after this.
        asked_at = self._clock()
        try:
            self._known = _Known(self._source.read(), asked_at)
        except Transient:
            pass  # what is known may still hold
        finally:
            self._tries += 1

    def _patience(self, route: Route) -> float:
        return min(self._poll, route.lease_seconds / 2)
