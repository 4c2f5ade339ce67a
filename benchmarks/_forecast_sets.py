"""Seeded histories of tables that grow, each with what came afterwards: what a forecast is judged by.

A set is a way to grow, and how strongly is drawn anew for each seed. All sets share what every real table has: a day's growth
varies, what is measured is off by 0.5 to 5 % of what grew in the days that were kept, and some days are missing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from sluice.insight.forecast.series import Point, Purge

Values = NDArray[np.float64]
FIRST = date(2024, 1, 1)
POINTS = (8, 30, 90, 365)
HORIZONS = (7, 30, 90)
AHEAD = max(HORIZONS)
TRAIN, HELD_OUT = range(0, 100_000), range(100_000, 200_000)
"""Seeds that may be looked at while building, and those for the end."""


@dataclass(frozen=True)
class Made:
    """One history, and the truth after it."""

    set: str
    points: tuple[Point, ...]
    """What was measured: bytes, missing days left out."""
    purges: tuple[Purge, ...]
    """What the ledger knows was dropped, in the days that were measured."""
    planned: tuple[Purge, ...]
    """What a policy will drop, as it is known on the last day: near the truth, not quite."""
    truth: Values
    """What will be measured on each of the `AHEAD` days after the last."""
    pace: float
    """What it grows a day around the last day, in bytes: the unit in which errors are told."""

    @property
    def last(self) -> date:
        """The day of the forecast."""
        return self.points[-1].day


def make(set_: str, points: int, seed: int) -> Made:
    """Make one history of a set, always the same for a seed."""
    return SETS[set_](set_, points, default_rng([zlib.crc32(set_.encode()), points, seed]))


def make_all(seeds: range, sets: tuple[str, ...] = (), points: tuple[int, ...] = POINTS) -> Iterator[Made]:
    """Make every history of the sets (all of them unless some are named), for each number of points and seed."""
    for set_ in sets or tuple(SETS):
        for count in points:
            yield from (make(set_, count, seed) for seed in seeds)


@dataclass(frozen=True)
class _Drawn:
    """What a set adds to: each day's growth, those measured and those to come, and how it is measured."""

    rng: Generator
    seen: NDArray[np.int64]
    """The days that were measured, the first is 0."""
    pace: float
    start: float
    noise: float
    """Standard deviation of a measurement, as a share of what grew in the days that were kept."""

    @property
    def days(self) -> int:
        """All of them, with those to come."""
        return int(self.seen[-1]) + 1 + AHEAD

    @property
    def now(self) -> int:
        """The last measured day."""
        return int(self.seen[-1])


def _drawn(points: int, rng: Generator) -> _Drawn:
    """Draw what all sets share. A table is worth between some days and some years of its growth."""
    days = round(points * 1.04) + 1 if points > 25 else points
    between = rng.choice(np.arange(1, days - 1), points - 2, replace=False)
    seen = np.array([0, *np.sort(between), days - 1])
    pace = 10 ** rng.uniform(5, 10)
    return _Drawn(rng, seen, pace, pace * 10 ** rng.uniform(1, 3.3), rng.uniform(0.005, 0.05))


def _grown(drawn: _Drawn, shape: Values) -> Values:
    """Give each day's growth: its shape times a day's chance, which varies by a tenth to a half of itself."""
    spread = drawn.rng.uniform(0.1, 0.5)
    return drawn.pace * shape * drawn.rng.gamma(spread**-2, spread**2, drawn.days)


def _finish(set_: str, drawn: _Drawn, growth: Values, level: Values | float = 0.0, shape: float = 1.0) -> Made:
    """Add the days up and measure them: `level` comes on top and is not growth."""
    true = drawn.start + np.cumsum(growth) + level
    measured = _measured(drawn, true, growth)
    return _made(set_, drawn, measured, drawn.pace * shape)


def _measured(drawn: _Drawn, true: Values, growth: Values) -> Values:
    grew = float(np.sum(np.abs(growth[: drawn.now + 1])))
    return np.maximum(true + drawn.rng.normal(0, drawn.noise * grew, drawn.days), 0.0)


def _made(
    set_: str,
    drawn: _Drawn,
    measured: Values,
    pace: float,
    purges: tuple[Purge, ...] = (),
    planned: tuple[Purge, ...] = (),
) -> Made:
    points = tuple(Point(day_of(int(day)), float(measured[day])) for day in drawn.seen)
    return Made(set_, points, purges, planned, measured[drawn.now + 1 :], pace)


def day_of(number: int) -> date:
    """Give the date of a day that is counted from the first."""
    return FIRST + timedelta(days=number)


def _linear(set_: str, points: int, rng: Generator) -> Made:
    """The same every day, but for chance."""
    drawn = _drawn(points, rng)
    return _finish(set_, drawn, _grown(drawn, np.ones(drawn.days)))


def _accelerating(set_: str, points: int, rng: Generator) -> Made:
    """3 to 15 % more each month: of the month before (a business), or of the first (one more customer each month)."""
    drawn = _drawn(points, rng)
    months, rate = (np.arange(drawn.days) - drawn.now) / 30.4, rng.uniform(0.03, 0.15)
    shape = (1 + rate) ** months if rng.random() < 0.5 else np.maximum(1 + rate * months, 0.0)
    return _finish(set_, drawn, _grown(drawn, shape))


def _seasonal(set_: str, points: int, rng: Generator) -> Made:
    """Weekends grow 0 to 60 % of a working day; in half of them a weekly load comes and goes as well."""
    drawn = _drawn(points, rng)
    week = (np.arange(drawn.days) + rng.integers(7)) % 7
    quiet = rng.uniform(0.0, 0.6)
    shape = np.where(week < 5, 1.0, quiet)
    load = drawn.pace * rng.uniform(0.5, 3.0) * (rng.random() < 0.5)
    return _finish(set_, drawn, _grown(drawn, shape), np.where(week > 4, load, 0.0), (5 + 2 * quiet) / 7)


def _bursts(set_: str, points: int, rng: Generator) -> Made:
    """A load every 15 to 60 days, as much as some days of growth: it stays."""
    drawn = _drawn(points, rng)
    every, size = rng.uniform(15, 60), rng.uniform(2, 12)
    loads = drawn.pace * rng.exponential(size, drawn.days) * (rng.random(drawn.days) < 1 / every)
    return _finish(set_, drawn, _grown(drawn, np.ones(drawn.days)) + loads, 0.0, 1 + size / every)


def _turning(set_: str, points: int, rng: Generator) -> Made:
    """From one day in the middle on it grows 0.3 to 3 times as fast: a release, a customer."""
    drawn = _drawn(points, rng)
    turn, factor = rng.uniform(0.2, 0.8) * drawn.now, 3 ** rng.uniform(-1, 1)
    return _finish(set_, drawn, _grown(drawn, np.where(np.arange(drawn.days) < turn, 1 / factor, 1.0)))


def _step(set_: str, points: int, rng: Generator) -> Made:
    """One day that nobody noted takes or brings 20 to 100 % of what grows in all days, in the middle of them."""
    drawn = _drawn(points, rng)
    growth = _grown(drawn, np.ones(drawn.days))
    size = rng.choice([-1, 1]) * rng.uniform(0.2, 1.0) * drawn.pace * drawn.now
    came = np.arange(drawn.days) >= rng.uniform(0.2, 0.8) * drawn.now
    above = 1.2 * abs(size) * (size < 0)
    return _finish(set_, drawn, growth, size * came + above)


def _purges(set_: str, points: int, rng: Generator) -> Made:
    """Each month 70 to 100 % of what grew in it is dropped, which the ledger knows; the policy's word for the next is 5 % off."""
    drawn = _drawn(points, rng)
    growth = _grown(drawn, np.ones(drawn.days))
    drops = np.zeros(drawn.days)
    for day in range(int(rng.integers(1, 30)), drawn.days, 30):
        drops[day] = rng.uniform(0.7, 1.0) * 30 * drawn.pace
    true = drawn.start + 400 * drawn.pace + np.cumsum(growth - drops)
    measured = _measured(drawn, true, growth)
    noted = tuple(Purge(day_of(int(day)), float(drops[day])) for day in np.flatnonzero(drops) if day <= drawn.now)
    said = tuple(
        Purge(day_of(int(day)), float(drops[day] * rng.uniform(0.95, 1.05)))
        for day in np.flatnonzero(drops)
        if day > drawn.now
    )
    return _made(set_, drawn, measured, drawn.pace, noted, said)


SETS: dict[str, Callable[[str, int, Generator], Made]] = {
    "linear": _linear,
    "accelerating": _accelerating,
    "seasonal": _seasonal,
    "bursts": _bursts,
    "purges": _purges,
    "step": _step,
    "turning": _turning,
}
