"""What an item becomes as a row, and what a page asks for: pure, so told by examples."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.migration.kinds.dynamodb_source.canary import CANARY
from sluice.migration.kinds.into_postgres.following import check_whole
from sluice.migration.kinds.into_postgres.preflight import about_attributes
from sluice.migration.kinds.into_postgres.shape import RowShape, compile_rows, key_of_origin, origin_of
from sluice.migration.kinds.into_postgres.values import base_type, column_text, json_text, number_text
from sluice.migration.kinds.into_postgres.wishes import of_changes, of_items
from sluice.records import Unmappable
from sluice.stores.dynamodb.streams import Change, Shard, Trimmed
from sluice.stores.dynamodb.values import Item, Value


def migration(**more: Any) -> IntoPostgresMigration:
    """Into a table of three columns, by month."""
    into = {
        "store": "launch",
        "table": "app.log",
        "key": ("id", "at"),
        "columns": {
            "id": {"from": "{auditId}", "type": "text"},
            "at": {"from": "{timestamp}", "type": "timestamptz"},
            "who": {"from": "{userId}", "otherwise": "SYSTEM", "type": "text"},
        },
        "extra": "extra",
        **more,
    }
    said = {"migration": "log", "kind": "into_postgres", "from": {"store": "tyler", "table": "audit"}, "into": into}
    return IntoPostgresMigration.model_validate(said)


def shape(**more: Any) -> RowShape:
    """What its items become."""
    return compile_rows(migration(**more))


def item(**more: Value) -> Item:
    """A record."""
    return {"auditId": {"S": "a"}, "timestamp": {"S": "2024-01-01T10:00:00Z"}, **more}


TEXTS = [
    ({"N": "1.50"}, "numeric", "1.5"),
    ({"N": "1E+3"}, "bigint", "1000"),
    ({"S": "7"}, "integer", "7"),
    ({"N": "-0"}, "numeric", "0"),
    ({"N": "1.25"}, "numeric(12,2)", "1.25"),
    ({"S": "2024-01-01T11:00:00.5+01:00"}, "timestamptz", "2024-01-01 10:00:00.500000+00"),
    ({"N": "1704103200"}, "timestamptz", "2024-01-01 10:00:00+00"),
    ({"S": "2024-01-01T10:00:00Z"}, "timestamp", "2024-01-01 10:00:00"),
    ({"S": "2024-01-01"}, "date", "2024-01-01"),
    ({"BOOL": True}, "boolean", "true"),
    ({"B": b"\x01\xff"}, "bytea", "\\x01ff"),
    ({"SS": ["b", 'a"\\']}, "text[]", '{"a\\"\\\\","b"}'),
    ({"L": [{"N": "1.0"}, {"NULL": True}, {"S": "NULL"}]}, "text[]", '{"1",NULL,"NULL"}'),
    ({"S": "x"}, "jsonb", '"x"'),
    ({"M": {"b": {"N": "0.10"}, "a": {"NULL": True}}}, "jsonb", '{"a":null,"b":0.1}'),
    ({"S": ""}, "text", ""),
]


@pytest.mark.parametrize(("value", "type_", "text"), TEXTS)
def test_a_value_has_one_text_for_a_type(value: Value, type_: str, text: str) -> None:
    assert column_text(value, "x", type_) == text


MISFITS = [
    ({"N": "1.5"}, "integer", "type"),
    ({"N": "1.255"}, "numeric(12,2)", "type"),
    ({"N": "1.5"}, "numeric(12)", "type"),
    ({"S": "NaN"}, "numeric", "type"),
    ({"S": "many"}, "numeric", "type"),
    ({"BOOL": True}, "numeric", "type"),
    ({"S": "yesterday"}, "timestamptz", "no_time"),
    ({"S": "2024-01-01T10:00:00.123Z"}, "timestamptz(0)", "type"),
    ({"S": "2024-01-01T10:00:00Z"}, "date", "type"),
    ({"S": "a\0"}, "text", "nul"),
    ({"M": {"a": {"L": [{"S": "\0"}]}}}, "jsonb", "nul"),
    ({"M": {"\0": {"S": "a"}}}, "jsonb", "nul"),
    ({"SS": ["\0"]}, "jsonb", "nul"),
    ({"M": {}}, "text", "type"),
    ({"S": "x"}, "text[]", "type"),
]


@pytest.mark.parametrize(("value", "type_", "reason"), MISFITS)
def test_what_does_not_fit_is_refused_and_never_rounded_or_cut(value: Value, type_: str, reason: str) -> None:
    with pytest.raises(Unmappable) as refused:
        column_text(value, "x", type_)
    assert refused.value.reason == reason


@given(st.decimals(allow_nan=False, allow_infinity=False, places=10, min_value=-(10**27), max_value=10**27))
def test_a_number_keeps_its_value_and_has_one_form(number: Decimal) -> None:
    text = number_text(str(number), "x")
    assert Decimal(text) == number and number_text(f"{number:f}0" if "." in f"{number:f}" else str(number), "x") == text


VALUES = st.recursive(
    st.builds(lambda s: {"S": s}, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
    | st.just({"NULL": True})
    | st.booleans().map(lambda b: {"BOOL": b})
    | st.integers(-(10**9), 10**9).map(lambda n: {"N": str(n)})
    | st.binary(min_size=1, max_size=4).map(lambda b: {"B": b})
    | st.sets(st.sampled_from("abc"), min_size=1).map(lambda s: {"SS": sorted(s)}),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda one: {"L": one})
        | st.dictionaries(st.sampled_from(["a", "SS", "NS", "B", "M", "S"]), inner, max_size=2).map(
            lambda one: {"M": one}
        )
    ),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_two_values_have_one_json_only_if_they_are_one(one: Value, other: Value) -> None:
    told, others = json.loads(json_text(one, "x")), json.loads(json_text(other, "x"))
    assert (json.dumps(told, sort_keys=True) == json.dumps(others, sort_keys=True)) == (one == other)


@pytest.mark.parametrize(
    ("type_", "base"),
    [("varchar(5)", "varchar"), ("char(3)", "bpchar"), ("numeric(12, 2)", "numeric"), ("bit(3)", "varbit"),
     ("timestamp(3) with time zone", "timestamp with time zone"), ("text[]", "text[]")],
)  # fmt: skip
def test_a_cast_is_to_the_type_without_its_length(type_: str, base: str) -> None:
    assert base_type(type_) == base


def test_missing_null_and_empty_are_three_states() -> None:
    said: tuple[Item, ...] = ({}, {"userId": {"NULL": True}}, {"userId": {"S": ""}})
    missing, null, empty = (shape().row_of(item(**more)).values for more in said)
    assert missing[2:] == ("SYSTEM", None)
    assert null[2:] == (None, '{"userId":null}')
    assert empty[2:] == ("", None)


def test_what_no_column_takes_is_kept_and_counted_or_refused() -> None:
    row = shape().row_of(item(tags={"SS": ["b", "a"]}, n={"N": "1.0"}))
    assert json.loads(row.values[3] or "") == {"n": 1, "tags": {"SS": ["a", "b"]}} and row.unknown == 2
    assert shape(extra=None).row_of(item()).unknown == 0
    for more, reason in (({"tags": {"S": "x"}}, "unknown"), ({"userId": {"NULL": True}}, "null")):
        with pytest.raises(Unmappable) as refused:
            shape(extra=None).row_of(item(**more))
        assert refused.value.reason == reason


def test_a_key_that_is_null_is_refused_and_the_tenant_is_on_every_row() -> None:
    made = shape(tenant={"column": "tenant_id", "value": "00000000-0000-7000-8000-000000000001"})
    assert made.names[3] == "tenant_id" and made.types[3] == "uuid"
    assert made.row_of(item()).values[3] == "00000000-0000-7000-8000-000000000001"
    with pytest.raises(Unmappable) as refused:
        made.row_of({"auditId": {"S": "a"}})
    assert refused.value.reason == "missing_key"


def test_an_origin_is_text_that_postgresql_can_hold_and_reads_back() -> None:
    key = {"pk": {"S": "a\0b&=%"}, "n": {"N": "1"}}
    assert "\0" not in origin_of(key) and key_of_origin(origin_of(key)) == key


def change(sequence: int, new: Item | None, old: Item | None = None, name: str = "a", **more: Any) -> Change:
    """One change."""
    kind = "REMOVE" if new is None else "MODIFY" if old else "INSERT"
    return Change({"auditId": {"S": name}}, kind, old, new, str(sequence), datetime.now(UTC), **more)  # type: ignore[arg-type]


def later(month: int) -> Item:
    """The record in another month."""
    return item(timestamp={"S": f"2024-0{month}-01T00:00:00Z"})


def test_a_page_asks_for_the_last_image_and_for_a_tombstone_where_a_row_moved_away() -> None:
    moves = [change(9, later(1)), change(10, later(2), later(1)), change(11, later(3), later(2))]
    asked = of_changes(moves, shape(), 1)
    stands = {wish.place[1][:7]: wish.values is not None for wish in asked.wished.values()}
    assert stands == {"2024-01": False, "2024-02": False, "2024-03": True}
    tokens = [wish.token for wish in asked.wished.values()]
    assert tokens == sorted(tokens), "9 is before 10"


def test_an_item_that_became_unfit_has_no_row_until_it_fits_again() -> None:
    bad = item(timestamp={"S": "never"})
    asked = of_changes([change(1, item()), change(2, bad, item())], shape(), 1)
    assert [wish.values for wish in asked.wished.values()] == [None]
    assert list(asked.mishaps) == ["auditId=a"] and asked.good == {}
    asked = of_changes([change(2, bad, item()), change(3, item(), bad)], shape(), 1)
    assert asked.mishaps == {} and list(asked.good) == ["auditId=a"]


def test_two_items_for_one_row_are_told_and_the_first_keeps_it() -> None:
    asked = of_items([item(), item(x={"S": "y"})], ("auditId",), shape(), "t")
    assert len(asked.wished) == 1 and asked.mishaps == {}, "one key twice is one item"
    two = [change(1, item()), change(2, item(), name="b"), change(3, None, item(), name="b")]
    asked = of_changes(two[:2], shape(), 1)
    assert [wish.origin for wish in asked.wished.values()] == ["auditId=a"]
    assert asked.mishaps["auditId=b"].reason.startswith("collision")
    asked = of_changes(two, shape(), 1)
    (wish,) = asked.wished.values()
    assert wish.values is not None, "who never had the place cannot empty it"


def test_canaries_ask_for_nothing_and_ttl_only_while_the_source_leads() -> None:
    canary = {"auditId": {"S": "sluice-canary-1"}, CANARY: {"S": "x"}}
    assert of_changes([change(1, canary), change(2, None, canary)], shape(), 1).seen == 0
    expired = [change(3, None, item(), expired=True)]
    assert len(of_changes(expired, shape(), 1).wished) == 1
    assert of_changes(expired, shape(), 1, items_lead=False).wished == {}


def place(done: bool = False, stale: bool = False) -> dict[str, Any]:
    """What is noted of a shard."""
    return {"stream": "arn", "done": done, "stale": stale}


def test_what_was_not_read_and_is_gone_is_a_gap() -> None:
    check_whole([Shard("b", "a")], {}, "arn")  # at first, what is before the oldest record is nobody's
    check_whole([Shard("b", "a"), Shard("c", "b")], {"a": place(done=True), "b": place()}, "arn")
    for shards, places in (
        ([Shard("b", "a")], {"a": place()}),
        ([Shard("c", "b")], {"a": place(done=True)}),
        ([Shard("a")], {"a": place(stale=True)}),
    ):
        with pytest.raises(Trimmed):
            check_whole(shards, places, "arn")
    with pytest.raises(Trimmed, match="stream arn"):
        check_whole([Shard("a")], {"a": place()}, "other")


def test_an_attribute_that_no_item_has_is_told_before_anything_is_copied():
    m = migration()
    (found,) = about_attributes(m, (item(), item(userIds={"S": "ann"})))
    assert found.what == "Column who is made of userId, which none of the first 2 items has."
    assert found.way_on.startswith("Did you mean userIds?") and not found.blocks
    assert list(about_attributes(m, (item(), item(userId={"S": "ann"})))) == []
    assert list(about_attributes(m, ())) == []
