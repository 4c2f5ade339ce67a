"""Whether it is Sluice's own sessions, and nobody else's, that cause what is wrong at a store. The judgement is pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sluice.insight.health.blockers import OURS, Session, root_sessions
from sluice.stores.postgres import Connection, rows, translated
from sluice.stores.statements import statement

SLOW = 1.0
"""Seconds after which a statement is slow."""
OLD = 60.0
"""Seconds after which a transaction may be what holds others up."""


@dataclass(frozen=True)
class Busy:
    """A session that is at work, or in a transaction."""

    pid: int
    application: str
    active: bool
    statement_seconds: float
    transaction_seconds: float

    @property
    def is_ours(self) -> bool:
        """Whether it is one of Sluice's own."""
        return self.application.startswith(OURS)


def find_busy(c: Connection) -> tuple[Busy, ...]:
    """Ask a store who is at work. Raises StoreDown, Refused."""
    with translated("asking who is at work"):
        return tuple(Busy(**row) for row in rows(c, statement("health.list_busy")))


def _is_slow(one: Busy) -> bool:
    return one.active and one.statement_seconds > SLOW


def _is_old(one: Busy) -> bool:
    return one.transaction_seconds > OLD


CULPRITS: Mapping[str, Callable[[Busy], bool]] = {"slow": _is_slow, "old_transaction": _is_old}
"""Who causes it, where each session by itself does: it is ours where all of them are."""


def whose(cause: str, waits: Sequence[Session], busy: Sequence[Busy]) -> str | None:
    """Name our own sessions where they alone cause it; None where somebody else does, or nobody can tell."""
    if cause == "locks":
        roots = root_sessions(waits)
        return _named(roots) if roots and all(one.is_ours for one in roots) else None
    if cause in CULPRITS:
        culprits = [one for one in busy if CULPRITS[cause](one)]
        return _named(culprits) if culprits and all(one.is_ours for one in culprits) else None
    # A load that nobody can count by session: it is ours while we are at work.
    return _named([one for one in busy if one.is_ours and one.active and one.statement_seconds > SLOW]) or None


def _named(sessions: Sequence[Session] | Sequence[Busy]) -> str:
    return ", ".join(sorted({one.application for one in sessions}))
