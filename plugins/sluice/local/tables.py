"""Plain tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out rows below a head; columns are as wide as their widest cell, numbers stand to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    lines = [head, ["─" * width for width in widths], *cells]
    return "\n".join("  ".join(map(_pad, line, widths)).rstrip() for line in lines)


def _pad(cell: str, width: int) -> str:
    return cell.rjust(width) if cell.replace(".", "", 1).isdecimal() else cell.ljust(width)
