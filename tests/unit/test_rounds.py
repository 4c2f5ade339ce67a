"""A stream is read in rounds: none of its shards is starved by others, and none that was not come to counts as read."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from sluice.migration.kinds.dynamodb_source.rounds import in_rounds, read_each
from sluice.stores.dynamodb.streams import Shard

SHARDS = [Shard(f"shard-{number}", None) for number in range(20)]
AT = datetime.now(UTC) - timedelta(seconds=30)


def test_every_shard_is_read_once_and_the_one_that_lags_most_is_told():
    seen: list[str] = []

    def read(shard: str) -> tuple[datetime, bool]:
        seen.append(shard)
        return AT + timedelta(seconds=int(shard.removeprefix("shard-"))), shard == "shard-3"

    found = read_each(SHARDS, read, time.monotonic() + 60)
    assert (found.busy, found.oldest, found.whole) == (1, AT, True)
    assert sorted(seen) == sorted(shard.id for shard in SHARDS)
    assert 30 <= found.lag.behind < 40


def test_shards_that_were_not_come_to_count_as_behind():
    found = read_each(SHARDS, lambda shard: (None, False), time.monotonic())
    assert (found.busy, found.whole, found.lag.pending) == (19, False, 19)


def test_in_the_time_for_one_shard_each_has_its_turn():
    """Twenty shards, each round has time for one: a fixed order would read the first one alone for ever."""
    seen: set[str] = set()
    for _ in range(500):
        read_each(SHARDS, lambda shard: (seen.add(shard), (None, True))[1], time.monotonic())
    assert len(seen) == 20


def test_rounds_end_when_no_shard_has_more():
    left = iter([True, True, False])
    assert in_rounds(lambda deadline: read_each(SHARDS[:1], lambda _: (AT, next(left)), deadline), 60).pending == 0
    assert list(left) == []
