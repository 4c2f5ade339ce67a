"""Whether a rule holds: every sample of so long was over its threshold, or under. A gap in the samples proves nothing. Pure.

The time of a rule ends with the last sample, as a service tells its numbers minutes late; one that is too old counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal, TypeAlias

from sluice.estate.scaling import Scaling
from sluice.ledger.samples import Sample

RuleName: TypeAlias = Literal["cpu", "memory", "storage", "units"]
Way: TypeAlias = Literal["up", "down"]
GAP = timedelta(minutes=2)
"""Samples are a minute apart. Where two are further apart than this, nobody knows what was between them."""
FRESH = timedelta(minutes=10)
"""How old the last sample may be."""
STORAGE_FOR = timedelta(minutes=5)
"""For so long a disk must be over: a large sort fills it for a moment."""


@dataclass(frozen=True)
class Threshold:
    """A rule's threshold, one way."""

    rule: RuleName
    way: Way
    metric: str
    percent: float
    lasting: timedelta

    def is_past(self, value: float) -> bool:
        """Whether a value is past it; one that just meets it is past that of a disk alone, which scales *at* its percent."""
        if self.rule == "storage":
            return value >= self.percent
        return value > self.percent if self.way == "up" else value < self.percent


@dataclass(frozen=True)
class Holds:
    """A threshold that was passed in every sample of its time."""

    threshold: Threshold
    since: datetime
    until: datetime
    lowest: float
    highest: float
    mean: float
    samples: int

    def __str__(self) -> str:
        where = (
            {"up": "over", "down": "under"}[self.threshold.way] if self.threshold.rule != "storage" else "at or over"
        )
        return (
            f"{self.threshold.metric} was {where} {self.threshold.percent:g} % in each of {self.samples} samples,"
            f" {self.since:%Y-%m-%d %H:%M} to {self.until:%H:%M} UTC: {self.lowest:.0f} to {self.highest:.0f} %,"
            f" {self.mean:.0f} % on average"
        )


@dataclass(frozen=True)
class Unknown:
    """A threshold of which nobody can say whether it was passed."""

    threshold: Threshold
    why: str

    def __str__(self) -> str:
        return f"{self.threshold.metric}: {self.why}"


@dataclass(frozen=True)
class Evaluated:
    """What the rules of a store say at a moment."""

    holds: tuple[Holds, ...]
    unknown: tuple[Unknown, ...]

    def of(self, rule: RuleName, way: Way) -> Holds | None:
        """Give the rule that holds this way, if it does."""
        return next((one for one in self.holds if (one.threshold.rule, one.threshold.way) == (rule, way)), None)


def thresholds_of(scaling: Scaling) -> tuple[Threshold, ...]:
    """List the thresholds of an instance."""
    cpu, memory = scaling.cpu, scaling.memory
    return (
        Threshold("storage", "up", "disk_used_percent", scaling.storage.extend_at, STORAGE_FOR),
        Threshold("cpu", "up", "cpu_percent", cpu.up, cpu.up_for),
        Threshold("cpu", "down", "cpu_percent", cpu.down, cpu.down_for),
        Threshold("memory", "up", "memory_used_percent", memory.up, memory.up_for),
        Threshold("memory", "down", "memory_used_percent", memory.down, memory.down_for),
    )


def longest(scaling: Scaling) -> timedelta:
    """For how long before a moment samples are needed."""
    return max(threshold.lasting for threshold in thresholds_of(scaling)) + FRESH + GAP


def evaluate(scaling: Scaling, taken: Mapping[str, Sequence[Sample]], now: datetime) -> Evaluated:
    """Say which thresholds were passed, as of `now`. `taken`: samples by metric, oldest first; later ones count for nothing."""
    found = [judge(threshold, taken.get(threshold.metric, ()), now) for threshold in thresholds_of(scaling)]
    return Evaluated(
        tuple(one for one in found if isinstance(one, Holds)), tuple(one for one in found if isinstance(one, Unknown))
    )


def judge(threshold: Threshold, samples: Sequence[Sample], now: datetime) -> Holds | Unknown | None:
    """Say whether every sample of the threshold's time is past it; None where one is not."""
    known = [one for one in samples if one.at <= now]
    if not known or now - known[-1].at > FRESH:
        return Unknown(threshold, _stale(known, now))
    since = known[-1].at - threshold.lasting
    within = list(_since(known, since))
    if (gap := _gap(within, since)) is not None:
        return Unknown(
            threshold, f"nothing was measured for {gap.total_seconds():.0f} s of the last {threshold.lasting}"
        )
    values = [one.value for one in within]
    if not all(threshold.is_past(value) for value in values):
        return None
    return Holds(
        threshold, within[0].at, within[-1].at, min(values), max(values), sum(values) / len(values), len(values)
    )


def _since(known: Sequence[Sample], since: datetime) -> Iterator[Sample]:
    """Give the samples from `since` on, and the one before: between that and the next one the time began."""
    before = [one for one in known if one.at <= since]
    yield from before[-1:]
    yield from (one for one in known if one.at > since)


def _gap(within: Sequence[Sample], since: datetime) -> timedelta | None:
    """Give the longest time without a sample where that is too long; `since` is the beginning where none lies before it."""
    moments = [min(within[0].at, since), *(one.at for one in within)]
    widest = max(later - earlier for earlier, later in pairwise(moments))
    if within[0].at > since:
        return max(widest, within[0].at - since)
    return widest if widest > GAP else None


def _stale(known: Sequence[Sample], now: datetime) -> str:
    if not known:
        return "nothing was measured"
    minutes = (now - known[-1].at).total_seconds() / 60
    return f"nothing was measured since {known[-1].at:%Y-%m-%d %H:%M} UTC, {minutes:.0f} min ago"
