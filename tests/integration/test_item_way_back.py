"""Once the records lead: what was never moved stays in the old table, and a record that has no way back is not lost by going."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sluice.migration.engine.contract import NotYet, Phase
from sluice.migration.kinds.single_table import SingleTable, backfill
from sluice.migration.kinds.single_table.gap import GapMender
from sluice.stores.dynamodb.streams import Trimmed
from sluice.stores.dynamodb.values import Item

from tests.documents import Documents
from tests.few_items import PAST, Few, few_items, forget, item, to_shadowing, visit
from tests.streams_that_lie import StreamThatLies

SKIP = {"expired": "expiresAt", "when": {"equals": {"status": "SECRET"}}}
STAYS = ("lapsed", "skipped")


@pytest.fixture
def few(documents: Documents, make_table: Callable[..., str]) -> Iterator[Few]:
    """Two items to move, and two that stay where they are."""
    seeds = (item("one"), item("two"), item("lapsed", expiresAt=PAST), item("skipped", status="SECRET"))
    with few_items(documents, make_table, *seeds, skip=SKIP) as made:
        yield made


@pytest.fixture
def kind(few: Few) -> SingleTable:
    """The kind that moves them, cut over: the records lead."""
    made = to_shadowing(few.opened())
    made.cut_over()
    return made


def put(few: Few, kind: SingleTable, **record: Any) -> None:
    """An application's write on the records."""
    few.client.put_item(TableName=kind.tables.targets[0].name, Item=record)


def whole(kind: SingleTable, made: Item) -> Item:
    """The record that holds all of an item."""
    return next(one.item for one in kind.tables.forth.wanted(made) if one.whole)


def test_what_was_never_moved_is_no_fault_once_the_records_lead(few: Few, kind: SingleTable) -> None:
    diff = kind.diff()
    assert diff.clean, diff.facts()


def test_what_was_never_moved_outlives_a_gap_on_the_way_back(few: Few, kind: SingleTable) -> None:
    with pytest.raises(Exception, match="Applications go on"):
        raise kind._gap.begin(kind.marks.state(), Trimmed("it was trimmed."))
    for _ in range(3):
        few.opened().replicate(5)
    assert set(few.items()) == {"one", "two", *STAYS}


def test_what_came_past_the_route_before_a_gap_is_neither_forgotten_nor_swept(few: Few, kind: SingleTable) -> None:
    few.put(item("stray"))
    kind.replicate(5)
    with pytest.raises(Exception, match="Applications go on"):
        raise kind._gap.begin(kind.marks.state(), Trimmed("it was trimmed."))
    for _ in range(3):
        few.opened().replicate(5)
    assert "stray" in few.items()
    assert few.opened().standing()["writes_astray"] == 1
    with pytest.raises(NotYet):
        few.opened().cut_back()


def test_what_we_brought_back_before_a_gap_is_nobodys_write_past_the_route(few: Few, kind: SingleTable) -> None:
    put(few, kind, **whole(kind, item("one", 5)))
    state = kind.marks.state()
    kind._ways.leading(state).deliver(5)  # brought back in this epoch, and read in the old stream in the next one
    with pytest.raises(Exception, match="Applications go on"):
        raise kind._gap.begin(state, Trimmed("it was trimmed."))
    for _ in range(3):
        few.opened().replicate(5)
    assert few.items()["one"] == item("one", 5)
    assert few.opened().standing()["writes_astray"] == 0


@pytest.mark.parametrize("astray", [False, True])
def test_an_old_table_whose_stream_is_off_shuts_neither_way(few: Few, kind: SingleTable, astray: bool) -> None:
    """Somebody tidied up: the records' writes went nowhere then, and neither way was open."""
    few.client.update_table(TableName=few.old, StreamSpecification={"StreamEnabled": False})
    put(few, kind, **{**whole(kind, item("one", 5))})
    few.opened().replicate(5)
    assert few.items()["one"] == item("one", 5)
    assert few.opened().diff().clean
    if astray:
        few.client.update_table(TableName=few.old, StreamSpecification={"StreamEnabled": False})
        few.put(item("two", 9))
        with pytest.raises(NotYet, match="the old table differs"):
            few.opened().cut_back()
        return
    few.opened().cut_back()
    few.put(item("two", 3))
    again = few.opened()
    again.replicate(5)
    assert again.position().phase is Phase.VERIFIED, "no gap, and no new copy"
    assert again.diff().clean


def test_a_write_past_the_route_while_it_is_cut_back_stops_that(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, read = [], GapMender.read_old

    def read_old(*told: Any) -> Any:
        looks.append(told)
        if len(looks) == 2:  # the comparison is behind it
            few.put(item("one", 9))
        return read(*told)

    monkeypatch.setattr(GapMender, "read_old", read_old)
    with pytest.raises(NotYet, match="1 writes came past the route"):
        kind.cut_back()
    assert kind.position().phase is Phase.CUT_OVER and (kind.marks.route() or {})["write_to"] == {"S": "new"}


def test_a_record_that_has_no_way_back_stops_no_other_and_no_write_is_lost_by_going_back(
    few: Few, kind: SingleTable
) -> None:
    nameless = {name: value for name, value in whole(kind, item("odd")).items() if name != "email"}
    put(few, kind, **nameless)
    put(few, kind, **whole(kind, item("two", 2)))
    kind.replicate(5)
    assert few.items()["two"] == item("two", 2)
    (poison,) = kind.marks.aside.quarantined()
    assert "email" in poison.reason
    with pytest.raises(NotYet, match="in quarantine"):
        kind.cut_back()
    assert kind.position().phase is Phase.CUT_OVER
    put(few, kind, **whole(kind, item("odd", 2)))
    kind.replicate(5)
    kind.cut_back()
    assert few.items()["odd"] == item("odd", 2)


def delete(few: Few, kind: SingleTable, name: str) -> None:
    """An application's deletion."""
    for record in kind.tables.forth.wanted(item(name)):
        few.client.delete_item(TableName=record.table, Key=record.key)


def test_a_late_worker_at_a_shard_that_has_just_begun_brings_nothing_back(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, stream = few.opened(), StreamThatLies(kind._ways.target_stream, shards=1)
    for worker in (kind, late):
        worker._ways.__dict__["target_stream"] = stream
    forget(kind, "reverse")
    put(few, kind, **whole(kind, item("one", 2)))

    def overtaken() -> None:
        kind.replicate(5)
        delete(few, kind, "one")
        kind.replicate(5)

    with visit(monkeypatch, "stream.read", overtaken):
        late.replicate(5)
    assert "one" not in few.items()


def test_a_copy_over_a_gap_brings_nothing_back_that_was_deleted_beside_it(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind._gap.begin(kind.marks.state(), Trimmed("it was trimmed."))

    def deleted_and_delivered() -> None:
        delete(few, kind, "one")
        other = few.opened()
        other._ways.leading(other.marks.state()).deliver(5)

    with visit(monkeypatch, "segment.read", deleted_and_delivered):
        kind.replicate(5)
    for _ in range(3):
        few.opened().replicate(5)
    assert set(few.items()) == {"two", *STAYS}


def test_a_late_copy_over_a_gap_brings_nothing_back(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind._gap.begin(kind.marks.state(), Trimmed("it was trimmed."))

    def a_long_time() -> None:
        delete(few, kind, "one")
        for _ in range(3):
            few.opened().replicate(5)
        assert set(few.items()) == {"two", *STAYS}

    monkeypatch.setattr(backfill, "HOLD_SECONDS", -1.0)
    with visit(monkeypatch, "segment.read", a_long_time):
        kind.replicate(5)
    assert set(few.items()) == {"two", *STAYS}


def test_two_workers_at_once_on_the_way_back_lose_nothing(few: Few, kind: SingleTable) -> None:
    over = threading.Event()

    def follow() -> None:
        worker = few.opened()
        while not over.is_set():
            worker.replicate(1)

    dice = random.Random(1)
    with ThreadPoolExecutor(2) as pool:
        workers = [pool.submit(follow) for _ in range(2)]
        for version in range(2, 60):
            name = f"n{dice.randrange(5)}"
            if dice.random() < 0.3:
                delete(few, kind, name)
            else:
                put(few, kind, **whole(kind, item(name, version)))
        over.set()
        for worker in workers:
            worker.result()
    kind.replicate(5)
    diff = kind.diff()
    assert diff.clean and diff.compared > 2, diff.facts()
    assert kind.standing()["writes_astray"] == 0


def test_an_attribute_that_was_given_up_is_no_difference_on_the_way_back(
    documents: Documents, make_table: Callable[..., str]
) -> None:
    created = {"from": "{created}", "otherwise": "1970-01-01T00:00:00Z"}
    attributes = {"id": {"from": "{userId}"}, "createdAt": created, "secret": {"drop": True}}
    seeds = (item("one", secret={"S": "x"}), item("two"))
    with few_items(documents, make_table, *seeds, attributes=attributes) as few:
        kind = few.opened()
        assert [f.code for f in kind.preflight() if f.blocks and f.code == "loses_attribute"] == ["loses_attribute"]
        to_shadowing(kind)
        kind.cut_over()
        diff = kind.diff()
        assert diff.clean, diff.facts()
