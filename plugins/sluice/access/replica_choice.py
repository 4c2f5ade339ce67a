"""Which server a read goes to: by weight in turn, and never to one that is not well. Pure: looks and times come in.

Who fails, or is late, is left out after a few looks in a row, and taken back after a few good ones: a server on the edge is not
in and out with each look. While it is out nobody asks it but the looks, so it is the circuit breaker, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace

NOTES = 600
"""How many positions of the primary are remembered: with a look a second, ten minutes of them."""


@dataclass(frozen=True)
class Limits:
    """How reads are shared, and whom they are not sent to."""

    share: float = 0.8
    """How much of the reads goes to replicas, where one is well; the rest goes to the primary."""
    most_lag: float = 5.0
    """Seconds; a replica that is later is not well."""
    lag_taken_back: float = 1.0
    """Seconds; one that was left out is well again below this."""
    out_after: int = 2
    """So many bad looks in a row, or reads that failed."""
    back_after: int = 3
    """So many good looks in a row."""


@dataclass(frozen=True)
class Looked:
    """What one look has found."""

    well: bool
    """It answered, and follows."""
    position: int = 0
    """Up to where it has replayed."""
    lag: float = 0.0
    """Seconds."""


@dataclass(frozen=True)
class Standing:
    """What is held of a replica."""

    serves: bool = False
    position: int = 0
    lag: float = 0.0
    known: bool = False
    """Whether anybody has looked."""
    against: int = 0
    """How many looks in a row spoke against `serves`."""


def judged(before: Standing, found: Looked, limits: Limits) -> Standing:
    """Take one more look into account. The first one counts at once."""
    bound = limits.most_lag if before.serves or not before.known else limits.lag_taken_back
    good = found.well and found.lag <= bound
    now = replace(before, position=found.position if found.well else before.position, lag=found.lag, known=True)
    if not before.known:
        return replace(now, serves=good, against=0)
    if good == before.serves:
        return replace(now, against=0)
    against = before.against + 1
    if against >= (limits.out_after if before.serves else limits.back_after):
        return replace(now, serves=good, against=0)
    return replace(now, against=against)


@dataclass
class Positions:
    """Where the primary was, and when we saw it: by that a replica's lag is known without anybody else's clock."""

    _seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=NOTES))

    def note(self, at: float, position: int) -> None:
        """Note where it is now; where nothing was written since the last time, there is nothing new to be late with."""
        if not self._seen or position > self._seen[-1][1]:
            self._seen.append((at, position))
        elif position < self._seen[-1][1]:  # another leads, whose log is shorter
            self._seen = deque([(at, position)], NOTES)

    def lag(self, replayed: int, now: float) -> float:
        """Give for how many seconds there is something that a replica has not: 0 where it has all that we know of."""
        return next((now - at for at, position in tuple(self._seen) if position > replayed), 0.0)


@dataclass
class Wheel:
    """Weighted round robin without bursts: the one that is most overdue comes next (after nginx's upstream module)."""

    _due: dict[str, float] = field(default_factory=dict)

    def turn(self, weights: Mapping[str, float]) -> str:
        """Give who is next. `weights` is not empty."""
        self._due = {name: self._due.get(name, 0.0) + weight for name, weight in weights.items()}
        chosen = max(self._due, key=lambda name: self._due[name])
        self._due[chosen] -= sum(weights.values())
        return chosen


def shares(
    primary: str, weights: Mapping[str, int], standings: Mapping[str, Standing], limits: Limits, without: Set[str]
) -> dict[str, float]:
    """Give each server its share of the reads: those that are well, by weight; where none is, the primary has all of them."""
    well = {name: weight for name, weight in weights.items() if standings[name].serves and name not in without}
    total = sum(well.values())
    found = {name: limits.share * weight / total for name, weight in well.items()}
    rest = {} if primary in without and found else {primary: 1.0 - sum(found.values())}
    return {name: share for name, share in {**found, **rest}.items() if share > 0}
