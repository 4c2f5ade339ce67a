"""What is wrong now: the incidents that are open, what to do first, and who was told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sluice.estate.severity import SEVERITIES, Severity
from sluice.ledger.incidents import Incident, Incidents
from sluice.overview.asked import Asked
from sluice.overview.states import State
from sluice.stores.postgres import rows, translated
from sluice.stores.statements import statement

URGENT: tuple[Severity, ...] = ("P1", "P2")
"""For these somebody gets up, or goes to it now."""
SHOWN = 12
"""So many lines of what else is wrong are shown of one."""


@dataclass(frozen=True)
class Open:
    """An incident."""

    id: int
    store: str
    """'' where it is the estate's."""
    severity: Severity
    cause: str
    since: datetime
    text: str
    others: tuple[str, ...]
    """What else is wrong of it, the first lines."""
    wrong: int
    do: str
    runbook: str
    owner: str
    told: tuple[str, ...]
    """The channels that took a message of it."""
    refused: tuple[str, ...]
    """Those that did not, each with why."""
    hushed: str | None
    """Why nobody is told."""
    quiet: datetime | None
    """Since when nothing of it is wrong any more: it is cleared when that has lasted."""

    @property
    def state(self) -> State:
        """How urgent it is, as everywhere on the page."""
        return "good" if self.quiet else "bad" if self.severity in URGENT else "warn"

    @property
    def whom(self) -> str:
        """Say who was told, in words."""
        if self.hushed:
            return f"nobody: {self.hushed}"
        taken = ", ".join(self.told) or "nobody yet"
        return f"{taken}; not taken by {', '.join(self.refused)}" if self.refused else taken

    @property
    def link(self) -> str | None:
        """The runbook, where it is an address; else it is a page of the project's folder."""
        return self.runbook if self.runbook.startswith(("https://", "http://")) else None


def open_incidents(asked: Asked) -> tuple[Open, ...]:
    """List what is open, the most urgent first, what is quiet last. Raises StoreDown."""
    found = [one for one in Incidents(asked.ledger).board(asked.now).incidents if one.cleared is None and one.members]
    with translated("asking who was told of incidents"):
        told = rows(asked.ledger, statement("overview.list_told"), incidents=[one.id for one in found])
    taken = {row["incident"]: (row["taken"], row["refused"]) for row in told}
    made = (_open(one, taken) for one in found)
    return tuple(sorted(made, key=lambda one: (one.quiet is not None, SEVERITIES.index(one.severity), one.since)))


def _open(one: Incident, taken: Mapping[int, tuple[Sequence[str], Sequence[str]]]) -> Open:
    first, *others = one.members
    told, refused = taken.get(one.id, ((), ()))
    return Open(
        id=one.id,
        store=one.store,
        severity=one.severity,
        cause=one.cause,
        since=one.opened,
        text=first.text,
        others=tuple(member.text for member in others[:SHOWN]),
        wrong=len(one.members),
        do=first.do,
        runbook=first.runbook,
        owner=first.owner,
        told=tuple(told),
        refused=tuple(refused),
        hushed=one.hushed,
        quiet=one.quiet,
    )
