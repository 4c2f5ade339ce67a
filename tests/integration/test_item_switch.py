"""A switch that meets another mapping, a clock that went on, a death behind it, or somebody who wrote past the route."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Drifted, NotYet, Phase
from sluice.migration.kinds.single_table import SingleTable
from sluice.migration.kinds.single_table.gap import Gap
from sluice.stores.dynamodb.writes import Put, write_one

from tests.few_items import Few, copy, forget, item, settled


def drift(kind: SingleTable) -> None:
    """Let the marks say that it was expanded by another mapping."""
    assert kind.marks.note(kind.marks.state(), fingerprint="another")


def told(kind: SingleTable) -> str:
    """Where applications are to write."""
    return str(kind.marks.route()["write_to"]["S"])


def test_another_mapping_is_not_switched_to(kind: SingleTable) -> None:
    drift(kind)
    with pytest.raises(Drifted, match="has changed since it was expanded"):
        kind.cut_over()
    assert (kind.position().phase, told(kind)) == (Phase.SHADOWING, "old")


def test_another_mapping_does_not_go_back(kind: SingleTable) -> None:
    kind.cut_over()
    drift(kind)
    with pytest.raises(Drifted, match="has changed since it was expanded"):
        kind.cut_back()
    assert (kind.position().phase, told(kind)) == (Phase.CUT_OVER, "new")


def test_a_mapping_that_changed_keeps_no_route_frozen(few: Few, kind: SingleTable) -> None:
    frozen = kind.route.frozen(kind.marks.state(), "old", -1)
    frozen.__enter__()  # and the switch dies here
    drift(kind)
    assert told(kind) == "none"
    with pytest.raises(Drifted):
        few.opened().replicate(5)
    assert told(kind) == "old"


def test_reads_that_were_told_to_differ_since_their_gate_hold_the_switch(few: Few, kind: SingleTable) -> None:
    told = {"compared": 9, "equal": 8, "race": 0, "real": 1, "failed": 0, "old_p95": 1, "new_p95": 1, "epoch": 1}
    place = {"PK": {"S": kind.name}, "SK": {"S": "SHADOW#web-1"}, "examples": {"S": ""}}
    item = {name: {"N": str(count)} for name, count in told.items()}
    write_one(few.client, Put(kind.marks.table, {**place, **item}))
    with pytest.raises(NotYet, match=r"1 differ for good.*Nothing was switched"):
        kind.cut_over()
    assert kind.position().phase is Phase.SHADOWING


def test_a_freeze_ends_by_the_clock_of_its_beginning(kind: SingleTable) -> None:
    state = kind.marks.state()
    old = replace(state, now=state.now - timedelta(hours=1))  # what was looked at before it took an hour
    with kind.route.frozen(old, "old", 60):
        assert not kind.route.thaw(kind.marks.state())
        assert told(kind) == "none"


@pytest.mark.parametrize("way", [(steps.cut_over,), (steps.cut_over, steps.cut_back)])
def test_a_switch_taken_again_has_all_that_its_gate_asks_for(few: Few, kind: SingleTable, way: tuple) -> None:
    for step in way:
        step(kind)
    again = way[-1](few.opened())
    assert again["already"] == 1
    asked = {
        "routed_to_new",
        "routed_to_old",
        "quarantined",
        "fingerprint_differs",
        "writes_astray",
        "pause_beyond_lease_ms",
    }
    assert asked <= again.keys()


def test_a_gap_that_a_drain_comes_upon_is_noted_too(few: Few, torn: tuple) -> None:
    kind, old, _ = torn
    few.put(item("two", version=2))
    kind.replicate(5)  # from here on there is a place to go on from
    few.put(item("one", version=2), item("three"))
    assert old.trim()
    with pytest.raises(Gap, match="capturing again, in a new epoch"):
        kind.drain(5)
    assert (kind.position().phase, kind.position().epoch) == (Phase.CAPTURING, 2)


def day_without_a_reader(kind: SingleTable, way: str) -> None:
    """Let the marks say that nobody has read for a day."""
    write_one(kind.marks.client, kind.marks.looking(way, kind.marks.state().now - timedelta(hours=24)))


def test_what_a_shard_told_first_may_be_gone_after_a_day_without_a_reader(few: Few, torn: tuple) -> None:
    kind, old, _ = torn
    few.put(item("one", version=2))
    assert (
        old.trim()
    )  # and no place was noted, since nothing was read: the shard looks as if it had never told anything
    day_without_a_reader(kind, "forward")
    with pytest.raises(Gap, match="nobody has read the stream since"):
        kind.replicate(5)
    assert (kind.position().phase, kind.position().epoch) == (Phase.CAPTURING, 2)
    with suppress(Gap):
        kind.replicate(5)
    assert kind.position().epoch == 2, "one gap is one gap"


def test_a_day_without_a_reader_is_no_gap_where_each_shard_tells_by_itself(few: Few, torn: tuple) -> None:
    kind, _, _ = torn
    few.put(item("one", version=2))
    kind.replicate(5)
    day_without_a_reader(kind, "forward")
    few.put(item("one", version=3))
    kind.replicate(5)
    assert kind.position().epoch == 1 and kind.diff().clean


def test_a_gap_on_the_way_back_is_seen_in_a_shard_that_had_told_nothing(few: Few, torn: tuple) -> None:
    kind, _, new = torn
    kind.cut_over()
    new.listen()
    forget(kind, "reverse")  # a shard that came after the switch
    day_without_a_reader(kind, "reverse")
    with pytest.raises(Gap, match="way back is copied anew"):
        kind.replicate(5)
    with pytest.raises(NotYet, match="has a gap on its way back"):
        kind.cut_back()


def test_the_records_stream_may_be_trimmed_while_nobody_writes_them(few: Few, torn: tuple) -> None:
    kind, _, new = torn
    few.put(item("one", version=2))
    kind._ways.leading(kind.marks.state()).deliver(5)
    assert new.trim()
    kind.replicate(5)
    kind.cut_over()
    assert kind.position().phase is Phase.CUT_OVER and kind.diff().clean


def test_a_stream_that_was_switched_off_while_the_source_leads_is_a_gap(few: Few, kind: SingleTable) -> None:
    few.client.update_table(TableName=few.old, StreamSpecification={"StreamEnabled": False})
    few.put(item("one", version=8))
    with pytest.raises(Gap, match=r"has no stream.*It is capturing again, in a new epoch"):
        few.opened().replicate(5)
    again = few.opened()
    assert (again.position().phase, again.position().epoch) == (Phase.CAPTURING, 2)
    again.plan_chunks()
    copy(again)
    assert settled(again).clean


@pytest.mark.parametrize("astray", [False, True])
def test_what_was_lost_of_the_old_stream_asks_for_a_comparison_before_going_back(
    few: Few, torn: tuple, astray: bool
) -> None:
    kind, old, _ = torn
    kind.cut_over()
    if astray:
        few.put(item("one", version=7))
    assert old.trim() or not astray
    if not astray:
        kind.cut_back()
        assert (kind.position().phase, told(kind)) == (Phase.VERIFIED, "old")
        return
    with pytest.raises(NotYet, match="the old table differs"):
        kind.cut_back()
    assert (kind.position().phase, told(kind)) == (Phase.CUT_OVER, "new")


def test_a_write_past_the_route_is_seen_by_the_gate_of_the_switch(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    switched = kind.cut_over

    def and_one_goes_past():
        swap = switched()
        few.put(item("one", version=2))
        return swap

    monkeypatch.setattr(kind, "cut_over", and_one_goes_past)
    assert steps.cut_over(kind)["writes_astray"] == 1
