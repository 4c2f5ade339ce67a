"""What every migration says, whatever its kind: where from, what must hold, when, and for how long the old is kept."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from sluice.estate import calendar
from sluice.estate.calendar import Freeze, Window
from sluice.estate.fields import Finding, Name, Part, Suite, lasting


class Limits(Part):
    """When the backfill steps back. It waits while any limit is passed; `null` switches a limit off."""

    replica_lag: Annotated[timedelta, lasting("10ms", "1h")] | None = timedelta(seconds=5)
    """The slowest replica is further behind than this."""
    commit_latency: Annotated[timedelta, lasting("1ms", "1m")] | None = timedelta(milliseconds=50)
    """A commit takes longer than this."""
    waiting_writers: Annotated[int, Field(ge=1, le=1000)] | None = 2
    """So many of the application's sessions wait for a lock."""
    wal_rate_mb: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The server writes more WAL than this, in MB a second."""


NO_LIMITS = Limits(replica_lag=None, commit_latency=None, waiting_writers=None, wal_rate_mb=None)


class Pace(Part):
    """How history is copied while the application keeps writing."""

    lanes: int = Field(default=2, ge=1, le=16)
    """Workers that copy side by side. More lanes, more load."""
    chunk_rows: int = Field(default=20_000, ge=100, le=1_000_000)
    """Rows in one transaction. Sluice halves it by itself when writers are in the way."""

    @property
    def limits(self) -> Limits:
        """The limits at which the backfill waits; none where the store itself says when it has had enough."""
        return NO_LIMITS


class Proof(Part):
    """What must hold before the migration may go on, besides the full diff, which is always asked for."""

    verified: tuple[Suite, ...] = Field(default=(), max_length=20)
    """Suites that the new table must pass before it is verified."""
    cut_over: tuple[Suite, ...] = Field(default=(), max_length=20)
    """Suites that it must pass again just before cutover."""
    freshness: Annotated[timedelta, lasting("1s", "7d")] = timedelta(minutes=30)
    """How old a green gate may be at cutover."""


class Switch(Part):
    """How and when the new takes over. A person approves it each time."""

    window: Window | None = None
    """Hours in which a cutover may start; without it, at any hour."""
    freeze: tuple[Freeze, ...] = Field(default=(), max_length=100)
    """Days on which no cutover starts, first and last included, UTC."""
    approver_is_not_requester: bool = False
    """Whether somebody other than who started the run must approve."""

    def open_at(self, moment: datetime) -> tuple[bool, str]:
        """Say whether a cutover may start at `moment`, and why or when. Raises ValueError for a moment without zone."""
        return calendar.open_at(self.window, self.freeze, moment)

    @property
    @abstractmethod
    def longest_wait(self) -> timedelta:
        """How long one try of the cutover may make a writer wait."""


class Origin(Part):
    """Where the rows are today."""

    store: Name
    """Which store holds the table: a name under `stores` in estate.yaml."""
    table: str
    """The table to move."""


class Migration(Part):
    """A table's way from what it is to what it shall be. Each kind is a class of its own; `read_migration` chooses."""

    # Whether changes are delivered after they were written, by somebody who reads a stream.
    follows_later: ClassVar[bool] = False
    # Whether history can be filled again by windows of time.
    has_windows: ClassVar[bool] = True

    name: Name = Field(alias="migration")
    """The migration's name: the file's name without `.yaml`. Its DAG is `migrate__<name>`."""
    kind: str
    """The way of moving."""
    source: Origin = Field(alias="from")
    """Where the rows are today."""
    target: Part = Field(alias="into")
    """What the table becomes."""
    accept: tuple[Finding, ...] = Field(default=(), max_length=50)
    """Findings of the preflight that you have read and accept, by code. One that cannot be accepted must be mended."""
    backfill: Pace = Pace()
    """How history is copied."""
    gates: Proof = Proof()
    """What must hold before the migration goes on."""
    cutover: Switch
    """How and when the names are swapped."""
    keep_old_for: Annotated[timedelta, lasting("1m", "3650d")] = timedelta(days=7)
    """How long the old table is kept, in step with the new one, after cutover: as long as you can cut back."""

    @property
    def rows_in(self) -> str:
        """The store whose PostgreSQL takes the rows, where there is one: that of `from`, unless the kind says otherwise."""
        return self.source.store

    @property
    @abstractmethod
    def becomes(self) -> str:
        """What the table becomes, in a word or two for a person."""
