"""Partitions and archives at a terminal: a line a table, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from sluice.local.standing.words import minute, table

if TYPE_CHECKING:
    from sluice.overview.partitions.kept import Kept, Next
    from sluice.overview.partitions.page import Partitions

MARKS = ("✘ now", "✘ soon", "? not seen", "✔")
"""By how urgent it is."""
MONTHS = 24
"""So many months are drawn, the last ones."""


def tables(it: Partitions) -> Iterator[Table]:
    """Lay it out: what needs somebody first."""
    heads = (
        "",
        "table",
        "of",
        "ahead, wanted (days)",
        f"last {MONTHS} months",
        "months",
        "next to leave",
        "seen (UTC)",
    )
    shown = table(it.headline, *heads)
    for one in it.kept:
        ahead = f"{one.ahead.days:g}, {one.ahead.wanted:g}" if one.ahead else "–"
        counts = ", ".join(f"{count} {look.word}" for look, count in one.looks())
        shown.add_row(
            MARKS[one.rank], one.table, one.store, ahead, _drawn(one), counts, _next(one.leaves), minute(one.seen)
        )
    yield shown
    if told := [(one.table, why) for one in it.kept for why in _wrong(one)]:
        wrong = table("What is wrong", "table", "what")
        for row in told:
            wrong.add_row(*row)
        yield wrong


def _drawn(one: Kept) -> str:
    from sluice.overview.partitions.months import STATES

    return "".join(STATES[cell.state].glyph for cell in one.cells()[-MONTHS:])


def _wrong(one: Kept) -> Iterator[str]:
    if one.ahead and one.ahead.headline:
        yield one.ahead.headline
    yield from one.wrong
    yield from (cell.words for cell in one.cells() if cell.red)
    if one.failed:
        yield f"not seen since {minute(one.seen)}: {one.failed}"


def _next(one: Next | None) -> str:
    return f"{one.what}, from {minute(one.at)}" if one else "–"
