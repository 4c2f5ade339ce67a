"""Copy the source, segment by segment, read consistently, into holes of the target only.

A segment is a chunk: its place is the key that was copied last, and one lane at a time holds it. A copy is stamped with the
floor of its epoch: any change of the epoch is younger, anything of an epoch gone by is older. So a copy fills holes at first,
and in a later epoch brings up to date what an interruption left behind.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks, Place
from sluice.migration.engine.contract import Copied, Fence, Phase
from sluice.migration.kinds.single_table.quarantine import note
from sluice.migration.kinds.single_table.wishes import Translation, Wish, wishes_of_items
from sluice.migration.kinds.single_table.writing import Overtaken, Writer, finish
from sluice.stores.dynamodb.scan import Page, scan_page
from sluice.stores.dynamodb.values import key_from_text, key_text
from sluice.stores.dynamodb.writes import Check, Put

HOLD_SECONDS = 120.0
"""How long a lane keeps a segment from the others without having moved it on."""
TURN_SECONDS = 20.0
"""How long one call copies, so that a lane can tell of its progress and step back."""
THREADS = 4


@dataclass(frozen=True)
class Copying:
    """What a lane needs to copy."""

    client: Any
    marks: ItemMarks
    table: str
    key_names: Sequence[str]
    translation: Translation
    segments: int
    phase: Phase = Phase.CAPTURING
    """While it copies. After that no copy commits."""
    places: str = "segment"
    """The kind of its places."""
    put: Callable[[Wish], Put] = Wish.copy
    threads: int = THREADS
    leaves_tombstones: bool = True
    """Whether what is deleted meanwhile stays as a tombstone, so that a late worker does not bring it back."""

    def copy(self, lane: int, fence: Fence, page_items: int) -> Copied | None:
        """Copy on at one segment until it ends or the turn is over; None when no segment is left. Raises Fenced."""
        place = self._claim(lane)
        if place is None:
            return None
        started = time.monotonic()
        rows, number = 0, int(place.name.rpartition("#")[2])
        while not place.done and time.monotonic() - started < TURN_SECONDS:
            try:
                place, copied = self._copy_page(place, number, lane, fence, page_items)
            except Overtaken:
                break  # it was slow, and another lane has taken the segment over
            rows += copied
        return Copied(number, rows, time.monotonic() - started)

    def is_done(self) -> bool:
        """Whether every segment has been copied to its end."""
        return sum(place.done for place in self.marks.places(self.places).values()) >= self.segments

    def _copy_page(self, place: Place, number: int, lane: int, fence: Fence, limit: int) -> tuple[Place, int]:
        page = self._page(place, number, limit)
        failpoint("segment.read")
        asked = wishes_of_items(page.items, self.key_names, self.translation, self.marks.name, fence.epoch)
        slots = iter(range(lane * THREADS, 1_000_000))

        def fenced() -> list[Check]:
            return [self.marks.fence(next(slots), fence.epoch, self.phase)]

        def guard() -> list[Check]:
            return fenced() if self.leaves_tombstones else [*fenced(), self.marks.unmoved(place)]

        done = Writer(self.client, self.put, guard, self.threads).write(asked.by_place.values())
        failpoint("segment.written")
        note(self.client, self.marks, [*asked.mishaps.values(), *done.mishaps])
        after = place.moved(
            key_text(page.next_key) if page.next_key else place.at,
            {"rows": asked.seen, "skipped": asked.skipped, "written": done.written, "older": done.older},
            done=page.next_key is None,
            holder=str(lane),
            held_until=time.time() + HOLD_SECONDS,
        )
        finish(self.client, fenced, [self.marks.step(place, after)])
        failpoint("segment.place_written")
        return after, asked.seen

    def _page(self, place: Place, number: int, limit: int) -> Page:
        after = key_from_text(place.at) if place.at else None
        return scan_page(self.client, self.table, number, self.segments, after, limit)

    def _claim(self, lane: int) -> Place | None:
        """Take a segment that nobody is at; None when all are done, or held by lanes that move."""
        now = time.time()
        found = self.marks.places(self.places)
        every = [found.get(f"{n:04}", Place(f"{self.places}#{n:04}")) for n in range(self.segments)]
        free = [place for place in every if not place.done and (place.held_until < now or place.holder == str(lane))]
        # Shuffled: neighbours in one order would all be met at the same hot partition.
        random.Random(lane).shuffle(free)
        for place in free:
            held = place.moved(place.at, holder=str(lane), held_until=now + HOLD_SECONDS)
            try:
                finish(self.client, lambda: [], [self.marks.step(place, held)])
            except Overtaken:
                continue
            return held
        return None
