"""How many replicas a store is to have where its file does not say: the most that were seen in a day. Pure.

One that was taken away by `scale_capacity`, agreed to by a person, is missed by nobody. One that dies is missed until it is back,
however long: while a rule says so, its level is the one that it began with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sluice.ledger.incidents import State
from sluice.ledger.samples import Sample, Series
from sluice.ledger.scalings import Done

Dropped = Mapping[str, Sequence[datetime]]
"""When replicas of each store were taken away."""
PENDING = timedelta(hours=2)
"""So long ago a change may have been asked for and not stand yet; one that never stands was none."""


def dropped_of(changes: Iterable[Done], now: datetime) -> dict[str, list[datetime]]:
    """Say when replicas of each store were taken away."""
    found: dict[str, list[datetime]] = {}
    for one in changes:
        if one.action != "drop_replica" or one.refused_at:
            continue
        if one.verified_at or now - one.begun_at <= PENDING:
            found.setdefault(one.store, []).append(one.begun_at)
    return found


def most_of(counts: Iterable[tuple[Series, Sample]], dropped: Dropped) -> dict[str, float]:
    """Give the most replicas of each store, less those that were taken away after they were counted."""
    found: dict[str, float] = {}
    for series, one in counts:
        left = max(0.0, one.value - _dropped_since(one.at, series.store, dropped))
        found[series.store] = max(left, found.get(series.store, 0.0))
    return found


def most_at(store: str, most: Mapping[str, float], state: State | None, dropped: Dropped) -> float:
    """Give how many a store is to have: the most of a day, or what was missed when it began to be wrong."""
    seen = most.get(store, 0.0)
    if state is None or state.level is None:
        return seen
    return max(seen, state.level - _dropped_since(state.since, store, dropped))


def _dropped_since(at: datetime, store: str, dropped: Dropped) -> int:
    return sum(one >= at for one in dropped.get(store, ()))
