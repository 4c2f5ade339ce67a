"""The line of a migration's phases: which are behind it, where it stands, and which are to come. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sluice.migration.engine.contract import Phase

DONE, HERE, TO_COME, LEFT_OUT = "done", "here", "to come", "left out"


@dataclass(frozen=True)
class Step:
    """One phase of the line."""

    phase: str
    word: str
    """`done`, `here`, `to come`; `left out` where its file asks for nothing there, and it only passes through."""
    since: datetime | None = None
    """When it came there last, where the ledger knows."""


def line(now: Phase, *, shadows: bool, came: Iterable[tuple[str, datetime]] = ()) -> tuple[Step, ...]:
    """Draw it. `came` are the phases that it came into and when, of this way alone: an abort begins anew."""
    since = dict(came)
    return tuple(_step(phase, now, since.get(phase), shadows or phase is not Phase.SHADOWING) for phase in Phase)


def _step(phase: Phase, now: Phase, since: datetime | None, asked: bool) -> Step:
    if phase is now:
        return Step(phase, HERE, since)
    if not asked:
        return Step(phase, LEFT_OUT)
    return Step(phase, DONE, since) if phase.rank < now.rank else Step(phase, TO_COME)
