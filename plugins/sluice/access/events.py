"""Events: published under the day they happened on, read since a cursor, in order, also across midnight.

A publisher whose write took longer than half the readers' window stores the event once more under a fresh time: readers may
have passed the first one for good. It has the same id. How a reader skips nothing is told in `event_reader`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sluice.access.bell import Bell
from sluice.access.cursors import Seal
from sluice.access.event_reader import MOST_EARLY, MOST_TOLD, Event, EventReader, EventRefused, Rules, checked
from sluice.access.ids import Ulids
from sluice.access.layout import Layout
from sluice.access.spans import as_utc
from sluice.access.store import Store
from sluice.access.values import from_wire, to_wire
from sluice.access.walking import Place, Question, walk
from sluice.errors import Transient
from sluice.records.shape import records_of
from sluice.stores.dynamodb.actions import Put
from sluice.stores.dynamodb.values import Item

__all__ = ["Event", "EventLate", "EventReader", "EventRefused", "Events"]

STORED_AT_MOST = 3
"""Times that one event is stored: who is that slow three times in a row will be so the fourth time."""
AHEAD = 200
"""Events that one look reads, over all buckets."""


class EventLate(Transient):
    """The event is stored, but later than its time says, each time it was tried: readers may have passed it."""


class Events:
    """Publishes, and makes readers. Threads may share it."""

    def __init__(
        self,
        store: Store,
        layout: Layout,
        seal: Seal,
        *,
        kind: str = "event",
        window: timedelta = timedelta(seconds=10),
        kept: timedelta = timedelta(days=30),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`kind` is the design's entity of events: keyed by eventType, timestamp, entityId and sequence. With an entity
        `<kind>_bell`, keyed by eventType, a reader that waits costs one request a look (`bell`).

        Clocks of publishers and readers differ by less than half the `window`; events live as long as `kept`, by the design.
        """
        self._store, self._seal, self._clock = store, seal, clock
        self._layout, self._entity = layout, kind
        self._window, self._kept = window, kept
        self._ulids = Ulids()
        self._bell = Bell(store, layout, f"{kind}_bell") if f"{kind}_bell" in layout.model.entities else None

    def publish(self, kind: str, entity_id: str, data: Mapping[str, Any]) -> Event:
        """Store an event; readers see it with their next poll.

        Raises EventRefused, NotStorable, BreakerOpen; Throttled and DynamoDown: then it may be there, and to publish it again
        makes another; EventLate: then it is there.
        """
        if not (isinstance(kind, str) and isinstance(entity_id, str) and kind and entity_id) or "#" in kind:
            raise EventRefused(f"{kind!r} of {entity_id!r} is no event: both are text, and a kind has no # in it.")
        if not isinstance(data, Mapping):
            raise EventRefused(f"What {kind} of {entity_id} tells is a {type(data).__name__}: give a dict.")
        began = self._clock()
        millis = int(began * 1000)
        event = Event(kind, entity_id, dict(data), _moment(millis / 1000), self._ulids.next(millis))
        for turn in range(STORED_AT_MOST):
            try:
                self._put(event)
            except Transient as error:
                if turn == 0:
                    raise
                raise self._late(event) from error
            if self._clock() - event.at.timestamp() <= self._window.total_seconds() / 2:
                if self._bell:
                    self._bell.ring(event)
                return event
            # Readers may have passed its time for good.
            event = replace(event, at=_moment(int(self._clock() * 1000) / 1000))
        raise self._late(event)

    def reader(self, kind: str, *, since: str | datetime | None = None, entities: Iterable[str] = ()) -> EventReader:
        """Read `kind` since a reader's cursor or a moment (now, if nothing is said), of these entities or of all.

        Raises CursorRefused for a cursor of another kind or other entities, or older than events are kept; NoMoment.
        """
        return self._reader(kind, since, entities, MOST_EARLY)

    def read_since(
        self, kind: str, cursor: str, entities: Iterable[str] = (), limit: int = 1000
    ) -> tuple[list[Event], str]:
        """Give the events since `cursor`, and the cursor behind them: one look by a reader that keeps nothing.

        It remembers 200 events younger than the window (10 s): of more than that, the others come when they are as old as it.
        """
        reader = self._reader(kind, cursor, entities, MOST_TOLD)
        return reader.poll(limit, look_back=True), reader.cursor

    # ---- within ----

    def _reader(self, kind: str, since: object, entities: Iterable[str], most_early: int) -> EventReader:
        whose = checked(entities)
        query = f"2 {self._layout.whole(self._entity).table} {kind} {sorted(whose)}"
        rules = Rules(query, self._window, self._kept, self._clock, self._seal)
        reader = EventReader(lambda place: self._look(kind, whose, place), rules, most_early, self._rung(kind, whose))
        if isinstance(since, str):
            reader.go_to(since)
        else:
            begin = self._clock() if since is None else as_utc(since, "since").timestamp()
            reader.start(int(begin * 1000))
        return reader

    def _rung(self, kind: str, entities: frozenset[str]) -> Callable[[], bool]:
        """Give what tells whether a look may find something: the bell, where a look asks more than one partition."""
        (partitions,) = self._question(kind, [_moment(self._clock()).date()], "", entities).stages
        return self._bell.listener(kind) if self._bell and len(partitions) > 1 else lambda: True

    def _look(self, kind: str, entities: frozenset[str], place: str) -> Iterator[tuple[str, Event]]:
        question = self._question(kind, self._days(place), place, entities)
        for item, _ in walk(self._store, question, Place(), AHEAD):
            event = _event(item)
            if not entities or event.entity_id in entities:
                yield item[question.index.sort]["S"], event

    def _question(self, kind: str, days: Sequence[date], place: str, entities: Iterable[str]) -> Question:
        """Ask for some days of a kind from a sort key on: each day's buckets, or those that can hold the entities."""
        whose = [{"entityId": {"S": entity}} for entity in entities] or [{}]
        lookups = {day: [self._layout.own(self._entity, _of(kind, day) | one) for one in whose] for day in days}
        stages = (dict.fromkeys(name for one in found for name in one.stages[0]) for found in lookups.values())
        index = lookups[days[0]][0].index
        return Question(index, tuple(map(tuple, stages)), {"S": place}, consistency="strong")

    def _days(self, place: str) -> Sequence[date]:
        # To the day that a publisher whose clock is ahead may have.
        ends = (_moment(self._clock()) + self._window).date()
        begins = min(_moment(int(place[:13]) / 1000).date(), ends)
        return [begins + timedelta(days=n) for n in range((ends - begins).days + 1)]

    def _put(self, event: Event) -> None:
        item: Item = {
            "eventType": {"S": event.kind},
            "entityId": {"S": event.entity_id},
            "timestamp": {"N": str(round(event.at.timestamp() * 1000))},
            "sequence": {"S": event.id},
            "data": to_wire(event.data),
        }
        # Its keys are its own: doing it twice is doing it once.
        puts = [Put(record.table, record.item) for record in records_of(self._layout.shape(self._entity), item)]
        if len(puts) == 1:
            self._store.put(puts[0])
        else:
            self._store.write(puts)

    def _late(self, event: Event) -> EventLate:
        return EventLate(
            f"{event.kind} of {event.entity_id} is stored, as {event.id}, but later than its time says: "
            "readers may have passed it. See why the store is so slow; publish it again if to be told twice does them no harm."
        )


def _of(kind: str, day: date) -> Item:
    return {"eventType": {"S": kind}, "timestamp": {"S": str(day)}}


def _event(item: Item) -> Event:
    at = _moment(int(item["timestamp"]["N"]) / 1000)
    data = from_wire(item["data"])
    return Event(item["eventType"]["S"], item["entityId"]["S"], data, at, item["sequence"]["S"])


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
