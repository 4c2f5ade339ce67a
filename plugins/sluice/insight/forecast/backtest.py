"""What the same lines foretold on earlier days of the same series, against what came: by how much a range must be wider. Pure.

A rolling origin (Tashman, Out-of-sample tests of forecasting accuracy, 2000): from some days of the last two thirds everything
is foretold that came later, with what was known of it then; only the units, a step and the week are those of the whole
series. Errors count as shares of what was claimed, near the horizon that is asked for more than far from it, and no horizon
has more independent errors than times that it fits into those days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sluice.insight.forecast.models import Bank, State, foretell
from sluice.insight.forecast.series import Floats

ORIGINS, TARGETS = 10, 25
"""So many days are foretold from, so many later days each."""
FEWEST = 6
"""Before so many points nothing is foretold."""
FARTHEST = 90
"""No farther ahead, in days."""
NEAR = 0.7
"""Errors at twice or half the horizon count e^(-(ln 2 / 0.7)² / 2), which is 0.61."""
BELIEVED = 4.0
"""So many independent errors as claimed are taken for granted beside those that were seen."""
ODD = 16.0
"""One error counts as no more than four times what was claimed."""
NARROWEST, WIDEST = 0.9, 2.0
"""Narrower is made little, as a lucky past is likelier than a claim that was wide for nothing."""


@dataclass(frozen=True, eq=False)
class Backtest:
    """Errors by days ahead, each over the standard deviation that was claimed for it."""

    ahead: Floats
    errors: Floats
    days: float
    """Over how many days they are spread."""

    def wider(self, ahead: float) -> float:
        """Say by which factor a range so many days ahead is too narrow; 1 where nothing was foretold yet."""
        return float(np.clip(self.asked(ahead), NARROWEST, WIDEST))

    def asked(self, ahead: float) -> float:
        """Give the same without limits: the root of the mean square, `BELIEVED` errors as claimed among them."""
        if not len(self.ahead):
            return 1.0
        farthest = min(ahead, float(self.ahead.max()))
        near = np.exp(-0.5 * (np.log(self.ahead / farthest) / NEAR) ** 2)
        seen = float(near @ np.minimum(self.errors**2, ODD) / near.sum())
        independent = self.days / farthest
        return float(np.sqrt((independent * seen + BELIEVED) / (independent + BELIEVED)))


def origins(points: int) -> list[int]:
    """Give after how many points everything later is foretold."""
    first = max(FEWEST, points // 3)
    return sorted({round(stop) for stop in np.linspace(first, points - 1, ORIGINS)}) if first < points else []


def look_back(bank: Bank, states: dict[int, State], x: Floats, y: Floats) -> Backtest:
    """Hold what each state foretold against what came. `states` are those after so many points, as `follow` gives them."""
    ahead, errors = [np.empty(0)], [np.empty(0)]
    for stop in origins(len(x)):
        later = _spread_out(np.flatnonzero(x[stop:] - x[stop - 1] <= FARTHEST) + stop)
        if len(later):
            told = foretell(bank, states[stop], x[later] - x[stop - 1])
            ahead.append(x[later] - x[stop - 1])
            errors.append(((y[later] - bank.origin) / bank.unit - told.mean) / told.deviation)
    return Backtest(np.concatenate(ahead), np.concatenate(errors), float(x[-1] - x[0]) * 2 / 3)


def _spread_out(numbers: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give at most `TARGETS` of them, from the first to the last."""
    if len(numbers) <= TARGETS:
        return numbers
    chosen: NDArray[np.intp] = numbers[np.unique(np.linspace(0, len(numbers) - 1, TARGETS).astype(int))]
    return chosen
