"""Shadow reads: the application is answered from the truth, differences are told apart and counted."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from sluice.access.reporting import tell as keep
from sluice.access.routing import ItemRoute, NoRoute, RouteFrozen, Routing
from sluice.access.shadow import Latency, ShadowReader, ShadowReport, new_side, old_side
from sluice.estate.single_table import SingleTableMigration
from sluice.ledger.item_marks import ItemMarks
from sluice.records.record import Unmappable
from sluice.records.shape import compile_shape
from sluice.stores.dynamodb.client import DynamoDown
from sluice.stores.dynamodb.values import Item
from sluice.stores.dynamodb.writes import write_together

from tests.integration.accessing import Tyler


@pytest.fixture
def marks(tyler: Tyler) -> ItemMarks:
    """The marks of a migration, in a table that may as well be that of events."""
    return ItemMarks(tyler.client, "users", tyler.table("event"))


def tell(marks: ItemMarks, read_from: str, write_to: str, epoch: int = 1) -> None:
    write_together(marks.client, [marks.tell(read_from, write_to, epoch, 5.0)])


SHAPE = compile_shape(
    SingleTableMigration.model_validate_json(
        json.dumps(
            {
                "migration": "users",
                "kind": "single_table",
                "from": {"store": "tyler", "table": "legacy"},
                "into": {
                    "tables": {"entity": {"name": "entity", "key": {"partition": "PK", "sort": "SK"}}},
                    "records": [{"record": "METADATA", "key": {"PK": "USER#{id}", "SK": "METADATA"}, "whole": True}],
                },
                "attributes": {
                    "id": {"from": "{userId}"},
                    "createdAt": {"from": "{created}", "otherwise": "2024-01-01"},
                    "PK": {"drop": True},
                    "SK": {"drop": True},
                },
                "skip": {"expired": "expires"},
            }
        )
    )
)


class Sides:
    """A legacy table of users, whose ids and dates have other names, and the design."""

    def __init__(self, tyler: Tyler, marks: ItemMarks, **how: Any) -> None:
        self.tyler, self.legacy = tyler, tyler.table("event")
        source = ItemRoute(tyler.store, "users", marks.table)
        self.routing = Routing(source, poll_seconds=0.0)
        self.reader = ShadowReader[str](self.routing, self.old, self.new, settle_seconds=0.6, **how)
        self.down: set[str] = set()

    def old(self, key: str) -> Item | None:
        if "old" in self.down:
            raise DynamoDown("the old side")
        place = lambda asked: {"PK": {"S": asked}, "SK": {"S": "LEGACY"}}  # noqa: E731
        return old_side(self.tyler.store, SHAPE, self.legacy, place)(key)

    def new(self, key: str) -> Item | None:
        if "new" in self.down:
            raise DynamoDown("the new side")
        return new_side(self.tyler.store, self.tyler.layout, "user", lambda asked: {"id": {"S": asked}})(key)

    def settled(self) -> ShadowReport:
        return settled(self.reader)

    def write_old(self, key: str, text: str, **rest: Any) -> None:
        item = {"PK": {"S": key}, "SK": {"S": "LEGACY"}, "userId": {"S": key}, "text": {"S": text}, **rest}
        self.tyler.client.put_item(TableName=self.legacy, Item=item)

    def write_new(self, key: str, text: str) -> None:
        self.tyler.entities.put("user", {"id": key, "createdAt": "2024-01-01", "text": text})


def settled(reader: ShadowReader[str]) -> ShadowReport:
    """What a reader has seen, once nothing is to be looked at again."""
    until = time.monotonic() + 20
    while (report := reader.report()).waiting and time.monotonic() < until:
        time.sleep(0.05)
    return report


def text(found: Item | None) -> str | None:
    return found and found["text"]["S"]


def test_the_route_is_read_from_the_marks(tyler: Tyler, marks: ItemMarks) -> None:
    with pytest.raises(NoRoute, match="run it to capturing first"):
        ItemRoute(tyler.store, "users", "no-such-marks").read()
    routing = Routing(ItemRoute(tyler.store, "users", marks.table), poll_seconds=0.0)
    with pytest.raises(NoRoute, match="check the name"):
        routing.read_from()
    tell(marks, "shadow", "old", 3)
    assert routing.read_from() == "shadow"
    with routing.writing() as route:
        assert (route.write_to, route.epoch, route.lease_seconds) == ("old", 3, 5.0)
    tell(marks, "new", "none", 4)
    with pytest.raises(RouteFrozen), routing.writing():
        raise AssertionError("nobody may write")
    tell(marks, "elsewhere", "new")
    with pytest.raises(NoRoute, match="update it"):
        routing.read_from()


def test_reads_follow_the_route(tyler: Tyler, marks: ItemMarks) -> None:
    sides = Sides(tyler, marks)
    sides.write_old("a", "old")
    sides.write_new("a", "new")
    for read_from, wanted in (("old", "old"), ("new", "new"), ("shadow", "old")):
        tell(marks, read_from, "old")
        assert text(sides.reader.read("a")) == wanted
    assert sides.settled().compared == 1  # only what was shadowed


def test_a_difference_that_passes_is_a_race_and_one_that_stays_is_real(tyler: Tyler, marks: ItemMarks) -> None:
    tell(marks, "shadow", "old")
    sides = Sides(tyler, marks)
    for key in ("equal", "behind", "wrong", "missing", "moving"):
        sides.write_old(key, "x")
    sides.write_new("equal", "x")
    sides.write_new("wrong", "y")
    sides.write_new("orphan", "x")
    answers = {key: text(sides.reader.read(key)) for key in ("equal", "behind", "wrong", "missing", "orphan", "moving")}
    sides.write_new("behind", "x")  # it arrives a little later
    sides.write_old("moving", "z")  # changed meanwhile: the new side cannot have it yet
    report = sides.settled()
    assert answers == {"equal": "x", "behind": "x", "wrong": "x", "missing": "x", "orphan": None, "moving": "x"}
    assert (report.compared, report.equal, report.race, report.real) == (6, 1, 2, 3)
    assert report.fell_back == 3
    told = {one.key: one.attributes for one in report.examples}
    assert told == {"wrong": ("text",), "missing": (), "orphan": ()}
    assert report.old.p50 > 0 < report.new.p99
    assert "6 of 6: 1 equal, 2 race, 3 real" in str(report)
    assert "wrong in text" in str(report)


def test_a_difference_counts_for_nothing_while_changes_may_be_on_their_way(tyler: Tyler, marks: ItemMarks) -> None:
    tell(marks, "shadow", "old")
    sides = Sides(tyler, marks)
    sides.write_old("late", "x")
    sides.reader.read("late")
    time.sleep(0.2)  # the first two looks are over, the last is not
    assert (sides.reader.report().waiting, sides.reader.report().compared) == (1, 0)
    sides.write_new("late", "x")
    report = sides.settled()
    assert (report.waiting, report.race, report.real) == (0, 1, 0)


def test_what_was_seen_in_an_epoch_gone_by_counts_for_nothing(tyler: Tyler, marks: ItemMarks) -> None:
    tell(marks, "shadow", "old", 1)
    sides = Sides(tyler, marks)
    sides.write_old("a", "x")
    sides.reader.read("a")
    assert sides.settled().real == 1
    sides.write_new("a", "x")
    tell(marks, "shadow", "old", 3)
    sides.reader.read("a")
    assert (sides.settled().compared, sides.settled().real, sides.settled().examples) == (1, 0, ())
    tell(marks, "old", "old", 5)
    sides.reader.read("a")
    keep(tyler.store, "users", "web-1", sides.settled(), table=marks.table)
    assert [len(marks.shadow_reports(epoch)) for epoch in (3, 5)] == [1, 0]
    assert [told["asked"] for told in marks.shadow_reports(3)] == [{"N": "1"}]


def test_what_has_expired_is_on_neither_side_and_what_cannot_be_mapped_is_said(tyler: Tyler, marks: ItemMarks) -> None:
    tell(marks, "shadow", "old")
    sides = Sides(tyler, marks)
    sides.write_old("expired", "x", expires={"N": "1700000000"})
    assert sides.reader.read("expired") is None
    sides.write_old("odd", "x", id={"S": "in the way"})
    with pytest.raises(Unmappable, match="id"):
        sides.reader.read("odd")
    sides.write_new("n", "x")
    (record,) = tyler.items()
    tyler.fill([{**record, "ttl": {"N": "1700000000"}}])
    assert sides.new("n") is None
    report = sides.settled()
    assert (report.equal, report.not_compared) == (1, 1)


def test_what_one_side_cannot_answer_the_other_does(tyler: Tyler, marks: ItemMarks) -> None:
    tell(marks, "shadow", "old")
    sides = Sides(tyler, marks)
    sides.write_old("a", "x")
    sides.write_new("a", "x")
    sides.down = {"new"}
    assert text(sides.reader.read("a")) == "x"
    sides.down = {"old"}
    assert text(sides.reader.read("a")) == "x"
    sides.down = {"old", "new"}
    with pytest.raises(DynamoDown):
        sides.reader.read("a")
    report = sides.settled()
    assert (report.asked, report.compared, report.not_compared, report.fell_back, report.failed) == (3, 0, 3, 1, 1)


def test_what_is_not_sampled_is_read_new_and_falls_back(tyler: Tyler, marks: ItemMarks) -> None:
    tell(marks, "shadow", "old")
    sides = Sides(tyler, marks, sample=0.0)
    sides.write_old("a", "old")
    assert text(sides.reader.read("a")) == "old"
    sides.write_new("a", "new")
    assert text(sides.reader.read("a")) == "new"
    sides.down = {"new"}
    assert text(sides.reader.read("a")) == "old"
    report = sides.settled()
    assert (report.asked, report.fell_back, report.failed, report.compared) == (3, 2, 1, 0)


def test_what_a_side_of_the_applications_own_raises_is_no_reason_not_to_answer_nor_to_stop_comparing(
    tyler: Tyler, marks: ItemMarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver's error while a difference is looked at again; more of them than may wait."""
    monkeypatch.setattr("sluice.access.shadow.MOST_WAITING", 2)
    tell(marks, "shadow", "old")
    found: list[Item | Exception | None] = [None]

    def new(_: str) -> Item | None:
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]

    item: Item = {"text": {"S": "x"}}
    source = ItemRoute(tyler.store, "users", marks.table)
    reader = ShadowReader[str](Routing(source), lambda _: item, new, settle_seconds=0.2)
    for _ in range(3):
        found[0] = None
        assert reader.read("a") == item  # differs: it is looked at again, and meanwhile
        found[0] = OSError("the driver's own")
        assert reader.read("a") == item
        assert settled(reader).not_compared > 0
    assert (settled(reader).asked, settled(reader).failed) == (6, 6), "looked at again, it failed as well"
    found[0] = None
    reader.read("a")
    assert settled(reader).real == 1
    assert settled(reader).fell_back == 7


@pytest.mark.parametrize("sample", [0.0, 1.0])
def test_while_shadowing_no_error_of_the_new_side_is_the_applications(
    tyler: Tyler, marks: ItemMarks, sample: float
) -> None:
    tell(marks, "shadow", "old")
    item: Item = {"text": {"S": "x"}}

    def broken(_: str) -> Item:
        raise OSError("the driver's own")

    source = ItemRoute(tyler.store, "users", marks.table)
    reader = ShadowReader[str](Routing(source), lambda _: item, broken, sample=sample)
    assert reader.read("a") == item
    assert reader.report().fell_back == 1
    wrong_way = ShadowReader[str](Routing(source), broken, lambda _: item, sample=sample)
    if sample:
        with pytest.raises(OSError, match="driver"):  # the old side is the truth: its own error is the answer
            wrong_way.read("a")


def test_percentiles_are_by_nearest_rank() -> None:
    assert Latency.of([n / 1000 for n in range(1, 101)]) == Latency(50.0, 95.0, 99.0)
    assert Latency.of([0.004]) == Latency(4.0, 4.0, 4.0)
    assert Latency.of([]) == Latency(0.0, 0.0, 0.0)
