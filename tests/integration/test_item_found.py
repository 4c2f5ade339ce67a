"""What an adversary found: schedules in which a write was lost, a deletion undone, or a gap forgotten. Each was red once."""

from __future__ import annotations

import pytest
from sluice import failpoints
from sluice.failpoints import Broken
from sluice.migration.engine.contract import Fenced, Lag, NotYet, Phase
from sluice.migration.kinds.dynamodb_source.arriving import NotSettled
from sluice.migration.kinds.single_table import SingleTable
from sluice.migration.kinds.single_table.gap import Gap, GapMender
from sluice.stores.dynamodb.values import Item

from tests.few_items import Few, forget, item, to_capturing, visit
from tests.streams_that_lie import StreamThatLies


def moved(name: str, to: str) -> list[Item]:
    """An item under another key of the old table, in one transaction: put there, deleted here."""
    old = item(name)
    return [{"Put": {"Item": {**old, "email": {"S": to}}}}, {"Delete": {"Key": {"email": old["email"]}}}]


@pytest.mark.parametrize("turned", [False, True])
def test_an_item_whose_key_changes_keeps_its_records(few: Few, kind: SingleTable, turned: bool) -> None:
    actions = moved("one", "another@example.com")
    for action in reversed(actions) if turned else actions:
        ((verb, asked),) = action.items()
        few.client.transact_write_items(TransactItems=[{verb: {**asked, "TableName": few.old}}])
    kind.replicate(5)
    diff = kind.diff()
    assert diff.clean, diff.facts()
    assert kind.marks.aside.quarantined() == []


def test_a_gap_that_could_not_be_noted_is_found_again(few: Few, kind: SingleTable) -> None:
    kind._ways.__dict__["source_stream"] = stream = StreamThatLies(kind._ways.source_stream, shards=1, seed=1)
    forget(kind, "forward")
    few.put(item("one", 3))
    kind.replicate(5)
    few.put(item("one", 2), item("two", 2))
    stream.listen()
    stream.trim(10_000)
    with failpoints.armed("state.moving=raise@1"), pytest.raises(Broken):
        kind.replicate(5)
    with pytest.raises(Gap):
        kind.replicate(5)
    assert kind.position().phase is Phase.CAPTURING


def test_a_stream_that_was_off_and_on_is_a_gap(few: Few, kind: SingleTable) -> None:
    kind.marks.note(kind.marks.state(), stream="arn:of:another:stream")
    with pytest.raises(Gap, match="switched off and on"):
        kind.replicate(5)


def test_a_canary_that_another_reader_has_delivered_is_home(few: Few, kind: SingleTable) -> None:
    beside = few.opened()
    kind._ways.__dict__["source_stream"] = stream = kind._ways.source_stream
    read = stream.read

    def late(shard: str, after: str | None, limit: int = 1000):
        beside.replicate(1)  # always faster
        return read(shard, after, limit)

    stream.read = late
    assert kind.drain(20).pending == 0


def test_nothing_goes_back_before_the_old_stream_is_read_up_to_now(
    kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind.cut_over()
    monkeypatch.setattr(GapMender, "read_old", lambda *_: Lag(1, "changes of yesterday"))
    with pytest.raises(NotSettled, match=r"not read up to now \(changes of yesterday\).*tried again by itself"):
        kind.cut_back()
    assert kind.marks.route()["write_to"] == {"S": "new"}


def test_a_route_that_is_frozen_is_opened_by_whoever_froze_it_and_by_nobody_else(few: Few, kind: SingleTable) -> None:
    state = kind.marks.state()
    with kind.route.frozen(state, "old", 60):
        with pytest.raises(NotYet, match="another switch"), few.opened().route.frozen(state, "old", 60):
            raise AssertionError("two at once")
        with pytest.raises(Fenced):
            few.opened().shadow()
        assert kind.marks.route()["write_to"] == {"S": "none"}
        assert not kind.route.thaw(kind.marks.state())


def test_a_switch_that_died_while_nobody_might_write_is_opened_by_the_next_reader(few: Few, kind: SingleTable) -> None:
    frozen = kind.route.frozen(kind.marks.state(), "old", -1)
    frozen.__enter__()  # and it dies here
    assert kind.marks.route()["write_to"] == {"S": "none"}
    few.opened().replicate(5)
    assert kind.marks.route()["write_to"] == {"S": "old"}


def test_what_was_seen_before_a_proof_was_forgotten_does_not_bring_it_back(kind: SingleTable) -> None:
    seen = kind.marks.state()
    kind.forget_proof()
    assert not kind.marks.note(seen, gap_at="")
    assert kind.marks.state().facts["verified_at"] == ""


def test_a_worker_that_comes_late_upon_a_gap_takes_no_place_of_the_next_epoch(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {}

    def gone_on() -> None:
        other = few.opened()
        other.abort()
        to_capturing(other)
        few.put(item("one", 4))
        other.replicate(5)
        kept.update(other.marks.places("forward"))

    kind.marks.note(kind.marks.state(), stream="arn:of:another:stream")
    with visit(monkeypatch, "gap.noted", gone_on), pytest.raises(Fenced):
        kind.replicate(5)
    assert kept and kind.marks.places("forward") == kept


def test_a_worker_that_comes_late_puts_nothing_into_quarantine(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = item("odd")
    del nameless["userId"]
    few.put(nameless)
    with visit(monkeypatch, "stream.applied", few.opened().abort), pytest.raises(Fenced):
        kind.replicate(5)
    assert kind.marks.aside.quarantined() == []
