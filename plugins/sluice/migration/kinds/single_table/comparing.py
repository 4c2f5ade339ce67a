"""Is what follows the same as what leads? Every item, in either direction, settled: two stores share no snapshot.

What leads is scanned, translated and looked up on the other side; what follows is scanned for items that nothing leads to.
A difference counts only when it survives several looks, with captured changes delivered in between, and its leading item
unchanged: otherwise it was a race, and is counted as one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.migration.engine.contract import Diff, RowDiff
from sluice.migration.kinds.dynamodb_source.canary import without_canaries
from sluice.migration.kinds.single_table.ours import is_gone, without_marks
from sluice.migration.kinds.single_table.wishes import Translation
from sluice.records import Record, Unmappable
from sluice.stores.dynamodb.reads import get_item, get_items
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item, Key, canonical_text, key_of, key_text, same

SEGMENTS = 4
MOST_SUSPECTS = 100_000
"""Beyond this the tables are not in step at all, and looking at each again would only take long."""
WAITS = (0.2, 1.0, 2.0, 4.0)
"""Seconds before each further look at what differed."""
MORE_LOOKS = 20
"""At items that changed at each look so far."""


class TooDifferent(Terminal):
    """So many items differ that settling them one by one makes no sense."""


@dataclass(frozen=True)
class Sides:
    """Who leads and who follows, and how to get from one to the other."""

    client: Any
    leading: Mapping[str, Sequence[str]]
    """Tables that lead, with the names of their key attributes."""
    following: Mapping[str, Sequence[str]]
    mine: Callable[[str, Item], bool]
    """Whether an item of a leading table belongs to this migration."""
    translation: Translation
    """A leading item as what follows it."""
    origin: Callable[[str, Item], tuple[str, Key] | None]
    """Which leading item an item that follows belongs to: table and key. None when it is not this migration's."""
    excused: Callable[[str], bool]
    """Whether a leading item (its key as text) is known to have no place on the other side."""
    lost: frozenset[str] = frozenset()
    """Attributes of what follows that nothing leads to: a person accepted that they have no way back."""

    def seen(self, item: Item) -> Item:
        """An item that follows, as it is compared."""
        return {name: value for name, value in without_marks(item).items() if name not in self.lost}


@dataclass
class Suspect:
    """A leading item of which something differs, and items that follow though nothing leads to them."""

    table: str
    key: Key
    extra: dict[tuple[str, str], Key] = field(default_factory=dict)


@dataclass
class Found:
    """What was counted, and the suspects, by table and key of the leading item."""

    leading: int = 0
    following: int = 0
    compared: int = 0
    hash: int = 0
    suspects: dict[tuple[str, str], Suspect] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        """Add what another thread found."""
        self.leading += other.leading
        self.following += other.following
        self.compared += other.compared
        self.hash = (self.hash + other.hash) % 2**64
        for suspect in other.suspects.values():
            self.suspect(suspect.table, suspect.key).extra.update(suspect.extra)

    def suspect(self, table: str, key: Key) -> Suspect:
        """Note that something of a leading item differs."""
        return self.suspects.setdefault((table, key_text(key)), Suspect(table, key))


def compare(
    sides: Sides, deliver: Callable[[], object], epoch: int, since: datetime, waits: Sequence[float] = WAITS
) -> Diff:
    """Compare everything, and look again at what differs after each of `waits`, in seconds.

    Raises TooDifferent, Throttled, DynamoDown.
    """
    started = time.monotonic()
    found = Found()
    for one in _side_by_side(_leading_segment, sides, sides.leading):
        found.add(one)
    failpoint("leading.compared")
    for one in _side_by_side(_following_segment, sides, sides.following):
        found.add(one)
    failpoint("following.compared")
    if len(found.suspects) > MOST_SUSPECTS:
        raise TooDifferent(
            f"{len(found.suspects):,} items differ: capture is far behind, or was not on. Nothing was settled."
        )
    differ = _settled(sides, list(found.suspects.values()), deliver, waits)
    whats = [row.what for row in differ]
    return Diff(
        compared=found.compared,
        source_rows=found.leading,
        target_rows=found.following,
        missing=whats.count("missing"),
        extra=whats.count("extra"),
        different=whats.count("different"),
        hash=f"{found.hash:016x}",
        seconds=time.monotonic() - started,
        samples=tuple(differ[:100]),
        empty=not (found.leading or found.following),
        epoch=epoch,
        since=since,
        races=len(found.suspects) - len({row.key for row in differ}),
    )


def _side_by_side(
    segment: Callable[[Sides, str, Sequence[str], int], Found], sides: Sides, tables: Mapping[str, Sequence[str]]
) -> Iterator[Found]:
    with ThreadPoolExecutor(SEGMENTS) as pool:
        for table, names in tables.items():
            yield from pool.map(lambda number, t=table, n=names: segment(sides, t, n, number), range(SEGMENTS))


def _pages(sides: Sides, table: str, number: int) -> Iterator[list[Item]]:
    after: Key | None = None
    while True:
        page = scan_page(sides.client, table, number, SEGMENTS, after)
        yield [item for item in without_canaries(page.items) if not is_gone(item)]
        if page.next_key is None:
            return
        after = page.next_key


def _leading_segment(sides: Sides, table: str, names: Sequence[str], number: int) -> Found:
    found = Found()
    for items in _pages(sides, table, number):
        mine = [item for item in items if sides.mine(table, item)]
        expected = {key_text(key_of(item, *names)): _expected(sides, item) for item in mine}
        stand = look_up(sides, [record for records in expected.values() for record in records or ()])
        for item in mine:
            key = key_of(item, *names)
            records = expected[key_text(key)]
            found.leading += 1
            found.compared += len(records or ())
            found.hash = (found.hash + digest(without_marks(item))) % 2**64
            lacks_place = records is None and not sides.excused(key_text(key))
            if lacks_place or any(_differs(sides, record, stand) for record in records or ()):
                found.suspect(table, key)
    return found


def _following_segment(sides: Sides, table: str, names: Sequence[str], number: int) -> Found:
    found = Found()
    for items in _pages(sides, table, number):
        owned = _owned(sides, table, items)
        found.following += len(owned)
        for own, _, (leads, key) in _unled(sides, table, names, owned):
            if not sides.excused(key_text(key)):
                found.suspect(leads, key).extra[table, key_text(own)] = own
    return found


def nobody_leads_to(sides: Sides) -> Iterator[tuple[str, Key, Item, Key]]:
    """Give every item that follows, with its table, its key and its leader's key, where no leading item wants that it stands."""
    for table, names in sides.following.items():
        for number in range(SEGMENTS):
            for items in _pages(sides, table, number):
                for own, item, (_, leader) in _unled(sides, table, names, _owned(sides, table, items)):
                    yield table, own, item, leader


def _owned(sides: Sides, table: str, items: Iterable[Item]) -> list[tuple[Item, tuple[str, Key]]]:
    return [(item, owner) for item in items if (owner := sides.origin(table, item))]


def _unled(
    sides: Sides, table: str, names: Sequence[str], owned: Sequence[tuple[Item, tuple[str, Key]]]
) -> Iterator[tuple[Key, Item, tuple[str, Key]]]:
    led = _leaders(sides, [owner for _, owner in owned])
    for item, (leads, key) in owned:
        own = key_of(item, *names)
        if (table, key_text(own)) not in _places(sides, led.get((leads, key_text(key)))):
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


def _places(sides: Sides, leader: Item | None) -> set[tuple[str, str]]:
    """Give every place where something of a leading item may stand."""
    if leader is None or is_gone(leader):
        return set()
    try:
        records = sides.translation.possible(without_marks(leader))
    except Unmappable:
        return set()
    return {(record.table, key_text(record.key)) for record in records}


def look_up(sides: Sides, records: Sequence[Record]) -> dict[tuple[str, str], Item]:
    """Read what stands where records are wanted, by table and key."""
    found = _leaders(sides, [(record.table, record.key) for record in records])
    return {place: item for place, item in found.items() if not is_gone(item)}


def _expected(sides: Sides, item: Item) -> Sequence[Record] | None:
    """What shall follow an item; None when it has no place there."""
    try:
        return sides.translation.wanted(without_marks(item))
    except Unmappable:
        return None


def _differs(sides: Sides, record: Record, stand: Mapping[tuple[str, str], Item]) -> bool:
    there = stand.get((record.table, key_text(record.key)))
    return there is None or not same(sides.seen(there), sides.seen(record.item))


def _settled(
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
        real += [row for _, rows in looked for row in rows or () if number >= len(waits)]
        left = [suspect for suspect, rows in looked if rows is None or (rows and number < len(waits))]
    return [*real, *(RowDiff(key_text(suspect.key), "different", ("it changed at every look",)) for suspect in left)]


def _look_again(sides: Sides, suspect: Suspect) -> list[RowDiff] | None:
    """Look at one leading item and all that follows it; None when it changed while we looked."""
    before = get_item(sides.client, suspect.table, suspect.key)
    rows = list(_rows(sides, suspect, None if is_gone(before) else before))
    return rows if same(before, get_item(sides.client, suspect.table, suspect.key)) else None


def is_followed(sides: Sides, key: Key, stale: Iterable[tuple[str, Key]]) -> bool:
    """Whether what follows a leading item is as it shall be, and nothing that it does not want stands where `stale` says."""
    table = next((table for table, names in sides.leading.items() if {*names} == {*key}), None)
    if table is None:
        return False  # it led while the other side did
    suspect = Suspect(table, key, {(where, key_text(own)): own for where, own in stale})
    return _look_again(replace(sides, excused=lambda _: False), suspect) == []


def _rows(sides: Sides, suspect: Suspect, item: Item | None) -> Iterator[RowDiff]:
    text = key_text(suspect.key)
    records = _expected(sides, item) if item is not None else ()
    if records is None and not sides.excused(text):
        yield RowDiff(text, "missing", ("it has no place on the other side and is not in quarantine",))
    stand = look_up(sides, records or ())
    for record in records or ():
        there = stand.get((record.table, key_text(record.key)))
        if there is None:
            yield RowDiff(text, "missing", (key_text(record.key),))
        elif not same(sides.seen(there), sides.seen(record.item)):
            yield RowDiff(text, "different", tuple(_attributes(sides.seen(record.item), sides.seen(there))))
    led_to = _places(sides, item)
    for (table, place), key in suspect.extra.items():
        if (table, place) not in led_to and not is_gone(get_item(sides.client, table, key)):
            yield RowDiff(text, "extra", (place,))


def _attributes(one: Item, other: Item) -> Iterator[str]:
    for name in sorted({*one, *other}):
        if not same({"x": one[name]} if name in one else None, {"x": other[name]} if name in other else None):
            yield name


def digest(item: Item) -> int:
    """Give 64 bits of an item that do not depend on the order of its attributes or sets; sums of them compare tables."""
    return int.from_bytes(blake2b(canonical_text(item).encode(), digest_size=8).digest(), "big")
