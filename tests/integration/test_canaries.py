"""Canaries reach every shard: what lies unread in one of them is never taken for delivered."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sluice.migration.engine import steps
from sluice.migration.kinds.dynamodb_source.canary import FIRST, Canaries
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item, key_of

from tests.documents import Documents
from tests.few_items import copy, few_items, item, lying, to_capturing
from tests.rowed import Stage, audit, to_backfilled
from tests.streams_that_lie import StreamThatLies

SHARDS = 5
"""Of these the first canaries miss some."""


def without_a_canary(stream: StreamThatLies, canaries: Canaries, items: Iterator[Item]) -> tuple[str, Item]:
    """Give a shard that none of the first canaries comes to, and an item that does."""
    reached = {stream._part_of(canaries._key(number)).id for number in range(FIRST)}
    names = list(filter(None, (canaries.table.partition, canaries.table.sort)))
    for one in items:
        if (shard := stream._part_of(key_of(one, *names)).id) not in reached:
            return shard, one
    raise AssertionError("unreachable")


def assert_waits_for(shard: str, kind: Any, stream: StreamThatLies) -> None:
    """What a shard holds back is waited for, and said."""
    stream.hushed.add(shard)
    lag = kind.drain(1)
    assert lag.pending and "not read up to now: shard-" in lag.held_by, lag
    stream.hushed.clear()
    lag = kind.drain(20)
    assert (lag.pending, lag.held_by) == (0, ""), lag


def test_a_shard_of_items_without_a_canary_is_waited_for(documents: Documents, make_table: Callable[..., str]) -> None:
    with few_items(documents, make_table, item("one")) as few:
        kind = few.opened()
        to_capturing(kind)
        copy(kind)
        stream = lying(kind, SHARDS)
        canaries = Canaries(few.client, kind.tables.source)
        shard, written = without_a_canary(stream, canaries, (item(f"u{number}") for number in itertools.count()))
        few.put(written)
        assert_waits_for(shard, kind, stream)
        assert few.equal(kind), "what the shard held back has arrived with the canary"
        assert not [one for one in scan_page(few.client, few.old).items if "_canary" in one], "all are called back"


def test_a_shard_of_rows_without_a_canary_is_waited_for(stage: Stage) -> None:
    kind = to_backfilled(stage)
    kind.parts.__dict__["stream"] = stream = StreamThatLies(kind.parts.stream, SHARDS)
    kind.parts.run("forget_places")
    canaries = Canaries(stage.client, kind.parts.definition)
    shard, written = without_a_canary(stream, canaries, (audit(number) for number in itertools.count(500)))
    stage.put(written)
    assert_waits_for(shard, kind, stream)
    assert written["auditId"]["S"] in stage.rows()


def test_where_delivery_lags_no_more_are_let_go(
    documents: Documents, make_table: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several migrations drain one table at a time: with each adding to what all of them must read, none would end."""
    monkeypatch.setattr("sluice.migration.kinds.dynamodb_source.canary.LISTEN_SECONDS", 0.05)
    with few_items(documents, make_table, item("one")) as few:
        kind = few.opened()
        to_capturing(kind)
        stream, flights = lying(kind), []
        stream.hushed |= {shard.id for shard in stream.shards()}
        let_go = Canaries.let_go
        monkeypatch.setattr(Canaries, "let_go", lambda canaries: (flights.append(canaries), let_go(canaries)))
        assert kind.drain(1).pending
        monkeypatch.setattr(steps, "DRAIN_SECONDS", 0.1)
        with pytest.raises(
            steps.NotReadUp, match=r"waits for \d shards: not read up to now.*It is tried again by itself"
        ):
            steps.cut_over(kind)
        del flights[1:]
        assert len(flights) == 1 and flights[0].written == FIRST


def test_what_is_younger_answers_for_its_shard_and_what_is_not_does_not(
    documents: Documents, make_table: Callable[..., str]
) -> None:
    with few_items(documents, make_table, item("one")) as few:
        kind = few.opened()
        to_capturing(kind)
        few.put(item("two"))
        canaries = Canaries(few.client, kind.tables.source)
        canaries.let_go()
        (shard,) = (one.id for one in kind._ways.source_stream.shards())
        change = kind._ways.source_stream.read(shard, None).changes[0]
        canaries.watch(shard, [change])
        assert canaries.silent(kind._ways.source_stream.shards(), ()) == [shard]
        canaries.watch(shard, [replace(change, at=change.at + timedelta(seconds=9))])
        assert canaries.silent(kind._ways.source_stream.shards(), ()) == []
        canaries.call_back()


def test_what_a_killed_drain_left_is_found_however_many_they_were(
    documents: Documents, make_table: Callable[..., str]
) -> None:
    with few_items(documents, make_table, item("one")) as few:
        kind = few.opened()
        killed = Canaries(few.client, kind.tables.source)
        for _ in range(3):
            killed.let_go()
        assert len(few._all(few.old)) == 1 and len(scan_page(few.client, few.old).items) == 1 + 4 * FIRST
        Canaries(few.client, kind.tables.source).call_all_back()
        assert len(scan_page(few.client, few.old).items) == 1
