"""Streams as AWS has them, poisoned items and answers that get lost: nothing is lost, and what a person must mend is said."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sluice.failpoints import Broken
from sluice.migration.engine.contract import Fence, NotYet, Phase
from sluice.migration.kinds.single_table import SingleTable
from sluice.stores.dynamodb.client import DynamoDown, Throttled
from sluice.stores.dynamodb.values import Item

from tests.documents import Between, Documents
from tests.few_items import Few, copy, few_items, item, key, lying, settled, to_capturing, visit

PEOPLE = 20
TOO_LARGE = {"S": "x" * (400 * 1024 - 120)}
"""What a legacy item may just hold, and its record, which has keys and attributes of ours, may not."""


@pytest.fixture
def few(documents: Documents, make_table: Callable[..., str]) -> Iterator[Few]:
    """A legacy table with a few users."""
    with few_items(documents, make_table, *(item(f"u{number}") for number in range(PEOPLE))) as made:
        yield made


def bad(name: str, version: int = 1) -> Item:
    """An item without the attribute that its records are named by."""
    made = item(name, version)
    del made["userId"]
    return made


def write_at_random(few: Few, dice: random.Random, number: int) -> None:
    """So many writes: changes, moves, deletions and what is made anew."""
    for _ in range(number):
        name = f"u{dice.randrange(PEOPLE)}"
        if dice.random() < 0.25:
            few.delete(name)
        else:
            few.put(item(name, dice.randrange(1000), dice.choice(["ACTIVE", "LOCKED", None])))


def until_through(step: Callable[[], object]) -> int:
    """Take a step until it gets through, as retries would; say how often it did not."""
    for failed in range(200):
        try:
            step()
        except (Throttled, DynamoDown, Broken):
            continue
        return failed
    raise AssertionError("it never got through")


def assert_nothing_lost(few: Few, kind: SingleTable) -> None:
    """Compare, by the code and by hand."""
    until_through(lambda: kind.replicate(5))
    diff = kind.diff()
    assert diff.clean and diff.compared, diff.facts()
    assert few.records(kind) == few.by_hand()


@pytest.mark.parametrize("seed", range(3))
def test_several_shards_that_split_tell_twice_and_break_lose_nothing(few: Few, seed: int) -> None:
    kind, dice = few.opened(), random.Random(seed)
    to_capturing(kind)
    stream = lying(kind, 3, seed, twice=0.5, empty=0.1, throttled=0.1, broken=0.1)
    failed = 0
    for turn in range(6):
        write_at_random(few, dice, 10)
        failed += until_through(lambda: kind.replicate(5))
        if turn == 2:
            copy(kind)
        if turn in (1, 3):
            write_at_random(few, dice, 10)
            splitting = dice.choice([shard.id for shard in stream._parts.values() if shard.id not in stream._children])
            children = stream.split(splitting, into=dice.choice([1, 2]))
            assert children
    stream.twice = stream.empty = stream.throttled = stream.broken = 0
    kind.finish_backfill(Fence(1))
    assert_nothing_lost(few, kind)
    assert failed


@pytest.mark.parametrize("every", (2, 3))
def test_an_answer_that_was_lost_after_the_write_loses_nothing(few: Few, every: int) -> None:
    def answered(number: int, write: Callable[..., Any], asked: dict[str, Any]) -> Any:
        answer = write(**asked)
        if number % every == 0:
            raise DynamoDown("The connection broke, after the write was done.")
        return answer

    to_capturing(few.opened())
    dice, kind = random.Random(every), few.opened()
    deaf = SingleTable(
        kind.migration, Between(few.client, "transact_write_items", answered), kind._streams, kind.tables.prefix
    )
    write_at_random(few, dice, 20)
    with_place = lambda: deaf.copy_chunk(0, Fence(1))  # noqa: E731
    failed = until_through(with_place)
    for _ in range(4):
        write_at_random(few, dice, 10)
        failed += until_through(lambda: deaf.replicate(5))
    until_through(lambda: deaf.finish_backfill(Fence(1)))
    assert failed > 3
    assert_nothing_lost(few, kind)


def test_two_consumers_at_once_on_the_same_shards_lose_nothing(few: Few) -> None:
    kind = few.opened()
    to_capturing(kind)
    copy(kind)
    over, broken = threading.Event(), []

    def consume() -> None:
        consumer = few.opened()
        try:
            while not over.is_set():
                consumer.replicate(1)
        except Exception as error:
            broken.append(error)

    consumers = [threading.Thread(target=consume) for _ in range(2)]
    for consumer in consumers:
        consumer.start()
    dice, until = random.Random(1), time.monotonic() + 2
    while time.monotonic() < until:
        write_at_random(few, dice, 5)
    over.set()
    for consumer in consumers:
        consumer.join()
    assert not broken
    kind.finish_backfill(Fence(1))
    assert_nothing_lost(few, kind)


def quarantined(kind: SingleTable) -> dict[str, str]:
    """Whose keys wait in quarantine, and why."""
    return {poison.key.partition("=")[2].partition("@")[0]: poison.reason for poison in kind.marks.aside.quarantined()}


def test_a_poisoned_item_stops_nobody_and_a_good_image_heals_it(few: Few) -> None:
    kind = few.opened()
    to_capturing(kind)
    copy(kind)
    few.put(bad("u1"), bad("new"), item("u2", 2, "LOCKED"), bad("u3"))
    kind.replicate(5)
    assert set(quarantined(kind)) == {"u1", "u3", "new"}
    assert quarantined(kind)["u1"] == "id: it is missing"
    standing = few.records(kind)
    assert standing["PK=USER#u2&SK=LOOKUP#LOCKED"], "its shard goes on"
    assert standing["PK=USER#u1&SK=LOOKUP#ACTIVE"], "what its last good image wrote stays"
    few.put(bad("u1", 2))
    kind.replicate(5)
    few.put(item("u1", 3, "LOCKED"), item("new", 2))
    few.delete("u3")
    assert kind.standing()["quarantined"] == 3
    kind.replicate(5)
    assert quarantined(kind) == {}
    kind.finish_backfill(Fence(1))
    assert_nothing_lost(few, kind)


def test_no_cutover_while_an_item_is_in_quarantine(few: Few) -> None:
    few.put(bad("odd"))
    kind = few.opened()
    kind.route = kind.route.__class__(few.client, kind.marks, 0.0, 0.0)
    to_capturing(kind)
    copy(kind)
    kind.verify(settled(kind))
    kind.shadow()
    with pytest.raises(NotYet, match=r"1 items in quarantine, such as .*odd.*: id: it is missing"):
        kind.cut_over()
    few.delete("odd")
    kind.replicate(5)
    kind.cut_over()
    assert kind.position().phase is Phase.CUT_OVER


def test_an_item_mended_between_the_copys_read_and_its_write_is_not_in_quarantine(
    few: Few, monkeypatch: pytest.MonkeyPatch
) -> None:
    few.put(bad("odd"))
    kind = few.opened()
    to_capturing(kind)

    def mended() -> None:
        few.put(item("odd", 2))
        few.opened().replicate(5)

    with visit(monkeypatch, "segment.read", mended):
        copy(kind)
    assert settled(kind).clean
    assert quarantined(kind) == {}
    assert_nothing_lost(few, kind)


def test_a_record_too_large_is_set_aside_and_heals_when_it_is_smaller(few: Few) -> None:
    kind = few.opened()
    to_capturing(kind)
    copy(kind)
    few.put(item("u1", 2, None, blob=TOO_LARGE), item("u2", 2))
    kind.replicate(5)
    assert set(quarantined(kind)) == {"u1"}
    few.put(item("u1", 3))
    kind.replicate(5)
    kind.finish_backfill(Fence(1))
    assert_nothing_lost(few, kind)
    assert quarantined(kind) == {}


def test_two_items_that_want_one_record_are_told_apart_when_one_is_gone(few: Few) -> None:
    kind = few.opened()
    to_capturing(kind)
    copy(kind)
    few.put({**item("u1", 2), **key("second")})
    kind.replicate(5)
    assert set(quarantined(kind)) == {"second"}
    few.delete("u1")
    kind.replicate(5)
    few.put({**item("u1", 3), **key("second")})
    kind.replicate(5)
    kind.finish_backfill(Fence(1))
    assert_nothing_lost(few, kind)
    assert quarantined(kind) == {}


def test_an_item_mended_while_nobody_followed_is_not_in_quarantine_when_it_is_copied_anew(few: Few) -> None:
    few.put(bad("odd"))
    kind = few.opened()
    to_capturing(kind)
    copy(kind)
    assert set(quarantined(kind)) == {"odd"}
    kind.abort()
    few.put(item("odd", 2))
    again = few.opened()
    lying(again).trim()
    to_capturing(again)
    copy(again)
    assert settled(again).clean
    assert quarantined(again) == {}
    assert_nothing_lost(few, again)
