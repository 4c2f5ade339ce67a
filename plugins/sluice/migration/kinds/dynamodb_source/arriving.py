"""Before a switch, and within it: has what was written arrived? Canaries prove it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

from sluice.errors import Transient
from sluice.migration.engine.contract import Lag, NotYet

DRAIN_SECONDS = 30.0
"""How long writers are kept waiting for the last changes, before they are let go on where they were."""
GRACE_SECONDS = 30.0
"""How much longer a switch may take before it is taken for dead, and the route is opened by others."""

Drain: TypeAlias = Callable[[float], Lag]
"""Delivers until canaries that it lets go are home, so many seconds at most."""


class NotArrived(NotYet):
    """Changes were still under way when writers had been kept waiting for as long as they may. Nothing was switched."""


class NotSettled(Transient):
    """Delivery lags. Nobody was kept waiting and nothing was switched, so it may be tried again by itself."""


def check_settled(migration: str, drain: Drain, within: timedelta) -> None:
    """Raise NotSettled where canaries take longer than `within`: applications would be kept waiting as long."""
    if (lag := drain(within.total_seconds())).pending:
        raise NotSettled(
            f"{migration}: {lag.pending} canaries or shards had not arrived within {within.total_seconds():g} s"
            f" (replication.settled_within; {lag.held_by or 'nothing else is late'}). Nobody was kept waiting and nothing was"
            " switched. It is tried again by itself; if it stays, see that replicate_changes keeps up, or run ./sluice replicate."
        )


def check_arrived(migration: str, drain: Drain) -> None:
    """Raise NotArrived where the last changes do not come while nobody writes."""
    if (lag := drain(DRAIN_SECONDS)).pending:
        raise NotArrived(
            f"{migration}: {lag.pending} canaries or shards had not arrived after {DRAIN_SECONDS:.0f} s ({lag.held_by})."
            " Applications write where they did; see that replicate_changes runs, then clear this task."
        )
