"""What a state of the model is. Every value is a tuple of plain values, so that equal states are one state."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

PLANNED, EXPANDED, CAPTURING, BACKFILLED, VERIFIED, CUT_OVER, RETIRED = (
    "planned",
    "expanded",
    "capturing",
    "backfilled",
    "verified",
    "cut_over",
    "retired",
)
COPIES_IN = (CAPTURING, BACKFILLED, VERIFIED)
ON_TARGET = (CUT_OVER, RETIRED)
"""Phases in which the application's name means the target."""

BY_CAPTURE, BY_COPY, BY_COPY_AGAIN = 0, 1, 2
"""Who wrote a row of the target last. A row that the copy overwrote is another version, though its value be the same."""


class Row(NamedTuple):
    """A row of the source. `month` is its partition in the target; `page` is where it lies."""

    id: int
    month: int
    value: int
    page: int


Key: TypeAlias = tuple[int, int]
"""The target's key: id and month."""
Table: TypeAlias = tuple[tuple[Any, Any], ...]
"""Pairs in order. The source: slot → Row; a slot is a row's chain of versions. The target: Key → (value, by whom)."""
Rows: TypeAlias = frozenset[tuple[int, int, int]]
"""Id, month and value."""
Truth: TypeAlias = tuple[tuple[int, tuple[int, int]], ...]
"""What the application was promised: id → (month, value), kept apart from both tables."""


class Bounds(NamedTuple):
    """How large the world is. `pages` are laid out as chunks; one page more is where rows may be put later."""

    name: str
    rows: tuple[Row, ...]
    ids: int
    pages: int
    writers: int
    ops: int
    epochs: int
    moves_pages: bool
    old_snapshots: bool


class Snapshot(NamedTuple):
    """What a REPEATABLE READ transaction sees: both tables, and the truth, as they were committed then."""

    source: Table
    target: Table
    truth: Truth


class Writer(NamedTuple):
    """An open transaction: what it wrote and did not commit (None: deleted), and what it will have promised."""

    snapshot: Snapshot | None = None
    stale: bool = False
    source: Table = ()
    target: Table = ()
    said: Table = ()


class Copier(NamedTuple):
    """A worker: the epoch that it was started for, and how far its chunk is. `claimed` and later is one transaction."""

    epoch: int
    stage: str = "started"
    page: int = -1
    todo: tuple[tuple[int, Row], ...] = ()
    locked: tuple[int, ...] = ()
    wrote: Table = ()


class State(NamedTuple):
    """Everything that is committed, everybody who is in the middle of something, and what the model remembers to judge."""

    source: Table
    truth: Truth
    writers: tuple[Writer | None, ...]
    phase: str = PLANNED
    epoch: int = 1
    target: Table = ()
    done: tuple[bool, ...] = ()
    copied: tuple[bool, ...] = ()
    copier: Copier | None = None
    verdict: tuple[Any, ...] = ()
    proof: int = 0
    ops: int = 0
    broken: str = ""

    @property
    def on_target(self) -> bool:
        """Whether the application's name means the target."""
        return self.phase in ON_TARGET


def first(bounds: Bounds) -> State:
    """The beginning: a table in use, and nothing of ours."""
    truth = tuple((row.id, (row.month, row.value)) for row in bounds.rows)
    return State(tuple(enumerate(bounds.rows)), truth, (None,) * bounds.writers)


def changed(table: Table, changes: Mapping[Any, Any] | Table) -> Table:
    """The table with these changes; None takes away."""
    found = dict(table)
    found.update(changes)
    return tuple(sorted((key, value) for key, value in found.items() if value is not None))


def noted(table: Table, key: Any, value: Any) -> Table:
    """A transaction's own writes, with one more; here None stays, for "deleted"."""
    found = dict(table)
    found[key] = value
    return tuple(sorted(found.items(), key=lambda pair: pair[0]))


@lru_cache(100_000)
def rows_of(table: Table, *, is_target: bool) -> Rows:
    """Id, month and value of each row."""
    if is_target:
        return frozenset((key[0], key[1], value) for key, (value, _) in table)
    return frozenset((row.id, row.month, row.value) for _, row in table)
