"""The next page of a shard is read while one is brought home, and is given only where it is what would be read now."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from sluice.errors import Transient
from sluice.migration.kinds.dynamodb_source.pages_ahead import MOST_HELD, PagesAhead
from sluice.migration.kinds.dynamodb_source.rounds import FEW
from sluice.stores.dynamodb.streams import Change, Shard, StreamPage

AT = datetime(2026, 1, 1, tzinfo=UTC)
MANY = FEW + 1


@dataclass
class Numbers:
    """A stream whose shards tell the numbers from 1 on, in pages of `MANY`, as far as `told`."""

    told: int = 3 * MANY
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    before: Callable[[str | None], None] = lambda after: None

    @property
    def arn(self) -> str:
        """It has none."""
        return ""

    def shards(self) -> tuple[Shard, ...]:
        """Nobody asks."""
        return ()

    def from_now(self, shard_id: str) -> Callable[[], StreamPage]:
        """Nobody asks."""
        raise NotImplementedError

    def read(self, shard_id: str, after: str | None, limit: int = 1000) -> StreamPage:
        """Read on."""
        self.asked.append((shard_id, after))
        self.before(after)
        first = int(after or 0) + 1
        numbers = range(first, min(first + MANY, self.told + 1))
        changes = tuple(Change({"k": {"N": str(n)}}, "INSERT", None, None, str(n), AT) for n in numbers)
        return StreamPage(changes, changes[-1].sequence if changes else after, ended=False)


def test_the_next_page_is_read_while_the_first_is_at_work() -> None:
    asked_again = threading.Event()
    stream = Numbers(before=lambda after: asked_again.set() if after else None)
    with PagesAhead(stream) as pages:
        first = pages.read("a", None)
        assert asked_again.wait(10)
        second = pages.read("a", first.position)
    assert [change.sequence for page in (first, second) for change in page.changes] == [
        str(n + 1) for n in range(2 * MANY)
    ]
    assert stream.asked[:2] == [("a", None), ("a", str(MANY))]


def test_whoever_finds_the_place_moved_is_given_what_follows_there() -> None:
    with PagesAhead(Numbers()) as pages:
        pages.read("a", None)
        assert pages.read("a", "7").changes[0].sequence == "8"


def test_a_page_that_was_empty_is_read_anew() -> None:
    """It was empty before it was asked for, which says nothing of now."""
    stream = Numbers(told=MANY)
    with PagesAhead(stream) as pages:
        first = pages.read("a", None)
        pages._coming["a"][1].result()
        stream.told = MANY + 1
        assert [change.sequence for change in pages.read("a", first.position).changes] == [str(MANY + 1)]


def test_what_failed_ahead_of_time_is_asked_for_once_more() -> None:
    stream = Numbers()
    with PagesAhead(stream) as pages:
        fails = iter([False, True, False, True, True])

        def broken(after: str | None) -> None:
            if next(fails, False):
                raise Transient("broken")

        stream.before = broken
        first = pages.read("a", None)
        second = pages.read("a", first.position)
        assert second.changes[0].sequence == str(MANY + 1)
        with pytest.raises(Transient, match="broken"):
            pages.read("a", second.position)


def test_short_pages_and_more_shards_than_are_held_are_not_read_ahead() -> None:
    stream = Numbers(told=FEW)
    with PagesAhead(stream) as pages:
        pages.read("a", None)
    assert stream.asked == [("a", None)]
    stream = Numbers()
    with PagesAhead(stream) as pages:
        shards = [f"shard-{number}" for number in range(2 * MOST_HELD)]
        for shard in shards:
            pages.read(shard, None)
    assert len([after for _, after in stream.asked if after]) <= MOST_HELD
    assert [shard for shard, after in stream.asked if after is None] == shards


def test_one_thread_reads_a_shard_at_a_time() -> None:
    """An iterator of a shard has one reader; also where what was read ahead is of no use."""
    inside, worst, lock = 0, 0, threading.Lock()

    def count(after: str | None) -> None:
        nonlocal inside, worst
        with lock:
            inside += 1
            worst = max(worst, inside)
        threading.Event().wait(0.02)
        with lock:
            inside -= 1

    with PagesAhead(Numbers(told=20 * MANY, before=count)) as pages:
        for turn in range(10):
            pages.read("a", str(turn))
    assert worst == 1
