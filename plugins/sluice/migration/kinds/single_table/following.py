"""Follow a table's stream and bring what it tells to the other side, in either direction.

One loop for both ways and for both who run it: the tasks of Airflow, for a few minutes each, and `./sluice replicate`.
A shard's place is written after its page, under the condition that nobody else moved it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks, Place
from sluice.migration.engine.contract import Lag
from sluice.migration.kinds.dynamodb_source.canary import flights_in
from sluice.migration.kinds.dynamodb_source.draining import Followed, Watch, unwatched
from sluice.migration.kinds.dynamodb_source.pages_ahead import PagesAhead
from sluice.migration.kinds.dynamodb_source.rounds import FEW, Round, Seen, in_rounds, read_each
from sluice.migration.kinds.single_table.astray import counted_as
from sluice.migration.kinds.single_table.claims import Claims
from sluice.migration.kinds.single_table.places import note_shards
from sluice.migration.kinds.single_table.quarantine import heal, note
from sluice.migration.kinds.single_table.settling import is_followed
from sluice.migration.kinds.single_table.wishes import Translation, Wish, wishes_of_changes
from sluice.migration.kinds.single_table.writing import Overtaken, Writer, clear_tombstones, finish
from sluice.stores.dynamodb.clock import store_clock
from sluice.stores.dynamodb.streams import KEPT, Change, Shard, Stream, StreamPage, Trimmed, lost_shards, readable
from sluice.stores.dynamodb.values import key_from_text, key_text
from sluice.stores.dynamodb.writes import Check

MOST_NAMED = 20
"""Writes past the route of a page that are noted by their key; all are counted."""
NOTED_EVERY = timedelta(minutes=10)


@dataclass(frozen=True)
class Way:
    """One direction: whose changes, what they become, and who may still write."""

    name: str
    """`forward` or `reverse`: the kind of its places."""
    stream: Stream
    translation: Translation
    epoch: int
    fence: Callable[[int], Check]
    """The check of a fence's slot that refuses this direction once it is over."""
    claims: Claims
    is_astray: Callable[[Change], bool] | None = None
    """Where nobody should write now: whether a change came past the route."""
    threads: int = 4
    seen: Seen = field(default_factory=Seen)
    """What whoever reads it remembers between two rounds."""
    leaves_tombstones: bool = True
    """Whether what is deleted stays as a tombstone. Where applications may read, it does not."""


@dataclass
class Follower:
    """Reads every shard of one way, as far as it goes."""

    client: Any
    marks: ItemMarks
    way: Way
    watch: Watch = unwatched

    def deliver(self, seconds: float) -> Lag:
        """Read up to what was written before this call, so long at most; says how many shards are not there yet.

        Under writes there is no end.
        """
        begun = store_clock(self.client, self.marks.table)
        with PagesAhead(self.way.stream) as pages:
            return in_rounds(lambda deadline: self._round(deadline, begun, pages), seconds)

    @property
    def followed(self) -> Followed:
        """What is known of the stream, whoever reads it."""
        return Followed(self.way.stream.shards, self._finished, self.marks.canaries)

    def _finished(self) -> set[str]:
        return {name for name, place in self.marks.places(self.way.name).items() if place.done}

    def _round(self, deadline: float, begun: datetime, pages: PagesAhead) -> Round:
        there = self.way.stream.shards()
        places = self.marks.places(self.way.name) or self._first_seen(there)
        finished = {name for name, place in places.items() if place.done}
        if lost := lost_shards(there, {name: place.done for name, place in places.items()}):
            raise Trimmed(f"{self.marks.name}: shard {lost[0]} was trimmed away before it was read to its end.")
        shards = readable(there, finished)
        looked = self.marks.looked(self.way.name)
        _check_horizon(places, shards, begun, looked, self.marks.name)

        def read(shard: str) -> tuple[datetime | None, bool]:
            place = places.get(shard, Place(f"{self.way.name}#{shard}"))
            return self._deliver(shard, place, pages.read(shard, place.at), begun)

        found = read_each(shards, read, deadline, self.way.seen, begun)
        if found.all_came and (looked is None or found.all_came - looked > NOTED_EVERY):
            finish(self.client, lambda: [self.way.fence(0)], [self.marks.looking(self.way.name, found.all_came)])
        return found

    def _first_seen(self, shards: Sequence[Shard]) -> dict[str, Place]:
        with suppress(Overtaken):  # by another worker, who has noted them
            note_shards(self.marks, self.way.name, [shard.id for shard in shards], self.way.fence(0))
        return self.marks.places(self.way.name)

    def _deliver(self, shard: str, place: Place, page: StreamPage, begun: datetime) -> tuple[datetime | None, bool]:
        """Deliver one page of a shard; tell when its last change was made, and whether more may follow at once."""
        failpoint("stream.read")
        if page.changes or (page.ended and not place.done):
            try:
                self._apply(shard, page.changes, place, page.position, ended=page.ended)
            except Overtaken:
                return None, True  # another consumer is at it: look again where it stands
        self.watch(shard, page.changes)
        last = page.changes[-1].at if page.changes else None
        return last, page.ended or len(page.changes) > FEW or (last is not None and last < begun)

    def _apply(self, shard: str, changes: Sequence[Change], place: Place, position: str | None, *, ended: bool) -> None:
        asked = wishes_of_changes(changes, self.way.translation, self.marks.name, self.way.epoch)
        asked.forget_echoes(self.marks.name, self._is_followed)
        heal(self.marks, asked)
        if asked.by_place and not self.way.leaves_tombstones:
            place = self._claim(place)
        leaving, rest = asked.in_turns()
        done = self._writer(place).write(leaving)
        done.add(self._writer(place).write(rest))
        failpoint("stream.applied")
        if not self.way.leaves_tombstones:
            clear_tombstones(self.client, [*leaving, *rest])
        note(self.client, self.marks, [*asked.mishaps.values(), *done.mishaps], lambda: [self.way.fence(0)])
        counted = {"seen": asked.seen, "ours": asked.ours, "written": done.written, "older": done.older}
        strays = list(filter(self.way.is_astray, changes)) if self.way.is_astray else []
        if strays:
            counted[counted_as(self.way.epoch)] = len(strays)
        named = {key_text(one.key): one for one in strays[-MOST_NAMED:]}
        told = [self.marks.aside.stray(key, f"{one.at:%Y-%m-%d %H:%M:%S} UTC") for key, one in named.items()]
        after = place.moved(position, counted, done=ended)
        home = [self.marks.saw_canary(name) for name in flights_in(shard, changes)]
        finish(self.client, lambda: [self.way.fence(0)], [self.marks.step(place, after), *home, *told])
        failpoint("stream.place_written")

    def _claim(self, place: Place) -> Place:
        """Take a page for this worker alone: whoever read it too and is late finds it taken, before the first write is made."""
        claimed = place.moved(place.at)
        finish(self.client, lambda: [self.way.fence(0)], [self.marks.step(place, claimed)])
        return claimed

    def _is_followed(self, key: str, asked: Sequence[Wish]) -> bool:
        stale = [(wish.table, wish.key) for wish in asked if wish.item is None]
        return is_followed(self.way.claims.sides(), key_from_text(key), stale)

    def _writer(self, place: Place) -> Writer:
        slots = iter(range(1, 1_000_000))

        def guard() -> list[Check]:
            checks = [self.way.fence(next(slots))]
            # Without tombstones nothing but the place tells a late worker that somebody else has gone on.
            return checks if self.way.leaves_tombstones else [*checks, self.marks.unmoved(place)]

        threads = self.way.threads if self.way.leaves_tombstones else 1
        return Writer(self.client, Wish.live, guard, self.way.claims.judge, threads)


def _check_horizon(
    places: Mapping[str, Place], shards: Sequence[Shard], begun: datetime, looked: datetime | None, migration: str
) -> None:
    """Raise Trimmed where a shard is read from what is left of it, and nobody has read for so long that some may be gone.

    A shard that was read tells by itself when what follows was trimmed. One that had nothing to tell yet does not.
    """
    unread = [shard.id for shard in shards if shard.id not in places or places[shard.id].at is None]
    if unread and looked is not None and begun - looked > KEPT:
        raise Trimmed(
            f"{migration}: nobody has read the stream since {looked:%Y-%m-%d %H:%M} UTC, and of shard {unread[0]} nothing was"
            " read before: what it told first may be gone."
        )
