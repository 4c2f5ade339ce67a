"""How a store stands beside its growth: replicas, partitions, backup, what is wrong, what scaling would do. Frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Lag:
    """How late a replica was in the period."""

    replica: str
    mean: float
    highest: float
    """Seconds."""
    within: float
    """The share of hours, 0 to 1, whose mean was within the target."""
    target: float


@dataclass(frozen=True)
class Headroom:
    """For how long a table has partitions."""

    table: str
    days: float


@dataclass(frozen=True)
class Backup:
    """How a store stands, if it died now."""

    lose: str
    back_in: str
    """How much would be lost, and how long it would take, in words."""
    newest: date | None
    """The day of its newest backup."""
    drilled: date | None
    """The day of the last drill that passed."""
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Proposal:
    """What scaling would do; nothing is done without a person's yes."""

    store: str
    what: str
    why: str


@dataclass(frozen=True)
class SmallTrouble:
    """Something wrong that wakes nobody (P4): this report is where it is told."""

    store: str
    """'' where it is the estate's."""
    since: date
    text: str
