"""A row every few seconds, committed in its order: what a copy has of these tells how much of the latest writes it lost.

The last that it kept and the first that it lost are the bounds; nobody can say more without knowing each write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from sluice.errors import SluiceError
from sluice.ledger.releases import bring_up_to_date
from sluice.safety.driver import Tell
from sluice.stores.postgres import Connection, one, rows, translated
from sluice.stores.statements import statement

EVERY = timedelta(seconds=10)
KEPT = timedelta(days=2)
"""How long beats stay in the store."""


@dataclass(frozen=True)
class Lost:
    """How much of the latest writes a copy lacks."""

    last_kept: datetime
    at_least: timedelta
    at_most: timedelta


def prepare_heart(c: Connection) -> None:
    """Make the table of beats if it is missing. Safe to repeat."""
    bring_up_to_date(c, "safety")


def beat(c: Connection) -> datetime:
    """Write one, and take old ones away; gives its time, by the server's clock."""
    at: datetime = one(c, statement("safety.beat"), kept=KEPT)["at"]
    return at


@dataclass
class Heart:
    """Beats while something else goes on, which it never stops: a beat that fails is told, and the next is tried."""

    opening: Callable[[], Connection]
    every: timedelta
    warn: Tell
    _next: float = 0.0
    _c: Connection | None = None

    def beat_when_due(self) -> None:
        """Beat, if it is time."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.every.total_seconds()
        try:
            with translated("beating"):
                if self._c is None:
                    self._c = self.opening()
                    prepare_heart(self._c)
                beat(self._c)
        except (SluiceError, psycopg.Error) as why:
            self.stop()
            self.warn(f"The heart did not beat, so nobody can say how much a restore would lose: {why}")

    def stop(self) -> None:
        """Close its session; the next beat opens another."""
        if self._c is not None:
            self._c.close()
            self._c = None


def beats_in(c: Connection) -> list[datetime]:
    """Give every beat that a copy has, oldest first; none where its store never had a heart."""
    if not one(c, statement("safety.has_heart"))["there"]:
        return []
    return [row["at"] for row in rows(c, statement("safety.list_beats"))]


def lost_between(kept: Sequence[datetime], failed_at: datetime, every: timedelta = EVERY) -> Lost | None:
    """Bound what is lost if the store had died at `failed_at`: [fail - first lost, fail - last kept]. Pure.

    Beats come at a constant pace: the first that was lost came at most `every` after the last that was kept. None
    where there is no beat.
    """
    before = [at for at in kept if at <= failed_at]
    if not before:
        return None
    since = failed_at - before[-1]
    return Lost(before[-1], max(timedelta(0), since - every), since)
