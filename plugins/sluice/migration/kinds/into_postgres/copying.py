"""Copy the source, segment by segment, read consistently; each page and its checkpoint are one transaction.

A segment is a chunk, its position the key that was copied last. The lock on its row is the claim: a lane that dies holds nothing.
A copy is stamped with the floor of its epoch, which is older than every change of the epoch: so it fills holes, and in a later
epoch goes over what an interruption left behind.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from psycopg import Rollback

from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import COPIES_IN, Copied, Fence
from sluice.migration.kinds.dynamodb_source.tokens import token
from sluice.migration.kinds.into_postgres.applying import apply
from sluice.migration.kinds.into_postgres.fencing import working
from sluice.migration.kinds.into_postgres.target import Target
from sluice.migration.kinds.into_postgres.wishes import of_items
from sluice.stores.dynamodb.reads import get_items
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item, Key, key_from_text, key_text
from sluice.stores.postgres import Connection, Row, one, rows
from sluice.stores.statements import statement

THREADS = 4
MOST_AGAIN = 1000
"""Quarantined items that are looked at again in one go."""


@dataclass(frozen=True)
class Source:
    """The table to read."""

    client: Any
    table: str
    key_names: Sequence[str]

    def pages(self, segments: int = THREADS) -> Iterator[Sequence[Item]]:
        """Give all items, a few segments side by side, one page of each at a time."""
        after: dict[int, Key | None] = dict.fromkeys(range(segments))
        with ThreadPoolExecutor(segments) as pool:
            while after:
                read = pool.map(
                    lambda at: (at[0], scan_page(self.client, self.table, at[0], segments, at[1])), after.items()
                )
                for number, page in list(read):
                    yield page.items
                    if page.next_key is None:
                        del after[number]
                    else:
                        after[number] = page.next_key

    def read(self, keys: Sequence[Key]) -> dict[str, Item]:
        """Read some items as they are now, by the text of their key."""
        return get_items(self.client, self.table, keys)

    def key_of(self, item: Item) -> Key:
        """Give an item's key."""
        return {name: item[name] for name in self.key_names}


@dataclass(frozen=True)
class Copying:
    """What a lane needs to copy."""

    c: Connection
    marks: Marks
    target: Target
    source: Source

    def copy(self, lane: int, fence: Fence, page_items: int, last: int) -> Copied | None:
        """Copy one page of a pending segment; None when none is pending, or others hold all of them. Raises Fenced, Drifted."""
        started = time.monotonic()
        with working(self.c, self.marks, fence, *COPIES_IN):  # where all is copied already, none is pending
            claimed = rows(self.c, statement("into_postgres.claim_segment"), name=self.marks.name, last=last)
            if not claimed:
                return None
            (at,) = claimed
            page = scan_page(
                self.source.client,
                self.source.table,
                int(at["lo"]),
                self._count()["segments"],
                key_from_text(at["hi"]) if at["hi"] else None,
                page_items,
            )
            failpoint("rows.scanned")
            asked = of_items(page.items, self.source.key_names, self.target.shape, token(fence.epoch))
            apply(self.c, self.marks, self.target, asked)
            failpoint("rows.copied")
            seconds = time.monotonic() - started
            position = key_text(page.next_key).replace("\0", "%00") if page.next_key else at["hi"]
            moved = {"position": position, "done": page.next_key is None, "rows": asked.seen, "seconds": seconds}
            where = {"name": self.marks.name, "number": at["number"], "lane": lane, "skipped": asked.skipped}
            self.c.execute(statement("into_postgres.move_segment"), {**moved, **where})
            failpoint("rows.segment_moved")
        return Copied(at["number"], asked.seen, time.monotonic() - started)

    def again(self, fence: Fence) -> None:
        """Look again at items in quarantine: one that is gone, or fits by now (the table was mended, say), leaves it."""
        noted = rows(self.c, statement("into_postgres.list_quarantined"), name=self.marks.name, most=MOST_AGAIN)
        keys = {row["origin"]: key_from_text(row["origin"]) for row in noted}
        now = self.source.read(list(keys.values())) if keys else {}
        for row in noted:
            # Behind the note, and before any change that followed it.
            at = f"{row['token']}+"
            item = now.get(key_text(keys[row["origin"]]))
            asked = of_items([item] if item else [], self.source.key_names, self.target.shape, at)
            if item is None:
                asked.succeed(row["origin"], at)
            if not asked.good:
                continue
            with working(self.c, self.marks, fence, *COPIES_IN), self.c.transaction() as trial:
                apply(self.c, self.marks, self.target, asked)
                if asked.mishaps:
                    raise Rollback(trial)  # it fits no better: the note stays as it is

    def skipped(self) -> int:
        """Count the items that were read and are not migrated."""
        return int(self._count()["skipped"])

    def _count(self) -> Row:
        return one(self.c, statement("into_postgres.count_segments"), name=self.marks.name)
