"""Which months are old enough to go, by the end of their bounds and never by a name, and which are held. Pure."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sluice.estate.retention import Hold, Keep
from sluice.upkeep.partitions.spans import END, Span, months_on, span_at


def is_old(span: Span, keep: Keep, now: datetime) -> bool:
    """Whether all that a partition of these bounds can hold is older than what is kept. One without an end never is."""
    return span.upper <= cutoff(keep, now)


def cutoff(keep: Keep, now: datetime) -> datetime:
    """Give the moment before which rows are old. So many months before the 31st is the last day, where there is no 31st."""
    if keep.unit != "months":
        return now - timedelta(**{keep.unit: keep.count})
    month = months_on(span_at(now, "month").lower, -keep.count)
    day = min(now.day, monthrange(month.year, month.month)[1])
    return now.replace(year=month.year, month=month.month, day=day)


def holding(span: Span, holds: Iterable[Hold]) -> str | None:
    """Say why a month may not go: the first hold that touches it; None where none does."""
    return next((hold.because for hold in holds if _touches(hold, span)), None)


def nearest_of(there: Iterable[Span], asked: Span) -> str:
    """Say what there is, where nothing is there of what was asked for, and what to do."""
    months = sorted(set(there))
    if not months:
        return "It has none yet: nothing has left the table. Nothing was changed."
    nearest = min(months, key=lambda one: max(one.lower - asked.upper, asked.lower - one.upper))
    has = f"It has {len(months)}, from {months[0]} on to {months[-1]}" if len(months) > 1 else "It has one"
    return f"{has}; the nearest is {nearest}. Ask for a month that one of them meets. Nothing was changed."


def _touches(hold: Hold, span: Span) -> bool:
    behind = months_on(_month(hold.until_month), 1) if hold.until_month else END
    return span.meets(Span(_month(hold.from_month), behind))


def _month(text: str) -> datetime:
    year, month = map(int, text.split("-"))
    return datetime(year, month, 1, tzinfo=UTC)
