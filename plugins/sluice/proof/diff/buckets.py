"""Rows fall into buckets by their key. Both tables are summed by bucket, and only the rows of unequal buckets are joined.

Set reconciliation by hash partitions: one reading finds that the tables differ and where, whether one row does or ten thousand,
without an index, an order of rows or a lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from sluice.proof.diff.pair import Pair, Range, Side, listed, typed
from sluice.stores.postgres import Connection, Row, rows
from sluice.stores.statements import statement

BUCKETS = 256
"""Buckets of the first reading: their sums fit a processor's nearest cache; 4,096 cost every comparison a third more."""
FINER = 65_536
"""Where unequal buckets hold many rows, those alone are read again in so many."""
JOINED_ROWS = 500_000
"""Rows that may be joined; with more, buckets are made finer first."""
SAMPLES = 100


@dataclass(frozen=True)
class RowDifference:
    """One row: its key as text, `missing`, `extra` or `different` (and in which columns)."""

    key: str
    what: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Differences:
    """The rows of a range that differ: how many of each sort, and the first of them."""

    counts: dict[str, int]
    samples: list[RowDifference]


@dataclass(frozen=True)
class _Some:
    """Some of so many buckets."""

    of: int
    numbers: list[int]


def sum_buckets(connection: Connection, pair: Pair, part: Range) -> list[Row]:
    """Read a range once, both sides in one snapshot: `bucket`, `left_rows`, `right_rows`, `left_hash`, `right_hash`."""
    return _sum(connection, pair, part, BUCKETS, within=None)


def unequal(sums: Sequence[Row]) -> list[Row]:
    """The buckets whose two sides differ."""
    return [s for s in sums if (s["left_rows"], s["left_hash"]) != (s["right_rows"], s["right_hash"])]


def list_differences(connection: Connection, pair: Pair, part: Range, differing: Sequence[Row]) -> Differences:
    """Find the rows in buckets that `sum_buckets` gave as unequal, and the columns of the first of them."""
    some = _Some(BUCKETS, [row["bucket"] for row in differing])
    if sum(max(row["left_rows"], row["right_rows"]) for row in differing) > JOINED_ROWS:
        finer = _sum(connection, pair, part, FINER, within=some)
        some = _Some(FINER, [row["bucket"] for row in unequal(finer)])
    found = _join(connection, pair, part, some) if some.numbers else []
    counts = {what: found[0][what] if found else 0 for what in ("missing", "extra")}
    counts["different"] = found[0]["total"] - sum(counts.values()) if found else 0
    return Differences(counts, [_difference(connection, pair, row) for row in found])


def _sum(connection: Connection, pair: Pair, part: Range, buckets: int, within: _Some | None) -> list[Row]:
    """Sum by so many buckets, the rows of some coarser ones only where asked."""
    query = statement("diff.sum_buckets", **_sides(pair, part, within), **_buckets(pair, buckets))
    return rows(connection, query, **part.values(), **({"within": within.numbers} if within else {}))


def _join(connection: Connection, pair: Pair, part: Range, some: _Some) -> list[Row]:
    query = statement(
        "diff.list_differences",
        **_sides(pair, part, some),
        left_keys=_named_keys(pair.left),
        right_keys=_named_keys(pair.right),
        places=listed([sql.Literal(i + 1) for i in pair.places]),
        key_text=listed([sql.SQL("coalesce({}, {})").format(*_both(i, "::text")) for i in pair.places]),
        join=sql.SQL(" AND ").join(sql.SQL("{} = {}").format(*_both(i)) for i in pair.places),
    )
    return rows(connection, query, most=SAMPLES, within=some.numbers, **part.values())


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
    hashes = rows(connection, query, **{f"key_{i}": text for i, text in enumerate(row["key"])})
    if len(hashes) != 1:
        return RowDifference(told, row["what"], ())  # there more than once, or gone by now
    both = zip(pair.columns, hashes[0]["left_columns"], hashes[0]["right_columns"], strict=True)
    return RowDifference(told, row["what"], tuple(name for name, left, right in both if left != right))


def _sides(pair: Pair, part: Range, within: _Some | None) -> dict[str, sql.Composable]:
    """Both tables, their rows' hash, and which rows: of a range, and of some buckets."""
    parts: dict[str, sql.Composable] = {
        "left": pair.left.table.identifier,
        "right": pair.right.table.identifier,
        "left_hash": pair.left.hash(),
        "right_hash": pair.right.hash(),
    }
    for name, condition in part.conditions(pair).items():
        side = pair.left if name == "left_range" else pair.right
        terms = [condition] if within is None else [condition, _within(pair, side, within)]
        parts[name] = sql.SQL(" AND ").join(terms)
    return parts


def _within(pair: Pair, side: Side, some: _Some) -> sql.Composed:
    return statement("diff.within", bucket=pair.bucket(side, some.of))


def _buckets(pair: Pair, count: int) -> dict[str, sql.Composable]:
    return {"left_bucket": pair.bucket(pair.left, count), "right_bucket": pair.bucket(pair.right, count)}


def _named_keys(side: Side) -> sql.Composed:
    named = [(key, sql.Identifier(f"k{i}")) for i, key in enumerate(side.keys())]
    return listed([sql.SQL("{} AS {}").format(*both) for both in named])


def _is_key(side: Side) -> sql.Composed:
    parts = [(sql.Identifier("t", name), typed(f"key_{i}", kind)) for i, (name, kind) in enumerate(side.key)]
    return sql.SQL(" AND ").join(sql.SQL("{} = {}").format(*both) for both in parts)


def _both(place: int, cast: str = "") -> list[sql.Composed]:
    sides = (sql.Identifier(side, f"k{place}") for side in "lr")
    return [sql.SQL("{}{}").format(side, sql.SQL(cast)) for side in sides]
