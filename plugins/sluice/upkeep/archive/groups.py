"""Rows as COPY writes them in CSV, a row group at a time, and made into columns without a loop over values.

PostgreSQL sends one row a message, quotes what would not be read back, and writes NULL as nothing and an empty text as "".
A group ends by its rows and bytes alone: the same rows make the same groups.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sluice.upkeep.archive.columns import Stored, plain, read_type, schema_of

GROUP_ROWS, GROUP_BYTES = 50_000, 16_000_000
"""What a row group holds at most, in rows and in bytes of CSV, but for its last row: what is in memory while it is made."""
DELIMITER, QUOTE = "\x1f", "\x1e"
"""The separators of units and of records in ASCII."""
FIRST = b"\n"
"""A line that is skipped: a text that begins with a byte order mark would lose it if it stood first."""

Row: TypeAlias = bytes | bytearray | memoryview
"""One row, its end of line included."""


@dataclass(frozen=True)
class Group:
    """Some rows, one behind the other, behind FIRST."""

    body: bytearray
    rows: int


def group(rows: Iterable[Row]) -> Generator[Group]:
    """Put rows into groups."""
    body, count = bytearray(FIRST), 0
    for row in rows:
        body += row
        count += 1
        if count >= GROUP_ROWS or len(body) >= GROUP_BYTES:
            yield Group(body, count)
            body, count = bytearray(FIRST), 0
    if count:
        yield Group(body, count)


def as_batch(group: Group, columns: Sequence[Stored]) -> Any:
    """Make a record batch of a group. Raises ArrowInvalid where a value is not what its column's form says."""
    import pyarrow as pa
    from pyarrow import csv

    names = [str(place) for place, _ in enumerate(columns)]
    read = csv.read_csv(
        pa.py_buffer(group.body),
        # One block: a value is as long as it is, and no row may begin in one and end in another. Threads of its own would
        # only be in the way of reading and storing, which go on beside it.
        read_options=csv.ReadOptions(
            column_names=names, skip_rows=1, block_size=len(group.body) + 1, use_threads=False
        ),
        parse_options=csv.ParseOptions(
            delimiter=DELIMITER, quote_char=QUOTE, newlines_in_values=True, ignore_empty_lines=False
        ),
        convert_options=csv.ConvertOptions(
            column_types={name: read_type(one.form) for name, one in zip(names, columns, strict=True)},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    if read.num_rows != group.rows:
        raise pa.ArrowInvalid(f"{read.num_rows:,} rows were read of {group.rows:,}")
    arrays = [plain(column.combine_chunks(), one.form) for column, one in zip(read.columns, columns, strict=True)]
    return pa.record_batch(arrays, schema=schema_of(columns))
