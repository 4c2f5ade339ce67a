"""Bring what the stream tells to the target: for a while, or until what was written by now has come.

Changes that were lost before they were read are mended by a new copy, in a new epoch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from sluice.migration.engine.contract import COPIES_IN, Fence, Lag, Phase, Position
from sluice.migration.kinds.dynamodb_source.canary import Canaries
from sluice.migration.kinds.into_postgres import expanding
from sluice.migration.kinds.into_postgres.following import Follower
from sluice.migration.kinds.into_postgres.gap import Gap, begin_gap
from sluice.migration.kinds.into_postgres.parts import Parts
from sluice.migration.kinds.into_postgres.routing import RouteHeld
from sluice.stores.dynamodb.streams import StreamGone, Trimmed
from sluice.stores.postgres import rows
from sluice.stores.statements import statement

log = logging.getLogger(__name__)


def replicate(parts: Parts, seconds: float) -> Lag:
    """Deliver until no shard gives more than a few, so long at most. After the cutover these are strays, and come too."""
    position = parts.position()
    if position.phase not in (*COPIES_IN, Phase.CUT_OVER):
        return Lag(0)
    if parts.route.settle(parts.c):  # first: whatever else is wrong, applications may write
        log.warning("%s: the route was not what holds, a switch died or was broken off; it is told anew", parts.name)
    parts.check_mapping()
    expanding.extend(parts.c, parts.marks, parts.migration, parts.shape)
    return deliver(parts, position, seconds)


def drain(parts: Parts, seconds: float) -> Lag:
    """Deliver until canaries that are let go now have come out of the stream, whoever read them, so long at most."""
    canaries = Canaries(parts.client, parts.definition)
    position, deadline = parts.position(), time.monotonic() + seconds
    canaries.let_go()
    flight = list(canaries.out)
    try:
        lag = Lag(len(canaries.out))
        while (canaries.out or lag.pending) and time.monotonic() < deadline:
            lag = deliver(parts, position, deadline - time.monotonic())
            canaries.home(
                row["name"] for row in rows(parts.c, statement("into_postgres.list_canaries"), name=parts.name)
            )
        return Lag(len(canaries.out) + lag.pending, lag.held_by, lag.behind)
    finally:
        canaries.call_back()
        parts.run("forget_canaries", names=flight)


def follower(parts: Parts, position: Position) -> Follower:
    """Who reads the stream, as it may in this phase and epoch."""
    leads = position.phase is not Phase.CUT_OVER
    phases: Sequence[Phase] = COPIES_IN if leads else (Phase.CUT_OVER,)
    return Follower(parts.c, parts.marks, parts.target, parts.stream, Fence(position.epoch), phases, leads)


def deliver(parts: Parts, position: Position, seconds: float) -> Lag:
    """Deliver for so long at most. Raises Gap where changes were lost: the migration stands in capturing again then."""
    try:
        return follower(parts, position).deliver(seconds)
    except StreamGone as lost:
        parts.stream_on()  # before the copy that mends it
        raise _gap(parts, position, lost) from lost
    except Trimmed as lost:
        raise _gap(parts, position, lost) from lost


def _gap(parts: Parts, position: Position, lost: Trimmed | StreamGone) -> Gap:
    gap = begin_gap(parts.c, parts.marks, Fence(position.epoch), lost)
    with suppress(RouteHeld):  # the switch that holds it finds another epoch, and tells what holds
        parts.route.publish(parts.c)  # nobody is to read the rows meanwhile
    return gap
