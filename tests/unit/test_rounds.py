"""A stream is read in rounds: none of its shards is starved by others, and none that was not come to counts as read."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from sluice.migration.kinds.dynamodb_source.rounds import Seen, in_rounds, read_each
from sluice.stores.dynamodb.streams import Shard

SHARDS = [Shard(f"shard-{number}", None) for number in range(20)]
AT = datetime.now(UTC) - timedelta(hours=20)
LATER = AT + timedelta(hours=1)


def test_every_shard_is_read_once_and_the_one_that_lags_most_is_told():
    read: list[str] = []

    def page(shard: str) -> tuple[datetime, bool]:
        read.append(shard)
        return AT + timedelta(seconds=int(shard.removeprefix("shard-"))), shard in ("shard-3", "shard-7")

    found = read_each(SHARDS, page, time.monotonic() + 60, Seen(), LATER)
    assert (found.busy, found.oldest, found.all_came) == (2, AT + timedelta(seconds=3), LATER)
    assert sorted(read) == sorted(shard.id for shard in SHARDS)
    since_then = (datetime.now(UTC) - AT).total_seconds()
    assert since_then - 5 < found.lag.behind <= since_then


def test_shards_that_were_not_come_to_count_as_behind():
    found = read_each(SHARDS, lambda shard: (None, False), time.monotonic(), Seen())
    assert (found.busy, found.all_came, found.lag.pending) == (19, None, 19)


def test_in_the_time_for_one_shard_each_has_its_turn_and_how_late_it_was_is_remembered():
    """Each round has time for one: a fixed order would read the first alone for ever, and forget how late the others are."""
    seen, found = Seen(), None
    for _ in range(500):
        found = read_each(SHARDS, lambda shard: (AT, shard == "shard-5"), time.monotonic(), seen, LATER)
    assert found is not None
    assert (found.busy >= 19, found.oldest, found.all_came) == (True, AT, LATER)
    while seen.late["shard-5"]:
        found = read_each(SHARDS, lambda shard: (LATER, False), time.monotonic(), seen, LATER)
    assert found is not None and found.oldest is None, "it has no more by now"


def test_a_shard_of_which_a_page_says_nothing_is_as_late_as_before():
    seen = Seen()
    assert read_each(SHARDS[:1], lambda shard: (AT, True), time.monotonic(), seen).oldest == AT
    assert read_each(SHARDS[:1], lambda shard: (None, True), time.monotonic(), seen).oldest == AT


def test_rounds_end_when_no_shard_has_more():
    left, seen = iter([True, True, False]), Seen()
    lag = in_rounds(lambda deadline: read_each(SHARDS[:1], lambda _: (AT, next(left)), deadline, seen), 60)
    assert (lag.pending, list(left)) == (0, [])
