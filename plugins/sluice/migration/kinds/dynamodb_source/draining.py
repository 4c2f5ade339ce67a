"""Deliver until what was written before is known to have arrived: canaries prove it, an empty page proves nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sluice.migration.engine.contract import Lag
from sluice.migration.kinds.dynamodb_source.canary import Canaries, named
from sluice.stores.dynamodb.streams import Change, Shard

Watch: TypeAlias = Callable[[str, Sequence[Change]], None]
"""Sees a shard and every change of it that was delivered: canaries come home here."""
WAY_ON = "It is tried again by itself; see that replicate_changes keeps up"


@dataclass(frozen=True)
class Followed:
    """What is known of a stream that somebody follows, we or another reader."""

    shards: Callable[[], Sequence[Shard]]
    finished: Callable[[], Collection[str]]
    """Shards that were read to their end."""
    heard: Callable[[str], Iterable[str]]
    """Which shards have told canaries of a flight, whoever read them."""


def unwatched(shard: str, changes: Sequence[Change]) -> None:
    """Where nobody waits for canaries."""


def drained(canaries: Canaries, followed: Followed, deliver: Callable[[float], Lag], seconds: float) -> Lag:
    """Deliver until each shard has been read past the moment of this call, so long at most."""
    deadline = time.monotonic() + seconds
    try:
        canaries.let_go()
        while True:
            lag = deliver(max(0.0, deadline - time.monotonic()))
            canaries.hear(followed.heard(canaries.flight))
            silent = canaries.silent(followed.shards(), followed.finished())
            if not (silent or lag.pending) or time.monotonic() >= deadline:
                held_by = "; ".join(filter(None, (named(silent), lag.held_by)))
                pending = len(silent) + lag.pending
                return Lag(pending, held_by, lag.behind, "shards", WAY_ON, passes=True)
            if silent:
                canaries.let_more_go()
    finally:
        canaries.call_back()
