"""What comes between two tasks of one night: a hold after the list, another run, and rows or partitions that stand in the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sluice.stores.postgres import LockBusy, Table
from sluice.upkeep.archive.archiving import Archive
from sluice.upkeep.archive.building import NotBroughtBack
from sluice.upkeep.archive.ledger import alone_at
from sluice.upkeep.partitions import making

from tests.archived import MONTHS, ROW, Stage, kept, months, staged
from tests.conftest import Database

JANUARY = datetime(2024, 1, 15, tzinfo=UTC)
FIRST, SECOND = (Table("app_partitions", name) for name, _, _ in MONTHS)
LATE = f"{FIRST}_late1"
HELD = {"from": "2024-01", "until": "2024-01", "because": "case 12"}


@pytest.fixture
def stage(database: Database, vault: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(making, "TRIES", 2)
    with staged(database, vault, *months()) as made:
        yield made


def archive(stage: Stage, **retention: object) -> Archive:
    """The archive of a table whose file says so."""
    return stage.archive(kept(**retention).model_copy(update={"store": stage.dataset.store}))


def test_a_hold_that_comes_after_the_list_keeps_a_month_in_its_table(stage: Stage) -> None:
    due = archive(stage).list_due(print)
    held = archive(stage, holds=(HELD,))
    assert [held.advance(month.partition, print).state for month in due] == ["eligible", "cooling"]
    assert stage.ask("SELECT count(*) FROM app.event") == [(50,)]


def test_a_month_that_another_run_is_at_is_not_dropped(stage: Stage) -> None:
    night = archive(stage)
    night.archive(print)
    with alone_at(stage.connection(), night.find(str(FIRST))), pytest.raises(LockBusy, match="another run is at it"):
        night.drop_month(FIRST, print)
    assert stage.states() == ["cooling", "cooling"]
    night.drop_month(FIRST, print)


def test_late_rows_that_do_not_move_are_not_dropped_with_their_partition(stage: Stage) -> None:
    side = archive(stage, late="side")
    side.archive(print)
    side.drop(print)
    stage.ask(ROW.format(lower="2024-01-20") + " FROM generate_series(1, 3) i RETURNING id")
    stage.own(
        "CREATE FUNCTION app.stay() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        f"CREATE TRIGGER stay BEFORE DELETE ON {LATE} FOR EACH ROW EXECUTE FUNCTION app.stay()",
    )
    with pytest.raises(NotBroughtBack, match=rf"rows of {LATE} stay behind\. Nothing was changed"):
        side.restore(JANUARY, timedelta(days=1), print)
    assert stage.ask("SELECT count(*) FROM app.event") == [(3,)]


def test_no_room_is_made_where_a_part_of_the_month_has_a_partition(stage: Stage) -> None:
    archive(stage).archive(print)
    stage.own(
        f"CREATE TABLE {FIRST}_week PARTITION OF app.event FOR VALUES FROM ('2024-01-08+00') TO ('2024-01-15+00')"
    )
    told: list[str] = []
    archive(stage, late="side").list_due(told.append)
    assert [one for one in told if one.startswith("make ")] == [f"make {SECOND}_late1 for 2024-02-01 to 2024-03-01"]
