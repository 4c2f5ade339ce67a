"""A month, and where it stands: as a look writes it down, and as a page reads it. Pure.

A month of a table that is cut by days or weeks is many partitions: what of them needs somebody first stands for all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from sluice.estate.retention import Keep
from sluice.upkeep.partitions.spans import BEGIN, END, Span, months_on, span_at, spans

State: TypeAlias = Literal[
    "lost", "gap", "odd", "held", "leaving", "due", "back", "stored", "cooling", "live", "ahead", "gone"
]
Tone: TypeAlias = Literal["bad", "warn", "good", "calm", "blue"]


@dataclass(frozen=True)
class Look:
    """How a state is shown: it has a form, a word and a tone, so that none depends on seeing colours."""

    glyph: str
    word: str
    tone: Tone


STATES: Mapping[State, Look] = {
    "lost": Look("✘", "lost", "bad"),
    "gap": Look("✘", "no partition", "bad"),
    "odd": Look("!", "odd bounds", "bad"),
    "held": Look("‖", "held", "warn"),
    "leaving": Look("▸", "on its way to the vault", "blue"),
    "due": Look("›", "old enough: goes next", "blue"),
    "back": Look("↺", "brought back", "blue"),
    "stored": Look("▣", "archived beside its table", "calm"),
    "cooling": Look("◐", "archived and cooling", "calm"),
    "live": Look("●", "live", "good"),
    "ahead": Look("○", "ahead", "good"),
    "gone": Look("□", "in the vault alone", "calm"),
}
"""What there is, that which needs somebody first first: the first of several parts stands for a month."""
BEYOND: tuple[State, ...] = ("lost", "held", "leaving", "back", "stored", "cooling", "gone")
"""States of a month that the archive knows: it has evidence of its own."""
MOST = 240
"""So many months of one wide partition are shown."""


@dataclass(frozen=True)
class Piece:
    """One partition, or one month of records. `name` is under which the ledger keeps its evidence."""

    span: Span
    state: State
    told: str = ""
    name: str = ""


@dataclass(frozen=True)
class MonthSeen:
    """One month: its state, what there is to say of it, and whose evidence it has; '' for none."""

    month: str
    state: State
    told: str
    name: str


def by_month(pieces: Iterable[Piece]) -> list[MonthSeen]:
    """Put the pieces of each month together, the oldest month first."""
    found: dict[str, list[Piece]] = {}
    for one in pieces:
        for month in _months(one.span):
            found.setdefault(f"{month:%Y-%m}", []).append(one)
    return [_together(month, found[month]) for month in sorted(found)]


def written(months: Iterable[MonthSeen]) -> list[list[str]]:
    """Give months as JSON that is short: there are thousands."""
    return [[one.month, one.state, one.told, one.name] for one in months]


def read(told: Iterable[Sequence[str]]) -> list[MonthSeen]:
    """Read them again."""
    return [MonthSeen(month, state, text, name) for month, state, text, name in told]  # type: ignore[arg-type]


def named(span: Span) -> str:
    """Name a span: a whole month shortly."""
    return f"{span.lower:%Y-%m}" if span.lower != BEGIN and span == span_at(span.lower, "month") else str(span)


def leaves_at(upper: datetime, keep: Keep) -> datetime:
    """Give the moment from which all before `upper` is old: the first for which `cutoff` reaches it."""
    if keep.unit != "months":
        return upper + timedelta(**{keep.unit: keep.count})
    first = months_on(upper.replace(day=1), keep.count)
    behind = months_on(first, 1)
    # Where the month has no such day, its last one is not enough: the cutoff is the last day then, and not beyond it.
    return min(first + timedelta(days=upper.day - 1), behind.replace(hour=0, minute=0, second=0, microsecond=0))


def _together(month: str, pieces: Sequence[Piece]) -> MonthSeen:
    state = next(one for one in STATES if any(piece.state == one for piece in pieces))
    same = [piece for piece in pieces if piece.state == state]
    named = [piece.name for piece in pieces if piece.name and piece.state in BEYOND]
    if len(pieces) == 1:
        return MonthSeen(month, state, pieces[0].told, named[0] if named else "")
    counts = Counter(STATES[piece.state].word for piece in pieces)
    told = f"{len(pieces)} partitions: {', '.join(f'{count} {word}' for word, count in counts.items())}"
    notes = list(dict.fromkeys(piece.told for piece in same if piece.told))
    return MonthSeen(month, state, "; ".join([told, *notes[:2]]), named[-1] if named else "")


def _months(span: Span) -> Iterator[datetime]:
    """Give the first of each month that a partition covers whole, else of that in which it begins; of no end, one alone."""
    if BEGIN in (span.lower, span.upper) or END in (span.lower, span.upper):
        edge = span.lower if span.lower != BEGIN else span.upper - timedelta(microseconds=1)
        if edge.year < END.year:
            yield span_at(edge, "month").lower
        return
    covered = [
        one.lower
        for one in spans(span.lower, span.upper, "month")
        if span.lower <= one.lower and one.upper <= span.upper
    ]
    yield from covered[-MOST:] or [span_at(span.lower, "month").lower]
