"""Lines that drift: 360 ways in which a level and its pace may move, each weighed by how well it foretold every day so far. Pure.

Each is a local linear trend (Harvey, Forecasting, structural time series models and the Kalman filter, 1989, 4.1) whose pace
may also rise, ever faster or slower. They differ in how much of a day's change is measured wrongly and how much stays, in how
fast the pace wanders and in how fast it may rise. A weight is the product of the densities that the line gave to each next value
before it was seen: a rolling origin, one day ahead (Dawid, Present position and potential developments: the prequential
approach, 1984). All of them together foretell (Hoeting and others, Bayesian model averaging, 1999), so the range holds what
several think, not what the best one is sure of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from sluice.insight.forecast.lines import roughness, spread, theil_sen
from sluice.insight.forecast.series import Floats

SCALES = (0.5, 0.8, 1.2, 2.0, 4.0)
"""A day's change, times what the usual days say of it."""
STAYING = (1e-4, 1e-3, 0.01, 0.1, 0.4, 1.0)
"""Which share of its variance stays; the rest was measured wrongly and is gone the next day."""
WANDERING = (0.0, 0.005, 0.015, 0.05)
"""By how much the pace changes from day to day by chance, as a share of itself."""
RISING = (0.0, 0.1, 0.3)
"""By how much it may rise or fall each month, as a share of itself."""
BENDING = 0.03
"""By how much that again changes from day to day, as a share of itself: what compounds rises ever faster."""
WANDERING_PRIOR = tuple(float(np.exp(-0.2 * number)) for number in range(len(WANDERING)))
RISING_PRIOR = (4.0, 2.0, 1.0)
"""What is believed beforehand: calm is likelier than change. Chosen on the seeds for building; see docs/decisions/028."""
CLIPPED = 4.0
"""A value farther off than so many standard deviations counts as one so far off: one wrong value decides nothing. Where those
before it were as far off to the same side, it is no wrong value, and counts as it is."""
RUN, FAR = 2, 100.0
"""After so many in a row, and up to so far."""
EVEN = 1e-12
"""A spread of less than this share of all that the values span is rounding."""
LEAST_ROUGH = 0.02
"""No table grows so evenly that a day differs by less than this share of a day's growth."""
NEGLIGIBLE = 3e-3
"""A line with less than this share of the best one's weight is left out."""
_EACH = np.array([NormalDist().inv_cdf((number + 0.5) / 21) for number in range(21)])
"""A normal distribution as 21 values of the same weight."""


@dataclass(frozen=True, eq=False)
class Bank:
    """All lines: one number of each for every property. In `unit`, which is about a day's growth, and counted from `origin`."""

    origin: float
    unit: float
    wrong: Floats
    stays: Floats
    wanders: Floats
    rises: Floats
    bends: Floats
    log_prior: Floats


@dataclass(frozen=True, eq=False)
class State:
    """What each line believes after a value: level, pace and rise, how sure it is of them, and how well it has foretold."""

    mean: Floats
    """3 × lines."""
    cov: Floats
    """3 × 3 × lines."""
    score: Floats
    """The log of its weight."""
    run: Floats
    """How many values in a row were farther off than `CLIPPED`, to the side that its sign says."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """What all lines together foretell for some days ahead."""

    weights: Floats
    means: Floats
    """Days × lines."""
    deviations: Floats
    """Days × lines."""

    @property
    def mean(self) -> Floats:
        """The mean of each day."""
        return np.asarray(self.means @ self.weights)

    @property
    def deviation(self) -> Floats:
        """The standard deviation of each day, with that between the lines."""
        square = (self.deviations**2 + self.means**2) @ self.weights
        return np.sqrt(np.maximum(square - self.mean**2, 0.0))

    def quantiles(self, shares: Sequence[float]) -> Floats:
        """Give shares × days: the value below which each share of what is foretold lies."""
        values = (self.means[:, :, None] + self.deviations[:, :, None] * _EACH).reshape(len(self.means), -1)
        weights = np.repeat(self.weights / len(_EACH), len(_EACH))
        order = np.argsort(values, axis=1)
        below = np.cumsum(weights[order], axis=1) - weights[order] / 2
        found = [np.interp(shares, below[day], values[day][order[day]]) for day in range(len(values))]
        return np.array(found).T


def bank_of(x: Floats, y: Floats) -> Bank:
    """Give the lines that suit a series: in units of its own growth. Two points at least, not all of one value."""
    slope = theil_sen(x, y)
    range_, all_of_it = 0.8 * spread(y), 0.3 * float(np.ptp(y))  # the same on a straight line
    range_ = range_ if range_ > EVEN * all_of_it else all_of_it
    unit = max(abs(slope), range_ / float(x[-1] - x[0])) * (-1.0 if slope < 0 else 1.0)
    rough = max(roughness(x, y, slope) / abs(unit), LEAST_ROUGH)
    every = np.meshgrid(SCALES, STAYING, range(len(WANDERING)), range(len(RISING)), indexing="ij")
    scale, staying = every[0].ravel(), every[1].ravel()
    wander, rise = every[2].ravel(), every[3].ravel()
    return Bank(
        origin=float(y[0]),
        unit=unit,
        wrong=rough * scale * np.sqrt(np.maximum((1 - staying) / 2, 1e-6)),
        stays=rough * scale * np.sqrt(staying),
        wanders=np.array(WANDERING)[wander],
        rises=np.array(RISING)[rise],
        bends=BENDING * np.array(RISING)[rise] / 30.0,
        log_prior=np.log(np.array(WANDERING_PRIOR)[wander]) + np.log(np.array(RISING_PRIOR)[rise]),
    )


def follow(bank: Bank, x: Floats, y: Floats, stops: Iterable[int]) -> dict[int, State]:
    """Go through the points once and give what the lines believe after the first so many, for each stop from 1 to all."""
    wanted, values = set(stops), (y - bank.origin) / bank.unit
    state, found = _begin(bank, float(values[0])), dict[int, State]()
    for number, value in enumerate(values):
        if number:
            state = _see(bank, _move(bank, state, float(x[number] - x[number - 1])), float(value))
        if number + 1 in wanted:
            found[number + 1] = state
    return found


def foretell(bank: Bank, state: State, ahead: Floats) -> Mixture:
    """Say what will be measured so many days after the state: in units of the bank."""
    weights = np.exp(state.score - state.score.max())
    kept = weights > NEGLIGIBLE
    reach = np.stack([np.ones_like(ahead), ahead, ahead**2 / 2], axis=1)
    both = (reach[:, :, None] * reach[:, None, :]).reshape(len(ahead), 9)
    known = both @ state.cov[:, :, kept].reshape(9, -1)
    chance = (
        np.outer(ahead, bank.stays[kept] ** 2)
        + np.outer(ahead**3 / 3, bank.wanders[kept] ** 2)
        + np.outer(ahead**5 / 20, bank.bends[kept] ** 2)
    )
    deviations = np.sqrt(np.maximum(known, 0.0) + chance + bank.wrong[kept] ** 2)
    return Mixture(weights[kept] / weights[kept].sum(), reach @ state.mean[:, kept], deviations)


def _begin(bank: Bank, value: float) -> State:
    """Before anything else is known: the pace is one unit, give or take two, and it rises by nothing, give or take its rise."""
    lines = len(bank.wrong)
    cov = np.zeros((3, 3, lines))
    cov[0, 0], cov[1, 1], cov[2, 2] = bank.wrong**2, 4.0, (bank.rises / 30.0) ** 2
    return State(np.outer([value, 1.0, 0.0], np.ones(lines)), cov, bank.log_prior, np.zeros(lines))


def _move(bank: Bank, state: State, days: float) -> State:
    """Let days pass."""
    turn = np.array([[1.0, days, days**2 / 2], [0.0, 1.0, days], [0.0, 0.0, 1.0]])
    half = (turn @ state.cov.reshape(3, -1)).reshape(3, 3, -1)
    cov = (turn @ half.swapaxes(0, 1).reshape(3, -1)).reshape(3, 3, -1)
    cov[0, 0] += days * bank.stays**2
    cov[1, 1] += days * bank.wanders**2
    cov[2, 2] += days * bank.bends**2
    return replace(state, mean=turn @ state.mean, cov=cov)


def _see(bank: Bank, state: State, value: float) -> State:
    """Learn from a value. It counts as one that is `CLIPPED` off at most; but in a run, as one that is `FAR` off at most."""
    variance = state.cov[0, 0] + bank.wrong**2
    deviation = np.sqrt(variance)
    off = (value - state.mean[0]) / deviation
    side = np.where(np.abs(off) > CLIPPED, np.sign(off), 0.0)
    run = np.where(side * state.run > 0, state.run + side, side)
    most = np.where(np.abs(run) > RUN, FAR, CLIPPED)
    off = np.clip(off, -most, most)
    gain = state.cov[0] / variance
    mean = state.mean + gain * (deviation * off)
    return State(
        mean, state.cov - gain[:, None] * state.cov[0][None], state.score - (np.log(variance) + off**2) / 2, run
    )
