"""The page of the estate, without a ledger: what a look leaves says the same as all that it saw, in the words of the page."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sluice.ledger.samples import Sample, Series
from sluice.ledger.seen import Seen
from sluice.overview.drills.condensed import condensed, restored, that_matter
from sluice.overview.estate.full import full_of
from sluice.overview.estate.numbers import numbers_of
from sluice.overview.estate.safety import FRESH, facts_read, facts_told, moment_of, safety_at
from sluice.safety.drill.certificate import Goals
from sluice.safety.driver import Taken, Window
from sluice.safety.exposure import exposure

from tests.stood import GOALS, a_drill, an_estate, broken, some_facts

NOW = datetime(2026, 3, 1, 11, tzinfo=UTC)
DAY = timedelta(days=1)
MANY = [
    a_drill("shop", NOW - 40 * DAY, 900, target="backup full", goals=Goals(10_000, 30)),
    a_drill("shop", NOW - 39 * DAY, target="backup full", compared=broken("an old one lacks a row")),
    a_drill("shop", NOW - 12 * DAY, 20),
    a_drill("shop", NOW - 4 * DAY, 400),
    a_drill("shop", NOW - 3 * DAY, compared=broken()),
    a_drill("shop", NOW - 2 * DAY, unmeasured="no heart beat"),
    a_drill("shop", NOW - 1 * DAY, lost=(90.0, 95.0)),
    a_drill("shop", NOW, phases={"fetched": 12.0}, compared=None, uncompared="the disk was full"),
]


def seen(found: dict[str, object], at: datetime = NOW, failed: str = "") -> Seen:
    """What a look has left, through JSON as the ledger keeps it."""
    return Seen("shop", at, json.loads(json.dumps(found)), at, failed)


@pytest.mark.parametrize("one", MANY, ids=lambda one: one.asked_at[:10])
def test_a_certificate_in_few_words_is_as_wrong_as_the_whole(one) -> None:
    again = restored("shop", json.loads(json.dumps(condensed(one))))
    assert sorted(again.wrong) == sorted(one.wrong)
    assert (again.key, again.is_full_recovery) == (one.key, one.is_full_recovery)


@pytest.mark.parametrize("until", range(1, len(MANY) + 1))
def test_few_certificates_and_backups_give_the_exposure_that_all_of_them_give(until) -> None:
    old = Taken("full", NOW - 30 * DAY, 1_000)
    others = [Taken(f"old {number}", NOW - number * DAY, 500) for number in range(20, 5, -1)]
    whole, increment = Taken("new", NOW - 2 * DAY, 2_000), Taken("inc", NOW - DAY, 300, after="new")
    facts = some_facts("shop", NOW, MANY[:until], backups=(old, *others, whole, increment), unread=("one is damaged",))
    told = json.loads(json.dumps(facts_told(facts)))
    assert len(told["backups"]) == 3, "those that nothing is held against are left out"
    assert exposure(facts_read("shop", told, GOALS), NOW) == exposure(facts, NOW)


def test_of_a_year_of_drills_only_the_last_proofs_and_what_was_red_since_matter() -> None:
    year = [a_drill("shop", NOW - number * DAY) for number in range(300, 2, -1)]
    red = [a_drill("shop", NOW - number * DAY, compared=broken()) for number in (2, 1)]
    assert that_matter([*year, *red]) == [year[-1], *red]


def test_what_would_be_lost_grows_with_the_clock_once_nobody_has_looked_for_a_while() -> None:
    found = seen(facts_told(some_facts("shop", NOW)))
    fresh = safety_at(found, GOALS, NOW + FRESH)
    assert fresh
    assert (fresh.lose, fresh.state) == ("≤ 13 s", "good"), "the log came in since, most likely: it is as it was seen"
    stale = safety_at(found, GOALS, NOW + FRESH + timedelta(minutes=30))
    assert stale
    assert (stale.lose, stale.state, stale.loses_too_much) == ("≤ 42 min", "bad", True)


def test_where_nothing_comes_in_between_two_backups_every_minute_counts() -> None:
    dumped = some_facts("shop", NOW, on_its_way=timedelta(0), window=Window(NOW - 9 * DAY, NOW - timedelta(hours=2)))
    assert moment_of(dumped, NOW, NOW + timedelta(minutes=5)) == NOW + timedelta(minutes=5)
    found = safety_at(seen(facts_told(dumped)), GOALS, NOW + timedelta(minutes=60))
    assert found
    assert found.lose == "≤ 3 h"


def test_a_store_without_a_backup_loses_all_and_one_whose_service_is_silent_loses_nobody_knows_what() -> None:
    none = safety_at(seen(facts_told(some_facts("shop", NOW, window=None, backups=()))), GOALS, NOW)
    silent = safety_at(
        seen(facts_told(some_facts("shop", NOW, window=None, backups=(), silent="S3 is down"))), GOALS, NOW
    )
    assert none
    assert silent
    assert (none.lose, none.state, none.whole) == ("all of it", "bad", None)
    assert (silent.lose, silent.state, silent.silent) == ("unknown", "bad", "S3 is down")


def test_what_is_promised_today_counts_and_not_what_was_promised_when_it_was_looked_at() -> None:
    found = seen(facts_told(some_facts("shop", NOW)))
    strict = safety_at(found, Goals(10, 5), NOW)
    assert strict
    assert (strict.loses_too_much, strict.takes_too_long) == (True, True)


def test_what_was_never_seen_is_nothing_and_a_failed_look_leaves_what_was_seen_before_with_a_warning() -> None:
    assert safety_at(Seen("shop", None, {}, NOW, "AccessDenied"), GOALS, NOW) is None
    kept = safety_at(seen(facts_told(some_facts("shop", NOW)), failed="VaultDown"), GOALS, NOW)
    assert kept
    assert (kept.state, kept.failed, kept.looked) == ("warn", "VaultDown", NOW)


FULL, MOST = LIMITS = (
    {"told": "is 85 % full", "value": 1.0},
    {"told": "holds 2 TB, the most that it may", "value": 2.0},
)


def arrival(limit: dict[str, object], *days: str | None) -> dict[str, object]:
    """When a limit is reached, as a look has kept it."""
    return {
        "told": "",
        "severity": None,
        "value": limit["value"],
        **dict(zip(("earliest", "likely", "latest"), days, strict=True)),
    }


def kept(*arrivals: dict[str, object], reason: str = "") -> Seen:
    """What a look has kept of the last report: a store's sessions and its size."""
    busy = {
        "unit": "percent",
        "subject": "",
        "arrivals": [arrival(FULL, "2026-03-02", "2026-03-02", None)],
        "limits": LIMITS,
    }
    size = {"unit": "bytes", "subject": "", "arrivals": list(arrivals), "limits": LIMITS, "reason": reason}
    page = "docs/capacity_report/r/t/h/report.html"
    return seen({"until": "2026-02-25", "page": page, "stores": [{"name": "shop", "measures": [busy, size]}]})


@pytest.mark.parametrize(
    ("arrivals", "words", "state"),
    [
        ([arrival(FULL, "2026-04-10", "2026-04-20", "2026-05-10")], "in 40 to 70 days", "warn"),
        ([arrival(FULL, "2026-03-06", "2026-04-20", None)], "in 5 days or later", "bad"),
        ([arrival(FULL, "2026-01-06", "2026-01-06", "2026-01-06")], "now", "bad"),
        ([arrival(FULL, "2026-01-06", "2026-01-06", None)], "now, or in more than a year", "bad"),
        ([arrival(FULL, "2026-01-06", "2026-03-06", "2026-03-10")], "now, or in 9 days", "bad"),
        ([arrival(FULL, None, None, None)], "not within a year", "none"),
        ([arrival(FULL, None, None, None), arrival(MOST, "2026-08-01", "2026-09-01", None)], "in 153 days or later", "good"),
        ([], "nobody says how much its disk holds", "none"),
    ],
)  # fmt: skip
def test_days_to_full_are_counted_from_today_and_not_from_the_report(arrivals, words, state) -> None:
    found = full_of(kept(*arrivals), "shop", date(2026, 3, 1))
    assert found
    assert (found.words, found.state) == (words, state)
    assert found.report == "/sluice/docs/capacity_report/r/t/h/report.html"


def test_a_report_that_foretells_nothing_says_why_and_one_of_another_form_says_nothing() -> None:
    found = full_of(kept(reason="5 days were measured, and 8 are needed: no date"), "shop", date(2026, 3, 1))
    assert found
    assert found.words == "5 days were measured, and 8 are needed: no date"
    assert full_of(seen({"page": "x.html", "until": None}), "shop", date(2026, 3, 1)) is None
    assert full_of(kept(), "another", date(2026, 3, 1)) is None
    assert full_of(None, "shop", date(2026, 3, 1)) is None


def test_a_table_that_does_not_answer_is_named_and_one_that_is_gone_since_long_is_not() -> None:
    hour = timedelta(hours=1)
    found = {
        Series("docs", "table_up_count", "users"): Sample(NOW, 0.0),
        Series("docs", "table_up_count", "orders"): Sample(NOW, 1.0),
        Series("docs", "table_up_count", "dropped"): Sample(NOW - hour, 0.0),
    }
    answers = numbers_of("docs", None, found, NOW).answers
    assert answers
    assert (answers.words, answers.state, answers.of) == ("down: users", "bad", 2)
    later = numbers_of("docs", None, {key: replace(one, value=1.0) for key, one in found.items()}, NOW + hour).answers
    assert later
    assert (later.words, later.state) == ("nobody knows whether it is up", "warn")


def test_the_latest_replica_and_the_table_whose_partitions_end_first_are_told() -> None:
    store = an_estate().stores["shop"]
    found = {
        Series("shop", "replica_lag_seconds", "r1"): Sample(NOW, 0.2),
        Series("shop", "replica_lag_seconds", "r2"): Sample(NOW, 12.0),
        Series("shop", "replica_lag_seconds", "gone"): Sample(NOW - timedelta(hours=1), 999.0),
        Series("shop", "partition_headroom_days", "app.a"): Sample(NOW, 400.0),
        Series("shop", "partition_headroom_days", "app.b"): Sample(NOW, 6.5),
    }
    numbers = numbers_of("shop", store, found, NOW)
    assert numbers.late
    assert numbers.headroom
    assert (numbers.late.words, numbers.late.state) == ("12 s behind (r2, the latest of 2)", "bad")
    assert (numbers.headroom.words, numbers.headroom.state) == ("for 6 days (app.b)", "bad")
    assert numbers.answers is None
