"""Drills at a terminal: each store's last one, and when the promise is passed; then the last drills one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from sluice.local.standing.estate import SIGNS
from sluice.local.standing.words import minute, table
from sluice.safety.words import lasts

if TYPE_CHECKING:
    from sluice.overview.drills.page import Drills, StoreDrills
    from sluice.overview.drills.year import Drill

SHOWN = 7
"""So many of each store are listed one by one."""


def tables(it: Drills) -> Iterator[Table]:
    """Lay it out: what is red first."""
    heads = ("", "store", "last (UTC)", "back after (RTO)", "lost (RPO)", "in a year", "the RTO")
    shown = table(it.headline, *heads)
    for one in it.stores:
        shown.add_row(*_row(one))
    for name in it.unprotected:
        shown.add_row(
            SIGNS["none"], name, "never", "", "", "", "not backed up: add `backup:` in include/estate/estate.yaml"
        )
    yield shown
    if any(one.last for one in it.stores):
        yield _last(it)


def _row(one: StoreDrills) -> tuple[str, ...]:
    newest, year = one.newest, one.year
    counted = f"{year.counted} drills, {year.failed} failed, {year.late} too late" if year else ""
    return (
        SIGNS[one.state],
        one.name,
        minute(newest.at if newest else None),
        f"{_available(newest)} ({lasts(one.rto)})",
        f"{_lost(newest)} ({lasts(one.rpo)})",
        counted,
        year.told if year else one.failed or "nobody has looked yet",
    )


def _last(it: Drills) -> Table:
    shown = table("The last drills", "", "store", "at (UTC)", "to", "back after", "lost", "certificate")
    for one in it.stores:
        for made in one.last[:SHOWN]:
            drill = made.drill
            sign = SIGNS["good" if drill.passed else "bad"]
            shown.add_row(
                sign, one.name, minute(drill.at), drill.target, _available(drill), _lost(drill), drill.certificate
            )
    return shown


def _available(one: Drill | None) -> str:
    return "never" if one is None or one.available is None else lasts(one.available)


def _lost(one: Drill | None) -> str:
    return f"{lasts(one.lost[0])} to {lasts(one.lost[1])}" if one and one.lost else "not measured"
