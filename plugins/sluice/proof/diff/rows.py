"""Compare two tables of one server row by row: count and hash sum by key range, by bucket of keys where they differ.

Exact under load when capture is atomic with the write: one statement's snapshot sees both tables equal. The hash is free
of order and counts duplicates (a sum, never an xor). What it does not see: rows outside both tables, and the order of rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from psycopg import sql

from sluice.stores.postgres import Connection, Table, one, rows
from sluice.stores.statements import raw, statement

RANGE_ROWS = 10_000_000
"""Rows in one comparison: its snapshot lives for some seconds. A table that fits is read from end to end, without its index."""
BUCKETS = 65_536
"""Where a range differs, its keys fall into so many buckets by hash, and only the buckets that differ are joined."""
SAMPLES = 100


@dataclass(frozen=True)
class RowDifference:
    """One row: its key as text, `missing`, `extra` or `different` (and in which columns)."""

    key: str
    what: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Left against right. `rows` is the longer side's count, `hash` the left side's sum."""

    rows: int
    left_rows: int
    right_rows: int
    missing: int
    extra: int
    different: int
    hash: str
    seconds: float
    samples: tuple[RowDifference, ...]


@dataclass(frozen=True)
class Side:
    """One of the two tables, read as `t`: its key (names and types) and a value for each compared column, in one order."""

    table: Table
    key: tuple[tuple[str, str], ...]
    values: tuple[sql.Composable, ...]

    def hash(self) -> sql.Composed:
        """The hash of a whole row."""
        return statement("diff.row_hash", values=_list(self.values))

    def column_hashes(self) -> sql.Composed:
        """The hash of each column by itself."""
        return _list([statement("diff.row_hash", values=value) for value in self.values])


Bound: TypeAlias = tuple[str, ...] | None
"""A key as text, one part a column; None is an open end."""


@dataclass(frozen=True)
class Checked:
    """A range that was compared and found equal: `rows` on either side, and the sum of their hashes."""

    after: Bound
    until: Bound
    rows: int
    hash: int


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


def compare(
    connection: Connection,
    pair: Pair,
    window: Window | None = None,
    *,
    before: Sequence[Checked] = (),
    checked: Callable[[Checked], None] | None = None,
) -> Comparison:
    """Compare all rows, or those of a window. Read-only.

    A window is compared in one range: it is bounded already. A comparison that was broken off goes on behind the ranges
    that it had `checked`, given as `before`: they are equal still where capture has been atomic with every write since.
    """
    started = time.monotonic()
    found = _Found()
    for part in [Range(window=window)] if window else _ranges(connection, pair, before):
        if isinstance(part, Checked):
            found.add(part.rows, part.rows, part.hash)
            continue
        seen = _compare_range(connection, pair, part)
        found.add(seen["left_rows"], seen["right_rows"], int(seen["left_hash"]))
        if not _same(seen):
            found.differ(_differences(connection, pair, part), part)
        elif checked and not window:
            checked(Checked(part.after, part.until, seen["left_rows"], int(seen["left_hash"])))
    return found.comparison(time.monotonic() - started)


class _Found:
    """What the ranges so far gave."""

    def __init__(self) -> None:
        self._rows = self._left = self._right = self._hash = 0
        self._counts = {"missing": 0, "extra": 0, "different": 0}
        self._samples: list[RowDifference] = []

    def add(self, left: int, right: int, total: int) -> None:
        self._left, self._right, self._hash = self._left + left, self._right + right, self._hash + total
        self._rows += max(left, right)

    def differ(self, listed: Listed, part: Range) -> None:
        if not any(listed.counts.values()):
            # The sums differed and no row does: one was mended a moment ago. Never silent.
            self._counts["different"] += 1
            self._samples.append(RowDifference(f"keys in ({part.after}, {part.until}]", "counted unequal", ()))
        for what, count in listed.counts.items():
            self._counts[what] += count
        self._samples += listed.samples[: max(0, SAMPLES - len(self._samples))]

    def comparison(self, seconds: float) -> Comparison:
        return Comparison(
            self._rows,
            self._left,
            self._right,
            **self._counts,
            hash=format(self._hash % 2**64, "016x"),
            seconds=seconds,
            samples=tuple(self._samples),
        )


@dataclass(frozen=True)
class Listed:
    """The rows of a range that differ: how many of each sort, and the first of them."""

    counts: dict[str, int]
    samples: list[RowDifference]


def _ranges(connection: Connection, pair: Pair, before: Sequence[Checked]) -> Iterator[Range | Checked]:
    """Walk the left key in steps of RANGE_ROWS; the last range is open, so that later keys are seen too."""
    known = {part.after: part for part in before if part.until is not None}
    after: Bound = None
    while True:
        if part := known.get(after):
            yield part
            after = part.until
            continue
        until = _bound(connection, pair, Range(after), RANGE_ROWS)
        yield Range(after, until)
        if until is None:
            return
        after = until


def _compare_range(connection: Connection, pair: Pair, part: Range) -> dict[str, Any]:
    return one(connection, statement("diff.compare_range", **_sides(pair, part)), **_values(part))


def _differences(connection: Connection, pair: Pair, part: Range) -> Listed:
    """Find the buckets that differ, then the rows in them, then the columns of the first of these."""
    sides = {**_sides(pair, part), "left_bucket": _bucket(pair, pair.left), "right_bucket": _bucket(pair, pair.right)}
    found = rows(connection, statement("diff.find_buckets", **sides), **_values(part))
    buckets = [row["bucket"] for row in found]
    query = statement(
        "diff.list_differences",
        **sides,
        left_keys=_keys(pair.left),
        right_keys=_keys(pair.right),
        places=_list([sql.Literal(i + 1) for i in _places(pair)]),
        key_text=_list([sql.SQL("coalesce({}, {})").format(*_both(i, "::text")) for i in _places(pair)]),
        join=sql.SQL(" AND ").join(sql.SQL("{} = {}").format(*_both(i)) for i in _places(pair)),
    )
    listed = rows(connection, query, most=SAMPLES, buckets=buckets, **_values(part)) if buckets else []
    counts = {what: listed[0][what] if listed else 0 for what in ("missing", "extra")}
    counts["different"] = listed[0]["total"] - sum(counts.values()) if listed else 0
    return Listed(counts, [_difference(connection, pair, row) for row in listed])


def _bucket(pair: Pair, side: Side) -> sql.Composed:
    """Which bucket a row's key falls into: the same on both sides for keys that are equal.

    By the key's bytes, which every type has; by its value where a type changes (an integer's is the same in a bigint).
    """
    key = _list([sql.Identifier("t", name) for name, _ in side.key])
    alike = [kind for _, kind in pair.left.key] == [kind for _, kind in pair.right.key]
    return statement("diff.bucket_of_bytes" if alike else "diff.bucket_of_value", key=key, buckets=sql.Literal(BUCKETS))


def _difference(connection: Connection, pair: Pair, row: dict[str, Any]) -> RowDifference:
    """One row, and in which columns it differs by now."""
    told = ", ".join(row["key"])
    if row["what"] != "different":
        return RowDifference(told, row["what"], ())
    query = statement(
        "diff.hash_columns",
        left=pair.left.table.identifier,
        right=pair.right.table.identifier,
        left_columns=pair.left.column_hashes(),
        right_columns=pair.right.column_hashes(),
        left_key=_is_key(pair.left),
        right_key=_is_key(pair.right),
    )
    named = {f"key_{i}": text for i, text in enumerate(row["key"])}
    hashes = rows(connection, query, **named)
    if len(hashes) != 1:
        return RowDifference(told, row["what"], ())  # there more than once, or gone by now
    both = zip(pair.columns, hashes[0]["left_columns"], hashes[0]["right_columns"], strict=True)
    return RowDifference(told, row["what"], tuple(name for name, left, right in both if left != right))


def _sides(pair: Pair, part: Range) -> dict[str, sql.Composable]:
    window = part.window
    return {
        "left": pair.left.table.identifier,
        "right": pair.right.table.identifier,
        "left_hash": pair.left.hash(),
        "right_hash": pair.right.hash(),
        "left_range": _condition(pair.left, part, window.left if window else None),
        "right_range": _condition(pair.right, part, window.right if window else None),
    }


def _bound(connection: Connection, pair: Pair, part: Range, count: int) -> Bound:
    keys = [sql.Identifier("t", name) for name, _ in pair.left.key]
    query = statement(
        "diff.find_bound",
        keys_as_text=_list([sql.SQL("{}::text").format(key) for key in keys]),
        keys=_list(keys),
        table=pair.left.table.identifier,
        range=_condition(pair.left, part, part.window.left if part.window else None),
    )
    found = connection.execute(query, {"rows": count, **_values(part)}).fetchone()
    return tuple(found.values()) if found and len(found) == len(keys) else None


def _condition(side: Side, part: Range, time: sql.Composable | None) -> sql.Composable:
    """`(keys) > after AND (keys) <= until AND window`, with whichever of them are there."""
    terms: list[sql.Composable] = []
    names = _list([sql.Identifier("t", name) for name, _ in side.key])
    for sign, bound, prefix in ((">", part.after, "after"), ("<=", part.until, "until")):
        if bound is not None:
            typed = _list([_typed(f"{prefix}_{i}", kind) for i, (_, kind) in enumerate(side.key)])
            terms.append(sql.SQL("({}) {} ({})").format(names, sql.SQL(sign), typed))
    if time is not None:
        terms.append(statement("diff.window", time=time))
    return sql.SQL(" AND ").join(terms) if terms else statement("diff.everything")


def _values(part: Range) -> dict[str, Any]:
    bounds = (("after", part.after), ("until", part.until))
    values: dict[str, Any] = {f"{name}_{i}": text for name, bound in bounds for i, text in enumerate(bound or ())}
    return values | ({"lower": part.window.lower, "upper": part.window.upper} if part.window else {})


def _typed(name: str, kind: str) -> sql.Composed:
    # The type's name is the catalogue's own (format_type), quoted by PostgreSQL where it needs to be.
    return sql.SQL("{}::text::{}").format(sql.Placeholder(name), raw(kind))


def _keys(side: Side) -> sql.Composed:
    keys = [(sql.Identifier("t", name), sql.Identifier(f"k{i}")) for i, (name, _) in enumerate(side.key)]
    return _list([sql.SQL("{} AS {}").format(*both) for both in keys])


def _is_key(side: Side) -> sql.Composed:
    typed = [(sql.Identifier("t", name), _typed(f"key_{i}", kind)) for i, (name, kind) in enumerate(side.key)]
    return sql.SQL(" AND ").join(sql.SQL("{} = {}").format(*both) for both in typed)


def _both(place: int, cast: str = "") -> list[sql.Composed]:
    sides = (sql.Identifier(side, f"k{place}") for side in "lr")
    return [sql.SQL("{}{}").format(side, sql.SQL(cast)) for side in sides]


def _places(pair: Pair) -> range:
    return range(len(pair.left.key))


def _same(found: dict[str, Any]) -> bool:
    return bool(found["left_rows"] == found["right_rows"] and found["left_hash"] == found["right_hash"])


def _list(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
