"""Is the verifier able to fail? Known corruption, planted in a corner of the marks' own table, must be found, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.single_table.comparing import compare
from sluice.migration.kinds.single_table.sides import Sides
from sluice.migration.kinds.single_table.wishes import Translation
from sluice.records import Record
from sluice.stores.dynamodb.values import Item, Key, key_text
from sluice.stores.dynamodb.writes import Delete, Put, write_together

LED, FOLLOWS = "PLANTED#leading#", "PLANTED#following#"


@dataclass(frozen=True)
class Case:
    """One item and what stands for it on the other side; None is nothing there."""

    what: str
    item: Item | None
    stands: Item | None


def _map(**leaves: str) -> dict[str, Any]:
    return {"M": {name: {"S": leaf} for name, leaf in leaves.items()}}


DIFFERENT = (
    Case("a missing item", {"v": {"S": "x"}}, None),
    Case("an extra item", None, {"v": {"S": "x"}}),
    Case("a stale value", {"v": {"S": "new"}}, {"v": {"S": "old"}}),
    Case("NULL for an empty text", {"v": {"S": ""}}, {"v": {"NULL": True}}),
    Case("a missing attribute for NULL", {"v": {"NULL": True}}, {}),
    Case("a trailing space", {"v": {"S": "x"}}, {"v": {"S": "x "}}),
    Case("text moved between attributes", {"v": {"S": "ab"}, "w": {"S": "c"}}, {"v": {"S": "a"}, "w": {"S": "bc"}}),
    Case("a number as text", {"v": {"N": "1"}}, {"v": {"S": "1"}}),
    Case("the 38th digit", {"v": {"N": "1." + "0" * 36 + "1"}}, {"v": {"N": "1." + "0" * 36 + "2"}}),
    Case("another Unicode form", {"v": {"S": "é"}}, {"v": {"S": "e\u0301"}}),
    Case("a deep leaf", {"v": {"L": [_map(a="1")]}}, {"v": {"L": [_map(a="2")]}}),
    Case("one bit of binary", {"v": {"B": b"\x00\x01"}}, {"v": {"B": b"\x00\x00"}}),
    Case("a set that lacks a member", {"v": {"SS": ["a", "b"]}}, {"v": {"SS": ["a"]}}),
    Case("the order of a list", {"v": {"L": [{"N": "1"}, {"N": "2"}]}}, {"v": {"L": [{"N": "2"}, {"N": "1"}]}}),
    Case("an attribute more", {"v": {"S": "x"}}, {"v": {"S": "x"}, "w": {"S": "y"}}),
)
EQUAL = (
    Case("the order of a set", {"v": {"SS": ["a", "b"]}}, {"v": {"SS": ["b", "a"]}}),
    Case("the form of a number", {"v": {"N": "1.0"}}, {"v": {"N": "1"}}),
    Case("the order of a map", {"v": _map(a="1", b="2")}, {"v": _map(b="2", a="1")}),
)


def plant_and_find(client: Any, table: str, migration: str, now: datetime) -> Facts:
    """Plant every case in the marks' table, compare, take them away again; count what was found."""
    cases = {f"{migration}#{number:02}": case for number, case in enumerate((*DIFFERENT, *EQUAL))}
    puts = [put for name, case in cases.items() for put in _puts(table, name, case)]
    write_together(client, puts)
    try:
        diff = compare(_sides(client, table, migration), lambda: None, 0, now, waits=(0.0,))
    finally:
        write_together(client, [Delete(table, {name: put.item[name] for name in ("PK", "SK")}) for put in puts])
    flagged = {row.key for row in diff.samples}
    different = {name: case for name, case in cases.items() if case in DIFFERENT}
    found = [name for name in different if _name_of(name) in flagged]
    return {
        "planted": len(different),
        "planted_found": len(found),
        "planted_missed": ", ".join(case.what for name, case in different.items() if name not in found),
        "equal_rows_flagged": len(flagged) - len(found),
    }


def _puts(table: str, name: str, case: Case) -> list[Put]:
    sides = ((LED, case.item), (FOLLOWS, case.stands))
    return [Put(table, {**_key(side, name), **item}) for side, item in sides if item is not None]


def _sides(client: Any, table: str, migration: str) -> Sides:
    mine = f"{migration}#"

    def follows(item: Item) -> list[Record]:
        key = _key(FOLLOWS, item["SK"]["S"])
        return [Record(table, key, {**item, **key}, True, "planted")]

    def origin(_: str, item: Item) -> tuple[str, Key] | None:
        ours = item["PK"]["S"] == FOLLOWS and item["SK"]["S"].startswith(mine)
        return (table, _key(LED, item["SK"]["S"])) if ours else None

    names = {table: ("PK", "SK")}
    return Sides(
        client,
        names,
        names,
        lambda _, item: item["PK"]["S"] == LED and item["SK"]["S"].startswith(mine),
        Translation(follows, follows),
        origin,
        lambda key: False,
    )


def _key(side: str, name: str) -> Key:
    return {"PK": {"S": side}, "SK": {"S": name}}


def _name_of(name: str) -> str:
    return key_text(_key(LED, name))
