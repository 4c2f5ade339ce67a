"""Pages over hash buckets: in order, whole, and steady while everything around them changes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sluice.access
from sluice.access.cursors import CursorRefused
from sluice.access.entities import Entities, Entity
from sluice.access.pages import Asked, PageRefused, page
from sluice.access.spans import Span
from sluice.access.store import Endpoint, Store
from sluice.access.walking import Index, Question
from sluice.records.shape import records_of
from sluice.stores.dynamodb.tables import Index as TableIndex
from sluice.stores.dynamodb.values import Item

from tests.documents import Documents
from tests.integration.accessing import Tyler, tyler_on

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = Path(sluice.access.__file__).parents[2]
MANY = 10_000
BEGIN = datetime(2024, 1, 1)
TIED = 3_000
"""So many have one and the same date, as dirty data have that lost theirs; by its end their sort key is their own."""


def user(number: int, at: int | None = None) -> dict[str, Any]:
    at = number if at is None else at
    created = BEGIN + timedelta(seconds=max(at, TIED))
    return {"id": f"{number:06d}", "createdAt": f"{created.isoformat()}Z", "text": "x"}


def records(tyler: Tyler, users: list[dict[str, Any]]) -> list[Item]:
    shape = tyler.layout.shape("user")
    wire = ({name: {"S": value} for name, value in told.items()} for told in users)
    return [record.item for item in wire for record in records_of(shape, item)]


def walked(entities: Entities, size: int, **how: Any) -> Iterator[Entity]:
    after = None
    for _ in range(100):
        page = entities.list("user", size, after, **how)
        yield from page.nodes
        if not page.has_next_page:
            return
        after = page.end_cursor
    raise AssertionError("the pages do not end")


class Changing:
    """Two writers who insert, delete and update until told to stop; what they touched."""

    def __init__(self, tyler: Tyler) -> None:
        self.stop = threading.Event()
        self.deleted: set[str] = set()
        self.inserted: set[str] = set()
        self.updates = 0
        self.errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(tyler, seed)) for seed in range(2)]

    def __enter__(self) -> Changing:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, tyler: Tyler, seed: int) -> None:
        entities = Entities(Store(Endpoint(tyler.documents.client())), tyler.layout, tyler.seal)
        chance = random.Random(seed)
        fresh = MANY + seed
        try:
            while not self.stop.is_set():
                number = chance.randrange(seed, MANY, 2)  # each its own: they do not get in each other's way
                if chance.random() < 0.34:
                    self.deleted.add(user(number)["id"])
                    entities.delete("user", {"id": user(number)["id"]})
                elif chance.random() < 0.5:
                    fresh += 2
                    self.inserted.add(user(fresh)["id"])
                    entities.put("user", user(fresh, chance.randrange(MANY)))
                elif user(number)["id"] not in self.deleted:
                    entities.put("user", {**user(number), "text": f"changed {self.updates}"})
                    self.updates += 1
        except BaseException as error:
            self.errors.append(error)
            raise


def test_ten_thousand_that_change_meanwhile_are_paged_through_none_missing_none_twice(documents: Documents) -> None:
    with tyler_on(documents, "many-") as tyler:
        tyler.fill(records(tyler, [user(number) for number in range(MANY)]))
        with Changing(tyler) as changing:
            found = list(walked(tyler.entities, 1000))
    assert changing.errors == []
    assert min(len(changing.deleted), len(changing.inserted), changing.updates) > 20
    given = Counter(one["id"] for one in found)
    stayed = {user(number)["id"] for number in range(MANY)} - changing.deleted
    assert stayed - given.keys() == set()
    assert {told for told, times in given.items() if times > 1} == set()
    assert given.keys() <= stayed | changing.deleted | changing.inserted
    assert [one["createdAt"] for one in found] == sorted(one["createdAt"] for one in found)


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_of_any_size_give_all_in_order_also_where_many_are_equal(tyler: Tyler, newest_first: bool) -> None:
    tyler.fill(records(tyler, [user(number, TIED + number // 10) for number in range(40)]))
    for size in (3, 7, 40, 1000):
        found = list(walked(tyler.entities, size, newest_first=newest_first))
        assert len({one["id"] for one in found}) == len(found) == 40
        dates = [one["createdAt"] for one in found]
        assert dates == sorted(dates, reverse=newest_first)


@pytest.mark.parametrize("newest_first", [False, True])
def test_equal_sort_keys_come_once_too_however_many_buckets_hold_them(
    tyler: Tyler, make_table: Callable[..., str], newest_first: bool
) -> None:
    """A design may order by a date alone: then only its key tells where in a bucket the page before ended."""
    definition = {"partition": "PK", "sort": "SK", "indexes": (TableIndex("GSI1", "GSI1PK", "GSI1SK"),)}
    index = Index(make_table(**definition, stream=False), "GSI1PK", "GSI1SK", "GSI1")
    for number in range(30):
        keys = {
            "PK": f"{number:02}",
            "SK": "x",
            "GSI1PK": f"B{number % 3}",
            "GSI1SK": "same" if number < 24 else "then",
        }
        tyler.client.put_item(TableName=index.table, Item={name: {"S": value} for name, value in keys.items()})
    question = Question(index, (("B0", "B1", "B2"),), newest_first=newest_first)
    for size in (1, 4, 24):
        found, after, more = [], None, True
        while more:
            asked = Asked("equal", Span(), lambda _: question)
            one = page(tyler.store, tyler.seal, asked, size, after, lambda item: item["PK"]["S"])
            found += one.nodes
            after, more = one.end_cursor, one.has_next_page and len(found) < 100
        assert sorted(found) == [f"{number:02}" for number in range(30)]


def test_every_edge_has_a_cursor_to_go_on_from_and_the_last_one_finds_what_comes_later(tyler: Tyler) -> None:
    tyler.fill(records(tyler, [user(TIED + number) for number in range(9)]))
    page = tyler.entities.list("user", 9)
    for number, edge in enumerate(page.edges):
        behind = tyler.entities.list("user", 9, edge.cursor)
        assert behind.nodes == page.nodes[number + 1 :]
    assert (page.has_next_page, page.page_info["endCursor"]) == (False, page.edges[-1].cursor)
    nothing = tyler.entities.list("user", 9, page.end_cursor)
    assert (nothing.nodes, nothing.end_cursor) == ((), page.end_cursor)
    tyler.entities.create("user", user(TIED + 10))
    assert [one["id"] for one in tyler.entities.list("user", 9, nothing.end_cursor).nodes] == [user(TIED + 10)["id"]]


def test_a_page_says_exactly_whether_there_is_a_next_one(tyler: Tyler) -> None:
    tyler.fill(records(tyler, [user(number) for number in range(10)]))
    assert not tyler.entities.list("user", 10).has_next_page
    assert tyler.entities.list("user", 9).has_next_page


def test_a_filter_leaves_out_without_ending_early(tyler: Tyler) -> None:
    users = [user(TIED + number) | {"text": "rare" if number % 50 == 49 else "x"} for number in range(200)]
    tyler.fill(records(tyler, users))
    found = list(walked(tyler.entities, 2, where={"text": "rare"}))
    assert [one["id"] for one in found] == [told["id"] for told in users if told["text"] == "rare"]


def test_a_cursor_of_another_query_or_another_key_is_refused(tyler: Tyler) -> None:
    tyler.fill(records(tyler, [user(number) for number in range(5)]))
    cursor = tyler.entities.list("user", 2).end_cursor
    for other in (
        lambda: tyler.entities.list("user", 2, cursor, newest_first=True),
        lambda: tyler.entities.list("user", 2, cursor, where={"text": "x"}),
        lambda: tyler.entities.list("contractor", 2, cursor),
        lambda: tyler.entities.search("user", {"email": "a@b.c"}, 2, cursor),
    ):
        with pytest.raises(CursorRefused, match="first page"):
            other()
    for wrong in ("", 5, "x"):
        with pytest.raises(CursorRefused, match="first page"):
            tyler.entities.list("user", 2, wrong)
    for wrong in (0, "5", 1001):
        with pytest.raises(PageRefused, match="1 to 1000"):
            tyler.entities.list("user", wrong)


def test_a_bound_that_moves_stays_where_the_first_page_had_it(tyler: Tyler) -> None:
    """`until` is now, as most write it: each page asks with a later one."""
    begin = datetime(2024, 3, 1, tzinfo=UTC)
    for number in range(5):
        at = (begin + timedelta(hours=number)).isoformat()
        tyler.entities.create("audit", {"id": f"a{number}", "userId": "1", "timestamp": at})
    until, found, after = begin + timedelta(hours=2, minutes=30), [], None
    for _ in range(3):
        one = tyler.entities.between("audit", begin, until, 1, after)
        found += [node["id"] for node in one]
        after, until = one.end_cursor, until + timedelta(hours=1)
    assert (found, one.has_next_page) == (["a0", "a1", "a2"], False)
    first = tyler.entities.relations("audit", {"userId": "1"}, 2, since=begin + timedelta(hours=1))
    rest = tyler.entities.relations("audit", {"userId": "1"}, 9, first.end_cursor, since=begin + timedelta(hours=3))
    assert [node["id"] for node in (*first, *rest)] == ["a1", "a2", "a3", "a4"]
    with pytest.raises(CursorRefused):
        tyler.entities.relations("audit", {"userId": "1"}, 9, first.end_cursor)


def test_a_set_to_filter_by_is_the_same_question_in_each_process(tyler: Tyler) -> None:
    tyler.fill(records(tyler, [user(number) for number in range(3)]))
    for number in range(3):
        tyler.entities.update("user", {"id": user(number)["id"]}, {"tags": {"a", "b", "c", "d"}})
    script = (
        "import sys; from tests.integration.accessing import *; from tests.documents import *\n"
        "tyler = Tyler(None, Layout(read_model(MODEL), sys.argv[1]), None)\n"
        "asked = []\n"
        "tyler.entities._page.__globals__['page'] = lambda store, seal, asked_, *_: print(asked_.text) or Page((), False, None)\n"
        "from sluice.access.pages import Page\n"
        "tyler.entities.list('user', where={'tags': {'a', 'b', 'c', 'd'}})\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", script, tyler.layout.prefix],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{PLUGINS}:{ROOT}"},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(told) == 1


def test_a_long_time_with_little_in_it_is_not_read_one_period_after_the_other(tyler: Tyler) -> None:
    """Twenty years are 240 months of eight buckets: in rounds of up to sixteen months, not 240."""
    at_once: list[int] = []

    class Counting(Store):
        def side_by_side(self, calls: Any) -> Any:
            at_once.append(len(calls))
            return super().side_by_side(calls)

    entities = Entities(Counting(Endpoint(tyler.client)), tyler.layout, tyler.seal)
    times = ["2004-02-01T00:00:00Z", "2012-05-05T00:00:00Z", "2012-06-05T00:00:00Z", "2023-12-31T00:00:00Z"]
    for number, at in enumerate(times):
        entities.create("audit", {"id": f"a{number}", "userId": "1", "timestamp": at})
    since, until = datetime(2004, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
    assert [one["timestamp"] for one in entities.between("audit", since, until)] == times
    assert len(at_once) < 40
    assert max(at_once) == 16 * 8
