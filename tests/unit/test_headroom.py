"""How far behind a follower will be, said before the start; and what a follower does that is too far behind."""

from __future__ import annotations

import logging
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sluice.estate.single_table import Replication
from sluice.migration.engine import following
from sluice.migration.engine.contract import Lag
from sluice.migration.engine.following import TooFarBehind, check_behind, follow
from sluice.migration.kinds.dynamodb_source.headroom import Forecast, Rate, findings, units_of

from tests.unit.memory_kind import MemoryKind, World

DAY = timedelta(hours=24)


def forecast(changes: float | None, items: int = 14_400_000, units: float = 4.0) -> Forecast:
    """A table that is read at 10,000 items a second, into one that bears 4,000 units: 1,000 items of four units."""
    rate = None if changes is None else Rate(changes, "declared")
    return Forecast(items, items * 500, Rate(10_000, "probed"), Rate(4000, "provisioned"), units, rate)


def codes(one: Forecast, limits: Replication | None = None) -> list[tuple[str, bool]]:
    return [(found.code, found.blocks) for found in findings(one, limits or Replication())]


def test_the_slower_of_reading_and_writing_says_how_long_it_takes():
    assert forecast(None).duration == timedelta(hours=4)
    assert forecast(None, units=0.1).copying.each_second == 8000
    assert Forecast(36_000, 1, Rate(10, "probed"), Rate(4000, "x"), 2.0, None).duration == timedelta(hours=1)


def test_changes_that_are_delivered_as_they_come_leave_nothing_behind():
    one = forecast(400)
    assert one.behind == one.caught_up == timedelta(0)
    assert one.duration == timedelta(hours=4) / 0.6, "they take their part of what the tables bear"
    assert codes(one) == []


def test_more_changes_than_half_of_what_is_borne_leave_it_behind():
    one = forecast(800)
    assert one.duration == timedelta(hours=8)
    assert one.behind == timedelta(hours=3)
    assert one.caught_up == timedelta(hours=12)
    assert codes(one) == [("falls_behind", False)]
    assert "3.0 h behind at the end of the copy, caught up 12.0 h later" in str(one)


def test_too_far_behind_is_refused_unless_a_person_accepts_it():
    one = forecast(2000)
    assert one.behind == timedelta(hours=6)
    assert codes(one, Replication(stop_behind=timedelta(hours=5))) == [("falls_behind", True)]
    assert all(found.acceptable for found in findings(one, Replication(stop_behind=timedelta(hours=5))))
    assert one.caught_up is None
    assert "never, at that rate" in str(one)
    assert codes(forecast(2000, 2 * 14_400_000)) == [("falls_behind", False)], "twelve hours are still allowed"
    assert codes(forecast(2000, 3 * 14_400_000)) == [("falls_behind", True)]


def test_a_long_copy_of_which_nobody_knows_the_changes_is_noted():
    assert codes(forecast(None)) == []
    assert codes(forecast(None, 4 * 14_400_000)) == [("long_copy", False)]
    assert "is not known" in str(forecast(None))


def test_an_empty_table_and_one_that_bears_nothing_are_no_error():
    assert forecast(5.0, items=0).duration == timedelta(0)
    assert Forecast(1, 1, Rate(0, "?"), Rate(0, "?"), 2.0, Rate(1, "?")).duration > 365 * DAY


def test_a_transaction_costs_two_units_a_kilobyte_and_one_for_each_index():
    small, large = {"id": {"S": "x"}}, {"id": {"S": "x" * 1500}}
    assert units_of([[(small, 0)]]) == 2
    assert units_of([[(small, 2)]]) == 4
    assert units_of([[(small, 0), (large, 1)], []]) == (2 + 6) / 2
    assert units_of([]) == 2


class Late(MemoryKind):
    """So far behind; each delivery makes up for ten minutes."""

    behind = 13 * 3600.0

    def replicate(self, seconds: float) -> Lag:
        self.behind -= 600
        return Lag(1, "changes of long ago", self.behind)


M = SimpleNamespace(name="users", source=SimpleNamespace(table="users"), replication=Replication())


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    monkeypatch.setattr(following, "REST", 0.0)


def test_too_far_behind_it_goes_on_delivering_and_says_in_the_end_how_to_resume():
    kind, rounds = Late(World()), iter([True, True, True, False])
    with pytest.raises(TooFarBehind, match=r"12\.5 h behind.*To resume.*less than 12 h behind, clear this task"):
        follow(kind, M, 60, goes_on=lambda: next(rounds), measure=False)
    rounds = iter([*[True] * 4, False])
    assert follow(kind, M, 60, goes_on=lambda: next(rounds), measure=False).behind < 12 * 3600


@pytest.mark.parametrize(("behind", "warned"), [(3599, False), (3601, True), (12 * 3600, True)])
def test_an_hour_behind_warns(caplog, behind, warned):
    with caplog.at_level(logging.WARNING):
        check_behind(behind, M)
    assert ("h behind" in caplog.text) is warned
