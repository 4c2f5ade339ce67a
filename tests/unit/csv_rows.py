"""Rows in the CSV that the archive's COPY is asked for, every value quoted."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.upkeep.archive.groups import DELIMITER, FIRST, QUOTE, Group


def csv_of(rows: Sequence[Sequence[str | None]]) -> Group:
    """Write rows, NULL as nothing."""
    return Group(bytearray(FIRST + b"".join(map(csv_row, rows))), len(rows))


def csv_row(values: Sequence[str | None]) -> bytes:
    """Write one row."""
    told = ("" if one is None else QUOTE + one.replace(QUOTE, 2 * QUOTE) + QUOTE for one in values)
    return (DELIMITER.join(told) + "\n").encode()
