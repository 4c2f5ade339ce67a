"""How the drills of a store go over the weeks: time by phase, what would be lost, and when the promised time will be passed.

A day without a drill stays a day without one. A drill whose copy was not right is shown as failed, and its time counts for
nothing: what did not come back whole has not come back fast. One that was right and late counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import combinations
from math import inf, sqrt
from statistics import median

from sluice.safety.drill.certificate import Certificate, Goals

FEWEST = 8
"""Under so many days nobody says a date."""
LOOKS_BACK = timedelta(days=120)
LOOKS_AHEAD = timedelta(days=1826)
"""Five years: what lies behind says nothing that far."""
WITHIN = 1.2816
"""How many standard deviations on each side hold 80 %."""
AVAILABLE = "available"


@dataclass(frozen=True)
class Drilled:
    """One drill, as a trend sees it."""

    certificate: str
    """Its key in the vault."""
    target: str
    at: datetime
    phases: Mapping[str, float]
    """How many seconds each phase took by itself, in their order, until it was available."""
    lost: tuple[float, float] | None
    failed: tuple[str, ...]
    """Why its copy is none, whatever the time; empty where it was right."""
    late: bool
    bytes: int | None
    """What was brought back, as it is stored; None where the backup is no longer there."""

    @property
    def available(self) -> float:
        """After how many seconds it was available."""
        return sum(self.phases.values())


@dataclass(frozen=True)
class Slope:
    """How much something rises a day, by the median of all pairs (Theil and Sen), and between what that lies with 80 %."""

    at: float
    low: float
    high: float


@dataclass(frozen=True)
class Breach:
    """When a promise will be passed: as likely before as after `likely`, and between the two others with 80 %."""

    likely: date
    earliest: date
    latest: date | None
    """None: it may be never, too."""


@dataclass(frozen=True)
class Trend:
    """What the drills of a store tell together."""

    store: str
    goals: Goals
    drills: tuple[Drilled, ...]
    """Of the last months, oldest first."""
    recoveries: tuple[Drilled, ...]
    """The full recoveries of the same months, oldest first: of an old backup alone, so no drill of a day is like them."""
    until: date
    """Today: days since the last drill are days without one."""

    @cached_property
    def days(self) -> list[tuple[date, list[Drilled]]]:
        """Every day since the first drill; those without one are empty."""
        by_day: dict[date, list[Drilled]] = {}
        for one in self.drills:
            by_day.setdefault(one.at.date(), []).append(one)
        return [(day, by_day.get(day, [])) for day in _span(min(by_day), max(self.until, *by_day))]

    @cached_property
    def slowest(self) -> dict[date, Drilled]:
        """The slowest of each day that has come back whole: a promise is one for all of them."""
        whole = ((day, [one for one in drills if not one.failed]) for day, drills in self.days)
        return {day: max(found, key=lambda one: one.available) for day, found in whole if found}

    @cached_property
    def slope(self) -> Slope | None:
        """Seconds a day; None where there are too few days."""
        return theil_sen([(day.toordinal(), one.available) for day, one in self.slowest.items()])

    @cached_property
    def growth(self) -> Slope | None:
        """Bytes a day of what is brought back; None where there are too few days."""
        return theil_sen([(day.toordinal(), one.bytes) for day, one in self.slowest.items() if one.bytes])

    @property
    def pace(self) -> float | None:
        """Bytes a second, of what is stored, of the last seven that are known: the median."""
        known = [one.bytes / one.available for one in self.slowest.values() if one.bytes and one.available]
        return median(known[-7:]) if known else None

    @cached_property
    def breach(self) -> Breach | None:
        """When the RTO will be passed; None where nothing tells so."""
        points = [(day.toordinal(), one.available) for day, one in self.slowest.items()]
        if not self.slope or (likely := _crosses(points, self.slope.at, self.goals.back_within)) is None:
            return None
        earliest = _crosses(points, self.slope.high, self.goals.back_within)
        latest = _crosses(points, self.slope.low, self.goals.back_within)
        return Breach(likely, min(likely, earliest or likely), max(likely, latest) if latest else None)


def trend_of(
    certificates: Sequence[Certificate],
    stored: Mapping[str, int],
    goals: Goals,
    now: datetime,
    back: timedelta = LOOKS_BACK,
) -> Trend | None:
    """Put the drills of one store together; None where there is none. `stored`: bytes of each backup that is there. Pure.

    Whoever looks further `back` than a slope is told from sees what was, and takes no slope from it.
    """
    drills, recoveries = (
        tuple(sorted(_lately(certificates, stored, now - back, full), key=lambda one: one.at)) for full in (False, True)
    )
    return Trend(certificates[0].store, goals, drills, recoveries, now.astimezone(UTC).date()) if drills else None


def _lately(
    certificates: Sequence[Certificate], stored: Mapping[str, int], since: datetime, full: bool
) -> Iterator[Drilled]:
    for one in certificates:
        drilled = _drilled(one, stored)
        if one.is_full_recovery is full and drilled.at >= since:
            yield drilled


def is_whole(one: Certificate) -> bool:
    """Whether its copy was right, however long it took."""
    return not failures_of(one)


def phases_of(one: Certificate) -> dict[str, float]:
    """Give how long each phase took by itself, in seconds, until the copy was available."""
    found, before = dict[str, float](), 0.0
    for name, ended in sorted(one.phases.items(), key=lambda phase: phase[1]):
        found[name] = round(ended - before, 3)
        before = ended
        if name == AVAILABLE:
            break
    return found


def theil_sen(points: Sequence[tuple[float, float]]) -> Slope | None:
    """Give the median slope of all pairs, with Sen's interval by Kendall's variance; None under `FEWEST` points.

    Sen, Estimates of the regression coefficient based on Kendall's tau (1968). Half of the points may be anything before it
    is far off.
    """
    if len(points) < FEWEST:
        return None
    slopes = sorted((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(sorted(points), 2) if x2 != x1)
    n, pairs = len(points), len(slopes)
    spread = WITHIN * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low, high = max(0, int((pairs - spread) / 2)), min(pairs - 1, int((pairs + spread) / 2) + 1)
    return Slope(median(slopes), slopes[low], slopes[high])


def _crosses(points: Sequence[tuple[float, float]], slope: float, goal: float) -> date | None:
    """Tell on which day a line of that slope through the middle of the points passes the goal; None where it does not."""
    newest = max(x for x, _ in points)
    starts = median(y - slope * x for x, y in points)
    if starts + slope * newest > goal:
        return date.fromordinal(int(newest))
    at = (goal - starts) / slope if slope > 0 else inf
    return date.fromordinal(int(at) + 1) if at - newest <= LOOKS_AHEAD / timedelta(days=1) else None


def _drilled(one: Certificate, stored: Mapping[str, int]) -> Drilled:
    known = [stored.get(name) for name in one.backups]
    size = sum(filter(None, known)) if known and all(known) else None
    late = one.phases.get(AVAILABLE, inf) > one.goals.back_within
    at = datetime.fromisoformat(one.asked_at).astimezone(UTC)
    return Drilled(one.key, one.target, at, phases_of(one), one.lost, failures_of(one), late, size)


def failures_of(one: Certificate) -> tuple[str, ...]:
    """Say what would be wrong if there were no hurry: why its copy is none."""
    return replace(one, goals=Goals(inf, inf), unmeasured="").wrong


def _span(first: date, last: date) -> Iterator[date]:
    yield from (first + timedelta(days=number) for number in range((last - first).days + 1))
