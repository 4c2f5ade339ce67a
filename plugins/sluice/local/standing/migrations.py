"""Migrations at a terminal: where each stands, what it wants, how its copy goes, and the last comparison."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sluice.local.standing.words import linked, minute, table

if TYPE_CHECKING:
    from sluice.overview.migrations.listed import Migrations
    from sluice.overview.migrations.standing import Standing


def tables(it: Migrations) -> Iterator[Table]:
    """Lay it out: those that want a person first."""
    shown = table("Migrations", "migration", "phase", "wants", "copy", "ends (UTC)", "compared", "back")
    for one in it.migrations:
        wants = Text("\n").join(linked(f"{want.sign} {want.what}", want.link) for want in one.wants)
        phase = f"{one.phase} ({1 + [step.word for step in one.line].index('here')}/{len(one.line)})"
        way = one.way_back.state if one.way_back else ""
        shown.add_row(linked(one.name, one.page), phase, wants, _copied(one), _ends(one), _compared(one), way)
    yield shown


def _copied(one: Standing) -> str:
    return f"{one.copy.share:.0%}" if one.copy else ""


def _ends(one: Standing) -> str:
    if one.copy is None or one.copy.is_over:
        return ""
    pace = one.copy.pace
    if pace.stalled_since:
        return f"stands still since {minute(pace.stalled_since)}"
    told = [minute(end) for end in (pace.earliest, pace.latest) if end]
    return " to ".join(dict.fromkeys(told)) if pace.latest else f"not before {told[0]}" if told else "not known yet"


def _compared(one: Standing) -> Text:
    if one.compared is None:
        return Text()
    verdict = "✔" if one.compared.clean else "✘"
    return linked(f"{verdict} {one.compared.compared:,} rows, {minute(one.compared.at)}", one.compared.evidence)
