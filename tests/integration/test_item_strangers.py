"""Whose place is it? What somebody else wrote is never overwritten, and what is ours is followed whoever wrote it last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sluice.migration.engine import steps
from sluice.migration.engine.contract import NotYet, Phase
from sluice.migration.kinds.single_table import SingleTable
from sluice.stores.dynamodb.values import Item

from tests.documents import Documents
from tests.few_items import Few, copy, few_items, item, key, lying, settled, to_capturing, to_shadowing, visit

WHOLE = {"PK": {"S": "USER#one"}, "SK": {"S": "METADATA"}}
LOOKUP = {"PK": {"S": "USER#one"}, "SK": {"S": "LOOKUP#ACTIVE"}}
ELSEWHERE = {"_from": {"S": "clients/email=x"}, "_token": {"S": f"{7:010}#{7:040}"}}


@pytest.fixture
def few(documents: Documents, make_table: Callable[..., str]) -> Iterator[Few]:
    """Two items to move, and one that stays where it is."""
    skip = {"expired": "expiresAt", "when": {"equals": {"status": "SECRET"}}}
    with few_items(documents, make_table, item("one"), item("two"), item("stays", status="SECRET"), skip=skip) as made:
        yield made


@pytest.fixture
def kind(few: Few) -> SingleTable:
    """The kind that moves them, planned."""
    return few.opened()


def put(few: Few, kind: SingleTable, *items: Item, **more: Any) -> None:
    """An application's records of legacy items, as one that knows nothing of our attributes writes them."""
    for one in items:
        for record in kind.tables.forth.wanted(one):
            few.client.put_item(TableName=record.table, Item={**record.item, **more})


def stands(few: Few, kind: SingleTable, at: Item) -> Item | None:
    """What stands at a key among the records, our attributes and all."""
    found: Item | None = few.client.get_item(TableName=kind.tables.targets[0].name, Key=at).get("Item")
    return found


def in_step(few: Few, kind: SingleTable) -> bool:
    """Whether the records are what the items say that are moved."""
    return few.records(kind) == {text: one for text, one in few.by_hand().items() if "USER#stays" not in text}


def reasons(kind: SingleTable) -> dict[str, str]:
    """Who waits in quarantine, and why."""
    return {poison.key: poison.reason for poison in kind.marks.aside.quarantined()}


@pytest.mark.parametrize("at", [WHOLE, LOOKUP], ids=["whole", "lookup"])
@pytest.mark.parametrize("marks", [{}, ELSEWHERE], ids=["an application's", "another migration's"])
def test_a_strangers_record_outlives_copy_change_and_deletion(
    few: Few, kind: SingleTable, at: Item, marks: Item
) -> None:
    to_capturing(kind)
    theirs = {**at, "id": {"S": "theirs"}, **marks}
    few.client.put_item(TableName=kind.tables.targets[0].name, Item=theirs)
    copy(kind)
    assert stands(few, kind, at) == theirs
    (reason,) = reasons(kind).values()
    assert at["SK"]["S"] in reason
    assert ("clients/email=x" if marks else "an application's") in reason
    few.put(item("one", 2))
    kind.replicate(5)
    assert stands(few, kind, at) == theirs
    with pytest.raises(NotYet, match="in quarantine"):
        kind._switching(kind.marks.state()).check()
    few.delete("one")
    kind.replicate(5)
    assert stands(few, kind, at) == theirs
    assert settled(kind).clean
    assert reasons(kind) == {}


def test_a_late_copy_of_an_item_that_is_gone_takes_no_place_that_another_has_left(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_capturing(kind)

    def gone_and_taken_and_left() -> None:
        worker = few.opened()
        few.delete("one")
        worker.replicate(5)
        few.put({**item("one", 2), **key("second")})
        worker.replicate(5)
        few.delete("second")
        worker.replicate(5)

    with visit(monkeypatch, "segment.read", gone_and_taken_and_left):
        copy(kind)
    assert settled(kind).clean
    assert in_step(few, kind)
    assert "PK=USER#one&SK=METADATA" not in few.records(kind)


def test_a_copy_takes_a_place_that_another_item_has_left(few: Few, kind: SingleTable) -> None:
    to_capturing(kind)
    few.delete("one")
    kind.replicate(5)
    assert "_gone" in (stands(few, kind, WHOLE) or {})
    few.put({**item("one", 2), **key("second")})
    copy(kind)
    assert (stands(few, kind, WHOLE) or {})["_from"]["S"].endswith("/email=second@Example.com")
    assert settled(kind).clean


def test_of_two_records_that_want_one_item_neither_is_lost(few: Few, kind: SingleTable) -> None:
    to_shadowing(kind)
    kind.cut_over()
    taken = item("other", email=key("one")["email"])
    put(few, kind, taken)
    kind.replicate(5)
    assert few.items()["one"] == item("one")
    assert reasons(kind) == {"PK=USER#other&SK=METADATA": next(iter(reasons(kind).values()))}
    assert "belongs to PK=USER#one&SK=METADATA" in next(iter(reasons(kind).values()))
    with pytest.raises(NotYet, match="in quarantine"):
        kind.cut_back()
    put(few, kind, item("other"))
    kind.replicate(5)
    kind.cut_back()
    assert few.items()["other"] == item("other")


@pytest.mark.parametrize("delivered", [False, True])
def test_an_address_that_is_handed_on_while_the_records_lead_arrives(
    few: Few, kind: SingleTable, delivered: bool
) -> None:
    to_shadowing(kind)
    kind.cut_over()
    put(few, kind, item("one", 2, email=key("new")["email"]))
    if delivered:
        kind.replicate(5)
    put(few, kind, item("two", 2, email=key("one")["email"]))
    kind.replicate(5)
    assert reasons(kind) == {}
    kind.cut_back()
    assert few.items()["new"] == item("one", 2, email=key("new")["email"])
    assert few.items()["one"] == item("two", 2, email=key("one")["email"])
    assert "two" not in few.items()


def test_an_item_that_was_never_to_be_moved_is_not_overwritten_on_the_way_back(few: Few, kind: SingleTable) -> None:
    to_shadowing(kind)
    kind.cut_over()
    put(few, kind, item("stays", 2))
    kind.replicate(5)
    assert few.items()["stays"] == item("stays", status="SECRET")
    assert len(reasons(kind)) == 1


def test_what_applications_wrote_while_the_records_led_follows_again_at_once(few: Few, kind: SingleTable) -> None:
    to_shadowing(kind)
    kind.cut_over()
    put(few, kind, item("one", 2), item("two", 2), item("three"), item("four"))
    kind.cut_back()
    few.put(item("one", 3, "LOCKED"))
    few.delete("two")
    moved = item("three", 2, email=key("elsewhere")["email"])
    few.together(moved, delete="three")
    kind.replicate(5)
    assert reasons(kind) == {}
    assert in_step(few, kind)
    assert kind.diff().clean


def test_a_record_that_kept_the_attributes_of_an_item_that_it_left_is_its_new_items(
    few: Few, kind: SingleTable
) -> None:
    to_shadowing(kind)
    kind.cut_over()
    moved = item("one", 2, email=key("new")["email"])
    for record in kind.tables.forth.wanted(moved):
        kept = {name: value for name, value in (stands(few, kind, record.key) or {}).items() if name[0] == "_"}
        few.client.put_item(TableName=record.table, Item={**record.item, **kept})
    facts = steps.cut_back(kind)
    assert facts["rows_extra"] == facts["rows_missing"] == facts["rows_different"] == 0, facts
    few.put({**moved, "version": {"N": "3"}})
    kind.replicate(5)
    assert reasons(kind) == {}
    assert in_step(few, kind)


def test_a_clean_comparison_after_cutting_back_gives_each_record_its_attributes(few: Few, kind: SingleTable) -> None:
    to_shadowing(kind)
    kind.cut_over()
    put(few, kind, item("one", 2), item("three"))
    steps.cut_back(kind)
    assert (stands(few, kind, WHOLE) or {})["_from"]["S"].endswith("/email=one@Example.com")
    theirs = {"PK": {"S": "USER#late"}, "SK": {"S": "METADATA"}, "id": {"S": "theirs"}}
    few.client.put_item(TableName=kind.tables.targets[0].name, Item=theirs)
    few.put(item("late"))
    kind.replicate(5)
    assert stands(few, kind, {name: theirs[name] for name in ("PK", "SK")}) == theirs
    assert len(reasons(kind)) == 1


@pytest.mark.parametrize("compared", [True, False])
def test_a_deletion_after_an_abort_is_not_forgotten_of_what_was_made_while_the_records_led(
    few: Few, kind: SingleTable, compared: bool
) -> None:
    to_shadowing(kind)
    kind.cut_over()
    put(few, kind, item("made"))
    steps.cut_back(kind) if compared else kind.cut_back()
    kind.abort()
    few.delete("made")
    again = few.opened()
    lying(again).trim()  # more than a day later: no stream tells of it
    to_capturing(again)
    copy(again)
    diff = settled(again)
    assert diff.clean is compared, diff.facts()
    if compared:
        assert in_step(few, again)
    else:
        assert [(row.key, row.what) for row in diff.samples] == [("email=made@Example.com", "extra")]
        assert "PK=USER#made&SK=METADATA" in few.records(again), "an application may have acknowledged it"
    assert again.position().phase is Phase.BACKFILLED
