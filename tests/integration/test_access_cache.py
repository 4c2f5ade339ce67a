"""The cache's layers: what is asked twice is loaded once, and what was changed is not served from before."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from sluice.access.cache import INVALIDATED, Cache, UnknownClass
from sluice.access.events import Events
from sluice.access.store import Endpoint, Store
from sluice.access.values import NotStorable
from sluice.stores.dynamodb.client import DynamoDown, dynamodb_client

from tests.integration.accessing import Tyler


class Clock:
    """A clock that goes when it is told to."""

    seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


class Source:
    """What is loaded, how often."""

    def __init__(self, **values: Any) -> None:
        self.values, self.loads = values, 0

    def __call__(self) -> Any:
        self.loads += 1
        return self.values.get("a")

    def all(self, keys: Sequence[str]) -> Mapping[str, Any]:
        self.loads += len(keys)
        return {key: self.values[key] for key in keys if key in self.values}


def cache_of(tyler: Tyler, clock: Clock, store: Store | None = None, **how: Any) -> Cache:
    return Cache(store or tyler.store, tyler.layout, clock=clock, **how)


def nobody() -> Store:
    return Store(Endpoint(dynamodb_client("http://127.0.0.1:9", "key", "secret", "us-east-1")))


def test_each_layer_answers_for_those_behind_it(tyler: Tyler) -> None:
    clock, source = Clock(), Source(a={"name": "Ann", "roles": {"x"}})
    one, other = cache_of(tyler, clock), cache_of(tyler, clock)
    request = one.request()
    for _ in range(2):
        assert request.get("USER", "a", source) == source.values["a"]
    assert one.request().get("USER", "a", source) == source.values["a"]
    assert other.request().get("USER", "a", source) == source.values["a"]
    assert source.loads == 1
    hits = one.hits()
    assert (hits.request, hits.memory, hits.table, hits.loaded) == (1, 1, 0, 1)
    assert other.hits("USER").table == 1
    assert other.hits("CONFIG").ratio == 0


@pytest.mark.parametrize(("kind", "seconds"), [("USER", 300), ("QUERY", 120), ("SESSION", 1800), ("CONFIG", 3600)])
def test_a_value_is_kept_as_long_as_its_class_says(tyler: Tyler, kind: str, seconds: float) -> None:
    clock, source = Clock(), Source(a="x")
    cache = cache_of(tyler, clock)
    cache.request().get(kind, "a", source)
    clock.seconds += seconds - 1
    cache.request().get(kind, "a", source)
    assert source.loads == 1
    clock.seconds += 3
    cache.request().get(kind, "a", source)
    assert source.loads == 2
    (item,) = tyler.items("cache")
    assert item["PK"]["S"] == f"{kind}#a"
    assert float(item["expiresAt"]["N"]) == pytest.approx(clock.seconds + seconds, abs=1)


def test_nobody_is_served_from_before_an_invalidation_but_other_processes_memory_for_its_seconds(tyler: Tyler) -> None:
    clock, source = Clock(), Source(a="old")
    one, other = cache_of(tyler, clock), cache_of(tyler, clock, memory_seconds=2.0)
    request = one.request()
    for cache in (one, other):
        cache.request().get("SESSION", "a", source)
    request.get("SESSION", "a", source)
    source.values["a"] = "new"
    request.invalidate("SESSION", "a")
    assert request.get("SESSION", "a", source) == "new"
    assert one.request().get("SESSION", "a", source) == "new"
    assert other.request().get("SESSION", "a", source) == "old"
    clock.seconds += 2
    assert other.request().get("SESSION", "a", source) == "new"


def test_who_follows_the_invalidations_serves_nothing_from_before(tyler: Tyler) -> None:
    clock, source = Clock(), Source(a="old")
    events = Events(tyler.store, tyler.layout, tyler.seal)
    one = cache_of(tyler, clock, announce=events.publish)
    other = cache_of(tyler, clock, memory_seconds=3600)
    reader = events.reader(INVALIDATED)
    other.request().get("CONFIG", "a", source)
    source.values["a"] = "new"
    one.invalidate("CONFIG", "a")
    other.hear(reader.poll())
    assert other.request().get("CONFIG", "a", source) == "new"


@pytest.mark.parametrize("known_before", [False, True])
@pytest.mark.parametrize("in_another_process", [False, True])
def test_a_value_loaded_before_an_invalidation_and_stored_after_it_is_not_kept(
    tyler: Tyler, in_another_process: bool, known_before: bool
) -> None:
    clock, source = Clock(), Source(a="new")
    cache = cache_of(tyler, clock)
    if known_before:  # and expired, but DynamoDB has not taken it away yet
        cache.request().get("USER", "a", lambda: "older")
        clock.seconds += 400
    changing = cache_of(tyler, clock) if in_another_process else cache

    def overtaken() -> str:
        changing.invalidate("USER", "a")
        return "old"

    assert cache.request().get("USER", "a", overtaken) == "old"  # it was, when it was asked
    assert cache.request().get("USER", "a", source) == "new"
    assert changing.request().get("USER", "a", source) == "new"


def test_a_table_that_is_down_is_no_reason_not_to_answer_but_one_not_to_say_invalidated(tyler: Tyler) -> None:
    cache, source = cache_of(tyler, Clock(), nobody()), Source(a="x")
    assert cache.request().get("USER", "a", source) == "x"
    assert cache.request().get("USER", "a", source) == "x"
    assert source.loads == 1  # by memory alone
    with pytest.raises(DynamoDown):
        cache.invalidate("USER", "a")


def test_without_its_table_a_process_still_keeps_nothing_from_before_its_own_invalidation(tyler: Tyler) -> None:
    cache, source = cache_of(tyler, Clock(), nobody()), Source(a="new")

    def overtaken() -> str:
        with pytest.raises(DynamoDown):
            cache.invalidate("USER", "a")
        return "old"

    assert cache.request().get("USER", "a", overtaken) == "old"
    assert cache.request().get("USER", "a", source) == "new"


def test_what_is_not_there_or_too_large_is_not_kept_in_the_table(tyler: Tyler) -> None:
    cache = cache_of(tyler, Clock())
    assert cache.request().get("USER", "b", lambda: None) is None
    assert len(cache.request().get("QUERY", "c", lambda: "x" * 500_000)) == 500_000
    assert tyler.items("cache") == []
    with pytest.raises(UnknownClass, match="SESSION"):
        cache.request().get("CAT", "a", lambda: None)


def test_a_cache_that_was_warmed_loads_nothing_more(tyler: Tyler) -> None:
    clock, source = Clock(), Source(**{f"u{number}": number for number in range(120)})
    keys = [*source.values, "nobody"]
    assert cache_of(tyler, clock).warm("USER", keys, source.all) == 120
    other = cache_of(tyler, clock)
    source.loads = 0
    assert other.get_many("USER", keys[:50], source.all) == {key: source.values[key] for key in keys[:50]}
    assert (source.loads, other.hits().ratio) == (0, 1.0)


def test_the_hit_ratio_of_a_skewed_load_is_over_four_fifths(tyler: Tyler) -> None:
    """Two processes, 400 look-ups of 50 keys by Zipf's law, one in fifty a change."""
    clock, chance = Clock(), random.Random(7)
    processes = [cache_of(tyler, clock), cache_of(tyler, clock)]
    source = Source(a="x")
    weights = [1 / rank for rank in range(1, 51)]
    for number in range(400):
        (key,) = chance.choices(range(50), weights)
        clock.seconds += 0.1
        if number % 50 == 49:
            processes[number % 2].invalidate("USER", f"u{key}")
        else:
            processes[chance.randrange(2)].request().get("USER", f"u{key}", source)
    hits = [process.hits() for process in processes]
    asked = sum(one.request + one.memory + one.table + one.loaded for one in hits)
    ratio = 1 - sum(one.loaded for one in hits) / asked
    print(
        f"hit ratio {ratio:.3f}; memory {sum(one.memory for one in hits)}, table {sum(one.table for one in hits)} of {asked}"
    )
    assert ratio > 0.8


def test_threads_share_a_cache(tyler: Tyler) -> None:
    cache, wrong = cache_of(tyler, Clock(), entries=5), []

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            key = f"u{chance.randrange(10)}"
            if cache.request().get("USER", key, lambda key=key: key) != key:
                wrong.append(key)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.hits().memory + cache.hits().table + cache.hits().loaded == 160


def asking(cache: Cache, load: Callable[[], Any], threads: int) -> tuple[list[threading.Thread], list[Any]]:
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(cache.request().get("USER", "a", load))
        except ValueError as error:
            found.append(error)

    started = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in started:
        thread.start()
    return started, found


class Held:
    """A load that waits until the test lets it go on."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.loads = answer, 0
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self) -> Any:
        self.loads += 1
        self.inside.set()
        assert self.go_on.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", ["x", None, ValueError("no")])
def test_what_many_threads_want_at_once_is_loaded_once(tyler: Tyler, answer: Any) -> None:
    cache, held = cache_of(tyler, Clock()), Held(answer)
    first, found = asking(cache, held, 1)
    assert held.inside.wait(10)
    others, also = asking(cache, held, 12)
    time.sleep(0.3)
    held.go_on.set()
    for thread in (*first, *others):
        thread.join(10)
    assert (held.loads, found + also) == (1, [answer] * 13)
    assert cache.hits().loaded == (0 if isinstance(answer, Exception) else 1)


def test_who_asks_after_an_invalidation_does_not_get_what_is_being_loaded_since_before(tyler: Tyler) -> None:
    cache, held = cache_of(tyler, Clock()), Held("old")
    threads, found = asking(cache, held, 1)
    assert held.inside.wait(10)
    cache.invalidate("USER", "a")
    assert cache.request().get("USER", "a", lambda: "new") == "new"
    held.go_on.set()
    threads[0].join(10)
    assert found == ["old"]  # it was, when it was asked
    assert cache.request().get("USER", "a", lambda: "newer") == "new"


def test_a_load_that_asks_for_itself_does_not_wait_for_itself(tyler: Tyler) -> None:
    cache, began = cache_of(tyler, Clock()), time.monotonic()
    assert cache.request().get("USER", "a", lambda: cache.request().get("USER", "a", lambda: "inner")) == "inner"
    assert time.monotonic() - began < 15


def test_classes_are_added_and_changed_not_replaced(tyler: Tyler) -> None:
    clock, source = Clock(), Source(a="x")
    cache = cache_of(tyler, clock, seconds={"PRICE": 10, "USER": 1}, memory_seconds=0.0)
    for kind, seconds in (("PRICE", 10), ("USER", 1), ("CONFIG", 3600)):
        source.loads = 0
        cache.request().get(kind, "a", source)
        cache.request().get(kind, "a", source)
        assert source.loads == 1
        clock.seconds += seconds + 2
        cache.request().get(kind, "a", source)
        assert source.loads == 2


def test_a_value_has_one_form_in_every_layer(tyler: Tyler) -> None:
    clock, told = Clock(), {"n": 1, "pair": (1, 2)}
    cache, other = cache_of(tyler, clock), cache_of(tyler, clock)
    forms = [repr(one.request().get("USER", "a", lambda: told)) for one in (cache, cache, other)]
    assert forms == [repr({"n": Decimal(1), "pair": [Decimal(1), Decimal(2)]})] * 3


def test_a_value_that_cannot_be_stored_is_named_and_not_shown(tyler: Tyler) -> None:
    ann = tyler.entities.create("config", {"key": "n", "secret": "Ann's"})
    with pytest.raises(NotStorable, match="USER n is of type Entity") as refused:
        cache_of(tyler, Clock()).request().get("USER", "n", lambda: ann)
    assert "Ann" not in str(refused.value)


def test_who_waits_for_one_key_of_a_load_that_failed_loads_by_himself(tyler: Tyler) -> None:
    """The load was of several, and nobody knows which of them it failed for."""
    cache, source = cache_of(tyler, Clock()), Source(a="x")
    inside, go_on = threading.Event(), threading.Event()

    def bad(_: Sequence[str]) -> Mapping[str, Any]:
        inside.set()
        assert go_on.wait(10)
        raise ValueError("b cannot be loaded")

    def warm() -> None:
        with pytest.raises(ValueError, match="b cannot"):
            cache.warm("USER", ["a", "b"], bad)

    warming = threading.Thread(target=warm)
    warming.start()
    assert inside.wait(10)
    threads, found = asking(cache, source, 3)
    time.sleep(0.2)
    go_on.set()
    for thread in (warming, *threads):
        thread.join(10)
    assert found == ["x"] * 3
