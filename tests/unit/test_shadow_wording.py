"""What a statement's text says: pure, and without a database."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from sluice.migration.kinds.same_cluster.shadow import wording
from sluice.migration.kinds.same_cluster.shadow.reads import Read
from sluice.migration.kinds.same_cluster.shadow.values import NoValue, parameters
from sluice.stores.postgres import Table

THING, ODD = Table("app", "thing"), Table("My App", 'User "X"')
SHAPE = SimpleNamespace(table=THING, column=lambda name: name if name in ("id", "at", "label", "tags") else None)

BOUND = {
    "label = $1": ["label"],
    "t.label = $1": ["label"],
    "thing.label = $1": ["label"],
    "app.thing.label = $1": ["label"],
    "u.label = $1": ["''"],
    "other = $1": ["''"],
    "$1 = label": ["label"],
    "id in ($1, $2, $3)": ["id", "id", "id"],
    "id IN ($1 )": ["id"],
    "id = ANY (ARRAY[$1, $2])": ["id", "id"],
    "at::date = $1": ["at"],
    "label::character varying(5) = $1": ["label"],
    "lower(label) LIKE $1": ["label"],
    "at >= $1": ["at"],
    "at >= $1 AND at < $2": ["at lowest", "at highest"],
    "at < $1 AND $2 <= at": ["at highest", "at lowest"],
    "at BETWEEN $1 AND $2": ["at lowest", "at highest"],
    "at between $1::timestamptz and $2": ["at lowest", "at highest"],
    "(at, id) > ($1, $2)": ["at", "id"],
    '"label" = $1': ["label"],
    "label = $1 ORDER BY at LIMIT $2 OFFSET $3": ["label", "'50'", "'0'"],
    "label = $1 FETCH FIRST $2 ROWS ONLY": ["label", "'50'"],
    "date_trunc($1, at) = $2": ["'day'", "at"],
    "length(label) + $1 > $2": ["''", "''"],
}


@pytest.mark.parametrize(("condition", "expected"), BOUND.items())
def test_a_parameter_stands_for_the_column_that_it_is_compared_with(condition: str, expected: list[str]) -> None:
    text = f"SELECT id::text, at::text FROM app.thing AS t WHERE {condition}"
    found = parameters(Read(text, 1, "app", ("text",) * len(expected)), SHAPE).each
    told = [
        repr(p.fixed) if p.column is None else p.column if p.how == "of_row" else f"{p.column} {p.how}" for p in found
    ]
    assert told == expected


def test_a_type_without_a_plain_value_is_said() -> None:
    read = Read("SELECT 1 FROM thing WHERE f(id, $1) = $2", 1, "app", ("mood", "integer"))
    with pytest.raises(NoValue, match=r"of type mood can be made for \$1"):
        parameters(read, SHAPE)


def test_without_a_limit_every_row_is_asked_for() -> None:
    read = Read("SELECT 1 FROM thing WHERE id = $1 LIMIT $2 OFFSET $3", 1, "app", ("bigint",) * 3)
    assert parameters(read, SHAPE).without_limit(["7", "50", "0"]) == ["7", None, "0"]


REPLACED = {
    "SELECT app.thing.id FROM app.thing": 'SELECT "s"."thing".id FROM "s"."thing"',
    'SELECT 1 FROM "app"."thing"': 'SELECT 1 FROM "s"."thing"',
    "SELECT 1 FROM APP . Thing, app.things, my_app.thing, x.app.thing": (
        'SELECT 1 FROM "s"."thing", app.things, my_app.thing, x.app.thing'
    ),
    'SELECT 1 FROM "App".thing, thing': 'SELECT 1 FROM "App".thing, thing',
}


@pytest.mark.parametrize(("text", "expected"), REPLACED.items())
def test_names_with_the_tables_schema_are_replaced_and_no_others(text: str, expected: str) -> None:
    assert wording.put_in_place(text, THING, Table("s", "thing")) == expected


def test_a_name_that_needs_quotes_is_known_by_them() -> None:
    text = 'SELECT 1 FROM "My App"."User ""X""" AS u'
    assert wording.mentions(text, ODD)
    assert wording.put_in_place(text, ODD, Table("s", ODD.name)) == 'SELECT 1 FROM "s"."User ""X""" AS u'
    assert not wording.mentions('SELECT 1 FROM "My App"."user ""x"""', ODD)


@pytest.mark.parametrize("text", ["SELECT 1 FROM thing", 'SELECT 1 FROM "thing"', "select THING.id from Thing"])
def test_the_table_is_known_by_its_name_alone(text: str) -> None:
    assert wording.mentions(text, THING)


@pytest.mark.parametrize("text", ["SELECT 1 FROM things", 'SELECT 1 FROM "Thing"', "SELECT thing$1 FROM my_thing"])
def test_another_name_is_not_taken_for_it(text: str) -> None:
    assert not wording.mentions(text, THING)


def test_comments_go_and_typed_constants_become_casts() -> None:
    sent = "-- the table's own\nSELECT \"a--b\", /* it's */ 1\n  FROM thing WHERE at > now() - interval $1;\n"
    assert wording.readable(sent) == 'SELECT "a--b", 1 FROM thing WHERE at > now() - ($1::interval)'


def test_only_queries_are_reads_and_some_of_them_are_left_alone() -> None:
    assert all(map(wording.is_read, ("SELECT 1", "  with a as (select 1) table a", "(SELECT 1)", "VALUES (1)")))
    assert not any(map(wording.is_read, ("UPDATE thing SET id = $1", "selection", "DELETE FROM thing")))
    assert wording.why_not("SELECT 1 FROM thing FOR NO KEY UPDATE") == "it locks rows"
    assert "cursor" in wording.why_not("DECLARE c CURSOR FOR SELECT 1 FROM thing")
    assert "one statement" in wording.why_not("SELECT 1 FROM thing; DROP TABLE thing")
    assert wording.why_not("SELECT for_update FROM thing") == ""


@pytest.mark.parametrize(
    ("order", "total"),
    [
        ("ORDER BY at, id LIMIT $1", True),
        ("ORDER BY t.at DESC NULLS LAST, t.id", True),
        ("ORDER BY at LIMIT $1", False),
    ],
)
def test_an_order_is_total_when_it_holds_the_key(order: str, total: bool) -> None:
    assert wording.is_totally_ordered(f"SELECT id FROM thing t {order}", ("id",)) is total
