"""Moments and spans of time as applications give them: always with a zone, since a clock on a wall says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sluice.errors import Terminal


class NoMoment(Terminal):
    """What was given as a moment is none, or does not say its zone."""


@dataclass(frozen=True)
class Span:
    """From `since` to before `until`, in UTC; None is without bound."""

    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, since: object, until: object) -> Span:
        """Give the span between two moments. Raises NoMoment."""
        return cls(*(one if one is None else as_utc(one, name) for name, one in (("since", since), ("until", until))))

    def told(self) -> list[Any]:
        """Give it as JSON knows it."""
        return [moment and moment.isoformat() for moment in (self.since, self.until)]

    @classmethod
    def read(cls, told: list[Any]) -> Span:
        """Read what `told` gave."""
        return cls(*(text and datetime.fromisoformat(text) for text in told))


def as_utc(moment: object, name: str) -> datetime:
    """Give a moment in UTC. Raises NoMoment."""
    if not isinstance(moment, datetime):
        raise NoMoment(f"{name}={moment!r} is no datetime: give one with its zone, datetime(2024, 1, 1, tzinfo=UTC).")
    if moment.tzinfo is None:
        raise NoMoment(f"{name}={moment!r} says no zone: give it one, such as tzinfo=UTC.")
    return moment.astimezone(UTC)
