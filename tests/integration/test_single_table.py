"""A DynamoDB table becomes records of a single-table design, with writers on: forth, back, and forth again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from sluice.migration.engine import lanes, steps
from sluice.migration.engine.contract import Fence, NotYet, Phase
from sluice.migration.engine.throttle import Throttle
from sluice.migration.kinds.single_table import SingleTable
from sluice.migration.kinds.single_table.gap import Gap
from sluice.stores.dynamodb.values import same

from tests.documents import Documents
from tests.moved_items import Application, all_items, legacy_table, user
from tests.streams_that_lie import StreamThatLies


@pytest.fixture
def place(documents: Documents, make_table: Callable[..., str]) -> Iterator[tuple[SingleTable, str]]:
    """A legacy table with 300 users, and the kind that moves it."""
    with legacy_table(documents, make_table, 300) as (opened, old):
        yield opened(), old


def to_verified(kind: SingleTable) -> None:
    """From planned to verified."""
    kind.expand()
    kind.start_capture()
    kind.plan_chunks()
    lanes.work_lane(kind, 0, Fence(kind.position().epoch), Throttle(kind.migration.backfill.limits))
    assert kind.finish_backfill(Fence(kind.position().epoch))["chunks_done"] == 4
    facts = steps.verify(kind)
    assert facts["planted"] == facts["planted_found"] == 15 and not facts["equal_rows_flagged"], facts
    assert kind.position().phase is Phase.VERIFIED, facts


def test_forth_back_and_forth_again_loses_no_acknowledged_write(
    place: tuple[SingleTable, str], documents: Documents
) -> None:
    kind, old = place
    kind.marks.prepare()  # applications ask it for their route
    application = Application(kind, documents.client(), old)
    writer = threading.Thread(target=application.run)
    writer.start()
    try:
        assert [f for f in kind.preflight() if f.blocks] == []
        to_verified(kind)
        for turn in (1, 2):
            kind.shadow()
            swap = steps.cut_over(kind)
            assert swap["rows_missing"] == swap["rows_extra"] == swap["rows_different"] == 0, swap
            assert swap["rows_compared"] > 100
            time.sleep(1.0)
            back = steps.cut_back(kind)
            assert back["rows_missing"] == back["rows_extra"] == back["rows_different"] == 0, back
            assert kind.position().epoch == turn + 1
            assert kind.position().phase is Phase.VERIFIED
            time.sleep(0.5)
            steps.verify(kind)
    finally:
        application.stopping.set()
        writer.join()
    kind.replicate(10)
    stand = all_items(documents.client(), old)
    for email, item in application.acknowledged.items():
        assert same(stand.get(email), item), email
    assert application.writes > 100
    diff = kind.diff()
    assert diff.clean, diff.facts()


def test_a_trimmed_stream_is_loud_and_the_next_run_copies_over_the_gap(place: tuple[SingleTable, str]) -> None:
    kind, old = place
    to_verified(kind)
    kind._ways.__dict__["source_stream"] = stream = StreamThatLies(kind._ways.source_stream, shards=2, seed=1)
    client = kind._client
    client.delete_item(TableName=old, Key={"email": {"S": "User1@example.com"}})
    client.put_item(TableName=old, Item=user(2, note={"S": "in the gap"}))
    stream.trim(10_000)
    with pytest.raises(Gap, match="in a new epoch"):
        kind.replicate(5)
    assert kind.position().phase is Phase.CAPTURING
    assert kind.position().epoch == 2
    again = SingleTable(kind.migration, client, kind._streams, kind.tables.prefix)
    to_verified(again)
    assert kind.diff().clean


def test_a_gap_on_the_way_back_is_copied_over_beside_the_application(place: tuple[SingleTable, str]) -> None:
    kind, old = place
    to_verified(kind)
    kind.shadow()
    steps.cut_over(kind)
    application = Application(kind, kind._client, old)
    for number in range(40):
        application.write(number)
    kind._ways.__dict__["target_stream"] = stream = StreamThatLies(kind._ways.target_stream, shards=2, seed=1)
    stream.trim(100_000)
    with pytest.raises(Gap, match="Applications go on"):
        kind.replicate(5)
    again = SingleTable(kind.migration, kind._client, kind._streams, kind.tables.prefix)
    with pytest.raises(NotYet, match="gap on its way back"):
        again.cut_back()
    for _ in range(20):
        again.replicate(5)
    facts = steps.cut_back(again)
    assert facts["rows_missing"] == facts["rows_extra"] == facts["rows_different"] == 0, facts
    stand = all_items(kind._client, old)
    for email, item in application.acknowledged.items():
        assert same(stand.get(email), item), email
