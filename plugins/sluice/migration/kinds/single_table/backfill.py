"""Copy the source, segment by segment, read consistently, into holes of the target only.

A segment is a chunk: its place is the key that was copied last, and one lane at a time holds it. A copy is stamped with the
floor of its epoch: any change of the epoch is younger, anything of an epoch gone by is older. So a copy fills holes at first,
and in a later epoch brings up to date what an interruption left behind.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks, Place
from sluice.migration.engine.contract import Copied, Fence, Phase
from sluice.migration.kinds.single_table.pacing import Share
from sluice.migration.kinds.single_table.quarantine import note
from sluice.migration.kinds.single_table.wishes import Translation, Wish, Wishes, wishes_of_items
from sluice.migration.kinds.single_table.writing import Judge, Overtaken, Writer, finish
from sluice.stores.dynamodb.capacity import Units
from sluice.stores.dynamodb.scan import Page, scan_page
from sluice.stores.dynamodb.values import Key, key_from_text, key_text
from sluice.stores.dynamodb.writes import Check, Put

HOLD_SECONDS = 120.0
"""How long a lane keeps a segment from the others without having moved it on."""
TURN_SECONDS = 20.0
"""How long one call copies, so that a lane can tell of its progress and step back."""
THREADS = 4
READ_UNITS, WRITE_UNITS = "read_units", "write_units"
"""The counts of what the copy has cost: of the source, and of all tables that its transactions touch."""

Asked: TypeAlias = tuple[Page, Wishes]
"""A page of the source, and what it asks of the target."""


@dataclass(frozen=True)
class Copying:
    """What a lane needs to copy."""

    client: Any
    marks: ItemMarks
    table: str
    key_names: Sequence[str]
    translation: Translation
    segments: int
    judge: Judge
    phase: Phase = Phase.CAPTURING
    """While it copies. After that no copy commits."""
    places: str = "segment"
    """The kind of its places."""
    put: Callable[[Wish], Put] = Wish.copy
    threads: int = THREADS
    leaves_tombstones: bool = True
    """Whether what is deleted meanwhile stays as a tombstone, so that a late worker does not bring it back."""
    share: Share | None = None
    """What it may write in a second, where there is a limit."""

    def copy(self, lane: int, fence: Fence, page_items: int) -> Copied | None:
        """Copy on at one segment until it ends or the turn is over; None when no segment is left. Raises Fenced."""
        place = self._claim(lane)
        if place is None:
            return None
        started = time.monotonic()
        rows, number = 0, int(place.name.rpartition("#")[2])
        with ThreadPoolExecutor(1) as ahead:
            pages = self._pages(ahead, place, number, fence.epoch, page_items)
            while not place.done and time.monotonic() - started < TURN_SECONDS:
                try:
                    place, copied = self._copy_page(next(pages), place, lane, fence)
                except Overtaken:
                    break  # it was slow, and another lane has taken the segment over
                rows += copied
        return Copied(number, rows, time.monotonic() - started)

    def is_done(self) -> bool:
        """Whether every segment has been copied to its end."""
        return sum(place.done for place in self.marks.places(self.places).values()) >= self.segments

    def _copy_page(self, read: Asked, place: Place, lane: int, fence: Fence) -> tuple[Place, int]:
        page, asked = read
        failpoint("segment.read")
        slots = iter(range(lane * THREADS, 1_000_000))

        def fenced() -> list[Check]:
            return [self.marks.fence(next(slots), fence.epoch, self.phase)]

        def guard() -> list[Check]:
            return fenced() if self.leaves_tombstones else [*fenced(), self.marks.unmoved(place)]

        units, rate = Units(), self.share.rate if self.share else None
        writer = Writer(self.client, self.put, guard, self.judge, self.threads, units, rate)
        done = writer.write(asked.by_place.values())
        failpoint("segment.written")
        note(self.client, self.marks, [*asked.mishaps.values(), *done.mishaps], fenced)
        after = place.moved(
            key_text(page.next_key) if page.next_key else place.at,
            {
                "rows": asked.seen,
                "skipped": asked.skipped,
                "written": done.written,
                "older": done.older,
                READ_UNITS: math.ceil(page.units),
                WRITE_UNITS: math.ceil(units.total()),
            },
            done=page.next_key is None,
            holder=str(lane),
            held_until=time.time() + HOLD_SECONDS,
        )
        finish(self.client, fenced, [self.marks.step(place, after)])
        failpoint("segment.place_written")
        return after, asked.seen

    def _pages(self, ahead: Executor, place: Place, number: int, epoch: int, limit: int) -> Iterator[Asked]:
        """Give the pages from a place on; the next one is read and mapped while one is written.

        Not where no tombstone is left: what is deleted between its reading and its writing would come back.
        """

        def read(after: Key | None) -> Asked:
            page = scan_page(self.client, self.table, number, self.segments, after, limit)
            return page, wishes_of_items(page.items, self.key_names, self.translation, self.marks.name, epoch)

        after, coming = key_from_text(place.at) if place.at else None, None
        while True:
            page, asked = coming.result() if coming else read(after)
            after = page.next_key
            coming = ahead.submit(read, after) if after and self.leaves_tombstones else None
            yield page, asked

    def _claim(self, lane: int) -> Place | None:
        """Take a segment that nobody is at; None when all are done, or held by lanes that move."""
        now = time.time()
        found = self.marks.places(self.places)
        every = [found.get(f"{n:04}", Place(f"{self.places}#{n:04}")) for n in range(self.segments)]
        held = {place.holder for place in every if not place.done and place.held_until >= now}
        free = [place for place in every if not place.done and (place.held_until < now or place.holder == str(lane))]
        if self.share:
            self.share.among(len({*held, str(lane)}))
        # Shuffled: neighbours in one order would all be met at the same hot partition.
        random.Random(lane).shuffle(free)
        for place in free:
            taken = place.moved(place.at, holder=str(lane), held_until=now + HOLD_SECONDS)
            try:
                finish(self.client, lambda: [], [self.marks.step(place, taken)])
            except Overtaken:
                continue
            return taken
        return None
