"""What has changed since the report before: days that moved, tables that came and went, those that grew most."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

from sluice.insight.capacity.changed import Before, changed, read_before
from sluice.insight.capacity.compared import Moved
from sluice.insight.capacity.measure import Reached
from sluice.insight.capacity.report import SCHEMA, StoreReport, to_json
from sluice.insight.capacity.telling import changed_told

from tests.reported import FULL, UNTIL, outlook, report, store, table


def before(*stores: StoreReport) -> Before:
    """What a report of these stores leaves for the next one."""
    found = read_before(json.loads(to_json(report(*stores))))
    assert found
    return found


def likely(day: date | None) -> StoreReport:
    """A store that is likely full on a day."""
    at = Reached(FULL, day, day, day, 40 if day else None, "P3" if day else None)
    return store(measures=(outlook(arrivals=(at,)),))


MAY = date(2026, 5, 20)


def test_a_report_is_read_back_for_the_next_one() -> None:
    found = before(likely(MAY))
    name = ("shop", "disk_used_bytes", "", "full")
    assert (found.until, found.likely[name], found.days[name]) == (UNTIL, MAY, 40)
    assert found.tables == {("shop", "app.orders"): 100e9}


def test_a_report_of_another_form_says_nothing() -> None:
    assert read_before({**json.loads(to_json(report())), "schema": SCHEMA + 1}) is None
    assert read_before({}) is None


def test_a_day_that_moved_is_told_and_one_that_hardly_did_is_not() -> None:
    moved = changed(before(likely(MAY)), [likely(MAY - timedelta(days=19))]).moved
    assert moved == (Moved("shop", FULL.told, MAY, date(2026, 5, 1)),)
    assert changed(before(likely(MAY)), [likely(MAY + timedelta(days=2))]).moved == ()


def test_a_limit_that_came_into_the_year_or_left_it_has_moved() -> None:
    assert changed(before(likely(None)), [likely(MAY)]).moved == (Moved("shop", FULL.told, None, MAY),)
    found = changed(before(likely(MAY)), [likely(None)])
    assert next(iter(changed_told(found, UNTIL))) == "shop is 85 % full: it was 20 May, it is not within a year."
    assert changed(before(likely(None)), [likely(None)]).moved == ()


def test_tables_that_came_or_went_are_named_unless_their_store_did() -> None:
    was = before(store(tables=(table("app.a"), table("app.b"))), store("old", measures=()))
    found = changed(was, [store(tables=(table("app.b"), table("app.c"))), store("new", measures=())])
    assert (found.new, found.gone) == (("shop: app.c",), ("shop: app.a",))


def test_the_tables_that_grew_most_come_first_and_those_that_shrank_not_at_all() -> None:
    tables = [table(f"app.t{n}") for n in range(8)]
    grown = [replace(one, now=one.now + n * 1e9) for n, one in enumerate(tables)]
    found = changed(before(store(tables=tuple(tables))), [store(tables=tuple(grown))]).fastest
    assert [(one.table, one.bytes, one.percent) for one in found][:2] == [("app.t7", 7e9, 7.0), ("app.t6", 6e9, 6.0)]
    assert len(found) == 5
    assert changed(before(store(tables=tuple(grown))), [store(tables=tuple(tables))]).fastest == ()


def test_a_table_that_was_empty_has_grown_by_no_percent() -> None:
    found = changed(before(store(tables=(table(now=0.0),))), [store(tables=(table(now=5e9),))])
    assert [one.percent for one in found.fastest] == [None]
    assert "app.orders grew by 5 GB." in " ".join(changed_told(found, UNTIL))
