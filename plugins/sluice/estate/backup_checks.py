"""What single fields of a store's `backup` cannot see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from sluice.estate.backup_ways import WAYS, Way
from sluice.estate.document import Document
from sluice.estate.durations import parse_duration
from sluice.estate.mistakes import Mistake
from sluice.estate.residency import GROUPS, may_hold
from sluice.estate.showing import shown


def check_backups(document: Document) -> Iterator[Mistake]:
    """Find what single fields of a store's `backup` cannot see."""
    stores, ways = document.get("stores"), {str(by): way for by, way in WAYS.items()}
    for name, store in stores.items() if isinstance(stores, dict) else ():
        backup = store.get("backup") if isinstance(store, dict) else None
        by = str(backup.get("by")) if isinstance(backup, dict) else ""
        way = ways.get(by)
        if way and store.get("engine") != way.engine:
            allowed = [other for other, one in ways.items() if one.engine == store.get("engine")]
            yield document.mistake(
                ("stores", name, "backup", "by"), shown(by), " or ".join(allowed) or "no `backup` for this engine yet"
            )
        elif way and isinstance(backup, dict):
            yield from _check_way(document, name, by, way, backup, store.get("rpo"))
            yield from _check_elsewhere(document, name, backup.get("elsewhere"))
            yield from _check_regions(document, ("stores", name, "backup"), backup, store.get("residency"))


def _check_way(
    document: Document, name: str, by: str, way: Way, backup: Mapping[str, object], rpo: object
) -> Iterator[Mistake]:
    """Find fields of another way, those that this one lacks, and a promise that it cannot keep."""
    steps = ("stores", name, "backup")
    others = {field for other in WAYS.values() for field in other.fields} - way.fields
    for field in sorted(others & set(backup)):
        whose = " or ".join(other for other, one in WAYS.items() if field in one.fields)
        yield document.mistake((*steps, field), shown(backup[field]), f"none with {by}: it is a field of {whose}")
    for field in sorted(way.needs - {key for key, told in backup.items() if told is not None}):
        yield document.mistake((*steps, field), shown(None), f"its {field}, with {by}")
    if _is_below(rpo, way.least_rpo):
        yield document.mistake(("stores", name, "rpo"), shown(rpo), way.why)
    if by == "rds":
        yield from _check_copies(document, (*steps, "copies"), backup)
    if way.engine == "dynamodb":
        yield from _check_tables(document, steps, by, backup, rpo)


def _check_elsewhere(document: Document, name: str, elsewhere: object) -> Iterator[Mistake]:
    """Find a second copy that is none."""
    if not isinstance(elsewhere, dict):
        return
    steps = ("stores", name, "backup", "elsewhere")
    if all(elsewhere.get(field) == document.get("vault", field) for field in ("connection", "bucket")):
        yield document.mistake((*steps, "bucket"), shown(elsewhere.get("bucket")), "another bucket than the vault's")


def _check_regions(
    document: Document, steps: tuple[str, ...], backup: Mapping[str, object], residency: object
) -> Iterator[Mistake]:
    """Find regions outside those that the store's data may lie in: its instance's, its snapshots', its second copy's."""
    told = residency if isinstance(residency, dict) else {}
    group, also = str(told.get("group")), told.get("also") or ()
    if group not in GROUPS or not isinstance(also, tuple):
        return
    copies = backup.get("copies")
    places: list[tuple[tuple[str | int, ...], object]] = [((), backup), (("elsewhere",), backup.get("elsewhere"))]
    places += [
        (("copies", number), one) for number, one in enumerate(copies if isinstance(copies, list | tuple) else ())
    ]
    for further, place in places:
        region = place.get("region") if isinstance(place, dict) else None
        if isinstance(region, str) and not may_hold(group, region, also):
            regions = ", ".join(sorted({*(GROUPS[group] or ()), *map(str, also)}))
            allowed = f"{regions}, as `residency` says, or one that it allows (`also`)"
            yield document.mistake((*steps, *further, "region"), shown(region), allowed)


def _check_copies(document: Document, steps: tuple[str, ...], backup: Mapping[str, object]) -> Iterator[Mistake]:
    """Find a region that is named twice: the instance's own is one of them."""
    copies, there = backup.get("copies"), [backup.get("region")]
    for number, copy in enumerate(copies if isinstance(copies, list | tuple) else ()):
        region = copy.get("region") if isinstance(copy, dict) else None
        if region in there:
            yield document.mistake((*steps, number, "region"), shown(region), "another region: each is named once")
        there.append(region)


def _check_tables(
    document: Document, steps: tuple[str, ...], by: str, backup: Mapping[str, object], rpo: object
) -> Iterator[Mistake]:
    """Find no table at all, one that is named twice, and a promise that is shorter than what lies between two reads."""
    tables = backup.get("tables")
    if isinstance(tables, tuple | list):
        if not tables:
            yield document.mistake((*steps, "tables"), "none", "one table at least")
        for number, table in enumerate(tables):
            if table in tables[:number]:
                yield document.mistake((*steps, "tables", number), shown(table), "each table once")
    every = _read(backup.get("every", "10s"))
    if by == "documents" and every and _is_below(rpo, every):
        allowed = f"no more than the store's rpo, {rpo}: what came in since the last read can be lost"
        yield document.mistake((*steps, "every"), shown(backup.get("every", "10s")), allowed)


def _is_below(duration: object, least: timedelta) -> bool:
    found = _read(duration)
    return found is not None and found < least


def _read(duration: object) -> timedelta | None:
    try:
        return parse_duration(str(duration))
    except ValueError:
        return None  # its field says so
