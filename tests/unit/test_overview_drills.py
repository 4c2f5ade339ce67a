"""A year of drills, without a ledger: what a look leaves is small, and says the same as the certificates."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta

import pytest
from sluice.console.certified import drill_parts, failover_parts
from sluice.overview.as_json import as_json
from sluice.overview.drills.page import AHEAD, MARGIN, StoreDrills
from sluice.overview.drills.year import year_read, year_told
from sluice.safety.drill.trend import trend_of
from sluice.safety.drill.trend_told import when_breached
from sluice.safety.replicas.certificate import FailoverCertificate

from tests.stood import GOALS, a_drill, broken

NOW = datetime(2026, 3, 1, 11, tzinfo=UTC)
DAY = timedelta(days=1)


def a_year(slope: float = 0.0, since: int = 360) -> list:
    """A drill each day but two, one of them red, and a full recovery each month."""
    noise = random.Random(1)
    found = []
    for back in range(since, -1, -1):
        at = NOW - back * DAY
        seconds = 100 + slope * (since - back) + noise.gauss(0, 3)
        if back not in (30, 31):
            found.append(a_drill("shop", at, seconds, **({"compared": broken()} if back == 10 else {})))
        if back % 30 == 3:
            found.append(a_drill("shop", at + timedelta(hours=1), 200, target="backup full", lost=None))
    return found


def read(certificates: list, at: datetime = NOW):
    """What a page reads of what a look has left, through JSON."""
    return year_read("shop", json.loads(json.dumps(year_told("shop", certificates, {"full": 1_000}, GOALS, at))))


def shown(certificates: list) -> StoreDrills:
    """The store of a page."""
    return StoreDrills("shop", 300, 30, read(certificates), (), (), NOW, "", (), NOW)


def test_a_year_of_drills_is_a_few_kilobytes_and_the_breach_is_that_of_the_trend() -> None:
    certificates = a_year(slope=0.5)
    told = year_told("shop", certificates, {"full": 1_000}, GOALS, NOW)
    assert len(json.dumps(told)) < 20_000
    year, trend = read(certificates), trend_of(certificates, {"full": 1_000}, GOALS, NOW)
    assert trend
    assert trend.breach
    assert year.breach
    assert (year.breach.likely, year.breach.earliest, year.breach.latest) == (
        trend.breach.likely, trend.breach.earliest, trend.breach.latest,
    )  # fmt: skip
    assert year.told == when_breached(trend)


def test_a_day_without_a_drill_is_a_gap_and_one_that_failed_has_no_time() -> None:
    year = read(a_year())
    by_day = {(NOW.date() - year.first).days - number: day for number, day in enumerate(year.days)}
    assert (by_day[30], by_day[31]) == (None, None)
    assert (by_day[10].available, by_day[10].failed, by_day[10].lost) == (None, 1, None)
    assert by_day[9].lost == (2.0, 12.0)
    assert (year.counted, year.failed, year.late, year.missing) == (359, 1, 0, 2)
    assert year.phases == ("fetched", "replayed", "available")
    assert sum(by_day[9].times) == pytest.approx(year.drills[9].available, abs=0.2), "two of these days had none"
    assert len(year.recoveries) == 12


def test_a_drill_that_was_right_and_late_counts_as_late_and_one_that_never_came_has_no_time() -> None:
    late, never = (
        a_drill("shop", NOW - DAY, 400),
        a_drill("shop", NOW, phases={"fetched": 9.0}, compared=None, uncompared="no disk"),
    )
    year = read([late, never])
    newest, before = year.drills
    assert (newest.available, newest.passed, newest.late) == (None, False, False)
    assert (before.available, before.passed, before.late) == (400.0, False, True)
    assert before.certificate == f"/sluice/drills/shop/{late.name}.json"
    assert year.days[0].late


def test_without_a_drill_there_is_no_year() -> None:
    assert read([]) is None
    assert shown([]).times == {}
    assert shown([]).weeks == ()


def test_the_chart_has_the_days_up_to_the_breach_where_it_is_near_and_no_more_where_it_is_far() -> None:
    near, far = shown(a_year(slope=0.5)).times, shown(a_year()).times
    left = (date.fromisoformat(near["breach"]) - NOW.date()).days
    assert 0 < left <= AHEAD
    assert near["ahead"] == left + MARGIN
    assert (far["ahead"], far["drilled"], far["first"]) == (0, 361, (NOW - 360 * DAY).date().isoformat())
    assert near["failed"] == [350]
    assert [name for name, _ in near["phases"]] == ["fetched", "replayed", "available"]


def test_the_weeks_have_the_same_numbers_as_the_chart() -> None:
    one = shown(a_year())
    assert sum(week.drills for week in one.weeks) == sum(day is not None for day in one.year.days)
    assert sum(week.failed for week in one.weeks) == 1
    assert max(week.slowest for week in one.weeks) == max(day.available for day in one.year.days if day and day.times)
    assert one.weeks[0].first > one.weeks[-1].first == one.year.first


def test_an_answer_is_json_and_says_why_the_last_drill_is_no_proof() -> None:
    red = shown([*a_year(), a_drill("shop", NOW, compared=broken())])
    told = json.loads(json.dumps(as_json(red)))
    assert told["year"]["drills"][0]["failed"] == ["public.notes: 1 row fewer"]
    assert told["is_overdue"] is True, "of none it is known here which are listed"


def lines(parts) -> dict[str, object]:
    """All lines of a page, by what they tell."""
    return {what: value for _, rows in parts for what, value in rows}


def test_a_certificate_says_what_came_back_when_and_what_it_was_held_against() -> None:
    told = lines(drill_parts(a_drill("shop", NOW)))
    assert told["Available after"] == "38 s; promised: 5 min"
    assert told["Writes lost"] == "2.0 s to 12 s; promised: 30 s"
    assert told["Compared"] == "100 rows of 3 tables, 100 % of the copy; 0 differences"
    assert [told["fetched"], told["replayed"], told["available"]] == ["23 s", "11 s", "3.8 s"]
    assert told["verified, from the start on"] == "76 s"


def test_the_certificate_of_a_drill_that_was_stopped_says_what_it_never_came_to() -> None:
    stopped = a_drill("shop", NOW, phases={}, compared=None, uncompared="the disk is full", reached=None, lost=None)
    told = lines(drill_parts(stopped))
    assert told["Available after"] == "never; promised: 5 min"
    assert told["Compared"] == "nothing: the disk is full"
    assert told["Writes lost"] == "not asked of this moment; promised: 30 s"


def test_the_certificate_of_a_failover_says_each_round() -> None:
    phases = {"noticed": 1.0, "promoted": 3.0, "first write": 8.0}
    told = {"phases": phases, "lost": 0, "acknowledged": 90, "synchronous": True, "proven_whole": True}
    made = FailoverCertificate("shop", "x", NOW.isoformat(), ("full",), 5.0, (told, {**told, "synchronous": False}))
    parts = list(failover_parts(made))
    assert [name for name, _ in parts][1:] == ["Round 1, synchronous commit", "Round 2, without synchronous commit"]
    assert lines(parts)["Writes again after"] == "8.0 s at most"
    assert lines(parts)["After"] == ["noticed: 1.0 s", "promoted: 3.0 s", "first write: 8.0 s"]
