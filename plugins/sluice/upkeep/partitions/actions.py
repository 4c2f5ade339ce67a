"""What there is to do to a partitioned table: make a partition, or end a detaching that was broken off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from sluice.stores.postgres import Table
from sluice.upkeep.partitions.spans import Span
from sluice.upkeep.partitions.there import How


@dataclass(frozen=True)
class Hashed:
    """One part of so many by hash."""

    modulus: int
    remainder: int

    def __str__(self) -> str:
        return f"part {self.remainder} of {self.modulus}"


@dataclass(frozen=True)
class Listed:
    """The rows of one value."""

    value: str

    def __str__(self) -> str:
        return f"value {self.value!r}"


Holds: TypeAlias = Span | Hashed | Listed


@dataclass(frozen=True)
class Finish:
    """End a DETACH CONCURRENTLY that was broken off: until then nothing can be attached, and its rows are nowhere."""

    parent: Table
    partition: Table

    def __str__(self) -> str:
        return f"finish the detaching of {self.partition} from {self.parent}, which was broken off"


@dataclass(frozen=True)
class Make:
    """Make one partition, with all below it, and attach it."""

    parent: Table
    """What it is made like, and attached to."""
    partition: Table
    holds: Holds
    column: str
    """What its branch is cut by."""
    drains: Table | None = None
    """The default partition that may hold such rows: they move over."""
    cut: tuple[How, str] | None = None
    """How it is cut again."""
    below: tuple[Make, ...] = ()
    options: tuple[str, ...] = ()
    """How it is stored: as the newest beside it."""

    def __str__(self) -> str:
        told = f"make {self.partition} for {self.holds}"
        told += f", moving its rows out of {self.drains}" if self.drains else ""
        return told + (f", with {len(self.below)} partitions below" if self.below else "")


Action: TypeAlias = Finish | Make
