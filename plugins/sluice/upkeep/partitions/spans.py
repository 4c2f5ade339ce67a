"""Months, weeks and days as half-open spans of UTC. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

Every: TypeAlias = Literal["month", "week", "day"]
EVERY: tuple[Every, ...] = ("month", "week", "day")
BEGIN, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""What stands for bounds that are open, or farther than a calendar goes."""


@dataclass(frozen=True, order=True)
class Span:
    """Moments from `lower`, up to and without `upper`; both are UTC."""

    lower: datetime
    upper: datetime

    def holds(self, moment: datetime) -> bool:
        """Whether the moment lies within."""
        return self.lower <= moment < self.upper

    def meets(self, other: Span) -> bool:
        """Whether some moment lies within both."""
        return self.lower < other.upper and other.lower < self.upper

    def __str__(self) -> str:
        return f"{_short(self.lower)} to {_short(self.upper)}"


def span_at(moment: datetime, every: Every) -> Span:
    """Give the month, week (from Monday) or day that holds a moment."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if every == "day":
        return Span(day, day + timedelta(days=1))
    if every == "week":
        monday = day - timedelta(days=day.weekday())
        return Span(monday, monday + timedelta(days=7))
    first = day.replace(day=1)
    return Span(first, months_on(first, 1))


def spans(lower: datetime, upper: datetime, every: Every) -> Iterator[Span]:
    """Give each month, week or day from the one that holds `lower` until `upper` is reached."""
    span = span_at(lower, every)
    while span.lower < upper:
        yield span
        span = span_at(span.upper, every)


def months_on(first: datetime, months: int) -> datetime:
    """Give the first of a month so many months later."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return first.replace(year=year, month=month + 1)


def without(span: Span, taken: Sequence[Span]) -> Iterator[Span]:
    """Give what of a span none of those `taken` holds, in order."""
    lower = span.lower
    for other in sorted(taken):
        if other.upper <= lower or other.lower >= span.upper:
            continue
        if other.lower > lower:
            yield Span(lower, other.lower)
        lower = max(lower, other.upper)
    if lower < span.upper:
        yield Span(lower, span.upper)


def _short(moment: datetime) -> str:
    if moment in (BEGIN, END):
        return "ever"
    return f"{moment:%Y-%m-%d}" if moment.time() == datetime.min.time() else f"{moment:%Y-%m-%d %H:%M:%S}+00"
