"""A report shortened for a page: weeks stand for days, its words stay its own, and what has no forecast says why."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

from sluice.insight.capacity.measure import Curve
from sluice.insight.capacity.report import SCHEMA, to_json
from sluice.insight.capacity.telling import arrival_told, grown_told, headline, score_told
from sluice.overview.capacity.shortened import ahead_weekly, outlook_of, shortened, weekly
from sluice.overview.capacity.stores import store_of

from tests.reported import HOSTILE, LAST, UNTIL, curve, empty, outlook, report, store, table

PAGE = "docs/capacity_report/run__1/make_report/abc/report.html"


def told(*stores: object, **other: object) -> dict[str, object]:
    return shortened(json.loads(to_json(report(*stores, **other))), PAGE)  # type: ignore[arg-type]


def test_a_report_is_told_in_its_own_words() -> None:
    made = report()
    found = shortened(json.loads(to_json(made)), PAGE)
    assert found["first"] == headline(made)
    for kept, one in zip(found["stores"], made.stores, strict=True):
        assert [measure["told"] for measure in kept["measures"]] == [grown_told(measure) for measure in one.measures]
        assert [at["told"] for measure in kept["measures"] for at in measure["arrivals"]] == [
            arrival_told(measure, at, made.until) for measure in one.measures for at in measure.arrivals
        ]
    assert [one["told"] for one in found["scores"]] == [score_told(one) for one in made.scores]
    assert made.cost is not None
    assert found["cost"]["now"] == list(made.cost.now)


def test_a_measure_is_read_again_as_it_was_written() -> None:
    for one in (outlook(), outlook(seen=False)):
        [again] = json.loads(to_json(report(store(measures=(one,)))))["stores"][0]["measures"]
        assert outlook_of(again) == one


def test_what_only_grows_is_told_by_the_last_day_of_each_week_and_what_is_busy_by_its_busiest() -> None:
    days = [LAST - timedelta(days=n) for n in range(15)][::-1]
    values = [float(n) for n in range(15)]
    values[10] = 99.0
    last = list(weekly(days, values, busiest=False))
    assert last == [(days[0], 0.0), (days[7], 7.0), (days[14], 14.0)]
    assert list(weekly(days, values, busiest=True)) == [(days[0], 0.0), (days[7], 7.0), (days[10], 99.0)]
    assert list(weekly([], [], busiest=True)) == []


def test_a_week_that_was_not_measured_has_no_point() -> None:
    days = [LAST - timedelta(days=30), LAST]
    assert [day for day, _ in weekly(days, [1.0, 2.0], busiest=False)] == days


def test_the_curve_keeps_the_last_day_of_each_week_to_come() -> None:
    seen = curve(100.0, 1.0, 20)
    assert [day for day, *_ in ahead_weekly(seen, busiest=False)] == [seen.days[6], seen.days[13], seen.days[19]]
    days = tuple(LAST + timedelta(days=n) for n in range(1, 8))
    busy = Curve(days, (0.0,) * 7, (1.0, 2.0, 9.0, 1.0, 1.0, 1.0, 1.0), (10.0,) * 7)
    assert list(ahead_weekly(busy, busiest=True)) == [(days[2], 0.0, 9.0, 10.0)]


def test_a_year_of_fifty_stores_is_light() -> None:
    one = outlook(count=365)
    many = tuple(store(f"s{n}", measures=(one, one), tables=()) for n in range(50))
    assert len(json.dumps(told(*many))) < 1_000_000


def test_what_is_not_to_be_forecast_says_why_and_has_no_curve() -> None:
    found = told(store(measures=(outlook(seen=False),)))
    [measure] = store_of(found["stores"][0]).measures  # type: ignore[index]
    assert (measure.chart["will"], measure.will(), measure.arrivals) == ([], [], ())
    assert measure.told.endswith("3 days were measured.")


def test_a_limit_that_is_far_away_is_told_and_not_drawn() -> None:
    found = told(store(measures=(outlook(),)))
    [measure] = store_of(found["stores"][0]).measures  # type: ignore[index]
    assert [one["told"] for one in measure.chart["limits"]] == ["is 85 % full"]
    assert [at.told.partition(" ")[2][:9] for at in measure.arrivals] == ["is 85 % f", "holds 10 "]
    assert measure.chart["steps"] == [str(LAST - timedelta(days=60))]
    assert [day for day, _ in measure.chart["drops"]] == [str(LAST - timedelta(days=20))]


def test_tables_keep_their_past_by_weeks_and_their_reason() -> None:
    found = told(store(tables=(table(), replace(table("young"), in_90_days=None, reason="Too young."))))
    orders, young = store_of(found["stores"][0]).tables  # type: ignore[index]
    assert [day for day, _ in orders.was][-1] == LAST
    assert len(orders.was) == 5
    assert orders.in_90_days is not None
    assert (young.in_90_days, young.reason) == (None, "Too young.")


def test_names_stay_as_they_are() -> None:
    assert told(store(HOSTILE))["stores"][0]["name"] == HOSTILE  # type: ignore[index]


def test_an_empty_report_and_one_of_another_form_break_nothing() -> None:
    found = shortened(json.loads(to_json(empty())), PAGE)
    assert (found["first"], found["cost"]) == ("", None)
    assert shortened({"schema": SCHEMA + 1}, PAGE) == {"page": PAGE, "until": None}
    assert date.fromisoformat(found["until"]) == UNTIL
