"""Is the verifier able to fail? Known corruption, planted in a scratch table of the session, must be found, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.into_postgres.comparing import Sides, compare
from sluice.migration.kinds.into_postgres.shape import RowShape, compile_rows, origin_of
from sluice.migration.kinds.into_postgres.target import Target
from sluice.migration.kinds.into_postgres.wishes import Wish, of_items
from sluice.stores.dynamodb.values import Item, Key, key_text
from sluice.stores.postgres import Connection, Table
from sluice.stores.statements import raw, statement

SCRATCH = Table("pg_temp", "sluice_planted")
PLAN = {
    "migration": "planted",
    "kind": "into_postgres",
    "from": {"store": "scratch", "table": "planted"},
    "into": {
        "store": "scratch",
        "table": "pg_temp.sluice_planted",
        "key": ("id", "at"),
        "columns": {
            "id": {"type": "text", "from": "{id}"},
            "at": {"type": "timestamptz", "from": "{at}"},
            "note": {"type": "text", "from": "{note}"},
            "more": {"type": "text", "from": "{more}"},
            "amount": {"type": "numeric", "from": "{amount}"},
            "raw": {"type": "bytea", "from": "{raw}"},
        },
        "extra": "extra",
    },
}
AT = {"S": "2024-01-01T10:00:00Z"}


@dataclass(frozen=True)
class Case:
    """One item, and the item whose row stands for it; None is nothing there."""

    what: str
    item: Item | None
    stands: Item | None


def _doc(leaf: str) -> Item:
    return {"doc": {"M": {"a": {"L": [{"M": {"b": {"S": leaf}}}]}}}}


DIFFERENT = (
    Case("a missing row", {"note": {"S": "x"}}, None),
    Case("an extra row", None, {"note": {"S": "x"}}),
    Case("a stale value", {"note": {"S": "new"}}, {"note": {"S": "old"}}),
    Case("NULL for an empty text", {"note": {"S": ""}}, {}),
    Case("missing for NULL", {"note": {"NULL": True}}, {}),
    Case("a trailing space", {"note": {"S": "x"}}, {"note": {"S": "x "}}),
    Case(
        "text in another column", {"note": {"S": "ab"}, "more": {"S": "c"}}, {"note": {"S": "a"}, "more": {"S": "bc"}}
    ),
    Case("the 38th digit", {"amount": {"N": "1." + "0" * 36 + "1"}}, {"amount": {"N": "1." + "0" * 36 + "2"}}),
    Case("another time zone", {"at": {"S": "2024-01-01T10:00:00+01:00"}}, {"at": {"S": "2024-01-01T10:00:00Z"}}),
    Case("another Unicode form", {"note": {"S": "é"}}, {"note": {"S": "e\u0301"}}),
    Case("a deep leaf", _doc("1"), _doc("2")),
    Case("one bit of binary", {"raw": {"B": b"\x00\x01"}}, {"raw": {"B": b"\x00\x00"}}),
    Case("a set that lacks a member", {"tags": {"SS": ["a", "b"]}}, {"tags": {"SS": ["a"]}}),
    Case("a list for a set", {"tags": {"SS": ["a", "b"]}}, {"tags": {"L": [{"S": "a"}, {"S": "b"}]}}),
    Case("a number as text", {"n": {"N": "1"}}, {"n": {"S": "1"}}),
    Case("an attribute more", {"note": {"S": "x"}}, {"note": {"S": "x"}, "new": {"S": "y"}}),
)
EQUAL = (
    Case("the order of a set", {"tags": {"SS": ["a", "b"]}}, {"tags": {"SS": ["b", "a"]}}),
    Case("the form of a number", {"amount": {"N": "1.0"}}, {"amount": {"N": "1"}}),
    Case("the order of a map", {"m": {"M": {"a": AT, "b": AT}}}, {"m": {"M": {"b": AT, "a": AT}}}),
    Case("the form of a time", {"at": {"S": "2024-01-01T11:00:00+01:00"}}, {"at": AT}),
)


@dataclass(frozen=True)
class Planted:
    """Items that are nowhere but here."""

    items: dict[str, Item] = field(default_factory=dict)
    key_names: Sequence[str] = ("id",)

    def pages(self) -> Iterator[Sequence[Item]]:
        """Give all items."""
        yield list(self.items.values())

    def read(self, keys: Sequence[Key]) -> dict[str, Item]:
        """Give some."""
        return {text: self.items[text] for text in map(key_text, keys) if text in self.items}


def plant_and_find(c: Connection) -> Facts:
    """Plant every case, compare, and count what was found of it."""
    shape = compile_rows(IntoPostgresMigration.model_validate(PLAN))
    target, planted = Target(SCRATCH, shape), Planted()
    cases = {f"c{number:02}": case for number, case in enumerate((*DIFFERENT, *EQUAL))}
    with c.transaction(force_rollback=True):
        c.execute(_scratch(shape))
        for name, case in cases.items():
            _plant(c, target, planted, name, case)
        sides = Sides(c, target, planted, lambda origins: set())
        diff = compare(sides, lambda: None, 0, datetime.now(UTC), waits=(0.0,))
    flagged = {row.key for row in diff.samples}
    different = {_origin(name): case for name, case in cases.items() if case in DIFFERENT}
    found = flagged & set(different)
    return {
        "planted": len(different),
        "planted_found": len(found),
        "planted_missed": ", ".join(case.what for origin, case in different.items() if origin not in found),
        "equal_rows_flagged": len(flagged - set(different)),
    }


def _plant(c: Connection, target: Target, planted: Planted, name: str, case: Case) -> None:
    if case.item is not None:
        planted.items[key_text({"id": {"S": name}})] = _whole(name, case.item)
    if case.stands is not None:
        asked = of_items([_whole(name, case.stands)], ("id",), target.shape, "0")
        wishes: list[Wish] = list(asked.wished.values())
        c.execute(target.write, target.staged(wishes))


def _scratch(shape: RowShape) -> sql.Composed:
    columns = [
        statement("into_postgres.column", name=sql.Identifier(name), type=raw(type_))
        for name, type_ in zip(shape.names, shape.types, strict=True)
    ]
    key: list[Any] = [sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(map(sql.Identifier, shape.key)))]
    listed = sql.SQL(", ").join([*columns, *key])
    return statement("into_postgres.create_target", target=SCRATCH.identifier, columns=listed, cut=sql.SQL(""))


def _whole(name: str, item: Item) -> Item:
    return {"id": {"S": name}, "at": AT, **item}


def _origin(name: str) -> str:
    return origin_of({"id": {"S": name}})
