"""Quality at a terminal: each gate's last verdict, and its last two weeks as marks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from sluice.local.standing.words import GREEN, RED, linked, minute, table

if TYPE_CHECKING:
    from sluice.overview.quality import GateDays, Quality

WEEKS = 14


def tables(it: Quality) -> Iterator[Table]:
    """Lay it out: those that are red first."""
    shown = table("Gates", "gate", "of", "last verdict", "at (UTC)", "compared", f"last {WEEKS} days")
    for one in it.gates:
        verdict = linked(GREEN if one.passed else RED, one.evidence)
        shown.add_row(one.gate, one.whose, verdict, minute(one.at), f"{one.compared:,}", _marks(one))
    yield shown


def _marks(one: GateDays) -> str:
    return "".join("·" if day is None else "✘" if day.is_red else "✔" for day in one.days[-WEEKS:])
