"""What leads to what: the records that an item asks for, the item that a record belongs to, and what nobody leads to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from sluice.migration.kinds.dynamodb_source.canary import without_canaries
from sluice.migration.kinds.single_table.ours import is_gone
from sluice.migration.kinds.single_table.sides import Sides
from sluice.records import Record, Unmappable
from sluice.stores.dynamodb.reads import get_item, get_items
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item, Key, key_of, key_text, same

SEGMENTS = 4
Owned: TypeAlias = tuple[Item, tuple[str, Key]]
"""What follows, with the table and key of the item that it belongs to."""


def pages(sides: Sides, table: str, number: int) -> Iterator[list[Item]]:
    """Give a segment of a table page by page, without what is ours alone."""
    after: Key | None = None
    while True:
        page = scan_page(sides.client, table, number, SEGMENTS, after)
        yield [item for item in without_canaries(page.items) if not is_gone(item)]
        if page.next_key is None:
            return
        after = page.next_key


def nobody_leads_to(sides: Sides) -> Iterator[tuple[str, Key, Item, Key]]:
    """Give every item that follows, with its table, its key and its leader's key, where no leading item wants that it stands."""
    for table, names in sides.following.items():
        for number in range(SEGMENTS):
            for items in pages(sides, table, number):
                for own, item, (_, leader) in unled(sides, table, names, owned(sides, table, items)[0]):
                    yield table, own, item, leader


def owned(sides: Sides, table: str, items: Iterable[Item]) -> tuple[list[Owned], list[Item]]:
    """Give what follows with the leading item that it belongs to, and the strays: what should, and nothing can lead to."""
    ours, strays = list[Owned](), list[Item]()
    for item in items:
        try:
            owner = sides.origin(table, item)
        except Unmappable:
            strays.append(item)
        else:
            ours += [(item, owner)] if owner else []
    return ours, strays


def unled(
    sides: Sides, table: str, names: Sequence[str], ours: Sequence[Owned]
) -> Iterator[tuple[Key, Item, tuple[str, Key]]]:
    """Give of items that follow, with their key and leader, those that their leader does not want."""
    led = _leaders(sides, [owner for _, owner in ours])
    for item, (leads, key) in ours:
        own = key_of(item, *names)
        if (table, key_text(own)) not in places(sides, led.get((leads, key_text(key)))):
            yield own, item, (leads, key)


def _leaders(sides: Sides, owners: Iterable[tuple[str, Key]]) -> dict[tuple[str, str], Item]:
    by_table: dict[str, list[Key]] = {}
    for table, key in owners:
        by_table.setdefault(table, []).append(key)
    return {
        (table, text): item
        for table, keys in by_table.items()
        for text, item in get_items(sides.client, table, keys).items()
    }


def places(sides: Sides, leader: Item | None) -> set[tuple[str, str]]:
    """Give every place where something of a leading item may stand."""
    if leader is None or is_gone(leader):
        return set()
    try:
        records = sides.translation.possible(leader)
    except Unmappable:
        return set()
    return {(record.table, key_text(record.key)) for record in records}


def leads_to(sides: Sides, leader: tuple[str, Key], place: tuple[str, str]) -> bool:
    """Whether a leading item is there and may have something at a place."""
    return place in places(sides, get_item(sides.client, *leader))


def look_up(sides: Sides, records: Sequence[Record]) -> dict[tuple[str, str], Item]:
    """Read what stands where records are wanted, by table and key."""
    found = _leaders(sides, [(record.table, record.key) for record in records])
    return {place: item for place, item in found.items() if not is_gone(item)}


def expected(sides: Sides, item: Item) -> Sequence[Record] | None:
    """What shall follow an item; None when it has no place there."""
    try:
        return sides.translation.wanted(item)
    except Unmappable:
        return None


def differs(sides: Sides, record: Record, stand: Mapping[tuple[str, str], Item]) -> bool:
    """Whether what stands in a record's place is not what it shall be."""
    there = stand.get((record.table, key_text(record.key)))
    return there is None or not same(sides.seen(there), sides.seen(record.item))
