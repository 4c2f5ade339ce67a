"""Events: published under the day they happened on, read since a cursor, in order, also across midnight.

**Nothing is lost between two polls.** The key holds the publisher's time, and a slow or skewed publisher stores an event
behind others that a reader has seen already. So a reader looks back over a *window* again and again, and knows by their
ids which events it has given. An event that took longer than half the window to be stored is stored once more under a
fresh time; it has the same id, so a reader that saw the first does not give the second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from sluice.access.cursors import Seal
from sluice.access.ids import Ulids
from sluice.access.layout import Layout
from sluice.access.store import Store
from sluice.access.values import from_wire, to_wire
from sluice.access.walking import Place, Question, walk
from sluice.errors import Terminal
from sluice.records.shape import records_of
from sluice.stores.dynamodb.actions import Put
from sluice.stores.dynamodb.values import Item

KEPT = timedelta(days=30)
AHEAD = 200
"""Events that one look reads, over all buckets."""
MOST_SEEN = 500
"""Ids that a cursor remembers. With more in one window, a reader that resumes may give some of them again."""
STORED_AGAIN_WITHIN = 120
"""Seconds: no client takes longer over one write, its tries and waits included."""


class EventRefused(Terminal):
    """The event cannot be stored as it is."""


@dataclass(frozen=True)
class Event:
    """Something that happened to an entity. `id` is a ULID: the same event never has two."""

    kind: str
    entity_id: str
    data: Any
    at: datetime
    id: str


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
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`kind` is the design's entity of events: keyed by eventType, timestamp, entityId and sequence."""
        self._store, self._seal, self._clock = store, seal, clock
        self._layout, self._entity = layout, kind
        self.window = window
        self._ulids = Ulids()

    def publish(self, kind: str, entity_id: str, data: Mapping[str, Any]) -> Event:
        """Store an event; readers see it with their next poll.

        Raises Throttled, and DynamoDown: then it may be there, and to publish it again makes another.
        """
        if "#" in kind or not kind or not entity_id:
            raise EventRefused(f"{kind!r} of {entity_id!r} is no event: both need a text, and a kind has no # in it.")
        began = self._clock()
        millis = int(began * 1000)
        event = Event(kind, entity_id, dict(data), _moment(millis / 1000), self._ulids.next(millis))
        self._put(event)
        while self._clock() - event.at.timestamp() > self.window.total_seconds() / 2:
            # Readers may have passed its time for good.
            event = replace(event, at=_moment(int(self._clock() * 1000) / 1000))
            self._put(event)
        return event

    def reader(self, kind: str, *, since: str | datetime | None = None, entities: Iterable[str] = ()) -> EventReader:
        """Read `kind` since a reader's cursor or a moment (now, if nothing is said), of these entities or of all.

        Raises CursorRefused for a cursor of another kind or other entities.
        """
        reader = EventReader(self, self._store, self._seal, kind, frozenset(entities))
        if isinstance(since, str):
            reader.go_to(since)
        else:
            reader.start(int((since.timestamp() if since else self._clock()) * 1000))
        return reader

    def read_since(
        self, kind: str, cursor: str, entities: Iterable[str] = (), limit: int = 1000
    ) -> tuple[list[Event], str]:
        """Give the events since `cursor`, and the cursor behind them: one look by a reader that keeps nothing."""
        reader = self.reader(kind, since=cursor, entities=entities)
        return reader.poll(limit, look_back=True), reader.cursor

    @property
    def name(self) -> str:
        """The table's name."""
        return self._layout.whole(self._entity).table

    def now(self) -> float:
        """Seconds since 1970, by this process's clock."""
        return self._clock()

    def question(self, kind: str, days: Sequence[date], since: int, entities: Iterable[str]) -> Question:
        """Ask for some days of a kind since a millisecond: each day's buckets, or those that can hold the entities."""
        whose = [{"entityId": {"S": entity}} for entity in entities] or [{}]
        lookups = {day: [self._layout.own(self._entity, _of(kind, day) | one) for one in whose] for day in days}
        stages = (dict.fromkeys(name for one in found for name in one.stages[0]) for found in lookups.values())
        index = lookups[days[0]][0].index
        return Question(index, tuple(map(tuple, stages)), {"S": f"{since:013d}"}, consistency="strong")

    def _put(self, event: Event) -> None:
        item: Item = {
            "eventType": {"S": event.kind},
            "entityId": {"S": event.entity_id},
            "timestamp": {"N": str(_millis(event))},
            "sequence": {"S": event.id},
            "data": to_wire(event.data),
        }
        for record in records_of(self._layout.shape(self._entity), item):
            # Its key is its own: doing it twice is doing it once.
            self._store.put(Put(record.table, record.item))


class EventReader:
    """Gives each event once, in order of time but for late ones. For one thread; `poll` as often as you like."""

    def __init__(self, events: Events, store: Store, seal: Seal, kind: str, entities: frozenset[str]) -> None:
        """`Events.reader` makes it, and says where it starts."""
        self._events, self._store, self._seal = events, store, seal
        self._kind, self._entities = kind, entities
        self._upto = self._not_before = 0
        self._seen: dict[str, int] = {}
        self._looked_back = 0.0

    def start(self, millis: int) -> None:
        """Begin at a moment. What happened before it is not looked for, late or not."""
        self._upto = self._not_before = millis

    def go_to(self, cursor: str) -> None:
        """Go on behind what was given when the cursor was. Raises CursorRefused."""
        self._upto, self._not_before, seen = self._seal.read(self._query, cursor)
        self._seen = dict.fromkeys(seen, self._upto)

    @property
    def cursor(self) -> str:
        """What goes on behind all that was given. It is the same query's only: kind and entities."""
        newest = sorted(self._seen, key=lambda told: self._seen[told])[-MOST_SEEN:]
        return self._seal.sign(self._query, [self._upto, self._not_before, newest])

    def poll(self, limit: int = 1000, look_back: bool = False) -> list[Event]:
        """Give at most `limit` events not given before. Late ones are looked for once a second, or when told to."""
        now = time.monotonic()
        late = look_back or now - self._looked_back >= 1.0
        window = int(self._events.window.total_seconds() * 1000)
        start = max(self._upto - window if late else self._upto, self._not_before)
        found = list(islice(self._new(start), limit))
        if late and len(found) < limit:
            self._looked_back = now
        for event in found:
            # Never past our own clock: one publisher's wrong one would hide all the others' events.
            self._upto = max(self._upto, min(_millis(event), int(self._events.now() * 1000)))
        oldest = self._upto - window - STORED_AGAIN_WITHIN * 1000
        self._seen = {told: at for told, at in self._seen.items() if at >= oldest}
        return found

    def follow(self, stop: threading.Event, every: float = 0.05) -> Iterator[Event]:
        """Give events as they come, looking `every` so many seconds, until `stop` is set."""
        while not stop.is_set():
            found = self.poll()
            yield from found
            if not found:
                stop.wait(every)

    def _new(self, start: int) -> Iterator[Event]:
        question = self._events.question(self._kind, self._days(start), start, self._entities)
        for item, _ in walk(self._store, question, Place(), AHEAD):
            event = _event(item)
            wanted = not self._entities or event.entity_id in self._entities
            if wanted and _told(event) not in self._seen:
                self._seen[_told(event)] = _millis(event)
                yield event

    def _days(self, start: int) -> Sequence[date]:
        # To the day that a publisher whose clock is ahead may have.
        ends = _moment(self._events.now()) + self._events.window
        begins = max(_moment(start / 1000), ends - KEPT - timedelta(days=1))
        return [begins.date() + timedelta(days=n) for n in range((ends.date() - begins.date()).days + 1)]

    @property
    def _query(self) -> str:
        return f"{self._events.name} {self._kind} {sorted(self._entities)}"


def _of(kind: str, day: date) -> Item:
    return {"eventType": {"S": kind}, "timestamp": {"S": str(day)}}


def _event(item: Item) -> Event:
    at = _moment(int(item["timestamp"]["N"]) / 1000)
    data = from_wire(item["data"])
    return Event(item["eventType"]["S"], item["entityId"]["S"], data, at, item["sequence"]["S"])


def _millis(event: Event) -> int:
    return round(event.at.timestamp() * 1000)


def _told(event: Event) -> str:
    return event.id[10:]  # the part that is not time


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
