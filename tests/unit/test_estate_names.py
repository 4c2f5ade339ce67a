"""Names of tables by PostgreSQL's rules, and durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sluice.estate import format_duration, parse_duration, parse_table

GOOD_TABLES = {
    "app.user_sessions": ("app", "user_sessions"),
    "App.Orders": ("app", "orders"),
    'app."Orders"': ("app", "Orders"),
    '"My Schema"."My Table"': ("My Schema", "My Table"),
    '"a.b".c': ("a.b", "c"),
    '"say ""hi"""."x"': ('say "hi"', "x"),
    '"""".""""': ('"', '"'),
    "select.table": ("select", "table"),
    "app.größe": ("app", "größe"),
    "app.GRÖSSE": ("app", "grÖsse"),  # only A to Z are folded, as in a server of a multi-byte encoding
    "_a.b$1": ("_a", "b$1"),
    '"x; drop table y".z': ("x; drop table y", "z"),
    f"app.{'a' * 63}": ("app", "a" * 63),
    f"app.{'é' * 31}": ("app", "é" * 31),
}
BAD_TABLES = [
    "", ".", "orders", "app.", ".orders", "a.b.c", "app orders", "app .orders", "app. orders", " app.orders", "app.orders\n",
    "1app.orders", "app.1orders", "app.my-table", 'app."', 'app.""', 'app."a"b"', 'app."a', "app.a\u00a0b", 'app."a\0b"',
    "app.a;b", "app.'a'", f"app.{'a' * 64}", f"app.{'é' * 32}", f"{'a' * 64}.b", "$a.b",
]  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), GOOD_TABLES.items())
def test_a_table_is_read_as_postgresql_reads_it(text: str, parts: tuple[str, str]):
    assert parse_table(text) == parts


@pytest.mark.parametrize("text", BAD_TABLES)
def test_what_is_no_table_is_refused(text: str):
    with pytest.raises(ValueError, match="allowed: "):
        parse_table(text)


def test_an_address_is_refused_without_its_password():
    with pytest.raises(ValueError, match="not shown") as caught:
        parse_table("postgresql://mover:hunter2@db/shop")
    assert "hunter2" not in str(caught.value)


names = some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=15)


@given(names, names)
def test_any_name_can_be_written_in_quotes(schema: str, name: str):
    quoted = '"{}"."{}"'.format(schema.replace('"', '""'), name.replace('"', '""'))
    assert parse_table(quoted) == (schema, name)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("50ms", timedelta(milliseconds=50)),
        ("5s", timedelta(seconds=5)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("0s", timedelta()),
        ("90s", timedelta(seconds=90)),
        ("999999999d", timedelta(days=999999999)),
    ],
)
def test_a_duration_is_read(text: str, duration: timedelta):
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "5 s", " 5s", "5s\n", "-5s", "+5s", "1.5h", "1h30m", "5S", "5min", "٥s", "1_0s", "9999999999s"],
)
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(ValueError, match="allowed"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(milliseconds=50), "50ms"),
        (timedelta(seconds=90), "90s"),
        (timedelta(hours=48), "2d"),
        (timedelta(), "0ms"),
        (timedelta(microseconds=1500), "1ms"),
    ],
)
def test_a_duration_is_written_in_its_largest_unit(duration: timedelta, text: str):
    assert format_duration(duration) == text


@given(some.integers(0, 10**11).map(lambda ms: timedelta(milliseconds=ms)))
def test_what_is_written_is_read_back(duration: timedelta):
    text = format_duration(duration)
    if len(text.rstrip("dhms")) <= 9:
        assert parse_duration(text) == duration
