"""Read a stream in rounds, a page of each shard, until none has more than a few changes: so every follower reads.

A short page need not be the last one: the changes' own times and their number tell. Only canaries prove it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sluice.migration.engine.contract import Lag
from sluice.stores.dynamodb.streams import Shard

PAGE = 1000
"""Records that one request gives at most; 1 MB ends a page too."""
FEW = 100
"""Records of a page behind which there is hardly more: its reader keeps up."""


@dataclass(frozen=True)
class Round:
    """What one page of each shard has told."""

    busy: int
    """How many shards had more, or were not come to."""
    oldest: datetime | None
    """Of each shard's last change, the time of the oldest; None where nothing was told."""
    whole: bool = True
    """Whether each shard was come to."""

    @property
    def lag(self) -> Lag:
        """How many shards are not there yet, and how long ago the oldest of their last changes was made."""
        if not self.busy or self.oldest is None:
            return Lag(self.busy)
        behind = (datetime.now(UTC) - self.oldest).total_seconds()
        return Lag(self.busy, f"changes of {self.oldest:%Y-%m-%d %H:%M:%S} UTC", max(0.0, behind))


def in_rounds(one_round: Callable[[float], Round], seconds: float) -> Lag:
    """Go round until no shard has more, so many seconds at most; `one_round` is told when that is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = one_round(deadline)
        if not found.busy or time.monotonic() >= deadline:
            return found.lag


def read_each(shards: Sequence[Shard], read: Callable[[str], tuple[datetime | None, bool]], deadline: float) -> Round:
    """Read a page of each shard: `read` tells when its last change was made, and whether more may follow at once.

    Each round has an order of its own. In one order for all, a few busy shards at the head would starve the others, and what
    nobody reads is trimmed after a day.
    """
    busy, oldest = 0, None
    for number, shard in enumerate(random.sample(shards, len(shards)), 1):
        last, more = read(shard.id)
        busy += more
        oldest = min(filter(None, (oldest, last)), default=None)
        if time.monotonic() >= deadline:
            return Round(busy + len(shards) - number, oldest, whole=number == len(shards))
    return Round(busy, oldest)
