"""What `insight.forecast` says of a line, in the report's words: its curve, the jump that nobody noted, what is doubtful. Pure.

Growth is foreseen, not size: what was dropped is added back, and what will be dropped if that goes on comes off again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from sluice.insight.capacity.growth import Growth
from sluice.insight.capacity.measure import Curve
from sluice.insight.capacity.words import change
from sluice.insight.capacity.words import day as in_words
from sluice.insight.forecast.forecast import LOOKS_BACK, Forecast, forecast
from sluice.insight.forecast.series import Purge, Series, add_back
from sluice.insight.forecast.steps import find_step

WEEKLY = "a week goes up"
"""How the forecast's note of a weekly beat begins: a picture shows that better."""


@dataclass(frozen=True)
class Foreseen:
    """What is forecast of a line."""

    found: Forecast
    steps: tuple[date, ...]
    notes: tuple[str, ...]
    """As sentences."""

    @property
    def curve(self) -> Curve | None:
        """Each day to come; None where there is no forecast."""
        last, count = self.found.last, self.found.horizon_days
        if last is None or not count:
            return None
        days = tuple(last + timedelta(days=number) for number in range(1, count + 1))
        return Curve(days, *(tuple(line.tolist()) for line in (self.found.p10, self.found.p50, self.found.p90)))

    @property
    def reason(self) -> str:
        """Why there is no forecast, or why it is not to be trusted; empty where it is."""
        return _sentence(self.found.reason) if self.found.reason else ""


def foresee(growth: Growth, horizon: int, unit: str = "bytes") -> Foreseen:
    """Foresee a line for so many days. `unit` is what its notes are written in."""
    days, values = growth.line.days, growth.line.values
    measured = Series(np.array(days, dtype=np.int64), np.array(values, dtype=np.float64))
    grown = add_back(measured, [Purge(one.day, one.bytes) for one in growth.drops])
    found = forecast(grown, horizon, [Purge(one.day, one.bytes) for one in growth.coming])
    steps = dict(_steps(grown, unit)) if found.horizon_days else {}
    kept = [_sentence(note) for note in found.notes if not note.startswith((WEEKLY, *(f"on {day}" for day in steps)))]
    return Foreseen(found, tuple(steps), (*steps.values(), *kept))


def _steps(grown: Series, unit: str) -> Iterator[tuple[date, str]]:
    """Find the jump that the forecast has made even, and say it in the report's units."""
    days, values = grown.days[-LOOKS_BACK:], grown.values[-LOOKS_BACK:]
    if float(np.ptp(values)) and (step := find_step((days - days[-1]).astype(np.float64), values)):
        day = date.fromordinal(int(days[step.at]))
        told = f"On {in_words(day, date.min)} it jumped by {change(step.by, unit)}, and nobody noted why"
        yield day, f"{told}: what was before is made even with it."


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:].rstrip('.')}."
