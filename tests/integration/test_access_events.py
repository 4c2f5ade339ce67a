"""Events: soon there, in order, across midnight, none lost to a slow publisher or a wrong clock, none given twice."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from sluice.access.breaker import Breaker
from sluice.access.cursors import CursorRefused
from sluice.access.events import Event, EventLate, EventRefused, Events
from sluice.access.ids import Ulids
from sluice.access.store import Endpoint, Store
from sluice.errors import Terminal
from sluice.records.shape import records_of
from sluice.stores.dynamodb.values import Item

from tests.integration.accessing import Tyler

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self, start: datetime) -> None:
        self.seconds = start.timestamp()

    def __call__(self) -> float:
        return self.seconds


def events(tyler: Tyler, clock: Callable[[], float] = time.time) -> Events:
    return Events(tyler.store, tyler.layout, tyler.seal, clock=clock)


def names(found: list[Event]) -> list[Any]:
    return [event.data["n"] for event in found]


def stored(tyler: Tyler) -> list[Item]:
    """What lies in the table but for the bells."""
    return [item for item in tyler.items("event") if item["SK"]["S"] != "BELL"]


def test_a_reader_sees_an_event_within_a_tenth_of_a_second(tyler: Tyler) -> None:
    """Measured from before publishing to after reading, by readers that look every 25 ms."""
    ours, stop, seen = events(tyler), threading.Event(), {}
    reader = ours.reader("SEEN")

    def read() -> None:
        for event in reader.follow(stop, every=0.025):
            seen[event.data["n"]] = time.perf_counter()

    thread = threading.Thread(target=read)
    thread.start()
    began = {}
    for number in range(40):
        time.sleep(random.uniform(0, 0.05))
        began[number] = time.perf_counter()
        ours.publish("SEEN", f"e{number % 7}", {"n": number})
    until = time.monotonic() + 10
    while len(seen) < len(began) and time.monotonic() < until:
        time.sleep(0.05)
    stop.set()
    thread.join()
    taken = sorted(seen[number] - began[number] for number in began)
    print(
        f"published to read: P50 {taken[20] * 1000:.0f} ms, P95 {taken[37] * 1000:.0f} ms, most {taken[-1] * 1000:.0f} ms"
    )
    assert statistics.median(taken) < 0.1


def test_who_waits_while_nothing_happens_asks_for_one_item_and_sees_an_event_at_its_next_look(tyler: Tyler) -> None:
    """Four partitions twenty times a second are eighty requests, most of them for nothing."""
    client, asked = tyler.documents.client(), []
    client.meta.events.register("before-call.dynamodb.*", lambda model, **_: asked.append(model.name))
    ours = Events(Store(Endpoint(client)), tyler.layout, tyler.seal)
    reader, other = ours.reader("QUIET"), events(tyler)
    assert reader.poll() == []
    reader._looked_back = float("inf")  # looks back when told to, and not by itself
    asked.clear()
    for _ in range(10):
        assert reader.poll() == []
    assert asked == ["BatchGetItem"] * 10
    for number in range(3):  # the second and the third do not ring
        other.publish("QUIET", f"e{number}", {"n": number})
        assert names(reader.poll()) == [number]
    assert [item["PK"]["S"] for item in tyler.items("event") if item["SK"]["S"] == "BELL"] == ["QUIET#BELL"]


def test_a_burst_rings_once_and_is_given_at_once_whatever_the_limit(tyler: Tyler) -> None:
    client, stored = tyler.documents.client(), []
    client.meta.events.register("before-call.dynamodb.PutItem", lambda **_: stored.append(time.monotonic()))
    ours = Events(Store(Endpoint(client)), tyler.layout, tyler.seal)
    reader = ours.reader("BELLS")
    reader._looked_back = float("inf")
    assert reader.poll() == []
    for number in range(20):
        ours.publish("BELLS", f"e{number}", {"n": number})
    assert len(stored) - 20 <= 1 + (stored[-1] - stored[0]) / 0.5
    assert names(reader.poll(limit=4)) == [0, 1, 2, 3]
    reader._rung = lambda: False  # long after the bell
    assert [len(reader.poll(limit=4)) for _ in range(5)] == [4, 4, 4, 4, 0]


def test_an_event_that_nobody_rang_for_is_given_all_the_same(tyler: Tyler) -> None:
    """The ring fails: the event is published, and comes when the reader looks through everything."""
    client, calls = tyler.documents.client(), []

    def second_fails(**_: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise ReadTimeoutError(endpoint_url="http://dynamodb")

    client.meta.events.register("before-call.dynamodb.PutItem", second_fails)
    reader = events(tyler).reader("DUMB")
    Events(Store(Endpoint(client)), tyler.layout, tyler.seal).publish("DUMB", "e", {"n": 1})
    assert (len(calls), names(reader.poll(look_back=True))) == (2, [1])


def test_events_are_read_in_order_across_midnight_by_who_keeps_only_a_cursor(tyler: Tyler) -> None:
    clock = Clock(NOON.replace(hour=23, minute=59, second=50))
    ours = events(tyler, clock)
    cursor = ours.reader("NIGHT").cursor
    for number in range(20):
        ours.publish("NIGHT", f"e{number % 5}", {"n": number})
        clock.seconds += 1
    days = {item["PK"]["S"].split("#")[1] for item in stored(tyler)}
    assert days == {"2024-05-01", "2024-05-02"}
    found: list[Event] = []
    for _ in range(5):
        some, cursor = ours.read_since("NIGHT", cursor, limit=7)
        found += some
    assert names(found) == list(range(20))


def test_a_moment_in_the_past_is_read_from_over_days(tyler: Tyler) -> None:
    clock = Clock(NOON)
    ours = events(tyler, clock)
    for number in range(4):
        ours.publish("DAYS", "e", {"n": number})
        clock.seconds += timedelta(days=1).total_seconds()
    assert names(ours.reader("DAYS", since=NOON + timedelta(days=1)).poll()) == [1, 2, 3]
    assert names(ours.reader("DAYS").poll()) == []


def test_only_the_entities_asked_for_are_given_and_only_their_buckets_read(tyler: Tyler) -> None:
    asked: list[str] = []
    client = tyler.documents.client()
    client.meta.events.register(
        "provide-client-params.dynamodb.Query",
        lambda params, **_: asked.append(params["ExpressionAttributeValues"][":p"]["S"]),
    )
    clock = Clock(NOON)
    ours = Events(Store(Endpoint(client)), tyler.layout, tyler.seal, clock=clock)
    reader, everything = ours.reader("SOME", entities=["e1"]), ours.reader("SOME")
    for number in range(6):
        ours.publish("SOME", f"e{number % 3}", {"n": number})
        clock.seconds += 1
    assert names(reader.poll()) == [1, 4]
    assert len(set(asked)) == 1
    assert names(everything.poll()) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(CursorRefused):
        ours.reader("SOME", since=reader.cursor)


def test_two_events_of_one_entity_in_one_millisecond_are_both_there(tyler: Tyler) -> None:
    ours = events(tyler, Clock(NOON))
    reader = ours.reader("SAME")
    for number in range(3):
        ours.publish("SAME", "e", {"n": number})
    assert names(reader.poll()) == [0, 1, 2]
    assert reader.poll() == []


def test_an_event_stored_behind_what_was_read_is_still_given(tyler: Tyler) -> None:
    """Its publisher's clock is three seconds slow: for a cursor that only goes forward it would be lost."""
    fast, slow = Clock(NOON), Clock(NOON - timedelta(seconds=3))
    reader = events(tyler, fast).reader("LATE", since=NOON - timedelta(minutes=1))
    events(tyler, fast).publish("LATE", "e", {"n": "first"})
    assert names(reader.poll(look_back=True)) == ["first"]
    cursor = reader.cursor
    events(tyler, slow).publish("LATE", "e", {"n": "late"})
    assert names(reader.poll(look_back=True)) == ["late"]
    assert reader.poll(look_back=True) == []
    assert names(events(tyler, fast).read_since("LATE", cursor)[0]) == ["late"]


def test_a_publisher_whose_clock_is_far_ahead_hides_nobody_elses_events(tyler: Tyler) -> None:
    now = Clock(NOON)
    reader = events(tyler, now).reader("AHEAD")
    events(tyler, Clock(NOON + timedelta(hours=1))).publish("AHEAD", "e", {"n": "ahead"})
    assert names(reader.poll(look_back=True)) == ["ahead"]
    for number in range(3):
        now.seconds += 20
        events(tyler, now).publish("AHEAD", "e", {"n": number})
        assert names(reader.poll(look_back=True)) == [number]


def test_an_event_that_took_too_long_to_store_is_stored_under_a_later_time_and_given_once(tyler: Tyler) -> None:
    clock = Clock(NOON)
    client = tyler.documents.client()
    slow = [True]

    def takes_a_minute(**_: Any) -> None:
        clock.seconds += 60 if slow.pop() else 0
        slow.append(False)

    client.meta.events.register("before-call.dynamodb.PutItem", takes_a_minute)
    ours = Events(Store(Endpoint(client)), tyler.layout, tyler.seal, clock=clock)
    early, late = (ours.reader("SLOW", since=since) for since in (NOON, NOON + timedelta(seconds=30)))
    told = ours.publish("SLOW", "e", {"n": 1})
    assert (told.at, len(stored(tyler))) == (NOON + timedelta(seconds=60), 2)
    events(tyler, Clock(NOON + timedelta(seconds=55))).publish("SLOW", "e", {"n": 2})
    assert names(early.poll(limit=2)) == [1, 2]
    assert early.poll(look_back=True) == []
    assert names(late.poll()) == [2, 1]


def test_a_day_that_has_begun_for_the_publisher_alone_is_looked_at_too(tyler: Tyler) -> None:
    """His clock is four seconds ahead, and it is two to midnight: without a look at tomorrow the event comes after midnight."""
    now, ahead = (Clock(NOON.replace(hour=23, minute=59, second=second)) for second in (56, 58))
    ahead.seconds += 4
    reader = events(tyler, now).reader("EVE")
    now.seconds += 2
    events(tyler, ahead).publish("EVE", "e", {"n": 1})
    assert names(reader.poll(look_back=True)) == [1]


@pytest.mark.parametrize("then", ["slow", "down"])
def test_an_event_that_is_stored_too_late_each_time_is_told_as_late_and_not_stored_for_ever(
    tyler: Tyler, then: str
) -> None:
    """A write that takes longer than readers wait, whenever it is tried; and one whose second try finds nobody."""
    clock, stored = Clock(NOON), []
    client = tyler.documents.client()

    def takes_long(**_: Any) -> None:
        clock.seconds += 7
        stored.append(clock.seconds)
        assert len(stored) < 20, "it never ends"
        if then == "down" and len(stored) > 1:
            raise ReadTimeoutError(endpoint_url="http://dynamodb")

    client.meta.events.register("before-call.dynamodb.PutItem", takes_long)
    ours = Events(Store(Endpoint(client, Breaker(failures=1))), tyler.layout, tyler.seal, clock=clock)
    with pytest.raises(EventLate, match=r"LATE of e is stored, .* may have passed it"):
        ours.publish("LATE", "e", {"n": 1})
    assert len(stored) <= 3
    assert names(events(tyler, clock).reader("LATE", since=NOON).poll()) == [1]


def test_a_burst_that_no_cursor_can_remember_is_given_once_and_what_comes_later_too(tyler: Tyler) -> None:
    """700 within three seconds and 200 a look: a cursor that goes back by the last event given would stand still."""
    clock = Clock(NOON)
    ours = events(tyler, clock)
    cursor = ours.reader("BURST").cursor
    shape, at = tyler.layout.shape("event"), int(clock.seconds * 1000)
    told = [
        {"eventType": "BURST", "entityId": f"e{number}", "sequence": Ulids().next(at + 4 * number)}
        for number in range(700)
    ]
    items = [
        {name: {"S": text} for name, text in one.items()}
        | {"timestamp": {"N": str(at + 4 * number)}, "data": {"M": {}}}
        for number, one in enumerate(told)
    ]
    tyler.fill([record.item for item in items for record in records_of(shape, item)], "event")
    clock.seconds += 3
    found: list[str] = []
    for _ in range(8):
        some, cursor = ours.read_since("BURST", cursor, limit=200)
        found += [event.id for event in some]
        assert len(cursor) < 3000
        clock.seconds += 3
    assert found == [one["sequence"] for one in told]
    clock.seconds += 3600
    ours.publish("BURST", "new", {"n": "new"})
    some, cursor = ours.read_since("BURST", cursor, limit=200)
    assert names(some) == ["new"]


@pytest.mark.parametrize(
    ("kind", "entity", "data"), [("A#B", "e", {}), ("", "e", {}), ("A", "", {}), ("A", 1, {}), ("A", "e", [])]
)
def test_what_is_no_event_is_refused(tyler: Tyler, kind: str, entity: Any, data: Any) -> None:
    with pytest.raises(EventRefused):
        events(tyler).publish(kind, entity, data)


def test_a_question_that_nobody_means_is_refused(tyler: Tyler) -> None:
    """One text for several ids reads its letters; a moment without zone is another one on each machine."""
    with pytest.raises(EventRefused, match=r"\['e1'\]"):
        events(tyler).reader("A", entities="e1")
    with pytest.raises(Terminal, match="UTC"):
        events(tyler).reader("A", since=datetime(2024, 5, 1))
    clock = Clock(NOON)
    cursor = events(tyler, clock).reader("A").cursor
    clock.seconds += timedelta(days=31).total_seconds()
    with pytest.raises(CursorRefused, match="30 days"):
        events(tyler, clock).read_since("A", cursor)
