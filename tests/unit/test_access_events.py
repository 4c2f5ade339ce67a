"""A reader of events skips none and gives none twice: whatever comes late, together, or in the same millisecond."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sluice.access.cursors import CursorRefused, Seal
from sluice.access.event_reader import Event, EventReader, EventRefused, Rules, checked
from sluice.access.ids import Ulids

WINDOW = 10.0
BEGIN = datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()
SEAL = Seal((b"k" * 16,))


@dataclass
class Log:
    """What is stored, in order of its keys, and a clock that goes when it is told to."""

    now: float = BEGIN
    stored: list[tuple[str, Event]] = field(default_factory=list)
    ulids: Ulids = field(default_factory=Ulids)
    looked_at: int = 0

    def store(self, late: float = 0.0, entity: str = "e") -> Event:
        """Store an event whose publisher's clock said so many seconds ago."""
        millis = int((self.now - late) * 1000)
        event = Event("K", entity, {}, datetime.fromtimestamp(millis / 1000, UTC), self.ulids.next(millis))
        self.keep(event, millis)
        return event

    def keep(self, event: Event, millis: int) -> None:
        self.stored.append((f"{millis:013d}#{event.entity_id}#{event.id}", event))
        self.stored.sort(key=lambda one: one[0])

    def look(self, place: str) -> Iterator[tuple[str, Event]]:
        for sort, event in list(self.stored):
            if sort >= place:
                self.looked_at += 1
                yield sort, event

    def rules(self, query: str = "q") -> Rules:
        return Rules(query, timedelta(seconds=WINDOW), timedelta(days=30), lambda: self.now, SEAL)

    def reader(self, most_early: int) -> EventReader:
        reader = EventReader(self.look, self.rules(), most_early)
        reader.start(int(self.now * 1000))
        return reader

    def resumed(self, cursor: str, most_early: int) -> EventReader:
        reader = EventReader(self.look, self.rules(), most_early)
        reader.go_to(cursor)
        return reader


# A burst of events with one lateness; a wait; a look.
BURSTS = some.tuples(some.just("burst"), some.integers(1, 12), some.floats(-3.0, WINDOW - 0.01))
WAITS = some.tuples(
    some.just("wait"), some.just(0), some.sampled_from([0.0, 0.001, 0.5, 3.0, 9.999, 10.0, 25.0, 4000.0])
)
LOOKS = some.tuples(some.just("look"), some.integers(1, 5), some.just(0.0))
STEPS = some.lists(some.one_of(BURSTS, WAITS, LOOKS), max_size=30)


def played(log: Log, steps: list[Any], cursors: bool, most_early: int) -> tuple[list[str], list[str]]:
    """Go through the steps, then look until nothing comes any more; give what was stored and what was given."""
    reader, given_out, stored = log.reader(most_early), [], []
    log.now += 3.0  # none of them is from before the beginning
    for what, number, seconds in [*steps, ("wait", 0, 60.0), *[("look", 5, 0.0)] * (12 * len(steps) // 5 + 2)]:
        if what == "burst":
            # What comes late may not come before the reader began.
            stored += [log.store(min(seconds, log.now - BEGIN - 0.001)).id for _ in range(number)]
        elif what == "wait":
            log.now += seconds
        else:
            reader = log.resumed(reader.cursor, most_early) if cursors else reader
            given_out += [event.id for event in reader.poll(number, look_back=True)]
    return stored, given_out


@given(STEPS, some.booleans(), some.sampled_from([1, 3, 200]))
@settings(max_examples=400, deadline=None)
def test_every_event_is_given_exactly_once(steps: list[Any], cursors: bool, most_early: int) -> None:
    """Bursts larger than what is remembered, equal milliseconds, late ones within the window, limits down to one."""
    stored, given_out = played(Log(), steps, cursors, most_early)
    assert sorted(given_out) == sorted(stored)


@given(STEPS, some.lists(some.booleans(), min_size=40, max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_reader_that_stays_may_look_only_at_the_newest_most_times(steps: list[Any], back: list[bool]) -> None:
    log = Log()
    reader, given_out, stored = log.reader(5), [], []
    reader._looked_back = float("inf")  # never by itself: when `back` says so
    log.now += 3.0
    for (what, number, seconds), look_back in zip(steps, back, strict=False):
        if what == "burst":
            stored += [log.store(min(seconds, log.now - BEGIN - 0.001)).id for _ in range(number)]
        elif what == "wait":
            log.now += seconds
        else:
            given_out += [event.id for event in reader.poll(number, look_back)]
    log.now += 60
    while found := reader.poll(3, look_back=True):
        given_out += [event.id for event in found]
    assert sorted(given_out) == sorted(stored)


def test_a_burst_larger_than_what_is_remembered_moves_on_and_the_cursor_stays_small() -> None:
    log = Log()
    reader = log.reader(200)
    for _ in range(1500):
        log.store()
        log.now += 0.004
    given_out, cursors = [], []
    for _ in range(30):
        reader = log.resumed(reader.cursor, 200)
        given_out += reader.poll(100, look_back=True)
        cursors.append(len(reader.cursor))
        log.now += 1.0
    assert len(given_out) == len({event.id for event in given_out}) == 1500
    assert max(cursors) < 3000
    late = log.store(late=9.0)
    assert reader.poll(look_back=True) == [late]


def test_what_a_publisher_with_a_wrong_clock_stored_ahead_does_not_keep_others_back() -> None:
    """An hour ahead, more of them than are remembered: the others come, each at most a window later."""
    log = Log()
    reader = log.reader(3)
    ahead = [log.store(late=-3600.0).id for _ in range(5)]
    given_out = [event.id for event in reader.poll(look_back=True)]
    assert given_out == ahead[:3]
    for _ in range(3):
        one = log.store()
        log.now += WINDOW + 0.1
        assert [event.id for event in reader.poll(look_back=True)] == [one.id]
    log.now += 4000
    assert [event.id for event in reader.poll(look_back=True)] == ahead[3:]


def test_what_is_stored_ahead_does_not_make_the_quick_look_blind() -> None:
    log = Log()
    reader = log.reader(10)
    log.store(late=-3600.0)
    assert len(reader.poll(look_back=True)) == 1
    log.now += 0.1
    one = log.store()
    assert reader.poll() == [one]


def test_looking_at_the_newest_reads_only_those() -> None:
    log = Log()
    reader = log.reader(1000)
    for _ in range(100):
        log.store()
        log.now += 0.01
    assert len(reader.poll(look_back=True)) == 100
    log.store()
    log.looked_at = 0
    assert len(reader.poll()) == 1
    assert log.looked_at <= 3


def test_a_quick_look_gives_no_more_than_may_be_remembered() -> None:
    log = Log()
    reader = log.reader(3)
    assert reader.poll(look_back=True) == []
    for _ in range(10):
        log.store()
    assert len(reader.poll()) == 3
    assert len(reader._early) == 3


def test_a_copy_that_was_stored_under_a_later_time_is_not_given_again() -> None:
    log = Log()
    reader = log.reader(10)
    first = log.store()
    log.now += 60
    assert [event.id for event in reader.poll(look_back=True)] == [first.id]
    log.keep(first, int(log.now * 1000))
    assert reader.poll(look_back=True) == []


def test_what_was_given_early_and_is_there_no_more_is_not_remembered_for_ever() -> None:
    log = Log()
    reader = log.reader(3)
    for _ in range(3):
        log.store()
    assert len(reader.poll(look_back=True)) == 3
    log.stored.clear()
    log.now += 0.1
    assert reader.poll(look_back=True) == []
    log.store()
    assert len(reader.poll(look_back=True)) == 1


def test_a_cursor_older_than_events_are_kept_is_refused_and_one_just_begun_is_not() -> None:
    log = Log()
    reader = log.reader(10)
    log.now += 31 * 86400
    with pytest.raises(CursorRefused, match="30 days"):
        log.resumed(reader.cursor, 10)
    of_old = EventReader(log.look, log.rules(), 10)
    of_old.start(0)
    log.now += 60
    assert log.resumed(of_old.cursor, 10).poll() == []
    with pytest.raises(CursorRefused, match="first page"):
        EventReader(log.look, log.rules("another"), 10).go_to(of_old.cursor)


@pytest.mark.parametrize("entities", ["e1", b"e1", {"e1": 1}, 5, [1]])
def test_entities_are_several(entities: Any) -> None:
    with pytest.raises(EventRefused, match="entities="):
        checked(entities)


@pytest.mark.parametrize("limit", [0, -1, "5"])
def test_a_limit_is_one_or_more(limit: Any) -> None:
    with pytest.raises(EventRefused, match="1 or more"):
        Log().reader(1).poll(limit)
