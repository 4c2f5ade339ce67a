"""The route and its lease: nobody writes past it, whatever the clocks and the source do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sluice.access.routing import LeaseOverrun, LeaseShort, NoRoute, ReadFrom, Route, RouteFrozen, RouteUnknown, Routing
from sluice.access.view_route import ViewRoute
from sluice.stores.dynamodb.client import DynamoDown


@dataclass
class Clock:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


OLD = Route("old", "old", 1, 10.0)


@dataclass
class Source:
    """A route that can be changed, take time to read, and be out of reach."""

    clock: Clock
    route: Route = OLD
    takes: float = 0.0
    down: bool = False
    reads: list[float] = field(default_factory=list)

    def read(self) -> Route:
        if self.down:
            raise DynamoDown("down")
        self.reads.append(self.clock.seconds)
        told = self.route  # what it was when it was read; the answer takes its time
        self.clock.seconds += self.takes
        return told

    def turn(self, **to: object) -> None:
        self.route = replace(self.route, **to)


def routed(**how: object) -> tuple[Routing, Source, Clock]:
    clock = Clock()
    source = Source(clock, **how)
    return Routing(source, clock=clock), source, clock


def test_a_write_goes_where_the_route_says_and_the_route_is_polled() -> None:
    routing, source, clock = routed()
    with routing.writing() as route:
        assert (route.write_to, route.epoch) == ("old", 1)
    source.turn(write_to="new", read_from="new", epoch=2)
    clock.seconds += 0.9
    with routing.writing() as route:
        assert route.write_to == "old"  # not yet polled, and the lease holds
    clock.seconds += 0.2
    with routing.writing() as route:
        assert (route.write_to, routing.read_from()) == ("new", "new")
    assert len(source.reads) == 2


def test_the_lease_counts_from_before_the_read() -> None:
    """The answer was eleven seconds on its way: the cutover that it knows nothing of is over."""
    routing, _, _ = routed(takes=11.0)
    with pytest.raises(RouteUnknown), routing.writing():
        raise AssertionError("nobody may write")


def test_without_the_source_a_lease_runs_out_and_reads_go_on() -> None:
    routing, source, clock = routed(route=Route("new", "new", 2, 10.0))
    assert routing.read_from() == "new"
    source.down = True
    clock.seconds += 9.9
    with routing.writing():
        pass
    clock.seconds += 0.1
    with pytest.raises(RouteUnknown, match="Nothing was written"), routing.writing():
        raise AssertionError("nobody may write")
    assert routing.read_from() == "new"


def test_who_never_knew_the_route_reads_nowhere_unless_told_where_and_writes_nowhere() -> None:
    """A process that starts after the cutover must not take the old side for the truth."""
    routing, source, clock = routed(down=True)
    for ask in (routing.read_from, routing.route):
        with pytest.raises(RouteUnknown, match="Try again"):
            ask()
    with pytest.raises(RouteUnknown), routing.writing():
        raise AssertionError("nobody may write")
    assert Routing(source, clock=clock, unknown="old").read_from() == "old"


def test_what_is_known_of_the_route_is_good_for_reads_as_long_as_told() -> None:
    source = Source(Clock(), route=Route("new", "new", 2, 10.0))
    for_ever, a_minute = (Routing(source, clock=source.clock, most_age=age) for age in (None, 60.0))
    assert for_ever.route() == a_minute.route() == source.route
    source.down = True
    source.clock.seconds += 59
    assert a_minute.read_from() == "new"
    source.clock.seconds += 1
    assert for_ever.read_from() == "new"
    with pytest.raises(RouteUnknown):
        a_minute.read_from()


def test_a_freeze_does_not_make_readers_forget_the_route() -> None:
    """A writer looks anew each time while frozen; what readers know stays, also where that look fails."""
    routing, source, _ = routed(route=Route("new", "none", 2, 10.0))
    with pytest.raises(RouteFrozen), routing.writing():
        raise AssertionError("nobody may write")
    source.down = True
    assert routing.read_from() == "new"


class Slow:
    """A source that takes as long as the test wants, and the threads that ask it."""

    def __init__(self, route: Route = OLD) -> None:
        self.route, self.reads = route, 0
        self.inside, self.go_on = threading.Event(), threading.Event()
        self.down = False

    def read(self) -> Route:
        self.reads += 1
        if self.reads > 1:
            self.inside.set()
            assert self.go_on.wait(10)
        if self.down:
            raise DynamoDown("down")
        return self.route


def asking(count: int, ask: Callable[[], Any]) -> tuple[list[threading.Thread], list[Any]]:
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(ask())
        except Exception as error:
            found.append(type(error))

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, found


def test_a_known_route_does_not_wait_for_another_thread_that_reads_it_anew() -> None:
    source, clock = Slow(), Clock()
    routing = Routing(source, clock=clock)
    assert routing.read_from() == "old"
    clock.seconds += 2.0
    (slow,), _ = asking(1, routing.read_from)
    assert source.inside.wait(10)
    threads, found = asking(8, routing.read_from)
    for thread in threads:
        thread.join(10)
    with routing.writing() as route:  # the lease holds
        found.append(route.write_to)
    assert found == ["old"] * 9
    assert source.reads == 2
    source.go_on.set()
    slow.join(10)


def test_those_who_must_wait_for_a_reading_share_it_also_when_it_fails() -> None:
    """Eight that ask a store that is down one after the other wait eight times as long."""
    source, clock = Slow(), Clock()
    source.reads, source.down = 1, True
    routing = Routing(source, clock=clock)
    threads, found = asking(8, routing.read_from)
    assert source.inside.wait(10)
    time.sleep(0.2)  # the others are waiting by now
    source.go_on.set()
    for thread in threads:
        thread.join(10)
    assert found == [RouteUnknown] * 8
    assert source.reads == 2


def test_what_is_left_of_a_lease_is_asked_right_before_the_request() -> None:
    routing, _, clock = routed()
    sent: list[str] = []
    with pytest.raises(LeaseShort, match="Nothing was sent"), routing.writing() as route:
        route.check(needs=5.0)
        clock.seconds += 6  # paused
        assert route.remaining() == 4.0
        route.check(needs=5.0)
        sent.append("never")
    assert sent == []


@pytest.mark.parametrize("side", ["old", "new"])
def test_while_frozen_reads_stay_where_writes_were(side: ReadFrom) -> None:
    """Going back, the old side has not everything yet: what is read there and written after would undo a write."""
    routing, _, _ = routed(route=Route(side, "none", 2, 10.0))
    assert routing.read_from() == side


def test_while_frozen_nobody_writes_and_the_end_is_seen_at_once() -> None:
    routing, source, _ = routed(route=Route("new", "none", 2, 10.0))
    for _ in range(2):
        with pytest.raises(RouteFrozen, match="try again"), routing.writing():
            raise AssertionError("nobody may write")
    source.turn(write_to="new")
    with routing.writing() as route:
        assert route.write_to == "new"
    assert routing.read_from() == "new"


def test_a_write_that_ends_after_its_lease_is_not_acknowledged() -> None:
    routing, _, clock = routed()
    with pytest.raises(LeaseOverrun, match=r"the old side .* 10 s.* then decide"), routing.writing():
        clock.seconds += 10
    with routing.writing():
        clock.seconds += 9.9


def test_the_writes_own_error_comes_through() -> None:
    routing, _, clock = routed()
    with pytest.raises(KeyError), routing.writing():
        clock.seconds += 20
        raise KeyError("own")


def test_a_short_lease_is_renewed_at_its_half() -> None:
    routing, source, clock = routed(route=Route("old", "old", 1, 1.0))
    for _ in range(3):
        with routing.writing():
            pass
        clock.seconds += 0.5
    assert len(source.reads) == 3


@pytest.mark.parametrize("row", [None, ("elsewhere", "new", 1, 5.0), ("old", "both", 1, 5.0)])
def test_a_view_that_tells_what_this_release_does_not_know_is_no_route(row: tuple[Any, ...] | None) -> None:
    """Whoever took it for one would write where nobody said."""
    with pytest.raises(NoRoute, match=r"check the name|update it"):
        ViewRoute(lambda _: row, "users").read()
