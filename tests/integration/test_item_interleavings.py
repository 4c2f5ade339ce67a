"""{copy, apply, write} in every order, for every kind of write at once: the records are always what the items say.

A copy has two moments, its read and its write. Writes and deliveries come before, between or after them: twelve orders of one
write and one delivery, fifteen of write, delivery, second write, second delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import combinations_with_replacement, permutations, product
from threading import Event
from typing import ClassVar

import pytest
from sluice import failpoints
from sluice.migration.kinds.single_table import SingleTable

from tests.documents import Documents
from tests.few_items import FUTURE, PAST, Few, copy, few_items, item, key, lying, settled, to_capturing, visit
from tests.streams_that_lie import StreamThatLies

Slots = tuple[str, str, str]
"""What happens before the copy's read, between its read and its write, and after: W a write, A a delivery."""

SEEDS = (
    *map(item, ("update", "delete", "reinsert", "noop", "move", "bare", "together", "together_gone", "untouched")),
    item("expires", expiresAt=FUTURE),
    item("lapses", expiresAt=FUTURE),
)


def one_of_each() -> Iterator[Slots]:
    """Every order of W and A about the two moments."""
    for write, delivery in product(range(3), repeat=2):
        for order in permutations("WA") if write == delivery else ["WA"]:
            place = {"W": write, "A": delivery}
            yield _slots((name, place[name]) for name in order)


def two_of_each() -> Iterator[Slots]:
    """W, A, a second W and a second A, in this order, about the two moments."""
    for places in combinations_with_replacement(range(3), 4):
        yield _slots(zip("WAWA", places, strict=True))


def _slots(placed: Iterator[tuple[str, int]]) -> Slots:
    slots = ["", "", ""]
    for name, place in placed:
        slots[place] += name
    return slots[0], slots[1], slots[2]


def _name(slots: Slots) -> str:
    return "{} read {} write {}".format(*(slot or "-" for slot in slots)).replace(" ", "_")


ORDERS = [*one_of_each(), *two_of_each()]


def first_writes(few: Few, stream: StreamThatLies) -> None:
    """One write of each kind."""
    few.put(item("insert"), item("update", 2), item("noop"), item("move", status="LOCKED"), item("bare", status=None))
    few.delete("delete", "reinsert")
    few.put(item("reinsert", 2, "LOCKED"), item("lapses", 2, expiresAt=PAST))
    stream.expire(few.client, few.old, key("expires"))
    few.together(item("together", 2), item("together_new"), delete="together_gone")


def second_writes(few: Few, stream: StreamThatLies) -> None:
    """Another of another kind on each."""
    few.put(item("update", 3, "LOCKED"), item("noop"), item("move", 2), item("bare", 2, "LOCKED"), item("delete", 3))
    few.put(item("expires", 2, expiresAt=FUTURE), item("lapses", 3, expiresAt=FUTURE))
    few.delete("insert", "reinsert")
    few.together(item("together_gone", 3), item("together_new", 2, "LOCKED"), delete="together")


def test_no_order_is_left_out() -> None:
    assert len(ORDERS) == len(set(ORDERS)) == 12 + 15


@pytest.mark.parametrize("slots", ORDERS, ids=map(_name, ORDERS))
def test_every_order_ends_equal(
    documents: Documents, make_table: Callable[..., str], monkeypatch: pytest.MonkeyPatch, slots: Slots
) -> None:
    with few_items(documents, make_table, *SEEDS) as few:
        kind = few.opened()
        to_capturing(kind)
        acts = actor(few, kind)
        acts(slots[0])
        with visit(monkeypatch, "segment.read", lambda: acts(slots[1])):
            copy(kind)
        acts(slots[2])
        diff = settled(kind)
        assert diff.clean and not diff.races, diff.facts()
        assert few.records(kind) == few.by_hand()
        assert "PK=USER#untouched&SK=METADATA" in few.by_hand()


@pytest.mark.parametrize("order", sorted(set(permutations("CCAA"))), ids="".join)
def test_a_delivery_across_a_copy_ends_equal(
    documents: Documents, make_table: Callable[..., str], monkeypatch: pytest.MonkeyPatch, order: Sequence[str]
) -> None:
    """A delivery has two moments too: C is the copy's read, then its write, A the delivery's, all before a second write."""
    with few_items(documents, make_table, *SEEDS) as few:
        kind, late = few.opened(), few.opened()
        to_capturing(kind)
        stream = late._ways.__dict__["source_stream"] = lying(kind)
        first_writes(few, stream)
        workers = {
            "C": Held(monkeypatch, "segment.read", lambda: copy(kind)),
            "A": Held(monkeypatch, "stream.read", lambda: late.replicate(5)),
        }
        with failpoints.armed("segment.read=hold@1,stream.read=hold@1"):
            for moment in order[:2]:
                workers[moment].go_on()
            second_writes(few, stream)
            for moment in order[2:]:
                workers[moment].go_on()
        diff = settled(kind)
        assert diff.clean and not diff.races, diff.facts()
        assert few.records(kind) == few.by_hand()


class Held:
    """A worker that stops once at an edge, and goes on when it is told to."""

    at: ClassVar[dict[str, Held]] = {}

    def __init__(self, monkeypatch: pytest.MonkeyPatch, edge: str, work: Callable[[], object]) -> None:
        """The edge is to be armed with `hold`."""
        monkeypatch.setitem(failpoints.ACTIONS, "hold", lambda name, argument: Held.at[name]._stop())
        monkeypatch.setitem(Held.at, edge, self)
        self.arrived, self.released = Event(), Event()
        self.pool = ThreadPoolExecutor(1)
        self.work = work
        self.done: Future[object] | None = None

    def go_on(self) -> None:
        """Begin, up to the edge; the second time, to the end."""
        if self.done is None:
            self.done = self.pool.submit(self.work)
            assert self.arrived.wait(10)
        else:
            self.released.set()
            self.done.result(10)
            self.pool.shutdown()

    def _stop(self) -> None:
        self.arrived.set()
        assert self.released.wait(10)


def actor(few: Few, kind: SingleTable) -> Callable[[str], None]:
    """Give what does the acts of a slot, in order."""
    stream = lying(kind)
    writes = iter((first_writes, second_writes))

    def acts(slot: str) -> None:
        for act in slot:
            kind.replicate(5) if act == "A" else next(writes)(few, stream)

    return acts
