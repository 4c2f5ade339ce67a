"""Forecasts that were kept, against what came: how often the range held, and what it cost that it did not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sluice.insight.forecast.series import Floats

Chance: TypeAlias = Callable[[float], float]
CLAIMED = 0.8
"""So often a range holds what comes, if it is right."""
SHARES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Kept:
    """What was foretold for a day, and what was measured then."""

    p10: float
    p50: float
    p90: float
    came: float

    @property
    def held(self) -> bool:
        """Whether it lay within the range."""
        return self.p10 <= self.came <= self.p90


@dataclass(frozen=True)
class Score:
    """How good forecasts were; `held` of `points` within their range."""

    points: int
    held: int
    low: float
    """Between this share and `high` lies how often they hold, with 95 %: as if days told nothing of each other."""
    high: float
    pinball: float
    """The mean loss of the three lines, in the units of the series: it is least where each line lies where it says."""

    @property
    def share(self) -> float:
        """The share that held; 0 where nothing was kept."""
        return self.held / self.points if self.points else 0.0

    @property
    def sound(self) -> bool:
        """Whether it may be that they hold four times in five."""
        return self.low <= CLAIMED <= self.high

    @property
    def told(self) -> str:
        """Say it in words."""
        if not self.points:
            return "no forecast has come to its day yet"
        return f"our 80 % intervals held {self.share:.0%} (n={self.points}, {self.low:.0%} to {self.high:.0%})"


def score(kept: Sequence[Kept]) -> Score:
    """Hold forecasts against what came."""
    held = sum(one.held for one in kept)
    low, high = clopper_pearson(held, len(kept))
    lines = [(SHARES[number], (one.p10, one.p50, one.p90)[number], one.came) for one in kept for number in range(3)]
    loss = float(np.mean([pinball(share, line, came) for share, line, came in lines])) if lines else 0.0
    return Score(len(kept), held, low, high, loss)


def pinball(share: float, line: float, came: float) -> float:
    """Give the loss of a line that a `share` of all values should lie below (Koenker and Bassett, 1978)."""
    return max(share * (came - line), (share - 1) * (came - line))


def clopper_pearson(held: int, points: int, sure: float = 0.95) -> tuple[float, float]:
    """Give between what a share lies that was seen `held` times of `points`: exact, so never too narrow (1934)."""
    tail = (1 - sure) / 2
    low = _share_where(lambda share: float(_chances(share, points)[held:].sum()), tail) if held else 0.0
    high = (
        1 - _share_where(lambda share: float(_chances(1 - share, points)[: held + 1].sum()), tail)
        if held < points
        else 1.0
    )
    return low, high


def _share_where(chance: Chance, wanted: float) -> float:
    """Give where a chance that rises with the share has the wanted size, by halving."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) < wanted else (low, middle)
    return (low + high) / 2


def _chances(share: float, points: int) -> Floats:
    """Give how likely 0, 1 … of all points hold."""
    number = np.arange(points + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((points - number[1:] + 1) / number[1:]))])
    return np.asarray(np.exp(ways + number * np.log(share) + (points - number) * np.log1p(-share)))
