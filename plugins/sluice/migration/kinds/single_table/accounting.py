"""The account of a comparison: how many records of each type there shall be, and are; and which attributes differ, and how.

Expected is what the leading items ask for, counted is what stands; both are counted while others write. Missing, orphans and
different have settled: they are what is really wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sluice.migration.engine.contract import Facts, RowDiff
from sluice.stores.dynamodb.values import Item, same

DIFFERS, MISSING_LEFT, MISSING_RIGHT = "differs", "missing_left", "missing_right"
"""How an attribute differs; left is what is wanted, right what stands."""
NOWHERE = "(no place)"
"""The type of what cannot be told: a leading item without records, an item that nothing can lead to."""
COLUMNS = {"missing": "missing", "extra": "orphans", "different": "different"}


@dataclass
class Account:
    """What was seen of each type on both sides, while everything was read once."""

    expected: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    """Leading items that ask for nothing: expired, or left out by the YAML."""

    def add(self, other: Account) -> None:
        """Add what another thread saw."""
        self.expected += other.expected
        self.counted += other.counted
        self.skipped += other.skipped

    def facts(self, differ: Sequence[RowDiff]) -> Facts:
        """Give the account for gates (as JSON) and for people (as text), with what has settled to be different."""
        rows = list(self._rows(differ))
        return {
            "items_skipped": self.skipped,
            "record_types": json.dumps(rows),
            "account": table(rows),
            "attributes_differ": "\n".join(histogram(differ)),
        }

    def _rows(self, differ: Iterable[RowDiff]) -> Iterator[dict[str, int | str]]:
        wrong = Counter((row.of or NOWHERE, COLUMNS[row.what]) for row in differ)
        for name in sorted({*self.expected, *self.counted, *(of for of, _ in wrong)}):
            settled = {column: wrong[name, column] for column in COLUMNS.values()}
            yield {"record": name, "expected": self.expected[name], "counted": self.counted[name], **settled}


def table(rows: Sequence[dict[str, int | str]]) -> str:
    """Write rows as columns that a person reads."""
    if not rows:
        return "no records"
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def histogram(differ: Iterable[RowDiff]) -> Iterator[str]:
    """Say how often each attribute differs, and how, most often first: `METADATA.status: 12 differs, 3 missing_right`."""
    counted: dict[str, Counter[str]] = {}
    for row in differ:
        for name, how in zip(row.columns, row.hows, strict=False):
            counted.setdefault(f"{row.of}.{name}" if row.of else name, Counter())[how] += 1
    for name, hows in sorted(counted.items(), key=lambda one: (-one[1].total(), one[0])):
        yield f"{name}: {', '.join(f'{count} {how}' for how, count in hows.most_common())}"


def different(key: str, of: str, wanted: Item, there: Item) -> RowDiff:
    """The difference between what is wanted and what stands, attribute by attribute."""
    found = dict(_hows(wanted, there))
    return RowDiff(key, "different", tuple(found), of, tuple(found.values()))


def _hows(wanted: Item, there: Item) -> Iterator[tuple[str, str]]:
    for name in sorted({*wanted, *there}):
        if name not in wanted:
            yield name, MISSING_LEFT
        elif name not in there:
            yield name, MISSING_RIGHT
        elif not same({"x": wanted[name]}, {"x": there[name]}):
            yield name, DIFFERS
