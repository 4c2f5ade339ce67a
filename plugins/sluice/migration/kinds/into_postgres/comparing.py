"""Is each item its row, and each row an item's? Every one of them, settled: two stores share no snapshot.

Items are scanned and become rows as they should be; PostgreSQL says which differ, to the bit, and which rows nothing led to. A
difference counts only when it survives several looks, with changes delivered in between and its item unchanged meanwhile. An item
that is written faster than changes arrive is followed if its row has changed from look to look, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Protocol

from psycopg import sql

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.migration.engine.contract import Diff, RowDiff, Window
from sluice.migration.kinds.into_postgres.applying import in_halves
from sluice.migration.kinds.into_postgres.shape import key_of_origin, origin_of
from sluice.migration.kinds.into_postgres.target import Target
from sluice.migration.kinds.into_postgres.wishes import Mishap, Place, Wish, inside, of_items
from sluice.stores.dynamodb.values import Item, Key, canonical_text, key_text, same
from sluice.stores.postgres import Connection, rows
from sluice.stores.statements import statement

MOST_SUSPECTS = 100_000
"""Beyond this the tables are not in step at all, and looking at each again would only take long."""
WAITS = (0.2, 1.0, 2.0, 4.0)
"""Seconds before each further look at what differed."""
RESTLESS = (0.1,) * 20
"""Seconds before further looks at items that changed during each of those."""
NOBODY = ""
"""The origin of a row that no item was ever named for."""


class TooDifferent(Terminal):
    """So much differs that settling it one by one makes no sense."""


class Items(Protocol):
    """Where items come from: the table, or what was planted."""

    @property
    def key_names(self) -> Sequence[str]:
        """The names of their key attributes."""

    def pages(self) -> Iterator[Sequence[Item]]:
        """Give all items."""

    def read(self, keys: Sequence[Key]) -> dict[str, Item]:
        """Read some as they are now, by the text of their key."""


@dataclass(frozen=True)
class Sides:
    """What is compared, and what is excused: what waits in quarantine, and after the cutover what applications did."""

    c: Connection
    target: Target
    items: Items
    quarantined: Callable[[Sequence[str]], set[str]]
    taken: Callable[[Sequence[str]], set[str]] | None = None
    """Given after the cutover: whose row an application deleted. Then rows lead, and one without an item is no fault."""
    window: Window | None = None
    column: str | None = None

    @property
    def condition(self) -> sql.Composed:
        """What rows are looked at."""
        if self.window is None or self.column is None:
            return statement("into_postgres.everything")
        return statement("into_postgres.within", column=sql.Identifier(self.column))

    @property
    def bounds(self) -> Mapping[str, datetime]:
        """The values of that."""
        return {"lower": self.window.lower, "upper": self.window.upper} if self.window else {}


@dataclass
class Found:
    """What was counted, and what differed, by the item's key: the places of its rows that nothing led to."""

    source: int = 0
    compared: int = 0
    excused: int = 0
    hash: int = 0
    suspects: dict[str, set[Place]] = field(default_factory=dict)


@dataclass(frozen=True)
class Stood:
    """An item, and the token of its row, when they were looked at."""

    item: Item
    token: str

    def moved(self, before: Stood) -> bool:
        """Whether both have changed since: the row follows, and is always a little late."""
        return not same(self.item, before.item) and self.token > before.token


def compare(
    sides: Sides, deliver: Callable[[], object], epoch: int, since: datetime, waits: Sequence[float] | None = None
) -> Diff:
    """Compare everything, and look again at what differs after each of `waits` (WAITS), in seconds. Raises TooDifferent."""
    started, found = time.monotonic(), Found()
    _forget(sides)
    sides.c.execute(sides.target.create_seen)
    for items in sides.items.pages():
        _page(sides, items, found)
    failpoint("rows.items_compared")
    if sides.taken is None:
        _orphans(sides, found)
    if len(found.suspects) > MOST_SUSPECTS:
        raise TooDifferent(f"{len(found.suspects):,} items differ: capture is far behind, or was not on.")
    differ = _settled(sides, found.suspects, deliver, WAITS if waits is None else waits)
    _forget(sides)
    whats = [row.what for row in differ]
    missing, extra = whats.count("missing"), whats.count("extra")
    return Diff(
        compared=found.compared,
        source_rows=found.source,
        target_rows=found.source - found.excused - missing + extra,
        missing=missing,
        extra=extra,
        different=whats.count("different"),
        hash=f"{found.hash:016x}",
        seconds=time.monotonic() - started,
        samples=tuple(differ[:100]),
        empty=not (found.source or extra),
        epoch=epoch,
        since=since,
        races=len(found.suspects) - len({row.key for row in differ} & set(found.suspects)),
    )


def _page(sides: Sides, items: Sequence[Item], found: Found) -> None:
    wishes, failed, lapsed = _wanted(sides, items)
    wanted = {wish.origin for wish in wishes} | set(failed)
    for item in items:
        if origin_of({name: item[name] for name in sides.items.key_names}) in wanted:
            found.hash = (found.hash + digest(item)) % 2**64
    differ = {row.key for row in _differences(sides, wishes, failed)}
    excused = sides.quarantined([*failed, *differ])
    found.source += len(wanted)
    found.compared += len(wishes)
    found.excused += len(excused)
    for origin in differ - excused:
        found.suspects.setdefault(origin, set())
    _see(sides, [*wishes, *lapsed])


def _see(sides: Sides, wishes: Sequence[Wish]) -> None:
    """Remember places that something leads to."""
    in_halves(sides.c, wishes, lambda part: sides.c.execute(sides.target.add_seen, sides.target.staged(part)), [])


def _wanted(sides: Sides, items: Sequence[Item]) -> tuple[list[Wish], dict[str, Mishap], list[Wish]]:
    """Give the rows that items should be, items that can be none, and rows that may stand. Of a window, what lies in it."""
    shape, window, column = sides.target.shape, sides.window, sides.column
    asked = of_items(items, sides.items.key_names, shape, "")
    wishes = list(asked.wished.values())
    if window is None or column is None:
        return wishes, asked.mishaps, asked.lapsed
    place = shape.names.index(column)
    failed = {name: one for name, one in asked.mishaps.items() if inside(window, shape.time_of(one.image, column))}
    return [wish for wish in wishes if wish.values and inside(window, wish.values[place])], failed, asked.lapsed


def _differences(sides: Sides, wishes: Sequence[Wish], failed: Mapping[str, Mishap]) -> list[RowDiff]:
    """Say which items have no row, or another one."""
    differ = [RowDiff(one.origin, "missing", (one.reason,)) for one in failed.values()]
    refused: list[Mishap] = []
    in_halves(sides.c, wishes, lambda part: differ.extend(_rows(sides, part)), refused)
    differ += [RowDiff(one.origin, "missing", (one.reason,)) for one in refused]
    if sides.taken is None:
        return differ
    gone = sides.taken([row.key for row in differ if row.what == "missing"])
    return [row for row in differ if not (row.what == "missing" and row.key in gone)]


def _rows(sides: Sides, wishes: Sequence[Wish]) -> Iterator[RowDiff]:
    for row in rows(sides.c, sides.target.compare, **sides.target.staged(wishes)):
        if row["taken"] and sides.taken is not None:
            continue  # the application's own by now
        wish = wishes[row["place"] - 1]
        what = "missing" if row["missing"] else "different"
        yield RowDiff(wish.origin, what, () if row["missing"] else tuple(row["columns"] or ("_from",)))


def _orphans(sides: Sides, found: Found) -> None:
    query = sides.target.find_orphans(sides.condition)
    for row in rows(sides.c, query, most=MOST_SUSPECTS + 1, **sides.bounds):
        found.suspects.setdefault(row["origin"] or NOBODY, set()).add(tuple(row["key"]))
    failpoint("rows.orphans_found")


def _settled(
    sides: Sides, suspects: Mapping[str, set[Place]], deliver: Callable[[], object], waits: Sequence[float]
) -> list[RowDiff]:
    """Look again at what differed, with changes delivered in between; give what differs still, and what never stood still."""
    left, settled, before = dict(suspects), list[RowDiff](), dict[str, Stood]()
    followed: set[str] = set()
    for number, wait in enumerate((*waits, *RESTLESS), 1):
        if not left:
            return settled
        time.sleep(wait)
        differ, moving, stood = _look_again(sides, left, deliver)
        followed = {origin for origin, now in stood.items() if origin in before and now.moved(before[origin])}
        before = stood
        if number >= len(waits):
            settled += [row for row in differ if row.key not in followed]
            differ, moving = [], moving - followed
        left = {origin: left[origin] for origin in moving | {row.key for row in differ}}
    return settled + [RowDiff(origin, "different", ("it never stood still",)) for origin in left]


def _look_again(
    sides: Sides, suspects: Mapping[str, set[Place]], deliver: Callable[[], object]
) -> tuple[list[RowDiff], set[str], dict[str, Stood]]:
    """Look at some items and what should be their rows.

    Says what differs, of that which items changed while we looked, and how both sides of those with rows stood.
    """
    keys = {origin: key_of_origin(origin) for origin in suspects if origin != NOBODY}
    before = sides.items.read(list(keys.values()))
    deliver()
    wishes, failed, lapsed = _wanted(sides, list(before.values()))
    differ = _differences(sides, wishes, failed)
    stood = _standing(sides, wishes, before)
    differ += _extra(
        sides, [*wishes, *lapsed], [(origin, place) for origin, places in suspects.items() for place in places]
    )
    after = sides.items.read(list(keys.values()))
    texts = {origin: key_text(key) for origin, key in keys.items()}
    moved = {origin for origin, text in texts.items() if not same(before.get(text), after.get(text))}
    excused = sides.quarantined([row.key for row in differ if row.what != "extra"])
    differ = [row for row in differ if row.what == "extra" or row.key not in excused]
    return [row for row in differ if row.key not in moved], {row.key for row in differ} & moved, stood


def _standing(sides: Sides, wishes: Sequence[Wish], items: Mapping[str, Item]) -> dict[str, Stood]:
    """Say of some items as they were read how their rows stand."""
    led = {wish.origin: items[key_text(key_of_origin(wish.origin))] for wish in wishes}
    found = rows(sides.c, sides.target.find_tokens, **sides.target.staged(wishes))
    return {row["origin"]: Stood(led[row["origin"]], row["token"]) for row in found}


def _extra(sides: Sides, wishes: Sequence[Wish], orphans: Sequence[tuple[str, Place]]) -> Iterator[RowDiff]:
    """Of rows that nothing led to, give those to which nothing leads still."""
    if not orphans:
        return
    _forget(sides)
    sides.c.execute(sides.target.create_seen)
    _see(sides, wishes)
    staged = sides.target.staged([Wish(place, None, origin, "") for origin, place in orphans])
    for row in rows(sides.c, sides.target.find_live, **staged):
        origin, place = orphans[row["place"] - 1]
        yield RowDiff(origin, "extra", (" ".join(place),))


def _forget(sides: Sides) -> None:
    sides.c.execute(statement("into_postgres.drop_seen"))


def digest(item: Item) -> int:
    """Give 64 bits of an item that do not depend on the order of its attributes or sets; sums of them compare tables."""
    return int.from_bytes(blake2b(canonical_text(item).encode(), digest_size=8).digest(), "big")
