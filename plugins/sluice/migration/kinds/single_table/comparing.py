"""Is what follows the same as what leads? Every item, in either direction, settled: two stores share no snapshot.

What leads is scanned, translated and looked up on the other side; what follows is scanned for items that nothing leads to.
What differs is looked at again (`settling.py`), and what was a race is counted as one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.migration.engine.contract import Diff
from sluice.migration.kinds.single_table.accounting import Account
from sluice.migration.kinds.single_table.leading import SEGMENTS, differs, expected, look_up, owned, pages, unled
from sluice.migration.kinds.single_table.ours import without_marks
from sluice.migration.kinds.single_table.settling import Suspect, settled
from sluice.migration.kinds.single_table.sides import Follows, Sides
from sluice.stores.dynamodb.values import Item, Key, canonical_text, key_of, key_text

MOST_SUSPECTS = 100_000
"""Beyond this the tables are not in step at all, and looking at each again would only take long."""
WAITS = (0.2, 1.0, 2.0, 4.0)
"""Seconds before each further look at what differed."""


class TooDifferent(Terminal):
    """So many items differ that settling them one by one makes no sense."""


@dataclass
class Found:
    """What was counted, and the suspects, by table and key of the leading item."""

    leading: int = 0
    following: int = 0
    compared: int = 0
    lacking: int = 0
    """Leading items of which nothing can be made."""
    hash: int = 0
    account: Account = field(default_factory=Account)
    suspects: dict[tuple[str, str], Suspect] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        """Add what another thread found."""
        self.leading += other.leading
        self.following += other.following
        self.compared += other.compared
        self.lacking += other.lacking
        self.hash = (self.hash + other.hash) % 2**64
        self.account.add(other.account)
        for suspect in other.suspects.values():
            self.suspect(suspect.table, suspect.key, stray=suspect.stray).extra.update(suspect.extra)

    def suspect(self, table: str, key: Key, *, stray: bool = False) -> Suspect:
        """Note that something of a leading item differs."""
        return self.suspects.setdefault((table, key_text(key)), Suspect(table, key, stray=stray))


def compare(
    sides: Sides, deliver: Callable[[], object], epoch: int, since: datetime, waits: Sequence[float] | None = None
) -> Diff:
    """Compare everything, and look again at what differs after each of `waits` (WAITS), in seconds.

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
    differ = settled(sides, list(found.suspects.values()), deliver, WAITS if waits is None else waits)
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
        empty=not (found.compared or found.following or found.lacking),
        epoch=epoch,
        since=since,
        races=len(found.suspects) - len({row.key for row in differ}),
        account=found.account.facts(differ),
    )


def _side_by_side(
    segment: Callable[[Sides, str, Sequence[str], int], Found], sides: Sides, tables: Mapping[str, Sequence[str]]
) -> Iterator[Found]:
    with ThreadPoolExecutor(SEGMENTS) as pool:
        for table, names in tables.items():
            yield from pool.map(lambda number, t=table, n=names: segment(sides, t, n, number), range(SEGMENTS))


def _leading_segment(sides: Sides, table: str, names: Sequence[str], number: int) -> Found:
    found = Found()
    for items in pages(sides, table, number):
        mine = [item for item in items if sides.mine(table, item)]
        wanted = {key_text(key_of(item, *names)): expected(sides, item) for item in mine}
        stand = look_up(sides, [record for records in wanted.values() for record in records or ()])
        followed: list[Follows] = []
        for item in mine:
            key = key_of(item, *names)
            records = wanted[key_text(key)]
            found.leading += 1
            found.compared += len(records or ())
            found.account.skipped += records == ()
            found.account.expected.update(sides.type_of(record.table, record.key) for record in records or ())
            found.lacking += records is None
            found.hash = (found.hash + digest(without_marks(item))) % 2**64
            lacks_place = records is None and not sides.excused(key_text(key))
            if lacks_place or any(differs(sides, record, stand) for record in records or ()):
                found.suspect(table, key)
            elif records:
                followed.append((key, records))
        sides.adopt(followed, stand)
    return found


def _following_segment(sides: Sides, table: str, names: Sequence[str], number: int) -> Found:
    found = Found()
    for items in pages(sides, table, number):
        ours, strays = owned(sides, table, items)
        found.following += len(ours) + len(strays)
        found.account.counted.update(sides.type_of(table, item) for item, _ in ours)
        for stray in strays:
            found.suspect(table, key_of(stray, *names), stray=True)
        for own, _, (leads, key) in unled(sides, table, names, ours):
            if not sides.excused(key_text(key)):
                found.suspect(leads, key).extra[table, key_text(own)] = own
    return found


def digest(item: Item) -> int:
    """Give 64 bits of an item that do not depend on the order of its attributes or sets; sums of them compare tables."""
    return int.from_bytes(blake2b(canonical_text(item).encode(), digest_size=8).digest(), "big")
