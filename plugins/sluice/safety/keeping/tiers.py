"""Tiers of backups: which one stands for its day, its week, its month, and how long it stays for that. Pure.

Days, ISO weeks and months are of UTC, which knows no summer time. Where a period has no backup the next one that was taken
stands in: it is the first of its own period, so it stays at least as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sluice.safety.physical.wal import Segment
from sluice.stores.locks import Mode

Every = Literal["day", "week", "month"]


@dataclass(frozen=True)
class Tier:
    """One backup of each period, and what becomes of it."""

    name: str
    every: Every
    keep: timedelta
    """From when it was whole."""
    immutable: Mode | None = None
    """Locked for as long as it is kept: who may lift that."""
    elsewhere: bool = False
    """Copied to another region."""
    whole: bool = False
    """Only one that rests on no other counts."""


TIERS = (
    Tier("daily", "day", timedelta(days=30)),
    Tier("weekly", "week", timedelta(days=366), elsewhere=True, whole=True),
    Tier("monthly", "month", timedelta(days=2557), immutable="COMPLIANCE", whole=True),
)
"""What is promised where a store's file says nothing else."""


@dataclass(frozen=True)
class Needs:
    """What of the log makes a backup consistent: the files from the one that holds `begins` to the one that `ends` ends in."""

    system: str
    timeline: int
    size: int
    """How long a file of that log is."""
    begins: int
    ends: int

    @property
    def files(self) -> Iterator[str]:
        """Name them."""
        at, last = (Segment.at(place, self.timeline, self.size) for place in (self.begins, self.ends - 1))
        while at <= last:
            yield at.name
            at = at.moved(1)


@dataclass(frozen=True)
class One:
    """A backup, as far as its keeping goes by it."""

    id: str
    whole_at: datetime
    after: str | None = None
    """What it is an increment of."""
    needs: Needs | None = None
    """None where it is consistent by itself."""


def begins(moment: datetime, every: Every) -> datetime:
    """Give when the day, the ISO week or the month began that a moment lies in, in UTC."""
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if every == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if every == "month" else day


def assign(backups: Iterable[One], tiers: Sequence[Tier]) -> Mapping[str, tuple[Tier, ...]]:
    """Tell in which tiers each backup is, by id: the first of each period is. Those in none are left out. Pure."""
    found: dict[str, tuple[Tier, ...]] = {}
    ordered = sorted(backups, key=lambda one: (one.whole_at, one.id))
    for tier in tiers:
        firsts: dict[datetime, One] = {}
        for one in ordered:
            if one.after is None or not tier.whole:
                firsts.setdefault(begins(one.whole_at, tier.every), one)
        for one in firsts.values():
            found[one.id] = (*found.get(one.id, ()), tier)
    return found


def lacking(backups: Iterable[One], tiers: Sequence[Tier], now: datetime) -> tuple[Tier, ...]:
    """Name the tiers whose period has begun without a backup: with one that wants a whole one, no increment will do. Pure."""
    there = list(backups)
    return tuple(
        tier
        for tier in tiers
        if not any(one.whole_at >= begins(now, tier.every) and (one.after is None or not tier.whole) for one in there)
    )


def chain(backups: Mapping[str, One], last: str) -> list[str] | None:
    """Name a backup and all that it rests on, itself first; None where one of these is not there. Pure."""
    names: list[str] = []
    at: str | None = last
    while at is not None:
        if at not in backups or at in names:
            return None
        names.append(at)
        at = backups[at].after
    return names
