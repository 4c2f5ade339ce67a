"""When a forecast reaches a threshold: as likely before as after a day, and between which days with 80 %. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from sluice.insight.forecast.forecast import Forecast
from sluice.insight.forecast.series import Floats

Severity: TypeAlias = Literal["P1", "P2", "P3"]
URGENT, SOON, LATER = 14, 30, 90
"""Days left, at the earliest, below which it is P1: somebody gets up; P2: somebody acts in working hours; P3: somebody plans."""


@dataclass(frozen=True)
class Arrival:
    """After how many days a threshold is reached; None where it is not within `within` days, or nobody can say."""

    p10: int | None
    """So early with one chance in ten."""
    p50: int | None
    """As likely before as after."""
    p90: int | None
    """So late with one chance in ten."""
    within: int
    """So many days were looked at; 0 where there is no forecast."""
    reason: str
    """Why these days are not to be trusted; empty where they are."""

    @property
    def told(self) -> str:
        """Say it in words: `40 d, 31 to 62 d`, `>365 d`, or why there is no date."""
        if not self.within:
            return self.reason
        doubt = f" (doubtful: {self.reason})" if self.reason else ""
        if self.p10 is None:
            return self._day(None) + doubt
        return f"{self._day(self.p50)}, {self.p10} to {self._day(self.p90)}{doubt}"

    def _day(self, days: int | None) -> str:
        return f">{self.within} d" if days is None else f"{days} d"


def arrival(forecast: Forecast, threshold: float) -> Arrival:
    """Say when a forecast reaches a threshold for the first time; 0 days where what was measured last has reached it.

    The upper line gives the earliest day: with one chance in ten it is above that line.
    """
    if forecast.newest >= threshold and forecast.points:
        return Arrival(0, 0, 0, forecast.horizon_days, forecast.reason)
    early, middle, late = (_first(line, threshold) for line in (forecast.p90, forecast.p50, forecast.p10))
    return Arrival(early, middle, late, forecast.horizon_days, forecast.reason)


def severity(p10_days: int | None, before: int | None) -> Severity | None:
    """Say how urgent it is, by the earliest day of this run and of the run before: the milder of the two, so one alone is none.

    None stands for no date, or for no run before.
    """
    if p10_days is None or before is None:
        return None
    left = max(p10_days, before)
    return "P1" if left < URGENT else "P2" if left < SOON else "P3" if left < LATER else None


def _first(line: Floats, threshold: float) -> int | None:
    """Give the first day, from 1, on which a line is at the threshold or above."""
    reached = np.flatnonzero(line >= threshold)
    return int(reached[0]) + 1 if len(reached) else None
