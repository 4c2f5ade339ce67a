"""Items on the wire: equal or not, how large, and a key as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.stores.dynamodb.values import canonical, canonical_text, key_from_text, key_text, same, size_of

EQUAL = [
    ({"N": "1"}, {"N": "1.0"}),
    ({"N": "100"}, {"N": "1E+2"}),
    ({"N": "-0"}, {"N": "0.00"}),
    ({"N": "1" + "0" * 37}, {"N": "1E37"}),
    ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}),
    ({"NS": ["1", "2.50"]}, {"NS": ["2.5", "1.0"]}),
    ({"BS": [b"a", b"b"]}, {"BS": [b"b", b"a"]}),
    ({"M": {"a": {"N": "1"}, "b": {"NULL": True}}}, {"M": {"b": {"NULL": True}, "a": {"N": "1.0"}}}),
    ({"L": [{"SS": ["x", "y"]}]}, {"L": [{"SS": ["y", "x"]}]}),
]
DIFFERENT = [
    ({"N": "1"}, {"S": "1"}),
    ({"N": "12345678901234567890123456789012345678"}, {"N": "12345678901234567890123456789012345679"}),
    ({"N": "0.1"}, {"N": "0.10000000000000000000000000000000001"}),
    ({"S": ""}, {"NULL": True}),
    ({"BOOL": True}, {"NULL": True}),
    ({"BOOL": True}, {"BOOL": False}),
    ({"S": "a"}, {"SS": ["a"]}),
    ({"L": [{"S": "a"}, {"S": "b"}]}, {"L": [{"S": "b"}, {"S": "a"}]}),
    ({"M": {"a": {"S": ""}}}, {"M": {}}),
    ({"S": "é"}, {"S": "e\u0301"}),
    ({"B": b"a"}, {"S": "a"}),
    ({"S": "a"}, {"S": "a "}),
]


@pytest.mark.parametrize(("one", "other"), EQUAL, ids=str)
def test_what_dynamodb_cannot_tell_apart_is_equal(one, other) -> None:
    assert canonical(one) == canonical(other)
    assert hash(canonical(one)) == hash(canonical(other))
    assert same({"a": one}, {"a": other})
    assert canonical_text({"a": one}) == canonical_text({"a": other})


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=str)
def test_what_it_can_is_not(one, other) -> None:
    assert canonical(one) != canonical(other)
    assert not same({"a": one}, {"a": other})
    assert canonical_text({"a": one}) != canonical_text({"a": other})


LEAVES = (
    st.sampled_from(["", "a", "1", "a,1:b", "S1:a", "}"]).map(lambda text: {"S": text})
    | st.sampled_from(["1", "1.0", "10", "-0", "0"]).map(lambda text: {"N": text})
    | st.sets(st.sampled_from(["a", "b", "a,b", "1"]), min_size=1).map(lambda texts: {"SS": sorted(texts)})
    | st.booleans().map(lambda yes: {"BOOL": yes})
    | st.just({"NULL": True})
    | st.binary(max_size=2).map(lambda data: {"B": data})
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda values: {"L": values})
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2).map(lambda values: {"M": values})
    ),
    max_leaves=4,
)


@given(VALUES, VALUES)
def test_the_text_is_as_sharp_as_the_comparison(one, other) -> None:
    alike = canonical(one) == canonical(other)
    assert alike == (canonical_text({"a": one}) == canonical_text({"a": other})) == same({"a": one}, {"a": other})


def test_a_missing_attribute_and_a_missing_item_are_differences() -> None:
    assert not same({"a": {"S": "x"}}, {"a": {"S": "x"}, "b": {"S": ""}})
    assert not same(None, {})
    assert same(None, None)


def test_a_key_is_read_back_from_its_text() -> None:
    key = {"PK": {"S": "USER#a=b&c:d%"}, "SK": {"N": "12.0"}, "b:in": {"B": b"\x00\xff="}}
    text = key_text(key)
    assert text == "PK=USER#a%3Db%26c%3Ad%25&SK:N=12&b%3Ain:B=AP89"
    assert key_from_text(text) == {**key, "SK": {"N": "12"}}


def test_one_key_has_one_text() -> None:
    assert key_text({"a": {"N": "1"}, "b": {"S": "x"}}) == key_text({"b": {"S": "x"}, "a": {"N": "1.00"}})
    assert key_text({"a": {"N": "100"}}) == key_text({"a": {"N": "1E2"}})
    assert key_text({"a": {"S": "1"}}) != key_text({"a": {"N": "1"}})


TEXTS = st.text(max_size=8)
KEYS = st.dictionaries(
    st.text(min_size=1, max_size=4),
    TEXTS.map(lambda text: {"S": text}) | st.binary(max_size=8).map(lambda data: {"B": data}),
    min_size=1,
    max_size=2,
)


@given(KEYS, KEYS)
def test_two_keys_share_a_text_only_if_they_are_one(one, other) -> None:
    assert key_from_text(key_text(one)) == one
    assert (key_text(one) == key_text(other)) == (one == other)


SIZES = [
    ({"a": {"S": "é"}}, 3),
    ({"ab": {"BOOL": False}}, 3),
    ({"a": {"NULL": True}}, 2),
    ({"a": {"B": b"123"}}, 4),
    ({"a": {"N": "0"}}, 2),
    ({"a": {"N": "12"}}, 3),
    ({"a": {"N": "-12"}}, 4),
    ({"a": {"N": "1200"}}, 3),
    ({"a": {"N": "120"}}, 4),
    ({"a": {"N": "9" * 38}}, 21),
    ({"a": {"SS": ["a", "bc"]}}, 4),
    ({"a": {"NS": ["12", "34"]}}, 5),
    ({"a": {"L": []}}, 4),
    ({"a": {"L": [{"S": "xy"}]}}, 7),
    ({"a": {"M": {"bc": {"S": "x"}}}}, 8),
]


@pytest.mark.parametrize(("item", "size"), SIZES, ids=str)
def test_an_item_is_as_large_as_dynamodb_says(item, size) -> None:
    assert size_of(item) == size


@pytest.mark.parametrize("form", ["100", "100.0", "1E+2", "+1e2"])
def test_a_number_in_a_keys_text_stands_in_plain_digits_as_the_service_gives_it(form: str):
    text = key_text({"n": {"N": form}, "id": {"S": "a"}})
    assert text == "id=a&n:N=100"
    assert key_from_text(text) == {"id": {"S": "a"}, "n": {"N": "100"}}
