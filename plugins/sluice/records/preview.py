"""What a mapping makes of sampled items: for a person to read, and as counts for a preflight."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest

from sluice.records.moments import moment_of
from sluice.records.record import Record, Unmappable
from sluice.records.shape import Shape, item_of, records_of, skipped, whole_of
from sluice.stores.dynamodb.values import Item, Value, same, size_of

WIDTH = 62
LONGEST = 40
OPEN = 3
"""Letters of a text that are shown."""


@dataclass
class Survey:
    """What became of a sample."""

    items: int = 0
    mapped: int = 0
    records: Counter[str] = field(default_factory=Counter)
    """Records by the name of their rule."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Items that are not migrated, by why."""
    unmappable: Counter[str] = field(default_factory=Counter)
    """Items that would be quarantined, by reason and attribute: `missing created`."""
    examples: dict[str, str] = field(default_factory=dict)
    """The first message of each."""
    changed: int = 0
    """Items that would come back otherwise than they went."""
    most_records: int = 0
    most_bytes: int = 0


def survey(shape: Shape, items: Iterable[Item], now: datetime = datetime.min) -> Survey:
    """Map items and count. `now` is UTC without zone; without it none counts as expired."""
    found = Survey()
    for item in items:
        found.items += 1
        records = _tried(shape, item, now, found)
        if not records:
            continue
        found.mapped += 1
        found.records.update(record.rule for record in records)
        found.most_records = max(found.most_records, len(records))
        found.most_bytes = max(found.most_bytes, *(size_of(record.item) for record in records))
        found.changed += not _comes_back(shape, item, records)
    return found


def preview(shape: Shape, items: Iterable[Item], now: datetime = datetime.min, *, reveal: bool = False) -> str:
    """Write each item beside its records, with what is skipped or quarantined and why, and a summary.

    It ends in a log that many may read, so of a text only the beginning is shown, unless `reveal`. Times are shown.
    """
    kept = list(items)
    blocks = ["\n".join(_block(shape, item, now, Veil({} if reveal else item))) for item in kept]
    return "\n\n".join([*blocks, "\n".join(summary(survey(shape, kept, now), examples=reveal))])


def summary(found: Survey, *, examples: bool = True) -> Iterator[str]:
    """Say in a few lines what became of a sample. `examples` may hold keys."""
    yield f"{found.items} items: {found.mapped} mapped, {found.skipped.total()} skipped, {found.unmappable.total()} quarantined."
    for rule, count in sorted(found.records.items()):
        yield f"  {rule}: {count} records"
    for why, count in sorted(found.skipped.items()):
        yield f"  skipped ({why}): {count}"
    for why, count in sorted(found.unmappable.items()):
        yield f"  quarantined ({why}): {count}{f', such as: {found.examples[why]}' if examples else ''}"
    if found.changed:
        yield f"  {found.changed} would come back otherwise than they went"
    yield f"  at most {found.most_records} records of one item, and {found.most_bytes:,} bytes of one record"


def _tried(shape: Shape, item: Item, now: datetime, found: Survey) -> tuple[Record, ...]:
    try:
        if why := skipped(shape, item, now):
            found.skipped[why] += 1
            return ()
        return records_of(shape, item)
    except Unmappable as error:
        why = f"{error.reason} {error.attribute}".strip()
        found.unmappable[why] += 1
        found.examples.setdefault(why, str(error))
        return ()


def _comes_back(shape: Shape, item: Item, records: tuple[Record, ...]) -> bool:
    whole = whole_of(records)
    try:
        return whole is None or same(item_of(shape, whole.item), item)
    except Unmappable:
        return False


class Veil:
    """Hides the texts of an item, wherever they show up: in itself, in keys made of them, in lower case."""

    def __init__(self, item: Item) -> None:
        texts = {text for name, value in item.items() for text in _private(value, name)}
        forms = {
            form for text in texts for form in (text, text.lower(), text.upper(), text.strip(), text.strip().lower())
        }
        self._forms = sorted((form for form in forms if len(form) > OPEN), key=len, reverse=True)

    def over(self, text: str) -> str:
        """Give a text with what is hidden cut to its first letters."""
        for form in self._forms:
            text = text.replace(form, f"{form[:OPEN]}…")
        return text


def _private(value: Value, name: str) -> Iterator[str]:
    ((kind, inner),) = value.items()
    if kind in ("S", "N"):
        try:
            moment_of(value, name)
        except Unmappable:
            yield inner
    elif kind in ("SS", "NS"):
        yield from inner
    elif kind in ("L", "M"):
        for one in inner if kind == "L" else inner.values():
            yield from _private(one, name)


def _block(shape: Shape, item: Item, now: datetime, veil: Veil) -> Iterator[str]:
    left = [f"{name}: {shown_value(value, veil)}" for name, value in sorted(item.items())]
    right = list(_outcome(shape, item, now, veil))
    for one, other in zip_longest(left, right, fillvalue=""):
        yield f"{_cut(one):<{WIDTH}} │ {other}".rstrip()


def _outcome(shape: Shape, item: Item, now: datetime, veil: Veil) -> Iterator[str]:
    try:
        if why := skipped(shape, item, now):
            yield f"SKIPPED: {why}"
            return
        records = records_of(shape, item)
    except Unmappable as error:
        yield f"QUARANTINED ({error.reason}): {veil.over(str(error))}"
        return
    for record in records:
        yield f"{record.table} {record.rule}{' (whole)' if record.whole else ''}"
        for name, value in record.item.items():
            if not (record.whole and item.get(name) == value):  # what is carried over stands on the left
                yield f"  {name}: {shown_value(value, veil)}"
    if not _comes_back(shape, item, records):
        yield "COMES BACK OTHERWISE"


def shown_value(value: Value, veil: Veil) -> str:
    """Write a value short and on one line; its type stands before it where it is no text."""
    ((kind, inner),) = value.items()
    if kind == "S":
        text = veil.over(inner)
        return _cut(json.dumps(text, ensure_ascii=not text.isprintable()), LONGEST)
    if kind in ("N", "NULL", "BOOL"):
        return _cut(f"{kind} {veil.over(str(inner))}", LONGEST)
    return f"{kind} of {len(inner)}"


def _cut(text: str, length: int = WIDTH) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
