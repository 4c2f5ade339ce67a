"""A report held against what came before it: what has moved since the last one, and how good earlier forecasts were. Frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Moved:
    """A limit whose likely day is another one than last time."""

    store: str
    """Or what of it: `events of shop`."""
    limit: str
    before: date | None
    after: date | None


@dataclass(frozen=True)
class Faster:
    """A table that has grown since the last report."""

    store: str
    table: str
    bytes: float
    percent: float | None


@dataclass(frozen=True)
class Changed:
    """What is other than in the report before."""

    since: date
    """The day until which that one knew."""
    moved: tuple[Moved, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]
    """Tables, as store: table."""
    fastest: tuple[Faster, ...]


@dataclass(frozen=True)
class TrackRecord:
    """How good the forecasts were whose days have come."""

    ahead: int
    """How many days before."""
    count: int
    held: float
    low: float
    high: float
    """The share within their 80 % interval, 0 to 1, and between what that lies with 95 %."""
    loss: float
    """Mean pinball loss, as a share of what was measured."""
    good: bool
    """Whether four times in five may be true of it, or is nearly."""
