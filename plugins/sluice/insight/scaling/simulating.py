"""What the rules would have done over a load that was recorded: when, and for how long it would have been too much. Pure.

The rules are the very ones that scale (`judge`). A load is what was measured, in percent of the capacity that there was; of
tables, in units a second, which the service tracks by its own alarms: two minutes over the target, or fifteen minutes under it by
more than twenty points. Where nothing was measured, nothing is scaled and nothing is counted.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from sluice.estate.instance_sizes import SIZES, small_ones
from sluice.estate.scaling import Scaling
from sluice.insight.scaling.deciding import UNITS_IN, ByRule, ByService, Follows
from sluice.insight.scaling.evaluating import GAP, Threshold, Way, thresholds_of
from sluice.ledger.samples import Sample

SPREADS = 0.8
"""How much of a server's load its replicas share: reads, by the part of them that goes to replicas."""
COMES_UP_IN = timedelta(minutes=10)
"""How long a replica takes until it answers."""
RESTARTS_IN = timedelta(minutes=5)


@dataclass(frozen=True)
class Moment:
    """A minute of the load, with what there was for it."""

    at: datetime
    load: float
    capacity: float
    used: float
    """Percent."""


@dataclass(frozen=True)
class Event:
    """Something that would have been done."""

    at: datetime
    way: Way
    before: float
    after: float
    why: str

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} UTC: {self.before:g} → {self.after:g} ({self.why})"


@dataclass(frozen=True)
class Simulated:
    """What would have been."""

    name: str
    unit: str
    target: float
    """Percent over which it is too much."""
    moments: tuple[Moment, ...]
    events: tuple[Event, ...]
    static: float
    """The capacity that would have borne all of it, all the time, without being used over the target."""
    on_demand_hours: float | None = None
    """Units by the hour that were used: on demand bills these, each at a higher price."""

    @property
    def hours(self) -> float:
        """Capacity by the hour, with the rules."""
        return sum(one.capacity * span for one, span in self._spans())

    @property
    def static_hours(self) -> float:
        """Capacity by the hour, without them."""
        return sum(self.static * span for _, span in self._spans())

    def over(self, percent: float) -> timedelta:
        """Say for how long it was used over so many percent."""
        return timedelta(hours=sum(span for one, span in self._spans() if one.used > percent))

    def _spans(self) -> list[tuple[Moment, float]]:
        """Give each moment, and for how many hours it counts: until the next one, and never over a gap."""
        spans = [
            (one, (later.at - one.at) / timedelta(hours=1))
            for one, later in pairwise(self.moments)
            if later.at - one.at <= GAP
        ]
        return spans or [(one, 0.0) for one in self.moments]

    def __str__(self) -> str:
        done = [f"  {event}" for event in self.events[:40]]
        if len(self.events) > 40:
            done.append(f"  and {len(self.events) - 40} more")
        saved = 100 * (1 - self.hours / self.static_hours) if self.static_hours else 0.0
        demand = "" if self.on_demand_hours is None else f"; {self.on_demand_hours:,.0f} used, as on demand bills"
        begun, ended = self.moments[0].at, self.moments[-1].at
        changes = f"{len(self.events)} change{'s' * (len(self.events) != 1)}"
        return "\n".join((
            f"{self.name}: {changes} from {begun:%Y-%m-%d %H:%M} to {ended:%Y-%m-%d %H:%M} UTC",
            *done,
            f"  over {self.target:g} % for {self.over(self.target)}, over 100 % for {self.over(100)}",
            f"  {self.unit} by the hour: {self.hours:,.0f} with the rules,"
            f" {self.static_hours:,.0f} with {self.static:g} all the time ({saved:.0f} % less){demand}",
        ))  # fmt: skip


def simulate(
    name: str,
    unit: str,
    target: float,
    load: Sequence[Sample],
    start: float,
    used: Callable[[float, float], float],
    follows: Follows,
    takes: timedelta,
    static: float,
) -> Simulated:
    """Walk through a load, oldest first. `used(load, capacity)` is in percent; a change counts after `takes`."""
    capacity, coming, seen = start, list[tuple[datetime, float]](), deque[Sample]()
    moments, events = list[Moment](), list[Event]()
    for one in load:
        if coming and coming[0][0] <= one.at:
            capacity = coming.pop(0)[1]
        moments.append(Moment(one.at, one.value, capacity, used(one.value, capacity)))
        seen.append(Sample(one.at, moments[-1].used))
        while one.at - seen[0].at > follows.looks_back:
            seen.popleft()
        if not coming and (found := follows.decide(seen, one.at, one.value, capacity)):
            after, why = found
            events.append(Event(one.at, "up" if after > capacity else "down", capacity, after, why))
            coming.append((one.at + takes, after))
    return Simulated(name, unit, target, tuple(moments), tuple(events), static)


def simulate_replicas(scaling: Scaling, load: Sequence[Sample], spreads: float = SPREADS) -> Simulated:
    """Processors of a server that was alone, with replicas that share `spreads` of its load."""
    most, up = scaling.cpu.most_replicas + 1, scaling.cpu.up

    def used(percent: float, servers: float) -> float:
        return percent * (1 - spreads) + percent * spreads / servers

    def step(servers: float, way: Way, highest: float) -> float | None:
        if way == "up":
            return servers + 1 if servers < most else None
        return servers - 1 if servers > 1 and highest * servers / (servers - 1) <= up else None

    peak = max(one.value for one in load)
    static = next((n for n in range(1, most + 1) if used(peak, n) <= up), most)
    rule = ByRule(*_thresholds(scaling, "cpu"), scaling, step)
    return simulate("servers, by their processors", "servers", up, load, 1, used, rule, COMES_UP_IN, static)


def simulate_class(scaling: Scaling, load: Sequence[Sample], base: str) -> Simulated:
    """Memory of an instance of the class `base`, which follows; capacity in small ones of its family. Raises UnknownClass."""
    start, up = float(small_ones(base)), scaling.memory.up
    least, most = (SIZES[size] for size in (scaling.memory.smallest or "nano", scaling.memory.largest or "48xlarge"))

    def used(percent: float, capacity: float) -> float:
        return percent * start / capacity

    def step(capacity: float, way: Way, highest: float) -> float | None:
        after = capacity * 2 if way == "up" else capacity / 2
        if not least <= after <= most or (way == "down" and highest * capacity / after > up):
            return None
        return after

    peak = max(one.value for one in load)
    static = start
    while used(peak, static) > up and static < most:
        static *= 2
    rule = ByRule(*_thresholds(scaling, "memory"), scaling, step)
    return simulate("class, by its memory", "small ones", up, load, start, used, rule, RESTARTS_IN, static)


def simulate_units(scaling: Scaling, load: Sequence[Sample], name: str, least: float, most: float) -> Simulated:
    """Units of a table, consumed a second, as the service would have provisioned them."""
    peak, aim = max(one.value for one in load), scaling.units.target
    static = min(most, max(least, math.ceil(peak * 100 / aim)))
    start = min(most, max(least, math.ceil(load[0].value * 100 / aim)))

    def used(units: float, provisioned: float) -> float:
        return 100 * units / provisioned

    follows = ByService(scaling, least, most)
    made = simulate(name, "units", aim, load, start, used, follows, UNITS_IN, static)
    consumed = sum(one.load * span for one, span in made._spans())
    return replace(made, on_demand_hours=consumed)


def _thresholds(scaling: Scaling, rule: str) -> tuple[Threshold, Threshold]:
    up, down = (threshold for threshold in thresholds_of(scaling) if threshold.rule == rule)
    return up, down
