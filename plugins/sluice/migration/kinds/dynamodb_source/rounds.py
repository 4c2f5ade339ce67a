"""Read a stream in rounds, a page of each shard, until none has more than a few changes: so every follower reads.

A short page need not be the last one: the changes' own times and their number tell. Only canaries prove it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sluice.migration.engine.contract import Lag
from sluice.stores.dynamodb.streams import Shard

PAGE = 1000
"""Records that one request gives at most; 1 MB ends a page too."""
FEW = 100
"""Records of a page behind which there is hardly more: its reader keeps up."""


@dataclass
class Seen:
    """What a reader remembers of a stream's shards from one round to the next: there may be no time for all of them in one."""

    came: dict[str, datetime] = field(default_factory=dict)
    """When it came to a shard."""
    late: dict[str, datetime | None] = field(default_factory=dict)
    """When the last change was made that a shard with more to tell has told; None where it had no more."""


@dataclass(frozen=True)
class Round:
    """What one page of each shard has told."""

    busy: int
    """How many shards had more, or were not come to."""
    oldest: datetime | None
    """Of the shards that had more when they were read last, how far the one is read that lags most."""
    all_came: datetime | None
    """Since then each shard was come to; None where one never was."""

    @property
    def lag(self) -> Lag:
        """How many shards are not there yet, and how long ago what the slowest has told was written."""
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


def read_each(
    shards: Sequence[Shard],
    read: Callable[[str], tuple[datetime | None, bool]],
    deadline: float,
    seen: Seen,
    now: datetime | None = None,
) -> Round:
    """Read a page of each shard: `read` tells when its last change was made, and whether more may follow at once.

    Each round has an order of its own. In one order for all, a few busy shards at the head would starve the others, and what
    nobody reads is trimmed after a day.
    """
    busy, left = 0, len(shards)
    for shard in random.sample(shards, len(shards)):
        last, more = read(shard.id)
        busy, left = busy + more, left - 1
        seen.came[shard.id] = now or datetime.now(UTC)
        seen.late[shard.id] = (last or seen.late.get(shard.id)) if more else None
        if time.monotonic() >= deadline:
            break
    came = [seen.came.get(shard.id) for shard in shards]
    return Round(
        busy + left,
        min(filter(None, (seen.late.get(shard.id) for shard in shards)), default=None),
        None if None in came else min(filter(None, came), default=None),
    )
