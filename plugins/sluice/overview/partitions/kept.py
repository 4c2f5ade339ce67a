"""One table, or one kind of records, as the page shows it: its months by year, its headroom, what is next and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sluice.estate.severity import Severity
from sluice.overview.partitions.months import STATES, Look, State, Tone


@dataclass(frozen=True)
class Cell:
    """One month."""

    month: str
    state: State
    told: str
    evidence: str | None
    """The path of the record of when it was last read back out of the vault; None where there is none."""
    red: bool = False
    """Whether that record says that it is not there as it was."""

    @property
    def words(self) -> str:
        """Say all of it in a line: for who points at it, and for who cannot see it."""
        told = f"{self.month}: {STATES[self.state].word}{f', {self.told}' if self.told else ''}"
        return f"{told}. Its last check was red" if self.red else told

    @property
    def glyph(self) -> str:
        """Its form."""
        return "✘" if self.red else STATES[self.state].glyph

    @property
    def tone(self) -> Tone:
        """How it is coloured."""
        return "bad" if self.red else STATES[self.state].tone


@dataclass(frozen=True)
class Year:
    """Twelve months; None for one of which there is nothing."""

    year: int
    months: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Next:
    """What happens next, and from when on it may."""

    what: str
    at: datetime


@dataclass(frozen=True)
class Ahead:
    """For how long there are partitions, against what is wanted."""

    days: float
    wanted: float
    severity: Severity | None
    headline: str
    """What happens then; empty where nobody need act."""

    @property
    def is_short(self) -> bool:
        """Whether the next run of `create_partitions` has some to make."""
        return self.days < self.wanted


@dataclass(frozen=True)
class Kept:
    """One of them."""

    name: str
    """Its file, without `.yaml`."""
    kind: Literal["table", "items"]
    store: str
    table: str
    policy: str
    seen: datetime | None
    """When it was looked at; None where no look has found anything yet."""
    failed: str
    """Why the last look found nothing; empty where it did."""
    ahead: Ahead | None
    """None of what no time cuts, of records, and of what was not seen yet."""
    leaves: Next | None
    drops: Next | None
    wrong: tuple[str, ...]
    years: tuple[Year, ...]
    """The newest first."""
    checked: str | None
    """The path of the last record of its partitions."""

    def cells(self) -> list[Cell]:
        """Every month, the oldest first."""
        return [cell for year in reversed(self.years) for cell in year.months if cell]

    @property
    def counts(self) -> Mapping[State, int]:
        """How many months stand where, in the order of the states."""
        found = Counter(cell.state for cell in self.cells())
        return {state: found[state] for state in STATES if found[state]}

    @property
    def rank(self) -> int:
        """How urgent it is: 0, somebody gets up; 1, something is wrong; 2, it was not seen; 3, all is well."""
        if self.ahead and self.ahead.severity == "P1":
            return 0
        if self.wrong or (self.ahead and self.ahead.severity) or any(cell.red for cell in self.cells()):
            return 1
        return 2 if self.failed or not self.seen else 3

    def looks(self) -> list[tuple[Look, int]]:
        """How many months stand where, as it is shown."""
        return [(STATES[state], count) for state, count in self.counts.items()]
