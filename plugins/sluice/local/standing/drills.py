"""Drills at a terminal: each store's last one, and when the promise is passed; then the last drills one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from sluice.local.standing.words import minute, table
from sluice.overview.states import SIGNS
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
        _told(one),
    )


def _told(one: StoreDrills) -> str:
    if one.is_unseen:
        return one.failed or (
            f"nobody has looked since {minute(one.looked)}" if one.looked else "nobody has looked yet"
        )
    return one.year.told if one.year else "no drill in a year"


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
