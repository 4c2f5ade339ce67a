"""What decides in a simulation, minute by minute: a rule of ours, by the function that scales; or the service's alarms. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from sluice.estate.scaling import Scaling
from sluice.insight.scaling.evaluating import GAP, Holds, Threshold, Way, judge
from sluice.ledger.samples import Sample

UNITS_IN = timedelta(minutes=1)
"""How long the service takes to change units."""
UNDER_BY, UP_FOR, DOWN_FOR = 20, timedelta(minutes=2), timedelta(minutes=15)
"""The alarms of the service that tracks a target."""
FREE_CUTS, CUT_EVERY = 4, timedelta(hours=1)
"""How often units go down in a day: four times whenever, then once an hour."""


class Follows(Protocol):
    """What decides, minute by minute."""

    @property
    def looks_back(self) -> timedelta:
        """How old the samples are that it goes by."""

    def decide(self, seen: Sequence[Sample], now: datetime, load: float, capacity: float) -> tuple[float, str] | None:
        """Give another capacity and why, or None."""


@dataclass
class ByRule:
    """One of our rules, with its rests."""

    up: Threshold
    down: Threshold
    scaling: Scaling
    step: Callable[[float, Way, float], float | None]
    """The next capacity on a way, of the one there is and how much of that is used at most; None where there is none."""
    last: datetime | None = None

    @property
    def looks_back(self) -> timedelta:
        """How old the samples are that it goes by."""
        return max(self.up.lasting, self.down.lasting) + 2 * GAP

    def decide(self, seen: Sequence[Sample], now: datetime, load: float, capacity: float) -> tuple[float, str] | None:
        """Scale where a threshold was passed in every sample of its time."""
        rests = {"up": self.scaling.cooldown.up, "down": self.scaling.cooldown.down}
        for threshold in (self.up, self.down):
            found = judge(threshold, seen, now) if threshold.is_past(seen[-1].value) else None
            if not isinstance(found, Holds) or (self.last and now < self.last + rests[threshold.way]):
                continue
            after = self.step(capacity, threshold.way, found.highest)
            if after is not None:
                self.last = now
                return after, f"{found.lowest:.0f} to {found.highest:.0f} % for {threshold.lasting}"
        return None


@dataclass
class ByService:
    """The service that tracks a target for a table."""

    scaling: Scaling
    least: float
    most: float
    last: datetime | None = None
    looks_back: timedelta = DOWN_FOR + 2 * GAP
    cuts: dict[date, list[datetime]] = field(default_factory=dict)

    def decide(self, seen: Sequence[Sample], now: datetime, load: float, capacity: float) -> tuple[float, str] | None:
        """Set the units so that the load is at the target, where an alarm says so and it does not rest."""
        aim, rests = self.scaling.units.target, self.scaling.cooldown
        wanted = min(self.most, max(self.least, math.ceil(load * 100 / aim)))
        if aim - UNDER_BY <= seen[-1].value <= aim:
            return None
        high = judge(Threshold("units", "up", "units", aim, UP_FOR - UNITS_IN), seen, now)
        low = judge(Threshold("units", "down", "units", aim - UNDER_BY, DOWN_FOR - UNITS_IN), seen, now)
        if isinstance(high, Holds) and wanted > capacity and self._rested(now, rests.up):
            self.last = now
            return wanted, f"{high.mean:.0f} % used"
        if isinstance(low, Holds) and wanted < capacity and self._rested(now, rests.down) and self._may_cut(now):
            self.last = now
            self.cuts.setdefault(now.date(), []).append(now)
            return wanted, f"{low.mean:.0f} % used"
        return None

    def _rested(self, now: datetime, rest: timedelta) -> bool:
        return self.last is None or now >= self.last + rest

    def _may_cut(self, now: datetime) -> bool:
        today = self.cuts.get(now.date(), [])
        return len(today) < FREE_CUTS or now - today[-1] >= CUT_EVERY
