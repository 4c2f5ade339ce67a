"""The route and its lease: nobody writes past it, whatever the clocks and the source do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from sluice.access.routing import LeaseOverrun, ReadFrom, Route, RouteFrozen, RouteUnknown, Routing
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


def test_who_never_knew_the_route_reads_the_old_side_and_writes_nowhere() -> None:
    routing, _, _ = routed(down=True)
    assert routing.read_from() == "old"
    with pytest.raises(RouteUnknown), routing.writing():
        raise AssertionError("nobody may write")


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
    with pytest.raises(LeaseOverrun, match="10 s"), routing.writing():
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
