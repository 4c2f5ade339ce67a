"""Deliver until what was written before is known to have arrived: canaries prove it, an empty page proves nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from sluice.ledger.item_marks import ItemMarks
from sluice.migration.engine.contract import Lag
from sluice.migration.kinds.dynamodb_source.canary import Canaries
from sluice.migration.kinds.single_table.following import Follower
from sluice.stores.dynamodb.tables import TableDefinition


def drained(client: Any, marks: ItemMarks, leader: TableDefinition, leading: Follower, seconds: float) -> Lag:
    """Deliver until canaries that are let go now have come out of the leader's stream, so long at most."""
    canaries = Canaries(client, leader)
    follower = replace(leading, watch=canaries.watch)
    deadline = time.monotonic() + seconds
    canaries.let_go()
    try:
        lag = Lag(len(canaries.out))
        while (canaries.out or lag.pending) and time.monotonic() < deadline:
            lag = follower.deliver(deadline - time.monotonic())
            canaries.home(marks.canaries(canaries.flight))  # another reader may have been faster
        return Lag(len(canaries.out) + lag.pending, lag.held_by)
    finally:
        canaries.call_back()
        marks.forget_canaries(canaries.flight)
