"""The parts of the access library that need no engine: breaker, loader, cursors, ids, values, layout."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sluice.access.breaker import Breaker, BreakerOpen
from sluice.access.cursors import CursorRefused, Seal
from sluice.access.ids import CROCKFORD, Ulids, uuid7
from sluice.access.layout import LIST, RELATIONS, SEARCH, SERIES, Layout, NotAnswered
from sluice.access.loader import Loader, NotAKey, loader_of
from sluice.access.refusals import Changed
from sluice.access.spans import NoMoment, Span
from sluice.access.values import NotStorable, attributes_of, from_wire, item_from, to_wire
from sluice.access.walking import Index, Place
from sluice.access.writing import again
from sluice.estate import read_model
from sluice.estate.design import TableModel
from sluice.estate.templates import placeholders
from sluice.records.partitions import partitions_of, periods
from sluice.stores.dynamodb.client import DynamoDown, Throttled
from sluice.stores.dynamodb.writes import Cancelled


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


# ---- breaker ----


def down() -> None:
    raise DynamoDown("down")


def failing(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(DynamoDown):
            breaker.call(down)


def test_five_failures_in_a_row_open_the_breaker_and_nobody_is_asked_for_a_minute() -> None:
    clock, asked = Clock(), []
    breaker = Breaker(clock=clock)
    failing(breaker, 4)
    breaker.call(lambda: asked.append("in between"))
    failing(breaker, 5)
    clock.seconds += 59
    with pytest.raises(BreakerOpen, match=r"5 times in a row.* 1 s more"):
        breaker.call(lambda: asked.append("open"))
    clock.seconds += 1
    breaker.call(lambda: asked.append("trying"))
    breaker.call(lambda: asked.append("closed"))
    assert asked == ["in between", "trying", "closed"]


def test_one_try_is_let_in_and_its_failure_opens_for_another_minute() -> None:
    clock, inside, asked = Clock(), threading.Event(), []
    breaker = Breaker(clock=clock)
    failing(breaker, 5)
    clock.seconds += 60

    def try_it() -> None:
        with pytest.raises(BreakerOpen):  # a second one, while the first is at it
            breaker.call(lambda: asked.append("second"))
        inside.set()
        raise DynamoDown("still")

    with pytest.raises(DynamoDown):
        breaker.call(try_it)
    assert inside.is_set()
    clock.seconds += 59
    with pytest.raises(BreakerOpen):
        breaker.call(lambda: asked.append("too early"))
    assert asked == []
    assert breaker.is_open


def test_a_refusal_is_an_answer_and_an_interruption_is_none() -> None:
    clock = Clock()
    breaker = Breaker(clock=clock)
    failing(breaker, 4)
    with pytest.raises(Cancelled):
        breaker.call(raising(Cancelled("a condition", ())))
    failing(breaker, 4)
    with pytest.raises(KeyboardInterrupt):
        breaker.call(raising(KeyboardInterrupt()))
    failing(breaker, 1)
    assert breaker.is_open
    clock.seconds += 60
    with pytest.raises(KeyboardInterrupt):
        breaker.call(raising(KeyboardInterrupt()))
    breaker.call(lambda: None)  # whoever was interrupted does not keep the others out
    assert not breaker.is_open


def test_calls_run_side_by_side() -> None:
    """A lock that is held while a call runs would let one at a time in: then the barrier breaks."""
    breaker, barrier = Breaker(), threading.Barrier(3, timeout=5)
    threads = [threading.Thread(target=breaker.call, args=(barrier.wait,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not barrier.broken


def test_a_call_of_before_says_nothing_of_the_state_after_it() -> None:
    """Slow calls that began while all was well end one after the other: some while it is open, some when it is up again."""
    clock = Clock()
    breaker = Breaker(clock=clock)
    slow = [Slow(breaker) for _ in range(8)]
    failing(breaker, 5)
    clock.seconds += 50
    slow.pop().end()
    slow.pop().end(DynamoDown("late"))  # the rest of the minute stays ten seconds
    clock.seconds += 10
    trying = Slow(breaker)
    slow.pop().end(DynamoDown("late"))
    with pytest.raises(BreakerOpen):  # and one tries, no second one beside it
        breaker.call(lambda: None)
    trying.end()
    assert not breaker.is_open
    for one in slow:
        one.end(DynamoDown("late"))
    assert not breaker.is_open


def test_a_table_that_asks_for_patience_is_no_store_that_is_down() -> None:
    """It is one table of many, and it answers; the breaker is the whole endpoint's."""
    breaker = Breaker()
    for _ in range(6):
        with pytest.raises(Throttled):
            breaker.call(raising(Throttled("patience")))
    breaker.call(lambda: None)


class Slow:
    """A call that has begun, and ends when it is told to."""

    def __init__(self, breaker: Breaker) -> None:
        self._inside, self._go_on = threading.Event(), threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(breaker,))
        self._thread.start()
        assert self._inside.wait(5)

    def end(self, error: Exception | None = None) -> None:
        self._error = error
        self._go_on.set()
        self._thread.join(5)

    def _run(self, breaker: Breaker) -> None:
        with suppress(DynamoDown):
            breaker.call(self._wait)

    def _wait(self) -> None:
        self._inside.set()
        assert self._go_on.wait(5)
        if self._error:
            raise self._error


def raising(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


# ---- loader ----


def test_what_was_asked_for_is_loaded_together_once_and_in_order() -> None:
    batches: list[list[str]] = []

    def load_all(keys: Sequence[str]) -> Mapping[str, str]:
        batches.append(list(keys))
        return {key: key.upper() for key in keys if key != "none"}

    loader = Loader(load_all)
    later = [loader.ask(key) for key in ("b", "a", "b", "none")]
    assert loader.load_many(["c", "a", "c"]) == ["C", "A", "C"]
    assert [one.value() for one in later] == ["B", "A", "B", None]
    assert loader.load("a") == "A"
    assert batches == [["b", "a", "none", "c"]]
    loader.forget("a")
    loader.prime("a", "primed")
    loader.prime("b", "not this")
    assert loader.load_many(["a", "b"]) == ["primed", "B"]
    loader.forget("a")
    assert loader.load("a") == "A"
    assert batches[1:] == [["a"]]


def test_a_load_that_failed_is_done_again() -> None:
    tries: list[Sequence[int]] = []

    def load_all(keys: Sequence[int]) -> Mapping[int, int]:
        tries.append(keys)
        if len(tries) == 1:
            raise DynamoDown("once")
        return {key: -key for key in keys}

    loader = Loader(load_all)
    later = loader.ask(1)
    with pytest.raises(DynamoDown):
        loader.load(2)
    assert (later.value(), loader.load(2)) == (-1, -2)


def test_those_that_were_asked_for_are_still_loaded_together_after_a_load_that_found_the_store_down() -> None:
    batches: list[list[int]] = []

    def load_all(keys: Sequence[int]) -> Mapping[int, int]:
        batches.append(list(keys))
        if len(batches) == 1:
            raise DynamoDown("once")
        return {key: -key for key in keys}

    loader = Loader(load_all)
    later = [loader.ask(key) for key in (1, 2, 3)]
    with pytest.raises(DynamoDown):
        later[0].value()
    assert [one.value() for one in later] == [-1, -2, -3]
    assert batches == [[1, 2, 3]] * 2


def test_a_key_that_makes_every_load_fail_does_not_stay_in_the_way_of_the_others() -> None:
    def load_all(keys: Sequence[int]) -> Mapping[int, int]:
        return {key: 1 // key for key in keys}

    loader = Loader(load_all)
    bad = loader.ask(0)
    with pytest.raises(ZeroDivisionError):
        loader.load(1)
    assert loader.load(1) == 1
    with pytest.raises(ZeroDivisionError):
        bad.value()
    assert loader.load(2) == 0


def test_a_key_that_is_none_fails_alone() -> None:
    """Also in a loader by several attributes, whose keys are their values."""
    asked: list[Any] = []

    def get_many(known: Sequence[dict[str, Any]]) -> Sequence[str | None]:
        asked.append(list(known))
        return [one["a"] for one in known]

    def check(known: dict[str, Any]) -> None:
        if known["a"] == "bad":
            raise NotAnswered("bad")

    one, two = loader_of("a", check, get_many), loader_of(("a", "b"), check, get_many)
    later = [one.ask(key) for key in ("x", "bad", "y")]
    assert [later[0].value(), later[2].value()] == ["x", "y"]
    with pytest.raises(NotAnswered):
        later[1].value()
    assert two.load(("x", 1)) == "x"
    for wrong in (("x",), 5):
        with pytest.raises(NotAKey, match="a, b"):
            two.load(wrong)
    assert asked == [[{"a": "x"}, {"a": "y"}], [{"a": "x", "b": 1}]]


# ---- collisions ----


def test_who_collides_waits_by_chance_and_longer_each_time_and_not_at_all_where_a_version_was_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two in lock step would collide for ever; and waits below one write's time help nobody."""
    slept: list[float] = []
    monkeypatch.setattr("sluice.access.writing.time.sleep", slept.append)
    for _ in range(200):
        with pytest.raises(Changed):
            again(None, raising(Changed("theirs")))
    assert len(slept) == 200 * 9
    assert len(set(slept)) > 1000
    last = slept[8::9]
    assert min(last) < 0.1
    assert 0.5 < max(last) <= 0.6
    assert max(slept[0::9]) <= 0.02
    slept.clear()
    with pytest.raises(Changed):
        again("a version", raising(Changed("theirs")))
    assert slept == []


# ---- cursors ----

SEAL = Seal((b"k" * 16,))
STATE = [0, {"S": "2024"}, {"3": [{"S": "USER#1"}, {"S": "METADATA"}]}]


def test_a_cursor_gives_its_state_back_to_its_query_alone() -> None:
    cursor = SEAL.sign("q", STATE)
    assert SEAL.read("q", cursor) == STATE
    for query, seal in (("r", SEAL), ("q", Seal((b"x" * 16,)))):
        with pytest.raises(CursorRefused):
            seal.read(query, cursor)


@given(some.data())
def test_a_cursor_of_which_anything_was_changed_is_refused(data: Any) -> None:
    cursor = SEAL.sign("q", STATE)
    place = data.draw(some.integers(0, len(cursor)))
    alphabet = some.sampled_from("AZaz09-_=+/ \n.é")
    cut = data.draw(some.integers(0, 2))
    changed = cursor[:place] + data.draw(some.text(alphabet, max_size=2)) + cursor[place + cut :]
    if changed != cursor:
        with pytest.raises(CursorRefused, match="first page"):
            SEAL.read("q", changed)


@given(some.text() | some.none() | some.integers() | some.binary())
def test_what_is_no_cursor_is_refused(text: Any) -> None:
    with pytest.raises(CursorRefused):
        SEAL.read("q", text)


def test_a_key_can_be_changed_while_old_cursors_are_out() -> None:
    old, both = SEAL.sign("q", STATE), Seal((b"n" * 16, *SEAL.keys))
    assert both.read("q", old) == STATE
    with pytest.raises(CursorRefused):
        SEAL.read("q", both.sign("q", STATE))
    for keys in ((), (b"short",), b"0123456789abcdef", ("0123456789abcdef",)):
        with pytest.raises(ValueError, match="16 bytes"):
            Seal(keys)


def test_a_place_survives_its_cursor() -> None:
    index = Index("t", "P", "S", table_key=("PK", "SK"))
    place = Place(2).past(1, {"PK": {"S": "a"}, "SK": {"B": b"\x00\xff"}, "S": {"N": "1.0"}}, index)
    place = place.past(3, {"PK": {"S": "b"}, "SK": {"B": b"x"}, "S": {"N": "1"}}, index)
    assert set(place.keys) == {1, 3}  # 1.0 and 1 are one number
    assert Place.read(SEAL.read("q", SEAL.sign("q", place.told()))) == place
    assert set(place.past(0, {"PK": {"S": "c"}, "SK": {"B": b"y"}, "S": {"N": "2"}}, index).keys) == {0}


# ---- ids ----


def test_a_uuid_is_a_version_7_of_now() -> None:
    one = UUID(uuid7())
    assert (one.version, one.variant) == (7, "specified in RFC 4122")
    at = datetime.fromtimestamp((one.int >> 80) / 1000, UTC)
    assert abs(at - datetime.now(UTC)) < timedelta(seconds=5)
    assert len({uuid7() for _ in range(1000)}) == 1000


def test_ulids_rise_within_a_millisecond_and_when_the_clock_steps_back() -> None:
    ulids = Ulids()
    given_out = [ulids.next(millis) for millis in (1000, 1000, 1000, 900, 1001)]
    assert given_out == sorted(set(given_out))
    assert all(len(one) == 26 and set(one) <= set(CROCKFORD) for one in given_out)
    assert Ulids().next(1_700_000_000_000)[:10] == "01HF7YAT00"


# ---- values ----

LEAVES = some.one_of(
    some.none(), some.booleans(), some.text(), some.binary(), some.integers(-(10**37), 10**37).map(Decimal),
    some.sets(some.text(min_size=1), min_size=1), some.sets(some.integers().map(Decimal), min_size=1).filter(
        lambda found: max(map(abs, found)) < 10**37
    ),
)  # fmt: skip
VALUES = some.recursive(LEAVES, lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner), max_leaves=8)


@given(VALUES)
@settings(deadline=None)  # the first one imports boto3
def test_a_value_comes_back_from_the_wire(value: Any) -> None:
    assert from_wire(to_wire(value)) == value


def test_our_own_attributes_are_neither_shown_nor_taken() -> None:
    assert attributes_of({"a": {"N": "1.50"}, "_token": {"S": "x"}}) == {"a": Decimal("1.50")}
    assert str(attributes_of({"a": {"N": "1.50"}})["a"]) == "1.50"
    with pytest.raises(NotStorable, match="Rename"):
        item_from({"_a": 1})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.5, r"attributes.x is of type float .* Decimal"),
        (object(), "attributes.x is of type object"),
        (Decimal("1" * 39), "38 digits"),
        (Decimal("1E126"), "too large"),
        (Decimal("1E-131"), "too small"),
        (Decimal("NaN"), "is NaN"),
        (set(), "empty set"),
        ({1, "a"}, "unlike members"),
        ({True}, "unlike members"),
        ({1: 2}, "name of type int"),
        (datetime(2024, 1, 1, tzinfo=UTC), "isoformat"),
        ("\ud800", "no Unicode"),
        ([{"deep": 1.5}], r"attributes.x.0.deep is of type float"),
    ],
)
def test_what_has_no_form_is_named_by_its_place_and_not_shown(value: Any, said: str) -> None:
    with pytest.raises(NotStorable, match=said) as refused:
        to_wire({"x": value, "secret": "Ann's"}, "attributes")
    assert "Ann" not in str(refused.value)


def test_what_is_nested_too_deep_is_refused_before_dynamodb_does() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    with pytest.raises(NotStorable, match="32 levels"):
        to_wire(deep)


@pytest.mark.parametrize(
    "number", [10**40, Decimal("1E125"), Decimal("-1E-130"), Decimal("1.50"), 0, Decimal("9" * 38)]
)
def test_a_number_that_dynamodb_takes_is_stored_exactly(number: Any) -> None:
    assert from_wire(to_wire(number)) == number


def test_attributes_are_a_dict() -> None:
    for wrong in ("1", None, [("id", "1")]):
        with pytest.raises(NotStorable, match="are a dict"):
            item_from(wrong)  # type: ignore[arg-type]


# ---- layout ----

SPREAD = {"user": 3, "one": 1}


def test_partitions_are_all_buckets_unless_it_is_known_which() -> None:
    known = {"id": {"S": "a"}, "status": {"S": "{x}"}}
    assert partitions_of("U#{id|spread:user}", SPREAD, {}) == ("U#P000", "U#P001", "U#P002")
    (only,) = partitions_of("U#{id|spread:user}", SPREAD, known)
    assert only in {"U#P000", "U#P001", "U#P002"}
    assert partitions_of("{{S}}#{status|upper}#{n|spread:one}", SPREAD, known) == ("{S}#{X}#P000",)


@pytest.mark.parametrize(
    ("period", "since", "until", "begins"),
    [
        ("month", "2023-11-30T23:00", "2024-02-01T00:00", ["2023-11-01", "2023-12-01", "2024-01-01"]),
        ("month", "2024-01-31T00:00", "2024-03-01T00:01", ["2024-01-01", "2024-02-01", "2024-03-01"]),
        ("day", "2024-02-28T12:00", "2024-03-01T00:00", ["2024-02-28", "2024-02-29"]),
        ("year", "2023-06-01T00:00", "2025-01-01T00:00", ["2023-01-01", "2024-01-01"]),
        ("month", "2024-01-01T00:00", "2024-01-01T00:00", []),
    ],
)
def test_each_period_that_is_touched_is_read(period: str, since: str, until: str, begins: list[str]) -> None:
    (timed,) = placeholders("{at|" + period + "}")
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (since, until)]
    assert [f"{moment:%Y-%m-%d}" for moment in periods(*moments, timed)] == begins


def test_periods_are_utc_and_not_too_many() -> None:
    (month,), (day,) = placeholders("{at|month}"), placeholders("{at|day}")
    east = timezone(timedelta(hours=2))
    begin = datetime(2024, 1, 1, tzinfo=east)
    assert [f"{one:%Y-%m}" for one in periods(begin, begin + timedelta(days=1), month)] == ["2023-12", "2024-01"]
    with pytest.raises(NotAnswered, match="ask for less"):
        periods(begin, begin + timedelta(days=5000), day)


MODEL = """{"model": "m", "store": "s", "tables": {"entity": {"name": "entity", "key": {"partition": "PK", "sort": "SK"},
"indexes": {"GSI1": {"partition": "GSI1PK", "sort": "GSI1SK"}, "GSI3": {"partition": "GSI3PK", "sort": "GSI3SK"}}}},
"entities": {"log": {"records": [{"record": "LOG", "whole": true, "key": {"PK": "LOG#{id}", "SK": "LOG",
"GSI1PK": "LOG", "GSI1SK": "{at}#{id}", "GSI3PK": "LOG_OF#{of}", "GSI3SK": "LOG#{at}"}}]},
"part": {"records": [{"record": "PART", "key": {"PK": "LOG#{id}", "SK": "PART"}}]}}}"""


def test_a_design_is_read_by_its_name_too() -> None:
    path = Path(__file__).resolve().parents[2] / "include/estate/tyler.yaml"
    assert read_model(str(path)) == read_model(path)


def test_the_pages_design_of_ones_own_answers_what_its_comments_say(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs/howto/use-the-new-tables.md"
    ((design,),) = [re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.M | re.S)]
    (tmp_path / "shop.yaml").write_text(design)
    layout = Layout(read_model(tmp_path / "shop.yaml"))
    year = Span(datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    assert len(layout.find("order", LIST, {}).stages[0]) == 3
    assert layout.find("order", SEARCH, {"number": {"N": "7"}}).stages == (("ORDER_NUMBER#7",),)
    assert layout.find("order", RELATIONS, {"customerId": {"S": "c"}}).stages == (("CUSTOMER_ORDER#c",),)
    assert len(layout.find_between("order", SERIES, year, {}).stages) == 12


@pytest.mark.parametrize("kind", ["event", "cache"])
def test_a_design_without_events_or_cache_is_told_where_to_take_them_from(kind: str) -> None:
    with pytest.raises(NotAnswered, match=f"m has no entity '{kind}'.*take it over from include/estate/tyler.yaml"):
        Layout(TableModel.model_validate_json(MODEL)).shape(kind)


def test_a_bound_in_time_is_before_that_very_moment_in_whatever_form_it_was_written() -> None:
    layout = Layout(TableModel.model_validate_json(MODEL), "test-")
    moment = datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    found = layout.find("log", "GSI1", {}, None, Span.of(moment, moment + timedelta(days=1)))
    assert (found.index.table, found.stages) == ("test-entity", (("LOG",),))
    assert (found.low, found.high) == ({"S": "2024-01-01T00:00:00"}, {"S": "2024-01-02T00:00:00"})
    with pytest.raises(NotAnswered, match="not in an order of time"):
        layout.find("log", "GSI3", {"of": {"S": "x"}}, None, Span.of(moment, None))
    with pytest.raises(NotAnswered, match="whole: true"):
        layout.key("part", {"id": {"S": "1"}})


def test_a_moment_says_its_zone() -> None:
    for wrong in (datetime(2024, 1, 1), "2024-01-01", 5):
        with pytest.raises(NoMoment, match="UTC"):
            Span.of(wrong, None)
    span = Span.of(datetime(2024, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), None)
    assert Span.read(span.told()) == span == Span(datetime(2024, 1, 1, tzinfo=UTC), None)
