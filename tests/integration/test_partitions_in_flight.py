"""Partitions that are made ahead keep apart from a migration of the same table: by its words, or by holding its fence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sluice.estate.dataset import Dataset
from sluice.ledger.in_flight import InFlight
from sluice.migration.engine.contract import Phase
from sluice.stores.postgres import Connection, LockBusy, connect
from sluice.upkeep.partitions import keeping
from sluice.upkeep.partitions.keeping import apply_partitions, plan_partitions

from tests.integration.moved import MONTHS, Moved

TABLE = (
    "CREATE TABLE app.thing (id int PRIMARY KEY, at timestamptz NOT NULL)",
    "INSERT INTO app.thing SELECT i, now() - i * interval '1 day' FROM generate_series(1, 40) i",
)


@pytest.fixture
def moved(moving: Any) -> Moved:
    made: Moved = moving(MONTHS, *TABLE, accept=("weaker_key",))
    hasty = made.migration.cutover.model_copy(update={"tries": 2})
    made.migration = made.migration.model_copy(update={"cutover": hasty})
    return made


@pytest.fixture
def c(moved: Moved) -> Iterator[Connection]:
    with connect(moved.database.dsn(), purpose="upkeep", lock_timeout="100ms") as connection:
        yield connection


def dataset(table: str) -> Dataset:
    """Its file, which wants a year ahead."""
    return Dataset.model_validate(
        {"dataset": "thing", "store": "certify", "table": table, "months_ahead": 12, **MONTHS}
    )


def test_before_the_cutover_no_month_is_made_and_after_it_its_months_do_not_run_out(moved: Moved, c: Connection):
    moved.to(Phase.VERIFIED)
    assert plan_partitions(c, dataset("app.thing_new")).actions
    with pytest.raises(InFlight, match=r"app\.thing_new is part of thing, which is verified"):
        apply_partitions(c, dataset("app.thing_new"), print)
    moved.to(Phase.CUT_OVER)
    assert apply_partitions(c, dataset("app.thing"), print) > 0
    assert moved.equal()


def test_nobody_cuts_back_between_the_plan_and_the_make(moved: Moved, c: Connection, monkeypatch: pytest.MonkeyPatch):
    """By its name the table would be another one then."""
    moved.to(Phase.CUT_OVER)
    real = keeping.make

    def cut_back_first(*args: Any) -> int:
        with pytest.raises(LockBusy, match="Nothing was changed"):
            moved.kind().cut_back()
        return real(*args)

    monkeypatch.setattr(keeping, "make", cut_back_first)
    assert apply_partitions(c, dataset("app.thing"), print) > 0
    moved.kind().cut_back()
    with pytest.raises(InFlight, match=r"app\.thing_new is part of thing, which is verified"):
        apply_partitions(c, dataset("app.thing_new"), print)
