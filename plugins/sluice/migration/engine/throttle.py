"""Slow down while the store suffers, and say why. Pure: measured load in, a pause out.

Additive rest, multiplicative back-off: each measurement over a limit doubles the pause, each one under halves it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sluice.estate.models import Limits
from sluice.migration.engine.contract import Load

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0


@dataclass(frozen=True)
class Pause:
    """How long to rest, in seconds, and why (empty when nothing is over its limit)."""

    seconds: float
    why: str = ""


@dataclass
class Throttle:
    """Carries the pause from chunk to chunk. `rest` is the share of a lane's time that it always leaves free, 0 to 0.95."""

    limits: Limits
    rest: float = 0.0
    _backing_off: float = field(default=0.0, init=False)

    def after(self, load: Load, worked: float) -> Pause:
        """Say how long to rest after a chunk that took `worked` seconds."""
        why = over_limits(load, self.limits)
        self._backing_off = self._next(bool(why))
        resting = worked * self.rest / (1 - self.rest)
        return Pause(max(self._backing_off, resting), why)

    def _next(self, suffering: bool) -> float:
        if suffering:
            return min(max(self._backing_off * 2, FIRST_PAUSE), LONGEST_PAUSE)
        return self._backing_off / 2 if self._backing_off > FIRST_PAUSE else 0.0


def over_limits(load: Load, limits: Limits) -> str:
    """Name each measurement over its limit, or give an empty text."""
    seconds = (
        ("replica_lag", load.replica_lag, limits.replica_lag and limits.replica_lag.total_seconds()),
        (
            "commit_latency",
            load.commit_latency,
            limits.commit_latency and limits.commit_latency.total_seconds(),
        ),
    )
    late = [f"{name} {seen:.3f} s > {most:.3f} s" for name, seen, most in seconds if most and seen and seen > most]
    counts = (
        ("waiting_writers", load.waiting_writers, limits.waiting_writers),
        ("wal_rate_mb", load.wal_rate_mb, limits.wal_rate_mb),
    )
    many = [f"{name} {seen:g} > {most}" for name, seen, most in counts if most is not None and seen and seen > most]
    return ", ".join(late + many)
