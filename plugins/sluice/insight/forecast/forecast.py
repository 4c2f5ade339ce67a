"""From what was measured day by day to a range for each day ahead: what it will be, and between what it lies with 80 %. Pure.

The one step that nobody noted is made even, the week is taken off and put on again, lines that drift foretell together, and
what they foretold before says by how much their range must be wider. What will be dropped by plan comes off at the end.
Under eight points there is no forecast, and it says so. The same input gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from sluice.insight.forecast.backtest import FARTHEST, WIDEST, Backtest, look_back, origins
from sluice.insight.forecast.models import Bank, State, bank_of, follow, foretell
from sluice.insight.forecast.series import Days, Floats, Purge, Series, taken_off
from sluice.insight.forecast.steps import find_step, make_even
from sluice.insight.forecast.weeks import week_of

FEWEST = 8
"""Under so many points nobody says a date."""
LOOKS_BACK = 730
"""Points; what lies behind two years says little of the next months."""
SHARES = (0.1, 0.5, 0.9)
FEW = 2.0
"""The range is wider by 1 + this / (points - 5): what is weighed on so few points is believed too firmly."""
FEW_TO_TELL, OUTWEIGHS = 14, 4.0
"""With fewer points than that, a change so many times the next largest may be a step or the way it grows."""
EVEN, NOTHING = 1e-12, 1e-100
"""Values that differ by less than this share of themselves, or by less than any unit can tell, are the same."""
KNOTS = 18
"""For so many days a mixture is worked out; between them it runs straight."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """What will be measured on each day after `last`: lines of the same length, none where there is no forecast."""

    last: date | None
    """The newest day that was measured; None without any."""
    newest: float
    """What was measured then."""
    points: int
    p10: Floats
    p50: Floats
    p90: Floats
    models: tuple[str, ...]
    """Which sorts of lines foretell, with their shares, the weightiest first."""
    notes: tuple[str, ...]
    """What was done with the points, and why, as sentences."""
    confident: bool
    """Whether the range holds four times in five, as far as anybody can tell."""
    reason: str
    """Why not; empty where it does."""

    @property
    def horizon_days(self) -> int:
        """How many days are foretold."""
        return len(self.p50)


def forecast(series: Series, horizon_days: int = 90, planned: Sequence[Purge] = ()) -> Forecast:
    """Foretell each of the next days: of a series as measured, or of one that `add_back` made, what will be measured.

    `planned` is what a policy will drop. Ranges were measured up to 90 days ahead: a note says where they go beyond.
    """
    notes, last = tuple(_counted(series, horizon_days)), series.last if len(series) else None
    newest = series.newest if len(series) else 0.0
    if len(series) < FEWEST:
        few, none = f"{len(series)} days were measured, and {FEWEST} are needed: no date", np.empty(0)
        return Forecast(last, newest, len(series), none, none, none, (), notes, False, few)
    told = _tell(series.days[-LOOKS_BACK:], series.values[-LOOKS_BACK:], horizon_days)
    gone = series.dropped + taken_off(planned, series.last, horizon_days)
    p10, p50, p90 = np.maximum(told.rows - gone, 0.0)
    notes += told.notes
    return Forecast(last, newest, len(series), p10, p50, p90, told.models, notes, not told.doubt, told.doubt)


@dataclass(frozen=True)
class _Told:
    """Three rows of values, the sorts of lines, what was done with the points, and why not to trust it."""

    rows: Floats
    models: tuple[str, ...]
    notes: tuple[str, ...] = ()
    doubt: str = ""


def _tell(days: Days, values: Floats, horizon_days: int) -> _Told:
    x, notes = (days - days[-1]).astype(np.float64), []
    step = find_step(x, values)
    if step:
        notes.append(step.told(int(days[step.at])))
    y = make_even(values, step) if step else values
    week = week_of(days, y)
    if week is not None:
        notes.append(f"a week goes up and down by {np.ptp(week):,.4g}, which is foretold as well")
        y = y - week[days % 7]
    if float(np.ptp(y)) <= max(EVEN * float(np.abs(y).max()), NOTHING):
        told = _Told(np.full((3, horizon_days), y[-1]), ("no change",))
    else:
        told = _with_lines(x, y, horizon_days)
    again = week[(days[-1] + 1 + np.arange(horizon_days)) % 7] if week is not None else 0.0
    return replace(told, rows=told.rows + again, notes=tuple(notes))


def _with_lines(x: Floats, y: Floats, horizon_days: int) -> _Told:
    bank, points = bank_of(x, y), len(x)
    states = follow(bank, x, y, [*origins(points), points])
    past, few = look_back(bank, states, x, y), 1 + FEW / (points - 5)
    rows = _range(bank, states[points], past, few, horizon_days)
    return _Told(rows, _sorts(bank, states[points]), doubt=_doubt(y, past, horizon_days))


def _range(bank: Bank, state: State, past: Backtest, few: float, horizon_days: int) -> Floats:
    """Give the three values of each day, in the units of the series."""
    knots = np.unique(np.geomspace(1, horizon_days, KNOTS).round())
    low, middle, high = foretell(bank, state, knots).quantiles(SHARES)
    wider = few * np.array([past.wider(float(ahead)) for ahead in knots])
    rows = [middle - wider * (middle - low), middle, middle + wider * (high - middle)]
    every = np.arange(1, horizon_days + 1)
    told = np.array([bank.origin + bank.unit * np.interp(every, knots, row) for row in rows])
    return told if bank.unit > 0 else told[::-1]


def _sorts(bank: Bank, state: State) -> tuple[str, ...]:
    """Name the sorts of lines that foretell, each with the share of its weight."""
    weights = np.exp(state.score - state.score.max())
    wanders, rises = bank.wanders > 0, bank.rises > 0
    sorts = {
        "a steady pace": ~wanders & ~rises,
        "a pace that wanders": wanders,
        "a pace that rises or falls": rises & ~wanders,
    }
    shares = {name: float(weights[chosen].sum() / weights.sum()) for name, chosen in sorts.items()}
    return tuple(
        f"{name} {share:.0%}" for name, share in sorted(shares.items(), key=lambda one: -one[1]) if share >= 0.005
    )


def _doubt(y: Floats, past: Backtest, horizon_days: int) -> str:
    """Say why the range is not to be trusted: of few points one outweighs all, or it would have had to be over twice as wide."""
    *_, second, largest = np.sort(np.abs(np.diff(y) - np.median(np.diff(y))))
    if len(y) < FEW_TO_TELL and largest > OUTWEIGHS * second:
        return f"of {len(y)} points one changed {OUTWEIGHS:g} times as much as any other: nobody can tell yet whether it grows so"
    asked = past.asked(min(horizon_days, FARTHEST))
    return f"its own earlier forecasts were off {asked:.1f} times as far as they said" if asked > WIDEST else ""


def _counted(series: Series, horizon_days: int) -> Iterator[str]:
    """Say what of the points could not be used, what is missing, and what nobody has measured."""
    if series.unreadable:
        yield f"{series.unreadable} points were no number"
    if series.repeated:
        yield f"{series.repeated} points were measured again on the same day"
    if len(series) and (missing := int(series.days[-1] - series.days[0]) + 1 - len(series)):
        yield f"{missing} days between the first and the last were not measured"
    if horizon_days > FARTHEST:
        yield f"beyond {FARTHEST} days nobody has measured how often the range holds"
