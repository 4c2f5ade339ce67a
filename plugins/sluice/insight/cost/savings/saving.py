"""One thing that would save money: how much from low to high, why, and what it risks; and which are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sluice.estate.amounts import Between

MOST = 3


@dataclass(frozen=True)
class Saving:
    """Something that a person could do. Nothing here does it."""

    store: str
    """The store; '' is the estate."""
    what: str
    """What to do."""
    monthly: Between
    """Dollars that it would save."""
    why: str
    """What was seen."""
    risk: str
    """What it costs otherwise, or may break."""
    touches: str
    """Of two that touch the same, only one can be done."""


def largest(found: Iterable[Saving], most: int = MOST) -> tuple[Saving, ...]:
    """Give the largest, by the middle of each; of those that touch the same the best. What may cost more is left out."""
    best: dict[tuple[str, str], Saving] = {}
    for one in sorted(found, key=_rank):
        if one.monthly.low >= 0 and one.monthly.high > 0:
            best.setdefault((one.store, one.touches), one)
    return tuple(best.values())[:most]


def saved(now: Between, then: Between) -> Between:
    """Give what is left of a sum, both by the same prices: low from low, and high from high."""
    ends = (now.low - then.low, now.high - then.high)
    return Between(min(ends), max(ends))


def _rank(one: Saving) -> tuple[object, ...]:
    return -one.monthly.middle, one.store, one.what
