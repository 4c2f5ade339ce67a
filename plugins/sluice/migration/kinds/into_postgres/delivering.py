"""Bring what the stream tells to the target: for a while, or until what was written by now has come.

Changes that were lost before they were read are mended by a new copy, in a new epoch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from sluice.migration.engine.contract import COPIES_IN, Fence, Lag, Phase, Position
from sluice.migration.kinds.dynamodb_source.canary import Canaries
from sluice.migration.kinds.dynamodb_source.draining import Watch, drained, unwatched
from sluice.migration.kinds.into_postgres import expanding
from sluice.migration.kinds.into_postgres.following import Follower
from sluice.migration.kinds.into_postgres.gap import Gap, begin_again, begin_gap
from sluice.migration.kinds.into_postgres.parts import Parts
from sluice.migration.kinds.into_postgres.routing import RouteHeld
from sluice.stores.dynamodb.streams import StreamGone, Trimmed

log = logging.getLogger(__name__)

LEFT = (
    "{name} leads, so what is left of the stream is read. If anybody wrote to {source} past the route meanwhile, the comparison"
    " before cutting back or retiring names it: write that item once more, there or in PostgreSQL."
)


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
    """Deliver until each shard is read past now, whoever reads it, so long at most: canaries prove it."""
    canaries, position = Canaries(parts.client, parts.definition), parts.position()
    followed = replace(follower(parts, position).followed, shards=lambda: parts.stream.shards())
    try:
        return drained(canaries, followed, lambda left: deliver(parts, position, left, canaries.watch), seconds)
    finally:
        parts.run("forget_canaries", flight=canaries.flight)


def follower(parts: Parts, position: Position, watch: Watch = unwatched) -> Follower:
    """Who reads the stream, as it may in this phase and epoch."""
    leads = position.phase is not Phase.CUT_OVER
    phases: Sequence[Phase] = COPIES_IN if leads else (Phase.CUT_OVER,)
    return Follower(
        parts.c, parts.marks, parts.target, parts.stream, Fence(position.epoch), phases, leads, watch, parts.seen
    )


def deliver(parts: Parts, position: Position, seconds: float, watch: Watch = unwatched) -> Lag:
    """Deliver for so long at most. Raises Gap where changes were lost: the migration stands in capturing again then.

    Once the rows lead, nothing but strays can be lost: what is left is read, and whoever goes on compares both sides first.
    """
    try:
        return follower(parts, position, watch).deliver(seconds)
    except (StreamGone, Trimmed) as lost:
        if isinstance(lost, StreamGone):
            parts.stream_on()  # before what mends it
        if position.phase is not Phase.CUT_OVER:
            raise _gap(parts, position, lost) from lost
        log.warning("%s %s", lost, LEFT.format(name=parts.name, source=parts.source_name))
        begin_again(parts.c, parts.stream, follower(parts, position))
    return follower(parts, position, watch).deliver(seconds)


def _gap(parts: Parts, position: Position, lost: Trimmed | StreamGone) -> Gap:
    gap = begin_gap(parts.c, parts.marks, Fence(position.epoch), lost)
    with suppress(RouteHeld):  # the switch that holds it finds another epoch, and tells what holds
        parts.route.publish(parts.c)  # nobody is to read the rows meanwhile
    return gap
