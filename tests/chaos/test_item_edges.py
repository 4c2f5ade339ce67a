"""A DynamoDB migration breaks off once at every edge there is, with an application writing, and loses nothing.

One journey there and back: each step is taken again until it gets through, as Airflow's retries would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from sluice import failpoints
from sluice.failpoints import EDGES, Broken
from sluice.migration.engine import steps
from sluice.migration.engine.contract import Fence, Phase
from sluice.migration.engine.lanes import work_lane
from sluice.migration.engine.throttle import Throttle
from sluice.migration.kinds.single_table import SingleTable
from sluice.stores.dynamodb.values import same

from tests.documents import Documents
from tests.moved_items import Application, all_items, legacy_table

T = TypeVar("T")
GAP = {"gap.noted"}
"""Met only where a stream was trimmed: `test_single_table.py` goes there."""


def item_edges() -> set[str]:
    """Every edge that a migration between DynamoDB tables passes."""
    homes = ("migration/kinds/single_table/", "ledger/item_marks.py")
    at_the_end = {edge.name for edge in EDGES if "/retiring.py " in edge.where}  # test_old_table_retired.py goes there
    return {edge.name for edge in EDGES if edge.where.startswith(homes)} - GAP - at_the_end


@pytest.fixture
def broken_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Every edge breaks off whoever passes it first; the folder holds a note of each that did."""
    monkeypatch.setenv(failpoints.ONCE_VARIABLE, str(tmp_path))
    with failpoints.armed(",".join(f"{name}=raise" for name in sorted(item_edges()))):
        yield tmp_path


def until_through(take: Callable[[], T]) -> T:
    """Take a step as often as it takes."""
    for _ in range(len(EDGES)):
        try:
            return take()
        except Broken:
            continue
    raise AssertionError("it never got through")


def test_broken_off_at_every_edge_it_loses_nothing(
    documents: Documents, make_table: Callable[..., str], broken_once: Path
) -> None:
    with legacy_table(documents, make_table, 60) as (opened, old):
        journey(opened, documents, old)
    assert {note.name for note in broken_once.iterdir()} == item_edges()


def journey(opened: Callable[[], SingleTable], documents: Documents, old: str) -> None:
    """There, back and there again, every step by a worker of its own."""
    until_through(lambda: opened().expand())
    application = Application(opened(), documents.client(), old, people=60)
    writer = threading.Thread(target=application.run)
    writer.start()
    try:
        until_through(lambda: opened().start_capture())
        until_through(lambda: opened().plan_chunks())
        fence = Fence(1)
        until_through(lambda: work_lane(opened(), 0, fence, Throttle(opened().migration.backfill.limits)))
        until_through(lambda: opened().finish_backfill(fence))
        until_through(lambda: steps.verify(opened()))
        until_through(lambda: opened().shadow())
        over = until_through(lambda: steps.cut_over(opened()))
        assert over["rows_missing"] == over["rows_extra"] == over["rows_different"] == 0, over
        until_through(lambda: opened().replicate(5))
        until_through(lambda: steps.cut_back(opened()))
    finally:
        application.stopping.set()
        writer.join()
    until_through(lambda: opened().replicate(5))
    assert opened().position().phase is Phase.VERIFIED
    assert opened().diff().clean
    stand = all_items(documents.client(), old)
    for email, item in application.acknowledged.items():
        assert same(stand.get(email), item), email
    assert application.writes > 20
