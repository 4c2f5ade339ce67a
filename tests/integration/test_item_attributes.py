"""Names that are ours: an application that puts back what it read, our attributes and all; and items that have such names."""

from __future__ import annotations

import pytest
from sluice.migration.kinds.single_table import SingleTable
from sluice.stores.dynamodb.values import Item

from tests.few_items import Few, item, key, to_shadowing


@pytest.fixture
def kind(few: Few) -> SingleTable:
    """The kind that moves them, shadowing."""
    return to_shadowing(few.opened())


def read(few: Few, table: str, at: Item) -> Item:
    """An item as an application that knows nothing of us reads it."""
    found: Item = few.client.get_item(TableName=table, Key=at)["Item"]
    return found


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("in_pages", [False, True])
def test_a_record_that_is_deleted_and_put_back_with_our_attributes_is_brought_back(
    few: Few, kind: SingleTable, changed: bool, in_pages: bool
) -> None:
    kind.cut_over()
    table, at = kind.tables.targets[0].name, {"PK": {"S": "USER#one"}, "SK": {"S": "METADATA"}}
    seen = read(few, table, at)
    assert "_token" in seen
    few.client.delete_item(TableName=table, Key=at)
    if in_pages:
        kind.replicate(5)
        assert "one" not in few.items()
    few.client.put_item(TableName=table, Item={**seen, "version": {"N": "2"}} if changed else seen)
    kind.replicate(5)
    assert few.items()["one"] == item("one", 2 if changed else 1)
    diff = kind.diff()
    assert diff.clean, diff.facts()


def test_a_record_that_is_undone_to_what_it_was_read_as_is_brought_back(few: Few, kind: SingleTable) -> None:
    kind.cut_over()
    table, at = kind.tables.targets[0].name, {"PK": {"S": "USER#one"}, "SK": {"S": "METADATA"}}
    seen = read(few, table, at)
    bare = {name: value for name, value in seen.items() if name not in ("_token", "_from")}
    few.client.put_item(TableName=table, Item={**bare, "version": {"N": "2"}})
    kind.replicate(5)
    assert few.items()["one"] == item("one", 2)
    few.client.put_item(TableName=table, Item=seen)
    kind.replicate(5)
    assert few.items()["one"] == item("one")


def test_an_item_that_is_put_back_once_the_source_leads_again_is_followed(few: Few, kind: SingleTable) -> None:
    kind.cut_over()
    for record in kind.tables.forth.wanted(item("one", 2)):
        few.client.put_item(TableName=record.table, Item=record.item)
    kind.cut_back()
    seen = read(few, few.old, key("one"))
    assert "_token" in seen
    few.delete("one")
    kind.replicate(5)
    few.put({**seen, "version": {"N": "3"}})
    kind.replicate(5)
    assert few.equal(kind)
    assert few.by_hand()["PK=USER#one&SK=METADATA"]["version"] == {"N": "3"}


@pytest.mark.parametrize("name", ["_from", "_token", "_gone", "_write", "_otherwise"])
def test_an_item_with_a_name_of_ours_is_set_aside_and_says_so(few: Few, kind: SingleTable, name: str) -> None:
    few.put({**item("three"), name: {"S": "an application's"}})
    kind.replicate(5)
    (poison,) = kind.marks.aside.quarantined()
    assert name in poison.reason and "give it another" in poison.reason
    few.put(item("three"))
    kind.replicate(5)
    assert kind.marks.aside.quarantined() == []
    assert few.equal(kind)


def test_what_came_back_has_names_of_ours_and_goes_forth_again(few: Few, kind: SingleTable) -> None:
    kind.cut_over()
    for record in kind.tables.forth.wanted(item("one", 2)):
        few.client.put_item(TableName=record.table, Item=record.item)
    kind.cut_back()
    assert "attribute_ours" not in {finding.code for finding in kind.preflight()}
    few.put({**read(few, few.old, key("one")), "version": {"N": "3"}})  # and keeps them
    kind.replicate(5)
    assert few.equal(kind)
    assert kind.diff().clean


def test_an_old_item_that_nothing_can_lead_to_is_a_difference_and_stops_no_comparison(
    few: Few, kind: SingleTable
) -> None:
    kind.cut_over()
    nameless = item("odd")
    del nameless["userId"]
    few.put(nameless)  # past the route
    diff = kind.diff()
    assert [(row.key, row.what) for row in diff.samples] == [("email=odd@Example.com", "extra")]
    assert not diff.clean
    few.delete("odd")
    assert kind.diff().clean
