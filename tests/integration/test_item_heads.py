"""The way back begins at the head of the records' stream: what was copied is not read again, what comes then is not missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sluice.migration.engine.contract import Phase
from sluice.migration.kinds.dynamodb_source.arriving import NotSettled
from sluice.migration.kinds.dynamodb_source.canary import is_canary
from sluice.migration.kinds.single_table import SingleTable, heads
from sluice.stores.dynamodb.streams import Change
from sluice.stores.dynamodb.values import Item

from tests.documents import Documents
from tests.few_items import Few, few_items, item, to_shadowing, visit
from tests.streams_that_lie import StreamThatLies

NAMES = [f"one-{number}" for number in range(30)]


@pytest.fixture
def few(documents: Documents, make_table: Callable[..., str]) -> Iterator[Few]:
    """Items enough that every shard has some of their records."""
    with few_items(documents, make_table, *map(item, NAMES)) as made:
        yield made


@pytest.fixture
def kind(few: Few) -> SingleTable:
    """The kind that moves them, shadowing; the records' stream has several shards, of which two have split."""
    made = to_shadowing(few.opened())
    made._ways.__dict__["target_stream"] = stream = StreamThatLies(made._ways.target_stream, 3)
    stream.split("shard-0")
    stream.split("shard-1", into=1)
    return made


def records_stream(kind: SingleTable) -> StreamThatLies:
    stream = kind._ways.target_stream
    assert isinstance(stream, StreamThatLies)
    return stream


def there(few: Few, kind: SingleTable) -> list[Item]:
    """Everything that the records' table holds."""
    return few.client.scan(TableName=kind.tables.targets[0].name)["Items"]


def write_records(few: Few, kind: SingleTable, version: int) -> dict[str, Item]:
    """An application's writes, once the records lead; give what the old table shall hold for them."""
    made = {name: item(name, version) for name in NAMES}
    few.put_records(kind, *made.values())
    return made


def test_what_was_copied_is_not_read_on_the_way_back(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, told = records_stream(kind), list[Change]()
    read = stream.read

    def noted(shard: str, after: str | None, limit: int = 1000):
        page = read(shard, after, limit)
        told.extend(page.changes)
        return page

    monkeypatch.setattr(stream, "read", noted)
    kind.replicate(5)
    kind.cut_over()
    made = write_records(few, kind, 2)
    kind.replicate(5)
    assert few.items() == made
    applications = [change for change in told if not (is_canary(change.new) or is_canary(change.old))]
    assert len(applications) == len(NAMES), "each of them once, and nothing that was there before"


@pytest.mark.parametrize("edge", ["heads.found", "heads.noted"])
def test_a_shard_that_splits_while_the_way_back_begins_hides_nothing(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch, edge: str
) -> None:
    with visit(monkeypatch, edge, lambda: records_stream(kind).split("shard-2")):
        kind.cut_over()
    made = write_records(few, kind, 2)
    for _ in range(3):
        kind.replicate(5)
    assert few.items() == made


def test_a_shard_that_tells_nothing_is_waited_for_and_nothing_is_switched(
    few: Few, kind: SingleTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    records_stream(kind).hushed = {"shard-2"}
    with monkeypatch.context() as hasty:
        hasty.setattr(heads, "PATIENCE_SECONDS", 0.5)
        with pytest.raises(NotSettled, match=r"is not read up to now: .*shard-2.*from there the way back begins"):
            kind.cut_over()
    assert not any(map(is_canary, there(few, kind))), "applications read there already"
    route = kind.marks.route() or {}
    assert (kind.position().phase, route["write_to"]) == (Phase.SHADOWING, {"S": "old"})
    records_stream(kind).hushed = set()
    kind.cut_over()
    assert kind.position().phase is Phase.CUT_OVER
