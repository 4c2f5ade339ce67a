"""Moving items at the ends of what there may be: an empty table, a file that is gone, a way back that was touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Event, current_thread
from typing import Any

import pytest
from sluice import failpoints
from sluice.errors import Terminal
from sluice.flow import connections, project
from sluice.ledger import marks_table
from sluice.local import abort
from sluice.migration.engine import steps
from sluice.migration.engine.contract import NotYet, Phase
from sluice.migration.kinds.single_table import SingleTable, following
from sluice.migration.kinds.single_table.gap import Gap

from tests.documents import Documents
from tests.few_items import PAST, Few, copy, few_items, forget, item, settled, to_capturing, to_shadowing
from tests.integration.test_item_interleavings import Held

ROOT = Path(__file__).parents[2]


def to_cut_over(few: Few) -> SingleTable:
    """The kind that moves them, all the way."""
    kind = to_shadowing(few.opened())
    kind.cut_over()
    return kind


def put(few: Few, kind: SingleTable, name: str, version: int) -> None:
    """An application's records."""
    for record in kind.tables.forth.wanted(item(name, version)):
        few.client.put_item(TableName=record.table, Item=record.item)


def delete(few: Few, kind: SingleTable, name: str) -> None:
    """An application's deletion."""
    for record in kind.tables.forth.wanted(item(name)):
        few.client.delete_item(TableName=record.table, Key=record.key)


@pytest.mark.parametrize("seeds", [(), (item("lapsed", expiresAt=PAST),)], ids=["empty", "all expired"])
def test_a_table_of_nothing_to_move_goes_all_the_way(
    documents: Documents, make_table: Callable[..., str], seeds: tuple[dict[str, dict[str, str]], ...]
) -> None:
    with few_items(documents, make_table, *seeds) as few:
        kind = to_cut_over(few)
        put(few, kind, "first", 1)
        facts = steps.cut_back(kind)
        assert facts["rows_compared"] and not facts["rows_different"], facts
        assert few.items()["first"] == item("first")


def test_a_table_of_which_nothing_can_be_made_does_not(documents: Documents, make_table: Callable[..., str]) -> None:
    nameless = item("odd")
    del nameless["userId"]
    with few_items(documents, make_table, nameless) as few:
        kind = few.opened()
        to_capturing(kind)
        copy(kind)
        assert not settled(kind).clean


def test_a_late_worker_writes_nothing_between_what_was_cleared_and_the_place(
    few: Few, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, late = to_cut_over(few), few.opened()
    kind.replicate(5)
    put(few, kind, "one", 2)
    held = Held(monkeypatch, "stream.read", lambda: late.replicate(1))
    note, first, written, over = following.note, current_thread(), Event(), Event()

    def noted(*arguments: Any) -> None:
        """Both have written by here, and neither has moved the place: the first waits for the late one, and is done first."""
        if current_thread() is first and not held.released.is_set():
            assert "one" not in few.items()
            held.released.set()
            written.wait(2)
        elif current_thread() is not first and not written.is_set():
            written.set()
            over.wait(5)
        note(*arguments)

    monkeypatch.setattr(following, "note", noted)
    with failpoints.armed("stream.read=hold@1"):
        held.go_on()
        delete(few, kind, "one")
        kind.replicate(5)
    over.set()
    held.go_on()
    kind.replicate(5)
    assert "one" not in few.items()


@pytest.mark.parametrize("touched", ["a gap", "a write past the route"])
def test_a_way_back_that_was_touched_is_compared_before_it_is_gone(few: Few, touched: str) -> None:
    kind = to_cut_over(few)
    few.put(item("one", 9))
    if touched == "a gap":
        forget(kind, "forward")
        kind.marks.note(kind.marks.state(), gap_at=kind.marks.state().now.isoformat())
    else:
        kind.replicate(5)
    with pytest.raises(NotYet, match=r"the old table differs: .*USER#one.* different in version"):
        kind.cut_back()
    assert kind.position().phase is Phase.CUT_OVER
    put(few, kind, "one", 3)
    kind.cut_back()
    assert few.items()["one"] == item("one", 3)


def test_a_way_back_that_nobody_touched_is_short(few: Few, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = to_cut_over(few)
    monkeypatch.setattr(kind, "diff", lambda: pytest.fail("it was compared"))
    kind.cut_back()
    assert kind.position().phase is Phase.VERIFIED


def test_a_stream_of_the_records_that_was_off_and_on_is_a_gap_too(few: Few) -> None:
    kind = to_cut_over(few)
    kind.marks.note(kind.marks.state(), target_stream="arn:of:another:stream")
    put(few, kind, "one", 2)
    with pytest.raises(Gap, match="switched off and on"):
        kind.replicate(5)
    for _ in range(3):
        few.opened().replicate(5)
    assert few.items()["one"] == item("one", 2)


@pytest.fixture
def without_file(
    documents: Documents, few: Few, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[SingleTable], str]:
    """Abort a migration of which no file is there."""
    if documents.endpoint is None:
        pytest.skip("the connection here is to our own engine")
    (tmp_path / "include/estate/migrations").mkdir(parents=True)
    (tmp_path / "include/estate/estate.yaml").write_text((ROOT / "include/estate/estate.yaml").read_text())
    for module in (project, connections):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    extra = {"region_name": documents.region, "service_config": {"dynamodb": {"endpoint_url": documents.endpoint}}}
    login = {"login": documents.key, "password": documents.secret}
    monkeypatch.setenv("AIRFLOW_CONN_DYNAMODB_TYLER", json.dumps({"conn_type": "aws", **login, "extra": extra}))
    monkeypatch.setattr(abort, "use_connections", lambda: None)
    monkeypatch.setattr(marks_table, "TABLE", f"{documents.prefix}sluice-marks")
    return lambda kind: abort.abort_migration(kind.name)


def test_a_file_that_is_gone_keeps_nobody_from_aborting(few: Few, without_file: Callable[[SingleTable], str]) -> None:
    kind = few.opened()
    to_capturing(kind)
    epoch = kind.position().epoch
    said = without_file(kind)
    assert f"{kind.name} is planned again" in said and "by its marks in store tyler" in said
    assert (kind.position().phase, kind.position().epoch) == (Phase.PLANNED, epoch + 1)
    route = kind.marks.route() or {}
    assert (route["write_to"], route["epoch"]) == ({"S": "old"}, {"N": str(epoch + 1)})
    assert float(route["lease_seconds"]["N"]) == kind.route.lease


def test_what_is_cut_over_is_not_aborted_without_its_file_either(
    few: Few, without_file: Callable[[SingleTable], str]
) -> None:
    kind = to_cut_over(few)
    with pytest.raises(Terminal, match="cut back first"):
        without_file(kind)
    assert kind.position().phase is Phase.CUT_OVER
