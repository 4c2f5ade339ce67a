"""What a comparison reads: two tables, a value for each column, and a range of their keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from psycopg import sql

from sluice.stores.postgres import Table
from sluice.stores.statements import raw, statement

Bound: TypeAlias = tuple[str, ...] | None
"""A key as text, one part a column; None is an open end."""


@dataclass(frozen=True)
class Side:
    """One of the two tables, read as `t`: its key (names and types) and a value for each compared column, in one order."""

    table: Table
    key: tuple[tuple[str, str], ...]
    values: tuple[sql.Composable, ...]

    def hash(self) -> sql.Composed:
        """The hash of a whole row."""
        return statement("diff.row_hash", values=listed(self.values))

    def column_hashes(self) -> sql.Composed:
        """The hash of each column by itself."""
        return listed([statement("diff.row_hash", values=value) for value in self.values])

    def keys(self) -> list[sql.Identifier]:
        """The columns of the key."""
        return [sql.Identifier("t", name) for name, _ in self.key]


@dataclass(frozen=True)
class Pair:
    """What is compared: two tables and the names of the columns."""

    left: Side
    right: Side
    columns: tuple[str, ...]

    @classmethod
    def alike(cls, left: Table, right: Table, key: tuple[tuple[str, str], ...], columns: tuple[str, ...]) -> Pair:
        """Two tables that have the same columns."""
        values = tuple(sql.Identifier("t", name) for name in columns)
        return cls(Side(left, key, values), Side(right, key, values), columns)

    @property
    def places(self) -> range:
        """The places of the key's columns."""
        return range(len(self.left.key))

    def bucket(self, side: Side, buckets: int) -> sql.Composed:
        """Into which of so many buckets (a power of two) a row falls by its key: the same on both sides for keys that are equal.

        By the key's value, of the right side's type; by its bytes, which every type has, where a type may have no hash.
        """
        kinds = [kind for _, kind in self.right.key]
        form = "diff.bucket_of_value" if all(map(HASHED.fullmatch, kinds)) else "diff.bucket_of_bytes"
        key = (
            side.keys() if side.key == self.right.key else [_as(*both) for both in zip(side.keys(), kinds, strict=True)]
        )
        return statement(form, key=listed(key), buckets=sql.Literal(buckets))


HASHED = re.compile(
    r"(smallint|integer|bigint|numeric|boolean|uuid|text|character varying|date|timestamp)(\([\d,]+\))?( with(out)? time zone)?"
)
"""Types, as format_type names them, that PostgreSQL hashes by value in every version, whoever made the database."""


@dataclass(frozen=True)
class Window:
    """Rows whose time, on either side read as `t`, is in [lower, upper)."""

    left: sql.Composable
    right: sql.Composable
    lower: datetime
    upper: datetime


@dataclass(frozen=True)
class Range:
    """Keys in (after, until], perhaps within a window of a time column."""

    after: Bound = None
    until: Bound = None
    window: Window | None = None

    def conditions(self, pair: Pair) -> dict[str, sql.Composable]:
        """The range on either side, as `left_range` and `right_range`."""
        window = self.window
        return {
            "left_range": self._on(pair.left, window.left if window else None),
            "right_range": self._on(pair.right, window.right if window else None),
        }

    def values(self) -> dict[str, Any]:
        """What the conditions bind."""
        bounds = (("after", self.after), ("until", self.until))
        values: dict[str, Any] = {f"{name}_{i}": text for name, bound in bounds for i, text in enumerate(bound or ())}
        return values | ({"lower": self.window.lower, "upper": self.window.upper} if self.window else {})

    def _on(self, side: Side, time: sql.Composable | None) -> sql.Composable:
        """`(keys) > after AND (keys) <= until AND window`, with whichever of them are there."""
        terms: list[sql.Composable] = []
        for sign, bound, prefix in ((">", self.after, "after"), ("<=", self.until, "until")):
            if bound is not None:
                parts = listed([typed(f"{prefix}_{i}", kind) for i, (_, kind) in enumerate(side.key)])
                terms.append(sql.SQL("({}) {} ({})").format(listed(side.keys()), sql.SQL(sign), parts))
        if time is not None:
            terms.append(statement("diff.window", time=time))
        return sql.SQL(" AND ").join(terms) if terms else statement("diff.everything")


def _as(value: sql.Composable, kind: str) -> sql.Composed:
    return sql.SQL("{}::{}").format(value, raw(kind))


def typed(name: str, kind: str) -> sql.Composed:
    """A bound text as a value of a type, whose name is the catalogue's own (format_type), quoted by PostgreSQL where need be."""
    return sql.SQL("{}::text::{}").format(sql.Placeholder(name), raw(kind))


def listed(parts: Sequence[sql.Composable]) -> sql.Composed:
    """Put commas between."""
    return sql.SQL(", ").join(parts)
