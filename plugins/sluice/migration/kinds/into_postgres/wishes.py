"""From items and changes to rows: what one page of a stream, or of a scan, asks of the target. Pure.

A change writes the row of its new image, and a tombstone where its old image had another one. An item that cannot be a row has
none: what stood for it becomes a tombstone, and the image waits in quarantine until a younger one fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sluice.migration.engine.contract import Window
from sluice.migration.kinds.dynamodb_source.canary import is_canary
from sluice.migration.kinds.dynamodb_source.tokens import token
from sluice.migration.kinds.into_postgres.shape import RowImage, RowShape, origin_of
from sluice.records import Unmappable
from sluice.stores.dynamodb.streams import Change
from sluice.stores.dynamodb.values import Item

LAPSED = "#lapsed"
"""Behind the token of a row whose item went while the rows led, by the table's TTL or past the route: it goes on the way back."""
Place = tuple[str, ...]
"""The texts of a row's key."""


@dataclass(frozen=True)
class Wish:
    """One row that shall stand, or (`values` None) be marked as gone."""

    place: Place
    values: tuple[str | None, ...] | None
    origin: str
    token: str
    image: Item | None = None


@dataclass(frozen=True)
class Mishap:
    """An item that has no place in the target, and why."""

    origin: str
    token: str
    reason: str
    image: Item | None


@dataclass
class Asked:
    """What a page asks for. `good`: the token of each item that has its place; `mishaps`: of each that has none."""

    wished: dict[Place, Wish] = field(default_factory=dict)
    mishaps: dict[str, Mishap] = field(default_factory=dict)
    good: dict[str, str] = field(default_factory=dict)
    seen: int = 0
    skipped: int = 0
    lapsed: list[Wish] = field(default_factory=list)
    """Rows that may stand or not: their items have expired, and TTL removes them when it likes."""
    items_lead: bool = True
    """Whether a row may be taken away for an item: once the rows lead none is, not even for one that the database refuses."""

    def add(self, wish: Wish) -> None:
        """Let a wish take the place of an earlier one of its item; another item's row is in nobody's gift."""
        there = self.wished.get(wish.place)
        if there is not None and there.origin != wish.origin:
            if wish.values is None:
                return
            if there.values is not None:
                self.fail(wish.origin, wish.token, collision(there.origin), wish.image)
                return
        self.wished[wish.place] = wish

    def succeed(self, origin: str, at: str) -> None:
        """An item has its place, or is gone."""
        self.good[origin] = at
        self.mishaps.pop(origin, None)

    def fail(self, origin: str, at: str, reason: str, image: Item | None) -> None:
        """An item has no place."""
        self.mishaps[origin] = Mishap(origin, at, reason, image)
        self.good.pop(origin, None)


def collision(owner: str) -> str:
    """Say that two items want one row."""
    return f"collision: its key is that of another row, which came from {owner}"


def of_changes(changes: Iterable[Change], shape: RowShape, epoch: int, *, items_lead: bool = True) -> Asked:
    """Give what changes of one shard, in order, ask for.

    Once the rows lead (not `items_lead`) no change takes a row away: one whose item goes, or fits no more, stays and lapses.
    """
    asked = Asked(items_lead=items_lead)
    for change in changes:
        if is_canary(change.new) or is_canary(change.old):
            continue
        if change.expired and not items_lead:
            if before := _row_or_nothing(change.old, shape):
                asked.lapsed.append(_lapsing(before, origin_of(change.key), token(epoch, change.order)))
            continue
        asked.seen += 1
        _add_change(asked, change, shape, origin_of(change.key), token(epoch, change.order), items_lead)
    return asked


def _add_change(asked: Asked, change: Change, shape: RowShape, origin: str, at: str, items_lead: bool) -> None:
    before = _row_or_nothing(change.old, shape)
    after: RowImage | None = None
    try:
        after = shape.wanted(change.new)
        asked.succeed(origin, at)
    except Unmappable as why:
        asked.fail(origin, at, told(why), change.new)
    if before and (after is None or after.key != before.key):
        if items_lead:
            asked.add(Wish(before.key, None, origin, at))
        else:
            asked.lapsed.append(_lapsing(before, origin, at))
    if after:
        asked.add(Wish(after.key, after.values, origin, at, change.new))


def _lapsing(row: RowImage, origin: str, at: str) -> Wish:
    return Wish(row.key, row.values, origin, at + LAPSED)


def of_items(items: Iterable[Item], key_names: Sequence[str], shape: RowShape, at: str) -> Asked:
    """Give what a copy of items asks for, under one token. One that is skipped is counted."""
    asked = Asked()
    for item in items:
        if is_canary(item):
            continue
        asked.seen += 1
        origin = origin_of({name: item[name] for name in key_names})
        try:
            row = shape.wanted(item)
        except Unmappable as why:
            asked.fail(origin, at, told(why), item)
            continue
        asked.succeed(origin, at)
        if row:
            asked.add(Wish(row.key, row.values, origin, at, item))
            continue
        asked.skipped += 1
        if lapsed := shape.lapsed(item):
            asked.lapsed.append(Wish(lapsed.key, lapsed.values, origin, at))
    return asked


def inside(window: Window, text: str | None) -> bool:
    """Whether a time, as the text of a column, lies in a window. A column without zone is UTC."""
    if text is None:
        return False
    moment = datetime.fromisoformat(text)
    return window.lower <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < window.upper


def told(why: Unmappable) -> str:
    """Give a reason for the quarantine: the word that it is counted by comes first."""
    return f"{why.reason}: {why}"


def _row_or_nothing(image: Item | None, shape: RowShape) -> RowImage | None:
    """The row that an image had, skipped by now or not; None where it had none."""
    if image is None:
        return None
    try:
        return shape.row_of(image)
    except Unmappable:
        return None
