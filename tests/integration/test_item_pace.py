"""How fast a copy writes, and when a switch begins: what the YAML says of both is what happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sluice.migration.engine.contract import Fence, Phase
from sluice.migration.kinds.dynamodb_source.arriving import NotSettled
from sluice.migration.kinds.dynamodb_source.canary import Canaries
from sluice.migration.kinds.single_table import heads
from sluice.migration.kinds.single_table.pacing import Share

from tests.documents import Documents
from tests.few_items import Few, copy, few_items, item, to_capturing, to_shadowing
from tests.rowed import Stage, to_backfilled

ITEMS = 12


@pytest.fixture
def few(documents: Documents, make_table: Callable[..., str]) -> Iterator[Few]:
    """A dozen items, each of which is two records of three write units, with a check of the fence beside them."""
    pace = {"segments": 1, "chunk_rows": 1, "lanes": 1, "write_units": 60}
    with few_items(documents, make_table, *[item(f"u{n}") for n in range(ITEMS)], backfill=pace) as made:
        yield made


def test_a_copy_writes_no_more_units_a_second_than_it_may_and_counts_them(few: Few) -> None:
    kind = few.opened()
    to_capturing(kind)
    begun = time.monotonic()
    copy(kind)
    seconds = time.monotonic() - begun
    facts = kind.finish_backfill(Fence(1))
    assert facts["records_written"] == 2 * ITEMS
    assert facts["write_units"] >= 6 * ITEMS
    assert facts["read_units"] >= 1
    one = facts["write_units"] / ITEMS
    assert seconds >= (facts["write_units"] - one) / 60


@pytest.mark.parametrize(("configured", "at_work", "each"), [(1, 1, 60), (2, 1, 30), (2, 3, 20), (4, 2, 15)])
def test_lanes_divide_the_units_also_those_that_a_run_has_more(configured: int, at_work: int, each: float) -> None:
    share = Share(60, configured)
    share.among(at_work)
    assert share.rate.rate == each


def test_a_lane_sees_who_else_is_at_work(few: Few) -> None:
    kind = few.opened()
    to_capturing(kind)
    copying = kind._copying
    copying = replace(copying, segments=3)
    for lane in range(3):
        assert copying._claim(lane) is not None
    assert copying.share is not None
    assert copying.share.rate.rate == 20


def test_a_cutover_to_records_begins_only_where_canaries_arrive_in_time(
    few: Few, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = to_shadowing(few.opened())
    assert kind._switching(kind.marks.state()).within == timedelta(seconds=10)
    asked = list[float]()
    drain = kind.drain
    monkeypatch.setattr(kind, "drain", lambda seconds: asked.append(seconds) or drain(seconds))
    monkeypatch.setattr(Canaries, "let_go", lambda self: self.out.add("never"))
    monkeypatch.setattr(heads, "_heads", lambda *_: [])
    kind.migration = kind.migration.model_copy(
        update={"replication": kind.migration.replication.model_copy(update={"settled_within": timedelta(seconds=0.3)})}
    )
    before = kind.marks.route()
    with pytest.raises(NotSettled, match=r"settled_within"):
        kind.cut_over()
    assert (asked, kind.marks.route()) == ([0.3], before), "nobody was held"
    assert kind.position().phase is Phase.SHADOWING


def test_a_cutover_to_rows_begins_only_where_canaries_arrive_in_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    within = stage.m.replication.model_copy(update={"settled_within": timedelta(seconds=0.3)})
    stage.m = stage.m.model_copy(update={"replication": within})
    kind = to_backfilled(stage)
    kind.verify(kind.diff())
    kind.shadow()
    before = kind.parts.items.route()
    monkeypatch.setattr(Canaries, "let_go", lambda self: self.out.add("never"))
    with pytest.raises(NotSettled, match=r"settled_within"):
        kind.cut_over()
    assert kind.parts.items.route() == before, "nobody was held"
    monkeypatch.undo()
    assert kind.cut_over().pause_ms > 0
