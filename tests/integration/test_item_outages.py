"""Streams older than a day, both lost at once, switched off, too many shards for one round: what a reader makes of them."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sluice.errors import Terminal
from sluice.migration.engine.contract import Diff, Fenced, Phase
from sluice.migration.kinds.single_table import SingleTable, heads
from sluice.migration.kinds.single_table.gap import Gap, GapMender
from sluice.stores.dynamodb.streams import Trimmed
from sluice.stores.dynamodb.writes import write_one

from tests.few_items import Few, copy, forget, item, lying, settled, to_shadowing, visit


def test_a_source_whose_stream_is_older_than_a_day_can_be_followed(few: Few) -> None:
    few.client.update_table(
        TableName=few.old, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )
    kind = few.opened()
    kind.expand()
    old = lying(kind)
    few.put(item("one", version=2), item("two", version=2))
    old.split("shard-0")
    assert old.trim()  # the parent is not listed any more, its children still name it
    kind.start_capture()
    for version in (3, 4, 5):
        few.put(item("one", version=version), item("two", version=version))
        kind.replicate(1)
    assert kind.position().epoch == 1


def test_records_whose_stream_is_older_than_a_day_can_be_cut_over(few: Few, torn: tuple) -> None:
    kind, _, new = torn
    new.listen()
    new.split("shard-0")
    assert new.trim()
    assert "shard-0" not in {one.id for one in new.shards()}
    kind.cut_over()
    for _ in range(3):
        kind.replicate(1)
    assert kind.position().epoch == 1


def test_one_outage_of_a_day_takes_nothing_that_came_past_the_route(few: Few, torn: tuple) -> None:
    kind, old, new = torn
    kind.cut_over()
    few.put_records(kind, item("one", version=4))
    few.put(item("stray"))
    kind.replicate(5)
    assert kind.standing()["writes_astray"] == 1
    few.put_records(kind, item("one", version=5))
    few.put(item("two", version=9))  # somebody writes on
    assert old.trim() and new.trim()
    with suppress(Gap):
        kind.replicate(5)
    for _ in range(4):
        kind.replicate(5)
    assert (kind.standing()["writes_astray"] >= 1, "stray" in few.items()) == (True, True)


def test_what_came_past_the_route_and_was_forgotten_unread_may_be_one_more_and_is_not_swept(
    few: Few, torn: tuple
) -> None:
    kind, old, new = torn
    kind.cut_over()
    kind.replicate(5)
    few.put(item("stray"))
    few.put_records(kind, item("one", version=5))
    assert old.trim() and new.trim()
    with suppress(Gap):
        kind.replicate(5)
    for _ in range(4):
        kind.replicate(5)
    assert (kind.standing()["writes_astray"], "stray" in few.items()) == (1, True)
    assert few.items()["one"] == item("one", version=5)


def test_a_stray_that_was_written_over_is_still_told_after_the_old_stream_was_off(few: Few) -> None:
    kind = to_shadowing(few.opened())
    kind.cut_over()
    few.put(item("one", version=7))
    kind.replicate(5)
    assert kind.standing()["writes_astray"] == 1
    few.put_records(kind, item("one", version=8))
    kind.replicate(5)
    few.client.update_table(TableName=few.old, StreamSpecification={"StreamEnabled": False})
    again = few.opened()
    again.replicate(5)
    assert again.diff().clean
    assert again._compared[1].strays >= 1, again._compared[1]


def test_a_records_stream_that_is_off_is_switched_on_by_the_cutover(few: Few) -> None:
    kind = to_shadowing(few.opened())
    few.client.update_table(TableName=kind.tables.targets[0].name, StreamSpecification={"StreamEnabled": False})
    few.opened().cut_over()
    again = few.opened()
    again.replicate(5)
    assert (again.position().phase, again.position().epoch) == (Phase.CUT_OVER, 1)


def test_a_records_stream_that_went_off_meanwhile_makes_no_copy_due(few: Few) -> None:
    kind = to_shadowing(few.opened())
    _ = kind._ways.target_stream
    few.client.update_table(TableName=kind.tables.targets[0].name, StreamSpecification={"StreamEnabled": False})
    kind.cut_over()
    again = few.opened()
    again.replicate(5)
    assert (again.position().phase, again.position().epoch) == (Phase.CUT_OVER, 1)


def test_a_reader_that_never_ends_a_round_in_time_has_read_all_the_same(few: Few) -> None:
    kind = few.opened()
    kind.expand()
    kind.start_capture()
    lying(kind, shards=4)
    write_one(kind.marks.client, kind.marks.looking("forward", kind.marks.state().now - timedelta(hours=22)))
    for version in range(30):
        few.put(item("one", version=version))
        kind.replicate(0)
    looked = kind.marks.looked("forward")
    assert looked and kind.marks.state().now - looked < timedelta(hours=1)


def settled_again(kind: SingleTable) -> Diff:
    kind.replicate(5)
    diff = kind.diff()
    assert diff.clean, diff.facts()
    return diff


@pytest.mark.parametrize("another", [False, True])
def test_of_two_cutovers_at_once_one_begins_the_way_back(
    few: Few, torn: tuple, monkeypatch: pytest.MonkeyPatch, another: bool
) -> None:
    kind, old, new = torn
    kind.cut_over()
    few.put_records(kind, item("one", version=3))
    kind.replicate(5)
    kind.cut_back()
    few.delete("one")
    kind.replicate(5)
    kind.verify(settled_again(kind))
    kind.shadow()
    assert "one" not in few.items()

    late = few.opened()
    late._ways.__dict__.update({"source_stream": old, "target_stream": new})

    def dies_there(*told: Any) -> None:
        raise InterruptedError("killed")

    def another_begins() -> None:
        """A second worker at the same step gives up the places, and dies."""
        with monkeypatch.context() as m, suppress(InterruptedError):
            m.setattr(heads, "move_places", dies_there)
            late.cut_over()

    if another:
        with visit(monkeypatch, "switch.drained", another_begins), pytest.raises(Fenced):
            kind.cut_over()
        kind.cut_over()
    else:
        kind.cut_over()
    for _ in range(3):
        kind.replicate(5)
    assert "one" not in few.items()


def test_a_records_stream_that_is_off_after_the_cutover_is_a_gap(few: Few) -> None:
    kind = to_shadowing(few.opened())
    kind.cut_over()
    few.client.update_table(TableName=kind.tables.targets[0].name, StreamSpecification={"StreamEnabled": False})
    few.put_records(kind, item("one", version=5))
    with pytest.raises(Gap):
        few.opened().replicate(5)
    for _ in range(3):
        few.opened().replicate(5)
    assert few.items()["one"] == item("one", version=5)
    few.opened().cut_back()


def test_a_due_of_another_gap_is_not_cleared(few: Few, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = to_shadowing(few.opened())
    kind.cut_over()
    kind._gap.begin(kind.marks.state(), Trimmed("it was trimmed."))
    sweep = GapMender.sweep
    other = few.opened()

    def swept(self, state, **more):
        done = sweep(self, state, **more)
        monkeypatch.setattr(GapMender, "sweep", sweep)
        other._gap.begin(other.marks.state(), Trimmed("it was trimmed again."))
        few.put_records(kind, item("one", version=9))
        forget(other, "reverse")  # and this write is in what was lost
        return done

    monkeypatch.setattr(GapMender, "sweep", swept)
    for _ in range(3):
        with suppress(Terminal):
            kind.replicate(5)
    assert kind.marks.state().epoch == 3
    assert kind.marks.places("back"), "the second gap was copied over"


def test_what_was_written_before_the_cutover_did_not_come_past_the_route(few: Few) -> None:
    """Whoever begins a stream again reads it: there may be writes in what is left that were quite right."""
    kind = few.opened()
    kind.expand()
    kind.start_capture()
    few.put(item("one", version=2), item("two", version=2))
    kind.plan_chunks()
    copy(kind)
    kind.verify(settled(kind))
    kind.shadow()
    few.put(item("one", version=3))
    time.sleep(1.1)  # a change tells its time in whole seconds
    kind.cut_over()
    kind.replicate(5)
    forget(kind, "forward")
    kind.replicate(5)
    assert kind.standing()["writes_astray"] == 0
    few.put(item("one", version=4))
    kind.replicate(5)
    told = kind.standing()
    assert told["writes_astray"] == 1 and re.fullmatch(
        r"email=one@Example\.com at 20.* UTC", told["writes_astray_told"]
    )
    few.put_records(kind, item("one", version=5))
    kind.replicate(5)
    assert kind.diff().clean, "the way back wrote over it"
    assert "1 counted since the cutover: email=one@Example.com at 20" in kind._compared[1].named[0]


def test_a_write_that_was_right_until_the_switch_did_not_come_past_the_route(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step had begun, and nobody was held yet."""

    def written() -> None:
        time.sleep(1.1)  # a change tells its time in whole seconds
        few.put(item("one", version=4))
        time.sleep(1.1)

    with visit(monkeypatch, "heads.noted", written):
        kind.cut_over()
    forget(kind, "forward")
    kind.replicate(5)
    assert kind.standing()["writes_astray"] == 0
