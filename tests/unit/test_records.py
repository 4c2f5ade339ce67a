"""An item becomes records, and the item again: clean and dirty ones, and those of which nothing can be made."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some
from sluice.records import (
    MOST_RECORDS,
    OURS,
    NoSuchShape,
    Shape,
    Unmappable,
    compile_entity,
    compile_shape,
    concerns,
    item_of,
    preview,
    records_of,
    skipped,
    survey,
    whole_of,
)
from sluice.stores.dynamodb.values import Item, size_of

from tests.unit.tyler import migration_of, records_in, sample_estate, sample_shape, shape_of, texts

NOW = datetime(2026, 1, 1)
BIG = "12345678901234567890123456789012345678"
WHOLE = records_in('[{record: METADATA, key: {PK: "T#{id}", SK: METADATA}, whole: true, set: {entityType: THING}}]')
DIRTY: Item = {
    "id": {"S": "t1"},
    "big": {"N": BIG},
    "small": {"N": "1E-130"},
    "set": {"NS": ["3", "1"]},
    "bytes": {"BS": [b"\x00", b"\xff"]},
    "null": {"NULL": True},
    "empty": {"S": ""},
    "map": {"M": {"": {"L": [{"M": {}}, {"BOOL": False}]}}},
}


def reason(shape: Shape, item: Item) -> tuple[str, str]:
    with pytest.raises(Unmappable) as caught:
        records_of(shape, item)
    return caught.value.reason, caught.value.attribute


def returned(shape: Shape, item: Item) -> Item:
    whole = whole_of(records_of(shape, item))
    assert whole is not None
    return item_of(shape, whole.item)


def test_a_whole_record_carries_everything_untouched():
    (record,) = records_of(shape_of(WHOLE), DIRTY)
    assert (record.table, record.rule, record.whole) == ("the-entity", "METADATA", True)
    assert record.key == texts(PK="T#t1", SK="METADATA")
    assert record.item == {**DIRTY, **record.key, "entityType": {"S": "THING"}}
    assert returned(shape_of(WHOLE), DIRTY) == DIRTY


def test_the_item_itself_stays_as_it_is():
    shape = shape_of(WHOLE, attributes={"name": {"from": "{big}"}, "x": {"from": "{id}-{id}"}, "set": {"drop": True}})
    before = {name: dict(value) for name, value in DIRTY.items()}
    records_of(shape, DIRTY)
    assert before == DIRTY


def test_ours_are_no_part_of_an_item_nor_of_what_comes_back():
    marks = texts(_token="1#2", _from="things/id=t1")
    assert records_of(shape_of(WHOLE), {**DIRTY, **marks}) == records_of(shape_of(WHOLE), DIRTY)
    (record,) = records_of(shape_of(WHOLE), DIRTY)
    assert item_of(shape_of(WHOLE), {**record.item, **marks}) == DIRTY


@pytest.mark.parametrize("name", ["PK", "GSI1SK", "entityType", "ttl", "_version"])
def test_an_attribute_in_the_way_is_told_and_can_be_renamed(name: str):
    item = {**DIRTY, name: {"N": "1"}}
    assert reason(shape_of(WHOLE), item) == ("in_the_way", name)
    assert returned(shape_of(WHOLE, attributes={"theirs": {"from": "{" + name + "}"}}), item) == item


LOOKUPS = records_in("""
- record: METADATA
  key: {PK: "T#{id}", SK: METADATA, GSI1PK: "{owner}", GSI1SK: "{id}"}
  sparse: [GSI1]
  whole: true
- record: LOOKUP#STATUS
  when: {has: status}
  key: {PK: "T#{id}", SK: LOOKUP#STATUS, GSI1PK: "S#{status}", GSI1SK: "{id}"}
  keep: [id, name]
- record: LOOKUP#TAG
  for_each: {tags: tag}
  key: {PK: "T#{id}", SK: "TAG#{tag}"}
  keep: [id]
  set: {tag: "{tag}"}
""")


def keys_of(shape: Shape, item: Item) -> list[str]:
    return [record.key["SK"]["S"] for record in records_of(shape, item)]


@pytest.mark.parametrize("status", [{}, {"status": {"NULL": True}}, {"status": {"S": ""}}])
def test_missing_null_and_empty_have_no_record_of_their_own(status: Item):
    assert keys_of(shape_of(LOOKUPS), {**texts(id="1"), **status}) == ["METADATA"]
    assert keys_of(shape_of(LOOKUPS), texts(id="1", status="on")) == ["METADATA", "LOOKUP#STATUS"]


@pytest.mark.parametrize("owner", [{}, {"owner": {"NULL": True}}, {"owner": {"S": ""}}])
def test_a_record_stays_out_of_a_sparse_index(owner: Item):
    (record,) = records_of(shape_of(LOOKUPS), {**texts(id="1"), **owner})
    assert not {"GSI1PK", "GSI1SK"} & record.item.keys()
    (record,) = records_of(shape_of(LOOKUPS), texts(id="1", owner="ann"))
    assert record.item["GSI1PK"] == {"S": "ann"}
    assert reason(shape_of(LOOKUPS), {**texts(id="1"), "owner": {"SS": ["a"]}}) == ("not_text", "owner")


def test_an_attribute_that_is_optional_is_left_away_where_what_it_is_made_of_is_missing():
    """A TTL that some items have: without one an item lives for ever."""
    rule = {**LOOKUPS[0], "set": {"until": "{expires|seconds}", "kind": "T"}}
    assert reason(shape_of([rule]), texts(id="1")) == ("missing", "expires")
    shape = shape_of([{**rule, "optional": ["until"]}])
    (record,) = records_of(shape, texts(id="1"))
    assert ("until" in record.item, record.item["kind"]) == (False, {"S": "T"})
    (record,) = records_of(shape, {**texts(id="1"), "expires": {"N": "1900000000"}})
    assert record.item["until"] == {"N": "1900000000"}
    assert reason(shape, {**texts(id="1"), "expires": {"S": "some day"}})[1] == "expires"


def test_an_index_that_is_not_sparse_needs_its_attributes():
    rules = [{**LOOKUPS[0], "sparse": []}]
    assert reason(shape_of(rules), texts(id="1")) == ("missing", "owner")
    assert reason(shape_of(rules), texts(id="1", owner="")) == ("empty", "owner")


def test_a_record_keeps_what_it_is_told_to():
    records = records_of(shape_of(LOOKUPS), texts(id="1", status="on", other="x"))
    assert records[1].item == texts(PK="T#1", SK="LOOKUP#STATUS", GSI1PK="S#on", GSI1SK="1", id="1")


@pytest.mark.parametrize(
    "tags",
    [{"SS": ["b", "a"]}, {"L": [{"S": "a"}, {"S": "b"}, {"S": "a"}]}],
    ids=["a set, in a stable order", "a list, an element twice"],
)
def test_a_list_makes_one_record_an_element(tags: dict[str, Any]):
    item = {**texts(id="1"), "tags": tags}
    assert keys_of(shape_of(LOOKUPS), item) == ["METADATA", "TAG#a", "TAG#b"]
    assert records_of(shape_of(LOOKUPS), item)[1].item == texts(PK="T#1", SK="TAG#a", id="1", tag="a")


@pytest.mark.parametrize("tags", [{}, {"tags": {"NULL": True}}, {"tags": {"L": []}}])
def test_no_list_no_record(tags: Item):
    assert keys_of(shape_of(LOOKUPS), {**texts(id="1"), **tags}) == ["METADATA"]


def test_what_is_no_list_is_told():
    assert reason(shape_of(LOOKUPS), texts(id="1", tags="a,b")) == ("not_a_list", "tags")
    assert reason(shape_of(LOOKUPS), {**texts(id="1"), "tags": {"L": [{"S": ""}]}}) == ("empty", "tag")


def test_an_element_may_be_a_map():
    rules = [LOOKUPS[0], {"record": "SITE", "for_each": {"sites": "s"}, "key": {"PK": "T#{id}", "SK": "SITE#{s.no}"}}]
    item = {**texts(id="1"), "sites": {"L": [{"M": {"no": {"N": "7"}}}]}}
    assert keys_of(shape_of(rules), item) == ["METADATA", "SITE#7"]


def test_fan_out_is_bounded():
    most = [f"{number:03d}" for number in range(MOST_RECORDS)]
    assert reason(shape_of(LOOKUPS), {**texts(id="1"), "tags": {"SS": most}})[0] == "too_many"
    assert len(records_of(shape_of(LOOKUPS), {**texts(id="1"), "tags": {"SS": most[1:]}})) == MOST_RECORDS


def test_two_records_on_one_key_are_refused_and_equal_ones_are_one():
    rules = [LOOKUPS[0], {**LOOKUPS[2], "set": {"all": "{tags}", "no": "{tag.no}"}}]
    rules[1]["key"] = {"PK": "T#{id}", "SK": "TAG#{tag.name}"}
    tags = [{"M": {"name": {"S": "a"}, "no": {"N": "1"}}}, {"M": {"name": {"S": "a"}, "no": {"N": "2"}}}]
    assert reason(shape_of(rules), {**texts(id="1"), "tags": {"L": tags}})[0] == "collision"
    assert len(records_of(shape_of(rules), {**texts(id="1"), "tags": {"L": [tags[0], tags[0]]}})) == 2
    other = [LOOKUPS[0], {**LOOKUPS[1], "key": {"PK": "T#{id}", "SK": "{status}"}}]
    with pytest.raises(Unmappable, match=r"\(METADATA and LOOKUP#STATUS\) would have one key, T#1/METADATA"):
        records_of(shape_of(other), texts(id="1", status="METADATA"))


def test_an_item_of_400_kb_has_no_room_for_its_keys():
    room = 400 * 1024 - size_of(texts(id="1", blob=""))
    assert reason(shape_of(WHOLE), texts(id="1", blob="x" * room))[0] == "too_large"
    assert returned(shape_of(WHOLE), texts(id="1", blob="x" * 390_000))
    assert reason(shape_of(WHOLE), texts(id="1", blob="ä" * 205_000))[0] == "too_large"


def test_a_record_that_copies_much_is_weighed_too():
    rules = [{**WHOLE[0], "set": {"again": "{blob}{blob}{blob}"}}]
    assert reason(shape_of(rules), texts(id="1", blob="x" * 110_000))[0] == "too_large"
    tags = {"SS": [f"{number}" for number in range(60)]}
    rules = [LOOKUPS[0], {**LOOKUPS[2], "keep": ["id", "blob"]}]
    assert reason(shape_of(rules), {**texts(id="1", blob="x" * 80_000), "tags": tags})[0] == "too_large"
    assert reason(shape_of(rules), {**texts(id="1", blob="\U0001f600" * 18_000), "tags": tags})[0] == "too_large"
    assert len(records_of(shape_of(rules), {**texts(id="1", blob="x" * 18_000), "tags": tags})) == 61


def test_a_key_has_a_longest_length_in_bytes():
    assert returned(shape_of(WHOLE), texts(id="x" * 2046))
    assert reason(shape_of(WHOLE), texts(id="x" * 2047)) == ("too_long", "PK")
    assert reason(shape_of(WHOLE), texts(id="ä" * 1024)) == ("too_long", "PK")
    assert reason(shape_of(LOOKUPS), texts(id="1", owner="o", status="s", name="n") | texts(id="x" * 1025)) == (
        "too_long",
        "GSI1SK",
    )


CONDITIONS = [
    ({"has": "a"}, texts(a="x"), True),
    ({"has": "m.a"}, {"m": {"M": texts(a="x")}}, True),
    ({"has": "m.a"}, texts(m="x"), False),
    ({"equals": {"a": "x", "b": 3}}, {**texts(a="x"), "b": {"N": "3.0"}}, True),
    ({"equals": {"a": "x", "b": 3}}, texts(a="x", b="3"), False),
    ({"equals": {"a": True}}, {"a": {"BOOL": True}}, True),
    ({"equals": {"a": True}}, {"a": {"N": "1"}}, False),
    ({"equals": {"a": 1}}, {"a": {"BOOL": True}}, False),
    ({"not": {"has": "a"}}, {}, True),
    ({"not": {"has": "a"}}, texts(a="x"), False),
    ({"any": [{"has": "a"}, {"equals": {"b": "x"}}]}, texts(b="x"), True),
    ({"any": [{"has": "a"}, {"equals": {"b": "x"}}]}, texts(b="y"), False),
    ({"has": "a", "not": {"has": "b"}}, texts(a="x", b="y"), False),
]


@pytest.mark.parametrize(("when", "item", "holds"), CONDITIONS)
def test_conditions(when: dict[str, Any], item: Item, holds: bool):
    shape = shape_of(WHOLE, skip={"when": when})
    assert skipped(shape, item, NOW) == ("when" if holds else None)


EXPIRED = [
    ({"N": "1767225599"}, "expired"),
    ({"N": "1767225600"}, "expired"),
    ({"N": "1767225601"}, None),
    ({"N": "1767225599000"}, "expired"),
    ({"S": "2025-12-31T23:59:59Z"}, "expired"),
    ({"S": "2026-01-01T00:00:01Z"}, None),
    ({"NULL": True}, None),
    ({"S": ""}, None),
]


@pytest.mark.parametrize(("value", "why"), EXPIRED)
def test_an_expired_item_is_skipped_from_that_second_on(value: dict[str, Any], why: str | None):
    shape = shape_of(WHOLE, skip={"expired": "until"})
    assert skipped(shape, {"until": value}, NOW) == why
    assert skipped(shape, {}, NOW) is None


def test_a_time_that_cannot_be_read_is_no_reason_to_leave_an_item_behind():
    with pytest.raises(Unmappable) as caught:
        skipped(shape_of(WHOLE, skip={"expired": "until"}), texts(until="soon"), NOW)
    assert caught.value.reason == "no_time"


RENAMED = {
    "id": {"from": "{key}"},
    "name": {"from": "{id}"},
    "created": {"from": "{old}", "otherwise": "1970-01-01"},
    "plain": {"otherwise": "{key}!"},
    "lower": {"from": "{label|or:none|lower}"},
}


def test_attributes_are_renamed_filled_and_made():
    item = {**texts(key="K", id="the name", label="ABC", plain=""), "n": {"N": "1"}}
    (record,) = records_of(shape_of(WHOLE, attributes=RENAMED), item)
    entity = {
        name: value for name, value in record.item.items() if name not in ("PK", "SK", "entityType", "_otherwise")
    }
    assert entity == {
        **texts(id="K", name="the name", created="1970-01-01", plain="K!", label="ABC", lower="abc"),
        "n": {"N": "1"},
    }
    assert returned(shape_of(WHOLE, attributes=RENAMED), item) == item


def test_one_attribute_may_become_two():
    shape = shape_of(WHOLE, attributes={"id": {"from": "{key}"}, "owner": {"from": "{key}"}})
    (record,) = records_of(shape, texts(key="K"))
    assert record.item["id"] == record.item["owner"] == {"S": "K"}
    assert item_of(shape, record.item) == texts(key="K")


def test_what_an_application_changed_since_comes_back_changed():
    shape = shape_of(WHOLE, attributes=RENAMED)
    (record,) = records_of(shape, texts(key="K"))
    assert "old" not in item_of(shape, record.item)
    assert item_of(shape, {**record.item, "created": {"S": "2020-01-01"}})["old"] == {"S": "2020-01-01"}
    without = {name: value for name, value in record.item.items() if name != "_otherwise"}
    assert item_of(shape, without)["old"] == {"S": "1970-01-01"}  # an application may write the record anew


def test_a_name_that_is_taken_is_told_both_ways():
    shape = shape_of(WHOLE, attributes={"id": {"from": "{key}"}, "lower": {"from": "{label|or:x|lower}"}})
    assert reason(shape, texts(key="K", id="other")) == ("in_the_way", "id")
    assert reason(shape, texts(key="K", lower="other")) == ("in_the_way", "lower")
    (record,) = records_of(shape, texts(key="K"))
    with pytest.raises(Unmappable) as caught:
        item_of(shape, {**record.item, **texts(key="other")})
    assert caught.value.attribute == "key"


def test_what_is_dropped_comes_back_as_told():
    shape = shape_of(WHOLE, attributes={"blob": {"drop": True, "back": "from {id}"}, "junk": {"drop": True}})
    item = texts(id="1", blob="from 1", junk="x")
    (record,) = records_of(shape, item)
    assert not {"blob", "junk"} & record.item.keys()
    assert item_of(shape, record.item) == texts(id="1", blob="from 1")


def test_a_record_under_another_key_is_none_of_its_attributes():
    (record,) = records_of(shape_of(WHOLE), DIRTY)
    with pytest.raises(Unmappable) as caught:
        item_of(shape_of(WHOLE), {**record.item, **texts(PK="T#other")})
    assert caught.value.reason == "other_key"


@pytest.mark.parametrize("form", ["10.0", "1E+1", "10"])
def test_a_number_in_a_key_has_its_way_back_though_the_store_keeps_its_value_alone(form: str):
    (record,) = records_of(shape_of(WHOLE), {"id": {"N": form}})
    assert record.key["PK"] == {"S": "T#10"}
    stored = {**record.item, "id": {"N": "10"}}
    assert item_of(shape_of(WHOLE), stored) == {"id": {"N": "10"}}
    assert whole_of(records_of(shape_of(WHOLE), {"id": {"N": "10"}})).key == record.key  # type: ignore[union-attr]


def test_without_a_whole_record_there_is_no_way_back():
    shape = shape_of([LOOKUPS[1]])
    with pytest.raises(Unmappable) as caught:
        item_of(shape, texts(PK="T#1"))
    assert caught.value.reason == "no_way_back"


def test_a_key_tells_which_rule_it_came_from():
    shape = shape_of(LOOKUPS)
    found = [shape.rule_of("the-entity", texts(PK="T#1", SK=sort)) for sort in ("METADATA", "TAG#x", "OTHER")]
    assert [rule.name if rule else None for rule in found] == ["METADATA", "LOOKUP#TAG", None]
    assert shape.rule_of("another", texts(PK="T#1", SK="METADATA")) is None
    assert shape.rule_of("the-entity", {"PK": {"N": "1"}, "SK": {"S": "METADATA"}}) is None


def test_a_prefix_stands_before_every_table():
    shape = compile_shape(migration_of(WHOLE), prefix="test-")
    assert {record.table for record in records_of(shape, DIRTY)} == set(shape.tables) == {"test-the-entity"}


TRANSFORM = """
def entity(item):
    return {**item, "name": {"S": item["name"]["S"].title()}}

def legacy(entity):
    return {**entity, "name": {"S": entity["name"]["S"].lower()}}
"""


def test_a_function_may_do_what_templates_cannot(tmp_path: Path):
    (tmp_path / "users.py").write_text(TRANSFORM)
    told = {"transform": "users.py:entity", "transform_back": "users.py:legacy"}
    shape = compile_shape(migration_of(WHOLE, **told), root=tmp_path)
    item = texts(id="1", name="ann")
    (record,) = records_of(shape, {**item, "_token": {"S": "1"}})
    assert record.item["name"] == {"S": "Ann"}
    assert item_of(shape, record.item) == item
    for wrong in ("users.py:nobody", "nowhere.py:entity"):
        with pytest.raises(NoSuchShape, match=r"Mend `transform:`"):
            compile_shape(migration_of(WHOLE, transform=wrong), root=tmp_path)


def test_what_the_way_back_loses_is_told_before_anything_runs():
    attributes = {
        "a": {"from": "{b}"},
        "c": {"drop": True},
        "d": {"drop": True, "back": "x"},
        "e": {"from": "{e|lower}"},
        "f": {"from": "{e|lower}"},
        "g": {"otherwise": "x"},
    }
    found = list(concerns(migration_of(WHOLE, attributes=attributes)))
    assert [(one.code, one.what.split()[0]) for one in found] == [("loses_attribute", "c"), ("loses_attribute", "e")]
    assert [one.code for one in concerns(migration_of([LOOKUPS[1]]))] == ["no_way_back"]
    assert [one.code for one in concerns(migration_of(WHOLE, transform="a.py:b"))] == ["no_way_back"]
    assert not [one for name, one in sample_concerns() if one], "the sample migrations lose nothing"


def sample_concerns() -> list[tuple[str, Any]]:
    migrations = [one for one in sample_estate().migrations.values() if one.kind == "single_table"]
    return [(one.name, list(concerns(one))) for one in migrations]  # type: ignore[arg-type]


def test_a_preview_shows_both_sides_and_why_not():
    items = [texts(userId="1", status="on", email="Ann@x", created="2024-01-01"), texts(email="x"), texts(userId="2")]
    text = preview(sample_shape("tyler_users"), items, NOW, reveal=True)
    first, second, third, last = text.split("\n\n")
    assert 'email: "Ann@x"' in first
    assert "│ tyler-entity METADATA (whole)" in first
    assert 'GSI2PK: "EMAIL#ann@x"' in first
    assert "QUARANTINED (missing): id: it is missing" in second
    assert "_otherwise: M of 1" in third
    assert last.splitlines()[0] == "3 items: 2 mapped, 0 skipped, 1 quarantined."
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_preview_hides_what_a_log_should_not_hold():
    item = {
        **texts(userId="user-4711", email="Ann.Example@x.org", created="2024-01-01"),
        "roles": {"SS": ["secret-role"]},
    }
    text = preview(sample_shape("tyler_users"), [item, texts(userId="other-user", created="sometime")])
    assert not [word for word in ("4711", "xample", "secret", "other-user", "sometime") if word.lower() in text.lower()]
    assert 'GSI2PK: "EMAIL#ann…"' in text
    assert 'GSI1SK: "2024-01-01T00:00:00.000Z#use…"' in text
    assert 'SK: "LOOKUP#ROLE#sec…"' in text


def test_a_survey_counts_what_would_become_of_a_sample():
    items = [
        texts(tokenId="1", userId="u", expires="2030-01-01T00:00:00Z"),
        texts(tokenId="2", userId="u", expires="2020-01-01T00:00:00Z"),
        texts(tokenId="3", expires="2030-01-01T00:00:00Z"),
        texts(tokenId="4", userId="u", expires="soon"),
    ]
    found = survey(sample_shape("tyler_refresh_tokens"), items, NOW)
    assert (found.items, found.mapped, found.changed, found.most_records) == (4, 1, 0, 1)
    assert found.skipped == {"expired": 1}
    assert found.unmappable == {"missing userId": 1, "no_time expires": 1}
    dropping = survey(shape_of(WHOLE, attributes={"junk": {"drop": True}}), [texts(id="1", junk="x")], NOW)
    assert dropping.changed == 1


def test_an_entity_can_be_compiled_by_itself():
    from sluice.estate import read_model

    model = read_model(Path(__file__).parents[2] / "include/estate/tyler.yaml")
    shape = compile_entity(model, "config")
    assert records_of(shape, texts(key="theme"))[0].key == texts(PK="CONFIG#theme", SK="METADATA")
    with pytest.raises(NoSuchShape, match="tyler has no entity 'users': it has user, contractor"):
        compile_entity(model, "users")


numbers = some.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**30), max_value=10**30).map(str)
plain = some.text(max_size=8)
scalars = (
    plain.map(lambda one: {"S": one})
    | numbers.map(lambda one: {"N": one})
    | some.booleans().map(lambda one: {"BOOL": one})
    | some.just({"NULL": True})
    | some.binary(max_size=4).map(lambda one: {"B": one})
    | some.sets(plain, min_size=1, max_size=3).map(lambda one: {"SS": list(one)})
    | some.sets(numbers, min_size=1, max_size=3).map(lambda one: {"NS": list(one)})
)
wire = some.recursive(
    scalars,
    lambda inner: (
        some.lists(inner, max_size=3).map(lambda one: {"L": one})
        | some.dictionaries(plain, inner, max_size=3).map(lambda one: {"M": one})
    ),
    max_leaves=4,
)
LIKELY = (
    "userId created updated email status roles name id createdAt _token _gone PK tokenId expires auditId timestamp key configKey"
    " contractorId token expiry theirs"
)
names = some.sampled_from(LIKELY.split()) | some.text(min_size=1, max_size=5)
ids = some.text(some.characters(codec="utf-8"), min_size=1, max_size=5).map(lambda one: {"S": one})
times = some.sampled_from([{"S": "2024-01-31T10:00:00Z"}, {"N": "1704103200"}, {"N": "1704103200999"}, {"S": ""}])
known = some.fixed_dictionaries(
    dict.fromkeys(("userId", "tokenId", "auditId", "contractorId", "configKey"), ids),
    optional={
        **dict.fromkeys(("token", "email"), ids),
        **dict.fromkeys(("created", "updated", "expires", "timestamp", "expiry"), times),
        "roles": some.lists(ids, max_size=3).map(lambda one: {"L": one}),
    },
)
items = some.tuples(some.dictionaries(names, wire, max_size=5), known).map(lambda both: both[0] | both[1])
SHAPES = ["tyler_users", "tyler_contractors", "tyler_refresh_tokens", "tyler_audit", "tyler_config"]


@settings(max_examples=300, deadline=None)
@given(some.sampled_from(SHAPES), items)
def test_every_item_that_maps_comes_back_as_it_was(name: str, item: Item):
    shape = sample_shape(name)
    try:
        records = records_of(shape, item)
    except Unmappable as why:
        assert why.reason in WHY
        assume(False)
    assert records == records_of(shape, dict(reversed(item.items())))
    places = [(record.table, *(value["S"] for value in record.key.values())) for record in records]
    assert len(set(places)) == len(places)
    for record in records:
        rule = shape.rule_of(record.table, record.key)
        assert rule is not None
        assert rule.name == record.rule
    assert item_of(shape, whole_of(records).item) == {one: item[one] for one in item if one not in OURS}  # type: ignore[union-attr]


WHY = {"missing", "null", "not_text", "empty", "no_time", "in_the_way", "not_a_list", "collision", "too_long"}
