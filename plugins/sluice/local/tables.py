"""Plain tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out rows below a head; columns are as wide as their widest cell, those of numbers alone stand to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    columns = [*zip(head, *cells, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    numbers = [all(map(_is_number, filter(None, column[1:]))) for column in columns]
    lines = [head, ["─" * width for width in widths], *cells]
    return "\n".join("  ".join(map(_pad, line, widths, numbers)).rstrip() for line in lines)


def _pad(cell: str, width: int, to_the_right: bool) -> str:
    return cell.rjust(width) if to_the_right and _is_number(cell) else cell.ljust(width)


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).isdecimal()
