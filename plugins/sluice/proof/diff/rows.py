"""Compare two tables of one server row by row: count and hash sum by key range, bisected where they differ.

Exact under load when capture is atomic with the write: one statement's snapshot sees both tables equal. The hash is free
of order and counts duplicates (a sum, never an xor). What it does not see: rows outside both tables, and the order of rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from sluice.stores.postgres import Connection, Table, one, rows
from sluice.stores.statements import statement

RANGE_ROWS = 1_000_000
"""Rows in one comparison: its snapshot lives for about a second a million rows."""
LEAF_ROWS = 20_000
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
class Pair:
    """What is compared: two tables, their key (names and types) and their columns, in one pinned order."""

    left: Table
    right: Table
    key: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]

    def expression(self) -> sql.Composed:
        """The row hash; the same columns on both sides."""
        return statement("diff.row_hash", columns=_list([sql.Identifier("t", c) for c in self.columns]))


Bound = tuple[str, ...] | None
"""A key as text, one part a column; None is an open end."""


@dataclass(frozen=True)
class Range:
    """Keys in (after, until], perhaps within a window of a time column."""

    after: Bound = None
    until: Bound = None
    window: tuple[str, datetime, datetime] | None = None


def compare(connection: Connection, pair: Pair, window: tuple[str, datetime, datetime] | None = None) -> Comparison:
    """Compare all rows, or those of a window (column, from, to). Read-only.

    A window is compared in one range: it is bounded already.
    """
    started = time.monotonic()
    seen = left = right = missing = extra = different = 0
    total = 0
    samples: list[RowDifference] = []
    ranges = [Range(window=window)] if window else _ranges(connection, pair)
    for part in ranges:
        found = _compare_range(connection, pair, part)
        left, right = left + found["left_rows"], right + found["right_rows"]
        seen, total = seen + max(found["left_rows"], found["right_rows"]), total + int(found["left_hash"])
        if _same(found):
            continue
        for leaf in _leaves(connection, pair, part, found["left_rows"] + found["right_rows"]):
            listed = _differences(connection, pair, leaf)
            if not listed:
                # The sums differed and the join finds no row: identical duplicates, or a row mended a moment ago. Never silent.
                different += 1
                samples.append(RowDifference(f"keys in ({leaf.after}, {leaf.until}]", "counted unequal", ()))
            else:
                missing, extra = missing + listed[0]["missing"], extra + listed[0]["extra"]
                different += listed[0]["total"] - listed[0]["missing"] - listed[0]["extra"]
                samples += [_difference(pair, row) for row in listed[: max(0, SAMPLES - len(samples))]]
    return Comparison(
        seen,
        left,
        right,
        missing,
        extra,
        different,
        format(total % 2**64, "016x"),
        time.monotonic() - started,
        tuple(samples),
    )


def _ranges(connection: Connection, pair: Pair) -> Iterator[Range]:
    """Walk the left key in steps of RANGE_ROWS; the last range is open, so that later keys are seen too."""
    after: Bound = None
    while True:
        until = _bound(connection, pair, Range(after), RANGE_ROWS)
        yield Range(after, until)
        if until is None:
            return
        after = until


def _leaves(connection: Connection, pair: Pair, part: Range, size: int) -> Iterator[Range]:
    """Halve a differing range until its differing pieces are small enough to be joined."""
    if size <= 2 * LEAF_ROWS or part.window:
        yield part
        return
    middle = _bound(connection, pair, part, max(size // 4, 1))
    if middle is None or middle == part.until:
        yield part
        return
    for half in (Range(part.after, middle), Range(middle, part.until)):
        found = _compare_range(connection, pair, half)
        if not _same(found):
            yield from _leaves(connection, pair, half, found["left_rows"] + found["right_rows"])


def _compare_range(connection: Connection, pair: Pair, part: Range) -> dict[str, Any]:
    query = statement(
        "diff.compare_range",
        left=pair.left.identifier,
        right=pair.right.identifier,
        left_hash=pair.expression(),
        right_hash=pair.expression(),
        left_range=_condition(pair, part),
        right_range=_condition(pair, part),
    )
    return one(connection, query, **_values(part))


def _differences(connection: Connection, pair: Pair, part: Range) -> list[dict[str, Any]]:
    query = statement(
        "diff.list_differences",
        left=pair.left.identifier,
        right=pair.right.identifier,
        left_hash=pair.expression(),
        right_hash=pair.expression(),
        left_range=_condition(pair, part),
        right_range=_condition(pair, part),
        left_key_text=_key_text("l", pair),
        right_key_text=_key_text("r", pair),
        same=_list([_same_column(name) for name in pair.columns]),
        join=sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier("l", name), sql.Identifier("r", name)) for name, _ in pair.key
        ),
    )
    return rows(connection, query, most=SAMPLES, **_values(part))


def _bound(connection: Connection, pair: Pair, part: Range, count: int) -> Bound:
    keys = [sql.Identifier("t", name) for name, _ in pair.key]
    query = statement(
        "diff.find_bound",
        keys_as_text=_list([sql.SQL("{}::text").format(key) for key in keys]),
        keys=_list(keys),
        table=pair.left.identifier,
        range=_condition(pair, part),
    )
    found = connection.execute(query, {"rows": count, **_values(part)}).fetchone()
    return tuple(found.values()) if found and len(found) == len(keys) else None


def _condition(pair: Pair, part: Range) -> sql.Composable:
    """`(keys) > after AND (keys) <= until AND window`, with whichever of them are there."""
    terms: list[sql.Composable] = []
    names = _list([sql.Identifier("t", name) for name, _ in pair.key])
    for sign, bound, prefix in ((">", part.after, "after"), ("<=", part.until, "until")):
        if bound is not None:
            typed = _list([_typed(f"{prefix}_{i}", kind) for i, (_, kind) in enumerate(pair.key)])
            terms.append(sql.SQL("({}) {} ({})").format(names, sql.SQL(sign), typed))
    if part.window:
        terms.append(statement("diff.window", column=sql.Identifier(part.window[0])))
    return sql.SQL(" AND ").join(terms) if terms else statement("diff.everything")


def _values(part: Range) -> dict[str, Any]:
    bounds = (("after", part.after), ("until", part.until))
    values: dict[str, Any] = {f"{name}_{i}": text for name, bound in bounds for i, text in enumerate(bound or ())}
    return values | ({"lower": part.window[1], "upper": part.window[2]} if part.window else {})


def _typed(name: str, kind: str) -> sql.Composed:
    # The type's name is the catalogue's own (format_type), quoted by PostgreSQL where it needs to be.
    return sql.SQL("{}::text::{}").format(sql.Placeholder(name), sql.SQL(kind))


def _key_text(side: str, pair: Pair) -> sql.Composable:
    parts = _list([sql.Identifier(side, name) for name, _ in pair.key])
    present = sql.Identifier(side, "h")
    return sql.SQL("CASE WHEN {} IS NOT NULL THEN concat_ws(', ', {}) END").format(present, parts)


def _same_column(name: str) -> sql.Composed:
    left, right = (statement("diff.column_bytes", column=sql.Identifier(side, name)) for side in "lr")
    return sql.SQL("{} = {}").format(left, right)


def _same(found: dict[str, Any]) -> bool:
    return bool(found["left_rows"] == found["right_rows"] and found["left_hash"] == found["right_hash"])


def _difference(pair: Pair, row: dict[str, Any]) -> RowDifference:
    changed = [name for name, same in zip(pair.columns, row["same"], strict=True) if not same]
    return RowDifference(row["key"], row["what"], tuple(changed) if row["what"] == "different" else ())


def _list(parts: Sequence[sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(parts)
