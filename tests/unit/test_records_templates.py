"""Templates: what they give for every sort of value, clean and dirty, and what they say where they give nothing."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sluice.estate.templates import BadTemplate, parse_template
from sluice.records import Unmappable, bucket_of, buckets_of
from sluice.records.rendering import compile_text, compile_value

SPREAD = {"user": 10, "few": 1}
BIG = "12345678901234567890123456789012345678"
ITEM: dict[str, dict[str, Any]] = {
    "id": {"S": "u1"},
    "mail": {"S": "  Ann@Example.ORG "},
    "n": {"N": "7.50"},
    "big": {"N": BIG},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "empty": {"S": ""},
    "blank": {"S": "  "},
    "set": {"SS": ["b", "a"]},
    "raw": {"B": b"\x00"},
    "map": {"M": {"inner": {"M": {"deep": {"S": "x"}}}, "list": {"L": [{"S": "zero"}, {"N": "1"}]}}},
    "when": {"S": "2024-01-31T23:30:00-02:00"},
    "naive": {"S": "2024-02-29"},
    "seconds": {"N": "1704103200"},
    "millis": {"N": "1704103200999"},
    "digits": {"S": "1704103200"},
    "never": {"S": "soon"},
    "late": {"S": "9999-12-31T23:59:59Z"},
}
GIVES = {
    "": "",
    "USER#{id}": "USER#u1",
    "{id}": "u1",
    "a{id}b{id}c": "au1bu1c",
    "{{{id}}}": "{u1}",
    "{{id}}": "{id}",
    "{mail|trim|lower}": "ann@example.org",
    "{mail|trim|upper}!": "ANN@EXAMPLE.ORG!",
    "{n}": "7.5",
    "{big}": BIG,
    "{yes}": "true",
    "{empty}": "",
    "{map.inner.deep}": "x",
    "{map.list.0}": "zero",
    "{map.list.1}": "1",
    "{when|day}": "2024-02-01",
    "{when|month}": "2024-02",
    "{when|year}": "2024",
    "{when|iso}": "2024-02-01T01:30:00.000Z",
    "{naive|iso}": "2024-02-29T00:00:00.000Z",
    "{naive|seconds}": "1709164800",
    "{seconds|month}": "2024-01",
    "{seconds|millis}": "1704103200000",
    "{millis|millis}": "1704103200999",
    "{millis|seconds}": "1704103200",
    "{millis|iso}": "2024-01-01T10:00:00.999Z",
    "{digits|day}": "2024-01-01",
    "{seconds|seconds:30d}": "1706695200",
    "{seconds|seconds|pad:12}": "001704103200",
    "{none|or:NONE}": "NONE",
    "{nothing|or:NONE}": "NONE",
    "{empty|or:NONE}": "NONE",
    "{id|or:NONE}": "u1",
    "{none|or:2024-05-06|month}": "2024-05",
    "{none|or:}": "",
    "{id|spread:user}": "P002",
    "{id|spread:few}": "P000",
}
NOTHING = {
    "{none}": ("missing", "none"),
    "{map.inner.none}": ("missing", "map.inner.none"),
    "{map.list.2}": ("missing", "map.list.2"),
    "{id.inner}": ("missing", "id.inner"),
    "{nothing}": ("null", "nothing"),
    "{set}": ("not_text", "set"),
    "{raw}": ("not_text", "raw"),
    "{map}": ("not_text", "map"),
    "{never|month}": ("no_time", "never"),
    "{set|month}": ("no_time", "set"),
    "{empty|month}": ("no_time", "empty"),
    "{big|month}": ("no_time", "big"),
    "{late|seconds:30d}": ("no_time", "late"),
    "{n|pad:9}": ("no_digits", "n"),
    "{big|pad:12}": ("too_long", "big"),
}


@pytest.mark.parametrize(("template", "text"), GIVES.items())
def test_a_template_gives_text(template: str, text: str):
    assert compile_text(template, SPREAD)(ITEM) == text


@pytest.mark.parametrize(("template", "why"), NOTHING.items())
def test_where_it_gives_nothing_it_names_the_attribute(template: str, why: tuple[str, str]):
    for text in (template, f"x{template}", f"x{template}y"):
        with pytest.raises(Unmappable) as caught:
            compile_text(text, SPREAD)(ITEM)
        assert (caught.value.reason, caught.value.attribute) == why
        assert str(caught.value).startswith(f"{why[1]}: ")


@pytest.mark.parametrize("template", ["{empty}", "A#{empty}", "A#{blank|trim}", "{none|or:}"])
def test_in_a_key_nothing_may_be_empty(template: str):
    with pytest.raises(Unmappable) as caught:
        compile_text(template, SPREAD, in_key=True)(ITEM)
    assert caught.value.reason == "empty"


VALUES: dict[str, dict[str, Any]] = {
    "{set}": {"SS": ["b", "a"]},
    "{nothing}": {"NULL": True},
    "{big}": {"N": BIG},
    "{map.inner}": {"M": {"deep": {"S": "x"}}},
    "{seconds|seconds}": {"N": "1704103200"},
    "{big}!": {"S": BIG + "!"},
    "USER": {"S": "USER"},
    "{mail|trim}": {"S": "Ann@Example.ORG"},
}


@pytest.mark.parametrize("template", VALUES)
def test_a_value_keeps_its_type_where_it_is_the_attribute_itself(template: str):
    assert compile_value(template, SPREAD)(ITEM) == VALUES[template]


BAD = {
    "{": 'found "{" alone, allowed: {attribute}, or {{ and }} for braces themselves',
    "a}b": 'found "}" alone, allowed: {attribute}, or {{ and }} for braces themselves',
    "{}": 'found "{}", allowed: {attribute} or {map.attribute}, without spaces',
    "{a..b}": 'found "{a..b}", allowed: {attribute} or {map.attribute}, without spaces',
    "{ a }": 'found "{ a }", allowed: {attribute} or {map.attribute}, without spaces',
    "{a|lowr}": 'found the filter "lowr", allowed: day, iso, lower, millis, month, or, pad, seconds, spread, trim, upper,'
    " year; did you mean lower?",
    "{a|lower:x}": 'found lower with "x", allowed: lower alone',
    "{a|pad}": 'found the filter "pad", allowed: a length from 1 to 40, such as pad:12',
    "{a|pad:41}": 'found the filter "pad:41", allowed: a length from 1 to 40, such as pad:12',
    "{a|spread}": 'found the filter "spread", allowed: a class of keys under `spread`, such as spread:user',
    "{a|seconds:soon}": 'found the filter "seconds:soon", allowed: a duration to add, such as seconds:30d',
    "{a|or}": 'found the filter "or", allowed: the text for a missing one, such as or:NONE',
    "{a|seconds|lower}": "found lower behind seconds, allowed: behind seconds: pad, spread",
    "{a|lower|month}": "found month behind lower, allowed: behind lower: lower, pad, spread, trim, upper",
}


@pytest.mark.parametrize(("template", "told"), BAD.items())
def test_a_bad_template_is_told_with_what_is_allowed(template: str, told: str):
    with pytest.raises(BadTemplate) as caught:
        parse_template(template)
    assert str(caught.value) == told


@settings(deadline=None)
@given(some.text())
def test_any_text_is_a_template_or_a_bad_one(text: str):
    try:
        parse_template(text)
    except BadTemplate as bad:
        assert bad.found
        assert bad.allowed


@settings(deadline=None)
@given(some.text())
def test_braces_can_be_written(text: str):
    escaped = text.replace("{", "{{").replace("}", "}}")
    assert compile_text(escaped, {})({}) == text


@settings(deadline=None)
@given(some.text(), some.integers(1, 1000))
def test_a_bucket_is_one_of_those_that_readers_gather(text: str, buckets: int):
    assert bucket_of(text, buckets) in buckets_of(buckets)


def test_buckets_never_move():
    """Records lie where these say: another hash would lose them all. CRC-32 of 123456789 is published as CBF43926."""
    assert bucket_of("123456789", 1000) == f"P{0xCBF43926 % 1000:03d}"
    assert [bucket_of(text, 10) for text in ("", "550e8400-e29b-41d4-a716-446655440000", "ä")] == [
        "P000",
        "P003",
        "P005",
    ]


NUMBERS = some.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent, Context(prec=40)),
    some.integers(-(10**38) + 1, 10**38 - 1),
    some.integers(-130, 80),
)


@given(NUMBERS, some.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_all_forms_of_a_number_give_one_key_which_reads_as_that_number(number: Decimal, zeros: int):
    plain = format(number, "f")
    longer = f"{plain}{'' if '.' in plain else '.'}{'0' * (zeros + 1)}"
    render = compile_text("N#{n}", SPREAD, in_key=True)
    (text,) = {render({"n": {"N": form}}) for form in (plain, longer, f"{number:E}", str(number))}
    assert Decimal(text.removeprefix("N#")) == number
    assert not set(text.removeprefix("N#")) - set("-.0123456789"), "a person's way of writing it"
    assert render({"n": {"N": text.removeprefix("N#")}}) == text


@pytest.mark.parametrize(("form", "text"), [("10.0", "10"), ("1E+1", "10"), ("-0", "0"), ("0.50", "0.5"), ("007", "7")])
def test_a_number_has_one_text(form: str, text: str):
    assert compile_text("{n}", SPREAD)({"n": {"N": form}}) == text
