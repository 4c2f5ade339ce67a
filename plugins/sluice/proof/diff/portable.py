"""The hash that every store can make of a row: for other clusters, other versions, archives, and readers without us.

The first 64 bits of md5 over the row's column texts, each behind its length in bytes, so that ('ab', 'c') is not ('a', 'bc').
NULL is `-`, which no length is. Texts are PostgreSQL's own under the settings that `sluice.stores.postgres.connect` pins (UTC,
ISO dates, bytea in hex). A table's hash is the sum over its rows: free of order, and it counts duplicates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from sluice.stores.postgres import Connection, Table, one, rows
from sluice.stores.statements import raw, statement

Key = tuple[str, ...]
"""A key as text, one part a column."""


def row_hash(texts: Sequence[str | None]) -> int:
    """Hash a row in Python as PostgreSQL does: a signed 64-bit number."""
    told = "".join("-" if text is None else f"{len(text.encode())}:{text}" for text in texts)
    return int.from_bytes(hashlib.md5(told.encode(), usedforsecurity=False).digest()[:8], signed=True)


@dataclass(frozen=True)
class PortableSide:
    """One table of a comparison across stores: `key` is names and types, `values` one expression a column over alias `t`."""

    connection: Connection
    table: Table
    key: tuple[tuple[str, str], ...]
    values: tuple[sql.Composable, ...]

    def bound(self, after: Key | None, count: int) -> Key | None:
        """The key that ends a range of so many rows behind `after`; None when fewer are left."""
        query = statement("portable.find_bound", **self._parts(), **self._range(after, None))
        found = rows(self.connection, query, rows=count, **_named("after", after))
        return tuple(found[0]["key"]) if found else None

    def summary(self, after: Key | None, until: Key | None) -> tuple[int, int]:
        """Rows in (after, until], and the sum of their hashes."""
        query = statement("portable.sum_range", hash=self.hash(), **self._parts(), **self._range(after, until))
        found = one(self.connection, query, **_named("after", after), **_named("until", until))
        return found["rows"], int(found["hash"])

    def hashes(self, after: Key | None, until: Key | None) -> dict[Key, int]:
        """Every row of a range: its key and its hash."""
        query = statement("portable.list_range", hash=self.hash(), **self._parts(), **self._range(after, until))
        found = rows(self.connection, query, **_named("after", after), **_named("until", until))
        return {tuple(row["key"]): row["hash"] for row in found}

    def read(self, keys: Sequence[Key]) -> dict[Key, int]:
        """The rows of some keys, as they are now."""
        tuples = [
            sql.SQL("({})").format(_list([self._typed(f"k{n}_{i}", i) for i in self._places()]))
            for n in range(len(keys))
        ]
        query = statement("portable.read_keys", hash=self.hash(), **self._parts(), tuples=_list(tuples))
        named = {f"k{n}_{i}": text for n, key in enumerate(keys) for i, text in enumerate(key)}
        return {tuple(row["key"]): row["hash"] for row in rows(self.connection, query, **named)}

    def hash(self) -> sql.Composed:
        """The hash of a row, as an expression."""
        told = [statement("portable.column_text", value=value) for value in self.values]
        return statement("portable.row_hash", texts=sql.SQL(" || ").join(told))

    def _parts(self) -> dict[str, sql.Composable]:
        keys = [sql.Identifier("t", name) for name, _ in self.key]
        texts = _list([sql.SQL("{}::text").format(key) for key in keys])
        return {"table": self.table.identifier, "keys": _list(keys), "key_texts": texts}

    def _range(self, after: Key | None, until: Key | None) -> dict[str, sql.Composable]:
        keys = _list([sql.Identifier("t", name) for name, _ in self.key])
        terms: list[sql.Composable] = [sql.SQL("true")]
        for sign, name, bound in ((">", "after", after), ("<=", "until", until)):
            if bound is not None:
                typed = _list([self._typed(f"{name}_{i}", i) for i in self._places()])
                terms.append(sql.SQL("({}) {} ({})").format(keys, sql.SQL(sign), typed))
        return {"range": sql.SQL(" AND ").join(terms)}

    def _typed(self, name: str, place: int) -> sql.Composed:
        return sql.SQL("{}::text::{}").format(sql.Placeholder(name), raw(self.key[place][1]))

    def _places(self) -> range:
        return range(len(self.key))


def _named(name: str, bound: Key | None) -> dict[str, str]:
    return {f"{name}_{i}": text for i, text in enumerate(bound or ())}


def _list(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
