"""Reading events since a cursor: bounded, in order but for late ones, none skipped.

**Nothing is lost between two polls.** The key holds the publisher's time, and a slow or skewed publisher stores an event
behind others that a reader has seen already. But none is stored a whole *window* late. So there are two parts:

- what is older than the window is *settled*: a place in the order of keys says all of it, and it moves on by what was given;
- what is younger is given early, and remembered by its id until it is settled.

How many are remembered is bounded. Beyond that many nothing is given early: it comes when it is settled, one window later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sluice.access.cursors import CursorRefused, Seal
from sluice.access.ids import CROCKFORD
from sluice.errors import Terminal

MOST_TOLD = 200
"""Events younger than the window that a cursor remembers, by eight bytes each."""
MOST_EARLY = 100_000
"""Events younger than the window that a reader which stays remembers."""
STORED_AGAIN_WITHIN = 120
"""Seconds: no client takes longer over one write, its tries and waits included."""
LOOKS_BACK_EVERY = 1.0


class EventRefused(Terminal):
    """The event cannot be stored as it is, or the question for events is none."""


@dataclass(frozen=True)
class Event:
    """Something that happened to an entity. `id` is a ULID: the same event never has two."""

    kind: str
    entity_id: str
    data: Any
    at: datetime
    id: str


Look = Callable[[str], Iterator[tuple[str, Event]]]
"""Gives the events whose sort key is not less than the one given, each with its own, in order of them."""


@dataclass(frozen=True)
class Rules:
    """What a reader goes by. `query` is what it reads: a cursor of something else is refused."""

    query: str
    window: timedelta
    kept: timedelta
    now: Callable[[], float]
    seal: Seal

    def begins(self, seconds_ago: float) -> str:
        """Give what the sort keys of a moment begin with."""
        return sort_key(int((self.now() - seconds_ago) * 1000))


class EventReader:
    """Gives each event once. For one thread; `poll` as often as you like. `Events.reader` makes it."""

    def __init__(
        self, look: Look, rules: Rules, most_early: int = MOST_EARLY, rung: Callable[[], bool] = lambda: True
    ) -> None:
        """It begins where `start` or `go_to` say. It gives at most `most_early` before they are settled.

        `rung` tells whether there may be something new: where not, it is looked for once a second only.
        """
        self._look, self._rules, self._most, self._rung = look, rules, most_early, rung
        self._more = False
        self._settled = self._front = ""
        self._early: dict[bytes, str] = {}
        self._stored_again: dict[bytes, str] = {}
        self._looked_back = 0.0

    def start(self, millis: int) -> None:
        """Begin at a moment, at most an hour less ago than events are kept. What happened before it is not looked for."""
        # Else the cursor of a reader that has only just begun would be too old.
        earliest = self._rules.begins((self._rules.kept - timedelta(hours=1)).total_seconds())
        self._settled = self._front = max(sort_key(millis), earliest)

    def go_to(self, cursor: str) -> None:
        """Go on behind what was given when the cursor was. Raises CursorRefused, also for one that is too old."""
        self._settled, told = self._rules.seal.read(self._rules.query, cursor)
        if self._settled < self._rules.begins(self._rules.kept.total_seconds()):
            raise CursorRefused(
                f"This cursor is older than events are kept ({self._rules.kept.days} days): some may be gone. "
                "Load anew what they would have told you, and start from a moment."
            )
        self._front = self._settled
        self._early = {told[at : at + 8]: "" for at in range(0, len(told), 8)}

    @property
    def cursor(self) -> str:
        """Where it stands, signed. Of more than 200 younger than the window, who resumes is given some again."""
        return self._rules.seal.sign(self._rules.query, [self._settled, b"".join(list(self._early)[-MOST_TOLD:])])

    def poll(self, limit: int = 1000, look_back: bool = False) -> list[Event]:
        """Give at most `limit` events not given before. Late ones are looked for once a second, or when told to."""
        if not isinstance(limit, int) or limit < 1:
            raise EventRefused(f"{limit!r} events are no number to be given: ask for 1 or more.")
        now = time.monotonic()
        if look_back or now - self._looked_back >= LOOKS_BACK_EVERY or len(self._early) >= self._most:
            self._looked_back = now
            found = self._from_settled(limit)
        else:
            found = self._from_front(limit) if self._more or self._rung() else []
        self._more = len(found) == limit
        return found

    def follow(self, stop: threading.Event, every: float = 0.05) -> Iterator[Event]:
        """Give events as they come, looking `every` so many seconds, until `stop` is set."""
        while not stop.is_set():
            found = self.poll()
            yield from found
            if not found:
                stop.wait(every)

    # ---- within ----

    def _from_settled(self, limit: int) -> list[Event]:
        """Look through all that may be new. What is settled is passed for good, up to where the limit ends it."""
        settled_before = self._rules.begins(self._rules.window.total_seconds())  # before anything is read
        found: list[Event] = []
        early: dict[bytes, str] = {}
        for sort, event in self._after(self._settled):
            told, settled = _told(event), sort < settled_before
            if told not in self._early and told not in self._stored_again:
                if len(found) == limit or not (settled or len(self._early) < self._most):
                    break
                found.append(event)
            self._front = sort
            if settled:
                self._settled = self._stored_again[told] = sort
                self._early.pop(told, None)
            else:
                self._early[told] = early[told] = sort
        else:
            # All was seen: what is remembered and was not met is there no more.
            self._settled, self._early = max(self._settled, settled_before), early
        self._forget()
        return found

    def _from_front(self, limit: int) -> list[Event]:
        """Look only at what is newer than all that was given: cheap, and enough for most."""
        found: list[Event] = []
        for sort, event in self._after(self._front):
            told = _told(event)
            if told not in self._early and told not in self._stored_again:
                if len(found) == limit or len(self._early) >= self._most:
                    break
                found.append(event)
            self._early[told] = self._front = sort
        self._forget()
        return found

    def _after(self, place: str) -> Iterator[tuple[str, Event]]:
        return ((sort, event) for sort, event in self._look(place) if sort > place)

    def _forget(self) -> None:
        # Never past our own clock: one publisher's wrong one would hide all the others' events.
        self._front = max(self._settled, min(self._front, self._rules.begins(0)))
        oldest = self._rules.begins(self._rules.window.total_seconds() + STORED_AGAIN_WITHIN)
        self._stored_again = {told: sort for told, sort in self._stored_again.items() if sort >= oldest}


def sort_key(millis: int) -> str:
    """Give what the sort key of a moment begins with."""
    return f"{max(millis, 0):013d}"


def checked(entities: object) -> frozenset[str]:
    """Give the ids of entities. Raises EventRefused for one text: its letters are meant by nobody."""
    if isinstance(entities, (str, bytes, Mapping)) or not hasattr(entities, "__iter__"):
        raise EventRefused(f"entities={entities!r} is no list of ids: give several, or one as ['{entities}'].")
    ids = list(entities)
    if not all(isinstance(one, str) for one in ids):
        raise EventRefused(f"entities={ids!r}: ids are text.")
    return frozenset(ids)


def _told(event: Event) -> bytes:
    """Eight bytes of the id's chance: those that also differ within a millisecond."""
    number = 0
    for char in event.id[-13:]:
        number = number << 5 | CROCKFORD.index(char)
    return (number & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "big")
