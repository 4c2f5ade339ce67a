"""What differed at a first look, looked at again until it has settled: two stores share no snapshot.

A difference counts only when it survives several looks, with captured changes delivered in between, and its leading item
unchanged: otherwise it was a race. An item that is written faster than changes arrive never stands still. It is followed if what
differs has changed from look to look, too; what stands still while its leader moves is a difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from sluice.migration.engine.contract import RowDiff
from sluice.migration.kinds.single_table.accounting import different
from sluice.migration.kinds.single_table.leading import expected, look_up, owned, places, unled
from sluice.migration.kinds.single_table.ours import is_gone
from sluice.migration.kinds.single_table.sides import Sides
from sluice.stores.dynamodb.reads import get_item
from sluice.stores.dynamodb.values import Item, Key, key_text, same

MORE_LOOKS = 20
"""At items that changed at each look so far."""
Stand: TypeAlias = tuple[str, str]
"""A table and a key's text: where something stands."""
Differs: TypeAlias = tuple[RowDiff, Stand, Item | None]


@dataclass
class Suspect:
    """A leading item of which something differs, and items that follow though nothing leads to them."""

    table: str
    key: Key
    extra: dict[tuple[str, str], Key] = field(default_factory=dict)
    stray: bool = False
    """It is an item that follows, to which nothing can lead."""
    led: Item | None = None
    """The leading item at the look before."""
    stood: Mapping[Stand, Item | None] | None = None
    """What stood then where something differed."""
    moves: bool = False
    """Both have changed since: it is followed, and always a little late."""


def settled(
    sides: Sides, suspects: Sequence[Suspect], deliver: Callable[[], object], waits: Sequence[float]
) -> list[RowDiff]:
    """Look again at what differed, with changes delivered in between; give what differs still.

    One that changes while it is looked at has proven nothing: it is looked at again, and in the end called different.
    """
    left, real = list(suspects), list[RowDiff]()
    for number, wait in enumerate((*waits, *[waits[0]] * MORE_LOOKS), start=1):
        if not left:
            break
        time.sleep(wait)
        deliver()
        looked = [(suspect, _look_again(sides, suspect)) for suspect in left]
        if number < len(waits):
            left = [suspect for suspect, rows in looked if rows != []]
        else:
            looked = [(suspect, rows) for suspect, rows in looked if not suspect.moves]
            real += [row for _, rows in looked for row in rows or ()]
            left = [suspect for suspect, rows in looked if rows is None]
    return [*real, *(RowDiff(key_text(suspect.key), "different", ("it changed at every look",)) for suspect in left)]


def _look_again(sides: Sides, suspect: Suspect) -> list[RowDiff] | None:
    """Look at one leading item and all that follows it; None when it changed while we looked."""
    before = get_item(sides.client, suspect.table, suspect.key)
    found = list(_rows_of_stray(sides, suspect, before) if suspect.stray else _rows(sides, suspect, before))
    suspect.moves = suspect.stood is not None and _moves(suspect, before, [(stand, item) for _, stand, item in found])
    suspect.led, suspect.stood = before, {stand: item for _, stand, item in found}
    rows = [row for row, _, _ in found]
    return rows if same(before, get_item(sides.client, suspect.table, suspect.key)) else None


def _moves(suspect: Suspect, led: Item | None, stood: Sequence[tuple[Stand, Item | None]]) -> bool:
    """Whether a leading item has changed since the look before, and so has all that differs from it."""
    before = suspect.stood or {}
    return not same(suspect.led, led) and all(not same(before.get(stand), item) for stand, item in stood)


def is_followed(sides: Sides, key: Key, stale: Iterable[tuple[str, Key]]) -> bool:
    """Whether what follows a leading item is as it shall be, and nothing that it does not want stands where `stale` says."""
    table = next((table for table, names in sides.leading.items() if {*names} == {*key}), None)
    if table is None:
        return False  # it led while the other side did
    suspect = Suspect(table, key, {(where, key_text(own)): own for where, own in stale})
    return _look_again(replace(sides, excused=lambda _: False), suspect) == []


def _rows_of_stray(sides: Sides, suspect: Suspect, item: Item | None) -> Iterator[Differs]:
    if item is not None and not is_gone(item) and owned(sides, suspect.table, [item])[1]:
        text = key_text(suspect.key)
        yield RowDiff(text, "extra", ("nothing can lead to it",)), (suspect.table, text), item


def _rows(sides: Sides, suspect: Suspect, item: Item | None) -> Iterator[Differs]:
    """Give what differs of one leading item, and what stands there."""
    text = key_text(suspect.key)
    records = () if item is None or is_gone(item) else expected(sides, item)
    if records is None and not sides.excused(text):
        lacks = RowDiff(text, "missing", ("it has no place on the other side and is not in quarantine",))
        yield lacks, (suspect.table, text), None
    stand = look_up(sides, records or ())
    for record in records or ():
        where = record.table, key_text(record.key)
        there, of = stand.get(where), sides.type_of(record.table, record.key)
        if there is None:
            yield RowDiff(text, "missing", (where[1],), of), where, None
        elif not same(sides.seen(there), sides.seen(record.item)):
            yield different(text, of, sides.seen(record.item), sides.seen(there)), where, there
    led_to = places(sides, item)
    for (table, place), key in suspect.extra.items():
        if (table, place) in led_to:
            continue
        there = get_item(sides.client, table, key)
        if _is_too_many(sides, table, there):
            yield RowDiff(text, "extra", (place,), sides.type_of(table, key)), (table, place), there


def _is_too_many(sides: Sides, table: str, there: Item | None) -> bool:
    """Whether nobody leads to an item as it stands now: it may have gone over to another leader since it was seen."""
    if there is None or is_gone(there):
        return False
    ours, strays = owned(sides, table, [there])
    return bool(strays) or any(unled(sides, table, sides.following[table], ours))
