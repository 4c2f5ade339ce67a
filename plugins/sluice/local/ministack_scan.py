"""Starts ministack with a Scan that costs what its page costs. Run by the engine's own Python, as a script.

As it comes, each page of a scan sorts the whole table and hashes every key of it, so a table of a quarter of a million items
holds everybody up for a second, and a hundred pages take minutes. Here a table keeps its partition keys in order, and ministack's
own Scan is given the part of the table that its page can come from; all that it checks, filters and answers stays its own.
"""

from __future__ import annotations

import hashlib
import importlib
import runpy
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable
from typing import Any

Answer = tuple[int, dict[str, str], Any]


class InOrder(defaultdict[Any, Any]):
    """A table's items by partition key, which knows its keys in order."""

    def __init__(self, items: dict[Any, Any]) -> None:
        super().__init__(dict, items)
        self.keys_in_order = sorted(self)

    def __setitem__(self, key: Any, value: Any) -> None:
        if key not in self:
            insort(self.keys_in_order, key)
        super().__setitem__(key, value)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Give what is there, or put the default there."""
        if key not in self:
            self[key] = default
        return self[key]

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        del self.keys_in_order[bisect_left(self.keys_in_order, key)]

    def pop(self, key: Any, *default: Any) -> Any:
        """Take a key out."""
        if key not in self:
            return super().pop(key, *default)
        value = self[key]
        del self[key]
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return InOrder, (dict(self),)


class Narrowed:
    """ministack's tables, of which one seems to hold no more than a part."""

    def __init__(self, tables: Any, name: str, part: dict[str, Any]) -> None:
        self._tables, self._name, self._part = tables, name, part

    def get(self, name: str, *default: Any) -> Any:
        """Give a table."""
        return self._part if name == self._name else self._tables.get(name, *default)

    def __getitem__(self, name: str) -> Any:
        return self._part if name == self._name else self._tables[name]

    def __contains__(self, name: str) -> bool:
        return name in self._tables

    def __iter__(self) -> Any:
        return iter(self._tables)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)


def part_for(engine: Any, table: dict[str, Any], asked: dict[str, Any]) -> dict[Any, Any]:
    """Give the items from which a page can come: from the key asked for on, until it is full."""
    if not isinstance(table["items"], InOrder):
        table["items"] = InOrder(table["items"])
    items, value_of = table["items"], engine._extract_key_val
    pk, sk, start = table["pk_name"], table.get("sk_name"), asked.get("ExclusiveStartKey") or {}
    after = value_of(start.get(pk, {})), value_of(start.get(sk, {})) if sk else ""
    most, segment, of = asked.get("Limit"), asked.get("Segment"), asked.get("TotalSegments")
    part: dict[Any, Any] = {}
    count = size = 0
    for key in items.keys_in_order[bisect_left(items.keys_in_order, after[0]) :]:
        there = items[key]
        if of is not None and segment_of(value_of(next(iter(there.values())).get(pk, {})), int(of)) != int(
            segment or 0
        ):
            continue
        part[key] = there
        for item in there.values():
            if not start or (key, value_of(item.get(sk, {})) if sk else "") > after:
                count, size = count + 1, size + engine._item_size_bytes(item)
        if size > engine._DDB_PAGE_SIZE_BYTES or (most is not None and count > int(most)):
            break
    return part


def segment_of(key: Any, of: int) -> int:
    """Give the segment of a key, as ministack has it."""
    return int.from_bytes(hashlib.sha1(str(key).encode()).digest()[:4], "big") % of


def mended(engine: Any) -> Callable[[dict[str, Any]], Answer]:
    """Give a Scan that looks at a part of the table only. An index, and whatever is asked wrongly, go the old way."""
    whole: Callable[[dict[str, Any]], Answer] = engine._scan

    def scan(asked: dict[str, Any]) -> Answer:
        tables, name = engine._tables, engine._normalize_table_name(asked.get("TableName"))
        table = tables.get(name) if isinstance(name, str) else None
        if not table or asked.get("IndexName"):
            return whole(asked)
        try:
            part = part_for(engine, table, asked)
        except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError):
            return whole(asked)
        engine._tables = Narrowed(tables, name, {**table, "items": part})
        try:
            return whole(asked)
        finally:
            engine._tables = tables

    return scan


if __name__ == "__main__":
    dynamodb: Any = importlib.import_module("ministack.services.dynamodb")
    dynamodb._scan = mended(dynamodb)
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)
