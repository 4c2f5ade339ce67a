"""Compare two tables of one server row by row: count and hash sum, by ranges of keys where there are many rows.

Exact under load when capture is atomic with the write: one statement's snapshot sees both tables equal. The hash is free
of order and counts duplicates (a sum, never an xor). What it does not see: rows outside both tables, and the order of rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from sluice.proof.diff.buckets import SAMPLES, Differences, RowDifference, list_differences, sum_buckets, unequal
from sluice.proof.diff.pair import Bound, Pair, Range, Window, listed
from sluice.stores.postgres import Connection, Row
from sluice.stores.statements import statement

RANGE_ROWS = 10_000_000
"""Rows in one comparison: its snapshot lives for some seconds. A table that fits is read from end to end, without its index."""


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
class Checked:
    """A range that was compared and found equal: `rows` on either side, and the sum of their hashes."""

    after: Bound
    until: Bound
    rows: int
    hash: int


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
        sums = sum_buckets(connection, pair, part)
        left, right, total = _total(sums)
        found.add(left, right, total)
        if differing := unequal(sums):
            found.differ(list_differences(connection, pair, part, differing), part)
        elif checked and not window:
            checked(Checked(part.after, part.until, left, total))
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

    def differ(self, found: Differences, part: Range) -> None:
        if not any(found.counts.values()):
            # The sums differed and no row does: one was mended a moment ago. Never silent.
            self._counts["different"] += 1
            self._samples.append(RowDifference(f"keys in ({part.after}, {part.until}]", "counted unequal", ()))
        for what, count in found.counts.items():
            self._counts[what] += count
        self._samples += found.samples[: max(0, SAMPLES - len(self._samples))]

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


def _total(sums: Sequence[Row]) -> tuple[int, int, int]:
    """Rows on the left, rows on the right, and the left side's hash."""
    return (
        sum(bucket["left_rows"] for bucket in sums),
        sum(bucket["right_rows"] for bucket in sums),
        sum(int(bucket["left_hash"]) for bucket in sums),
    )


def _ranges(connection: Connection, pair: Pair, before: Sequence[Checked]) -> Iterator[Range | Checked]:
    """Walk the left key in steps of RANGE_ROWS; the last range is open, so that later keys are seen too."""
    known = {part.after: part for part in before if part.until is not None}
    after: Bound = None
    while True:
        if part := known.get(after):
            yield part
            after = part.until
            continue
        until = _bound(connection, pair, after)
        yield Range(after, until)
        if until is None:
            return
        after = until


def _bound(connection: Connection, pair: Pair, after: Bound) -> Bound:
    """The key that ends a range of RANGE_ROWS behind `after`; None when fewer are left."""
    keys, part = pair.left.keys(), Range(after)
    query = statement(
        "diff.find_bound",
        keys_as_text=listed([sql.SQL("{}::text").format(key) for key in keys]),
        keys=listed(keys),
        table=pair.left.table.identifier,
        range=part.conditions(pair)["left_range"],
    )
    found = connection.execute(query, {"rows": RANGE_ROWS, **part.values()}).fetchone()
    return tuple(found.values()) if found and len(found) == len(keys) else None
