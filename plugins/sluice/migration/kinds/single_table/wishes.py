"""From changes to writes: what one page of a stream, or of a scan, asks of the other side. Pure.

A change writes all that its new image maps to and removes what only its old image mapped to, under one token. Within a
page the last wish for a key counts: a page read again gives the same wishes, and older ones are refused by their token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from sluice.migration.kinds.dynamodb_source.tokens import token
from sluice.migration.kinds.single_table.ours import (
    FROM,
    TOKEN,
    absent,
    changes_marks_only,
    is_gone,
    is_ours,
    marked,
    newer,
    tombstone,
    unchanged,
)
from sluice.records import Record, Unmappable
from sluice.stores.dynamodb.streams import Change
from sluice.stores.dynamodb.values import Item, Key, key_text
from sluice.stores.dynamodb.writes import Condition, Put, Update

Translate: TypeAlias = Callable[[Item], Sequence[Record]]


@dataclass(frozen=True)
class Translation:
    """An item of one side, with our attributes as it stands, as the items of the other. Both raise Unmappable."""

    wanted: Translate
    """What shall stand there now: nothing for an item that has expired."""
    possible: Translate
    """What may stand there: expired or not, TTL removes it when it likes."""


@dataclass(frozen=True)
class Wish:
    """One item that shall stand, or be gone, on the other side."""

    table: str
    key: Key
    item: Item | None
    came_from: str
    token: str
    over: Item | None = None
    """What stands there and may be taken the place of; None before anybody was in the way."""

    @property
    def place(self) -> tuple[str, str]:
        """Table and key, as something that can be looked up."""
        return self.table, key_text(self.key)

    def live(self) -> Put:
        """The write of a change."""
        return Put(self.table, self._written(), self._unless(newer(self.key, self.came_from, self.token)))

    def copy(self) -> Put:
        """The write of a first copy."""
        return Put(self.table, self._written(), self._unless(absent(self.key)))

    def adopted(self) -> Update:
        """The write that says of what stands there (`over`), as it shall be, that it is ours."""
        return Update(
            self.table,
            self.key,
            "SET #from = :from, #token = :token",
            {"#from": FROM, "#token": TOKEN},
            {":from": {"S": self.came_from}, ":token": {"S": self.token}},
            unchanged(self.key, self.over or {}),
        )

    def instead_of(self, stands: Item | None) -> Wish:
        """The same wish once it is known what stood in its way, and that it need not stay; None: it is gone by now."""
        return replace(self, over=stands)

    def _unless(self, condition: Condition | None) -> Condition | None:
        return condition if self.over is None else unchanged(self.key, self.over)

    def _written(self) -> Item:
        if self.item is None:
            return tombstone(self.key, self.came_from, self.token)
        return marked(self.item, self.came_from, self.token)


@dataclass(frozen=True)
class Mishap:
    """A source item that has no place on the other side, or (`reason` None) one that has one again."""

    key: str
    token: str
    reason: str | None
    stale: tuple[tuple[str, str], ...] = ()
    """Where records of its last good image stand: table and key."""


@dataclass
class Wishes:
    """What a page asks for, and what it could not ask for."""

    by_place: dict[tuple[str, str, str], Wish] = field(default_factory=dict)
    mishaps: dict[str, Mishap] = field(default_factory=dict)
    echoes: set[str] = field(default_factory=set)
    """Origins (their keys as text) whose last change looks as if it were ours: see `forget_echoes`."""
    ours: int = 0
    skipped: int = 0
    seen: int = 0

    def add(self, wish: Wish) -> None:
        """Let a wish take the place of an earlier one of the same origin for the same item."""
        self.by_place[*wish.place, wish.came_from] = wish

    def forget_echoes(self, migration: str, is_followed: Callable[[str, Sequence[Wish]], bool]) -> None:
        """Drop what only an echo asks for. An application may put back what it had read, our attributes and all.

        The two look alike, and what stands on the other side tells them apart: of our own write it stands there already.
        """
        for key in self.echoes:
            came_from = f"{migration}/{key}"
            places = [place for place, wish in self.by_place.items() if wish.came_from == came_from]
            asked = [self.by_place[place] for place in places]
            if (asked or key in self.mishaps) and is_followed(key, asked):
                self.mishaps.pop(key, None)
                for place in places:
                    del self.by_place[place]

    def asks_for(self, table: str, key: str, came_from: str) -> bool:
        """Whether an origin has a wish for an item."""
        return (table, key, came_from) in self.by_place

    def in_turns(self) -> tuple[list[Wish], list[Wish]]:
        """The wishes, first those that make room: one origin leaves a place that another one takes."""
        wishes = list(self.by_place.values())
        wanted = {wish.place for wish in wishes if wish.item is not None}

        def makes_room(wish: Wish) -> bool:
            return wish.item is None and wish.place in wanted

        return [w for w in wishes if makes_room(w)], [w for w in wishes if not makes_room(w)]


def origin(migration: str, key: Key) -> str:
    """Name where a record came from: the migration and the source's key."""
    return f"{migration}/{key_text(key)}"


def wishes_of_changes(changes: Iterable[Change], translation: Translation, migration: str, epoch: int) -> Wishes:
    """Give what changes of one shard, in order, ask of the other side. What our own ask for is to be looked at again."""
    asked = Wishes()
    for change in changes:
        asked.seen += 1
        if ours := is_ours(change, epoch):
            asked.ours += 1
            if changes_marks_only(change):
                continue
        (asked.echoes.add if ours else asked.echoes.discard)(key_text(change.key))
        _add_change(asked, change, translation, origin(migration, change.key), token(epoch, change.order))
    return asked


def _add_change(asked: Wishes, change: Change, translation: Translation, came_from: str, at: str) -> None:
    was = key_text(change.key)
    before = _translated_or_nothing(change.old, translation.possible)
    try:
        after = {_place(record): record for record in _translated(change.new, translation.wanted)}
    except Unmappable as why:
        # What its last good image wrote stays until a good one follows or it is deleted: stale, and said to be so.
        asked.mishaps[was] = Mishap(was, at, str(why), tuple(map(_place, before or ())))
        return
    if before is None or was in asked.mishaps:
        asked.mishaps[was] = Mishap(was, at, None)
    for place, record in {**{_place(r): r for r in before or ()}, **after}.items():
        asked.add(Wish(record.table, record.key, record.item if place in after else None, came_from, at))


def wishes_of_items(
    items: Iterable[Item], key_names: Sequence[str], translation: Translation, migration: str, epoch: int
) -> Wishes:
    """Give what a copy of items asks of the other side. An item that maps to nothing is skipped, and counted."""
    asked, at = Wishes(), token(epoch)
    for item in items:
        asked.seen += 1
        key = {name: item[name] for name in key_names}
        try:
            records = _translated(item, translation.wanted)
        except Unmappable as why:
            asked.mishaps[key_text(key)] = Mishap(key_text(key), at, str(why))
            continue
        asked.skipped += not records
        for record in records:
            asked.add(Wish(record.table, record.key, record.item, origin(migration, key), at))
    return asked


def _translated(image: Item | None, translate: Translate) -> Sequence[Record]:
    return () if image is None or is_gone(image) else translate(image)


def _translated_or_nothing(image: Item | None, translate: Translate) -> Sequence[Record] | None:
    """What an image mapped to; None when it could not be mapped."""
    try:
        return _translated(image, translate)
    except Unmappable:
        return None


def _place(record: Record) -> tuple[str, str]:
    return record.table, key_text(record.key)
