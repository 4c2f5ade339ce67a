"""How fast a copy is, and when it ends: as a range, since its pace was never the same for long. Pure.

Looks at a copy leave a trail: when, and how much was done. The paces between them are drawn again and again, in blocks, so that
a slow minute stays a minute (the moving block bootstrap: Künsch, The Annals of Statistics 17, 1989; blocks as long as the cube
root of what was seen: Hall, Horowitz and Jing, Biometrika 82, 1995). What is to come varies as what was seen did: as many are
drawn as carry the doubt of both. Of the draws the middle four fifths are told. A copy that slows down is not what it was: its
latest third is asked by itself, too, and the wider of both answers is given.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

KEPT = timedelta(minutes=30)
"""So far back the trail goes: what was before says little of what is to come."""
APART = timedelta(seconds=10)
"""Looks that follow closer are one."""
LEAST = 8
"""With fewer paces nothing is said of the end."""
DRAWS = 400
LOW, HIGH = 0.1, 0.9
SILENT = timedelta(minutes=3)
"""A copy of which nothing was seen to move for longer, and for far longer than between two moves before, stands still."""
FAR_LONGER = 5


@dataclass(frozen=True)
class Point:
    """A look at a copy: when, and how much was done by then. `work` is in chunks or in rows, whichever is told finer."""

    at: datetime
    work: float
    rows: int


@dataclass(frozen=True)
class Pace:
    """How a copy goes."""

    rate: float | None
    """Rows a second over the trail; None where there is none yet."""
    earliest: datetime | None = None
    latest: datetime | None = None
    """Between these it ends, four times in five; None where nothing can be said, or no end is in sight."""
    stalled_since: datetime | None = None
    """When something moved last, of a copy that stands still."""


def extended(trail: Sequence[Point], seen: Point) -> list[Point]:
    """Put a look behind the trail; a copy that began anew has a new one.

    What is older than `KEPT` goes, but for the look since which nothing has moved.
    """
    if trail and (seen.work, seen.rows) < (trail[-1].work, trail[-1].rows):
        return [seen]
    if len(trail) > 1 and seen.at - trail[-2].at < APART:
        trail = trail[:-1]
    recent = [point for point in trail if seen.at - point.at <= KEPT]
    moved = next((point for point in trail if point.work == seen.work and point.rows == seen.rows), None)
    if moved and moved not in recent:
        recent.insert(0, moved)
    return [*recent, seen]


def pace(trail: Sequence[Point], left: float | None) -> Pace:
    """Say how it goes; `left` is the work that is still to do, None where nobody knows."""
    if len(trail) < 2:
        return Pace(None)
    if since := _still_since(trail):
        return Pace(0.0, stalled_since=since)
    last, seconds = trail[-1], (trail[-1].at - trail[0].at).total_seconds()
    rate = (last.rows - trail[0].rows) / seconds if seconds else None
    ends = _ends(trail, left) if left else None
    return Pace(rate, *(None if end is None else last.at + timedelta(seconds=end) for end in ends or (None, None)))


def _still_since(trail: Sequence[Point]) -> datetime | None:
    """Say when something moved last, if that is too long ago."""
    moves = [b.at for a, b in pairwise(trail) if (a.work, a.rows) != (b.work, b.rows)]
    last = moves[-1] if moves else trail[0].at
    between = [(b - a).total_seconds() for a, b in pairwise(moves)]
    patience = max(SILENT.total_seconds(), FAR_LONGER * median(between) if between else 0.0)
    return last if (trail[-1].at - last).total_seconds() > patience else None


def _ends(trail: Sequence[Point], left: float) -> tuple[float | None, float | None] | None:
    """Give the earliest and the latest end, in seconds from the last look; None of one that is not in sight."""
    seen = [((b.at - a.at).total_seconds(), b.work - a.work) for a, b in pairwise(trail)]
    if len(seen) < LEAST or not any(work for _, work in seen):
        return None
    drawn = [_drawn(part, left) for part in (seen, seen[-max(LEAST, len(seen) // 3) :])]
    earliest = min(ends[int(LOW * DRAWS)] for ends in drawn)
    latest = max(ends[int(HIGH * DRAWS)] for ends in drawn)
    return (earliest if math.isfinite(earliest) else None), (latest if math.isfinite(latest) else None)


def _drawn(seen: Sequence[tuple[float, float]], left: float) -> list[float]:
    """Draw the time that the rest takes, sorted; infinite where only standstill was drawn. The same trail gives the same."""
    dice = random.Random(0)
    work = sum(done for _, done in seen)
    if not work:
        return [math.inf] * DRAWS
    to_come = max(1.0, left / (work / len(seen)))
    count = max(1, round(1 / (1 / len(seen) + 1 / to_come)))
    length = min(count, max(1, round(len(seen) ** (1 / 3))))
    return sorted(_once(dice, seen, left, count, length) for _ in range(DRAWS))


def _once(dice: random.Random, seen: Sequence[tuple[float, float]], left: float, count: int, length: int) -> float:
    took = done = 0.0
    while count > 0:
        begin = dice.randrange(len(seen) - length + 1)
        for seconds, work in seen[begin : begin + min(length, count)]:
            took, done = took + seconds, done + work
        count -= length
    return left * took / done if done else math.inf
