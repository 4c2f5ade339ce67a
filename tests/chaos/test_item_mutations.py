"""Take one part of the protocol between DynamoDB tables away, and the same drill must go red: so each part is needed.

Each drill is played twice: whole, where the records are what the items say, and mutilated, where they are not and the
comparison says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sluice.ledger.item_marks import ItemMarks
from sluice.migration.engine.contract import Diff, Fence, Fenced, Phase
from sluice.migration.kinds.single_table import SingleTable, astray, claims, following, gap, ways, wishes
from sluice.migration.kinds.single_table.adopting import Adopting
from sluice.migration.kinds.single_table.wishes import Wish
from sluice.stores.dynamodb import streams
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.streams import Change
from sluice.stores.dynamodb.writes import Check, Condition, Delete, Put

from tests.chaos.mutilation import Mutilation
from tests.documents import Between, Documents
from tests.few_items import Few, copy, few_items, item, key, lying, settled, to_capturing, to_shadowing

Play = Callable[["Drill"], None]


class Drill(Mutilation):
    """One drill: its items, and the part that is taken out in the mutilated run."""

    def __init__(self, few: Few, monkeypatch: pytest.MonkeyPatch, mutilated: bool) -> None:
        super().__init__(monkeypatch, mutilated)
        self.few, self.kind = few, few.opened()

    def deliver(self) -> None:
        """A worker of its own delivers what there is."""
        self.few.opened().replicate(5)


def delete_at_once(wish: Wish) -> Put | Delete:
    """`Wish.live` as it would be without tombstones."""
    written = _live(wish)
    return written if wish.item is not None else Delete(wish.table, wish.key, written.condition)


_live = Wish.live


def the_copys_condition(drill: Drill) -> None:
    """A copy that overwrites brings back what was changed after it read."""
    drill.take_out(wishes, "absent", lambda *_: None)
    to_capturing(drill.kind)

    def changed_and_delivered() -> None:
        drill.few.put(item("one", 2))
        drill.deliver()

    with drill.meanwhile("segment.read", changed_and_delivered):
        copy(drill.kind)


def the_tombstone(drill: Drill) -> None:
    """Where nothing stays of what was deleted, a copy that read it before brings it back."""
    drill.take_out(Wish, "live", delete_at_once)
    to_capturing(drill.kind)

    def deleted_and_delivered() -> None:
        drill.few.delete("one")
        drill.deliver()

    with drill.meanwhile("segment.read", deleted_and_delivered):
        copy(drill.kind)


def consistent_read(drill: Drill) -> None:
    """A scan may be answered by a replica that lags, and what it lacks was written before there was a stream to tell of it."""
    few = drill.few
    stale = few.client.scan(TableName=few.old)

    def scanned(number: int, scan: Callable[..., Any], asked: dict[str, Any]) -> Any:
        if drill.mutilated:
            asked = {name: value for name, value in asked.items() if name != "ConsistentRead"}
        return scan(**asked) if asked.get("ConsistentRead") or asked["TableName"] != few.old else stale

    few.put(item("one", 2))
    few.delete("two")
    to_capturing(drill.kind)
    lagging = SingleTable(
        drill.kind.migration, Between(few.client, "scan", scanned), drill.kind._streams, drill.kind.tables.prefix
    )
    copy(lagging)  # by the time of the comparison the replica has caught up


def capture_first(drill: Drill) -> None:
    """What is written between the copy's read and the stream's first record is in neither."""

    def without_stream(kind: SingleTable) -> None:
        kind.marks.move(kind.marks.state(), Phase.CAPTURING)

    drill.take_out(SingleTable, "start_capture", without_stream)
    to_capturing(drill.kind)
    with drill.meanwhile("segment.read", lambda: drill.few.put(item("one", 2), item("three"))):
        copy(drill.kind)
    apply_tables(drill.few.client, (replace(drill.kind.tables.source, stream=True),))


def token_order(drill: Drill) -> None:
    """A worker that was held up between its read and its write applies an older page after a newer one."""
    drill.take_out(wishes, "newer", lambda *_: None)
    to_capturing(drill.kind)
    copy(drill.kind)
    drill.few.put(item("one", 2), item("two", 2))

    def overtaken() -> None:
        drill.few.put(item("one", 3))
        drill.few.delete("two")
        drill.deliver()

    with drill.meanwhile("stream.read", overtaken):
        drill.kind.replicate(5)


def padding(drill: Drill) -> None:
    """As texts, 9 sorts after 10: the tenth change would be refused as older than the ninth."""
    drill.take_out(streams, "padded", lambda sequence: sequence)
    to_capturing(drill.kind)
    copy(drill.kind)
    numbers: dict[str, str] = {}

    def numbered(change: Change) -> Change:
        return replace(change, sequence=numbers.setdefault(change.sequence, str(9 + len(numbers))))

    lying(drill.kind, mangled=numbered)
    for version in (2, 3):
        drill.few.put(item("one", version))
        drill.kind.replicate(5)
    assert list(numbers.values()) == ["9", "10"]


def the_fence(drill: Drill) -> None:
    """A worker of an epoch gone by, awake again when the stream no longer knows of a deletion, copies what it remembers."""

    def nothing_to_check(marks: ItemMarks, slot: int, epoch: int, *phases: str) -> Check:
        return Check(marks.table, marks._key(f"FENCE#{slot % 32:02}"), Condition("attribute_exists(PK)"))

    to_capturing(drill.kind)
    drill.take_out(ItemMarks, "fence", nothing_to_check)
    today = drill.few.opened()

    def a_day_goes_by() -> None:
        drill.few.opened().abort()
        drill.few.delete("one")
        lying(today).trim()
        to_capturing(today)
        copy(today)
        today.finish_backfill(Fence(2))

    with drill.meanwhile("segment.read", a_day_goes_by):
        late(drill)
    drill.kind = today


def late(drill: Drill) -> None:
    """The worker that wakes late is refused, or (mutilated) is not."""
    if drill.mutilated:
        drill.kind.copy_chunk(0, Fence(1))
        return
    with pytest.raises(Fenced):
        drill.kind.copy_chunk(0, Fence(1))


def lead_by_records(drill: Drill) -> SingleTable:
    """From planned to shadowing, with nobody's lease to wait for."""
    return to_shadowing(drill.few.opened())


def record(kind: SingleTable, name: str, version: int) -> list[dict[str, Any]]:
    """Records as an application writes them once they lead."""
    wanted = kind.tables.forth.wanted(item(name, version))
    return [{"Put": {"TableName": one.table, "Item": one.item}} for one in wanted]


def gone(kind: SingleTable, name: str) -> list[dict[str, Any]]:
    """The same, deleted."""
    wanted = kind.tables.forth.wanted(item(name))
    return [{"Delete": {"TableName": one.table, "Key": one.key}} for one in wanted]


def the_look_at_its_own_leader(drill: Drill) -> None:
    """A late copy finds its place free, which another item took and left, and never asks whether its own is there still."""
    drill.take_out(claims, "leads_to", lambda *_: True)
    to_capturing(drill.kind)

    def gone_and_taken_and_left() -> None:
        for change in (
            lambda: drill.few.delete("one"),
            lambda: drill.few.put({**item("one", 2), **key("second")}),
            lambda: drill.few.delete("second"),
        ):
            change()
            drill.deliver()

    with drill.meanwhile("segment.read", gone_and_taken_and_left):
        copy(drill.kind)


def the_echo_that_is_looked_at(drill: Drill) -> None:
    """An application puts back two images that it had read, our attributes and all: the second is taken for our own write."""
    drill.take_out(following, "is_followed", lambda *_: True)
    drill.kind = kind = lead_by_records(drill)
    one = record(kind, "one", 1)[0]["Put"]
    key, read = {name: one["Item"][name] for name in ("PK", "SK")}, []
    for version in (2, 3):
        read.append(drill.few.client.get_item(TableName=one["TableName"], Key=key)["Item"])
        drill.few.put(item("one", version))
        kind.replicate(5)
    kind.cut_over()
    for image in read:
        drill.few.client.put_item(TableName=one["TableName"], Item=image)
        kind.replicate(5)


def the_sweep(drill: Drill) -> None:
    """What was copied in an epoch gone by, and deleted while nobody followed, stays for ever."""
    drill.take_out(gap, "left_over", lambda *_, **__: iter(()))
    to_capturing(drill.kind)
    copy(drill.kind)
    drill.kind.abort()
    again_a_day_later(drill, "one")


def what_is_unmarked_and_ours(drill: Drill) -> None:
    """What applications wrote while the records led bears no mark of ours: taken for a stranger's, it follows no more."""
    drill.take_out(ways, "has_led", lambda state: False)
    drill.kind = kind = lead_by_records(drill)
    kind.cut_over()
    drill.few.client.transact_write_items(TransactItems=record(kind, "one", 2))
    kind.cut_back()
    drill.few.put(item("one", 3))


def again_a_day_later(drill: Drill, deleted: str) -> None:
    """An item is deleted after an abort, and the next run begins when no stream tells of it any more."""
    drill.few.delete(deleted)
    drill.kind = drill.few.opened()
    lying(drill.kind).trim()
    to_capturing(drill.kind)
    copy(drill.kind)


TABLE: dict[str, Play] = {
    "the copy's condition": the_copys_condition,
    "the tombstone": the_tombstone,
    "ConsistentRead": consistent_read,
    "capture before copy": capture_first,
    "the order of tokens": token_order,
    "the padding of sequence numbers": padding,
    "the fence": the_fence,
    "the look at its own leader": the_look_at_its_own_leader,
    "the echo that is looked at": the_echo_that_is_looked_at,
    "the sweep": the_sweep,
    "what is unmarked and ours": what_is_unmarked_and_ours,
}
"""What is taken out, and the drill that goes red without it."""


@pytest.fixture(params=(False, True), ids=("whole", "mutilated"))
def mutilated(request: pytest.FixtureRequest) -> bool:
    """Which run it is."""
    return bool(request.param)


@pytest.mark.parametrize("part", TABLE)
def test_without_it_the_records_are_not_what_the_items_say(
    documents: Documents, make_table: Callable[..., str], monkeypatch: pytest.MonkeyPatch, mutilated: bool, part: str
) -> None:
    with few_items(documents, make_table, item("one"), item("two")) as few:
        drill = Drill(few, monkeypatch, mutilated)
        TABLE[part](drill)
        diff = compared(drill.kind)
        assert diff.compared > 0
        assert diff.clean is not mutilated, diff.facts()
        assert few.equal(drill.kind) is not mutilated


def test_without_the_marker_what_went_forth_comes_back_and_takes_with_it_what_has_no_way_back(
    documents: Documents, make_table: Callable[..., str], monkeypatch: pytest.MonkeyPatch, mutilated: bool
) -> None:
    secret = {"S": "only the old table has it"}
    attributes = {"id": {"from": "{userId}"}, "createdAt": {"from": "{created}", "otherwise": "1970-01-01T00:00:00Z"}}
    lossy = {"attributes": {**attributes, "secret": {"drop": True}}, "accept": ("loses_attribute",)}
    with few_items(documents, make_table, item("one", secret=secret), item("two"), **lossy) as few:
        drill = Drill(few, monkeypatch, mutilated)
        for module in (wishes, astray):
            drill.take_out(module, "is_ours", lambda change, epoch, since=None: False)
        kind = lead_by_records(drill)
        with drill.meanwhile("route.frozen", lambda: few.put(item("one", 2, secret=secret))):
            kind.cut_over()
        few.client.transact_write_items(TransactItems=record(kind, "two", 2))
        for _ in range(2):
            kind.replicate(5)  # the second time, what the first wrote to the old table is read there
        assert few.items()["two"] == item("two", 2)
        assert (few.items()["one"] == item("one", 2, secret=secret)) is not mutilated
        assert (kind.standing()["writes_astray"] == 0) is not mutilated


def test_a_deletion_on_the_way_back_that_is_not_marked_first_is_taken_for_somebody_else_s(
    documents: Documents, make_table: Callable[..., str], monkeypatch: pytest.MonkeyPatch, mutilated: bool
) -> None:
    with few_items(documents, make_table, item("one"), item("two")) as few:
        drill = Drill(few, monkeypatch, mutilated)
        drill.take_out(Wish, "live", delete_at_once)
        kind = lead_by_records(drill)
        kind.cut_over()
        few.client.transact_write_items(TransactItems=gone(kind, "one"))
        for _ in range(2):
            kind.replicate(5)  # the second time, what the first deleted in the old table is read there
        assert "one" not in few.items()
        assert (kind.standing()["writes_astray"] == 0) is not mutilated


def test_what_a_comparison_does_not_adopt_outlives_its_deletion(
    documents: Documents, make_table: Callable[..., str], monkeypatch: pytest.MonkeyPatch, mutilated: bool
) -> None:
    with few_items(documents, make_table, item("one"), item("two")) as few:
        drill = Drill(few, monkeypatch, mutilated)
        drill.take_out(Adopting, "adopt", lambda *_: None)
        drill.kind = kind = lead_by_records(drill)
        kind.cut_over()
        few.client.transact_write_items(TransactItems=record(kind, "made", 1))
        kind.cut_back()
        assert kind.diff().clean
        kind.abort()
        again_a_day_later(drill, "made")
        settled(drill.kind)
        assert few.equal(drill.kind) is not mutilated


def compared(kind: SingleTable) -> Diff:
    """Deliver what is left and compare."""
    if kind.position().phase is Phase.CAPTURING:
        return settled(kind)
    kind.replicate(5)
    return kind.diff()
