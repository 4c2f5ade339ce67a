"""One migration with all that happened to it: its steps, verdicts, questions and answers, and windows that were filled again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sluice.errors import Terminal
from sluice.migration.engine.contract import Phase
from sluice.overview.asked import Asked
from sluice.overview.history import MOST, Answer, History, Transition
from sluice.overview.links import run_path
from sluice.overview.migrations.compared import Verdict
from sluice.overview.migrations.listed import standings
from sluice.overview.migrations.phases import line
from sluice.overview.migrations.standing import Standing
from sluice.stores.postgres import rows, translated
from sluice.stores.statements import statement


class NoMigration(Terminal):
    """Nobody knows a migration of that name, or who asks may not read its DAG."""


@dataclass(frozen=True)
class Filled:
    """A window that was filled again: its last time."""

    lower: datetime
    upper: datetime
    rows: int
    filled: int
    hash: str
    as_before: bool | None
    """Whether the time before gave the same rows; None for the first time."""
    at: datetime
    run_link: str


@dataclass(frozen=True)
class Migration:
    """It, and its past."""

    at: datetime
    now: Standing
    transitions: tuple[Transition, ...]
    verdicts: tuple[Verdict, ...]
    answers: tuple[Answer, ...]
    windows: tuple[Filled, ...]


def migration(asked: Asked, name: str) -> Migration:
    """Answer. Raises NoMigration, StoreDown."""
    found = standings(asked, [name])
    if not found:
        raise NoMigration(
            f"There is no migration {name} that you may read. /sluice/migrations lists those that there are."
        )
    history = History(asked.ledger, asked.may_read, whose=name)
    transitions = history.transitions()
    return Migration(
        asked.now,
        _with_dates(found[0], transitions),
        transitions,
        history.verdicts(),
        history.answers(),
        _windows(asked, name),
    )


def _with_dates(now: Standing, transitions: Sequence[Transition]) -> Standing:
    """Tell when it came into each phase of this way; one that was taken back begins anew."""
    came: dict[str, datetime] = {}
    for step in transitions:  # the youngest first
        came.setdefault(step.to_phase, step.at)
        if step.to_phase == Phase.PLANNED:
            break
    shadows = now.file is None or now.file.shadows
    return replace(now, line=line(Phase(now.phase), shadows=shadows, came=came.items()))


def _windows(asked: Asked, name: str) -> tuple[Filled, ...]:
    dag = f"backfill_window__{name}"
    if not asked.may_read(dag):
        return ()
    with translated(f"reading the windows of {name}"):
        found = rows(asked.ledger, statement("control.list_windows"), migration=name)
    return tuple(
        Filled(
            row["lower"],
            row["upper"],
            row["rows"],
            row["filled"],
            row["hash"],
            None if row["hash_before"] is None else row["hash_before"] == row["hash"],
            row["at"],
            run_path(dag, row["run"]),
        )
        for row in found[-MOST:]
    )
