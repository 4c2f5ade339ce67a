"""What the fields of `into` must agree on: one way to cut, and what becomes of a column."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.estate.cuts import Cut
from sluice.estate.document import Document, Steps
from sluice.estate.mistakes import Mistake
from sluice.estate.showing import shown
from sluice.estate.words import allowed, at, schema_of

CUTS = {"range": "every", "hash": "parts", "list": None}
"""Each way to cut, and the key that it needs beside it."""
PARTITION: Steps = ("into", "partition")


def check_shape(document: Document) -> Iterator[Mistake]:
    """Find what single fields of `into` cannot see."""
    yield from check_cuts(document)
    columns = document.get("into", "columns")
    for name, change in columns.items() if isinstance(columns, dict) else ():
        if isinstance(change, dict):
            yield from _check_change(document, ("into", "columns", name), change)


def check_cuts(document: Document, partition: Steps = PARTITION) -> Iterator[Mistake]:
    """Find what the fields of a `partition` cannot see."""
    for steps in (partition, (*partition, "then")):
        yield from _check_cut(document, steps)
    if document.get(*partition, "range") is not None and document.get(*partition, "then") is not None:
        yield document.mistake((*partition, "then"), "a cut below a range", "a cut below list or hash")


def _check_cut(document: Document, steps: Steps) -> Iterator[Mistake]:
    cut = document.get(*steps)
    if not isinstance(cut, dict):
        return
    ways = [way for way in CUTS if cut.get(way) is not None]
    if len(ways) != 1:
        yield document.mistake(steps, " and ".join(ways) or "no way to cut", f"exactly one of {', '.join(CUTS)}")
        return
    for way, needed in CUTS.items():
        if needed and way == ways[0] and cut.get(needed) is None:
            wanted = allowed(at(schema_of(Cut), (needed,)), schema_of(Cut))
            yield document.mistake((*steps, needed), "nothing", wanted.removesuffix("; or null"))
        if needed and way != ways[0] and cut.get(needed) is not None:
            yield document.mistake((*steps, needed), shown(cut[needed]), f"nothing beside {ways[0]}")


def _check_change(document: Document, steps: Steps, change: dict[str, object]) -> Iterator[Mistake]:
    makes = [key for key in ("type", "from") if change.get(key) is not None]
    if change.get("drop") is True and makes:
        yield document.mistake(steps, f"drop beside {makes[0]}", "drop (and back), or type and from")
    if change.get("drop") is not True and len(makes) < 2:
        yield document.mistake(
            steps, f"only {makes[0]}" if makes else "no type and no from", "type and from, or drop: true"
        )
