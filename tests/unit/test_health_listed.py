"""One thing among many whose numbers end while it is wrong: wrong still, until it is well or known to be gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sluice.estate.health import Levels
from sluice.insight.health.listed import BESIDE, LISTS
from sluice.insight.health.rules import read_rules
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import Sample, Series

from tests.watched import HOUR, MINUTE, NOON, Estate, a_rule, a_store, minutes

ROOT = Path(__file__).parents[2]
LISTED = [
    ("slot_retained_bytes", "up_count", ""),
    ("slot_inactive_count", "up_count", ""),
    ("slot_lost_count", "up_count", ""),
    ("replica_lag_seconds", "replicas_count", ""),
    ("pool_wait_seconds", "pooler_up_count", ""),
    ("throttled_requests_rate", "table_up_count", "another"),
    ("table_up_count", "table_up_count", "another"),
    ("stream_age_seconds", "collection_seconds", ""),
    ("latency_p99_milliseconds", "system_errors_rate", "one"),
    ("read_units_used_percent", "read_units_rate", "one"),
]
"""A metric, and what its look tells beside it."""


def ended(metric: str) -> Estate:
    """An estate in which the number of one thing was too high at noon, and came no more; others of the store do."""
    estate = Estate(a_rule("high", metric))
    estate.stores["certify"] = a_store(watch={"pooler": "pooler"})
    estate.record(Series("certify", metric, "one"), [Sample(NOON, 99)])
    # That it is looked at: of no list this says anything.
    estate.record(Series("certify", "metadata_up_count"), minutes([1] * 60 * 30))
    estate.speaks = False
    assert high(estate, NOON)
    return estate


def high(estate: Estate, now):
    """What is told of it."""
    return [one for one in estate.see(now) if one.rule == "high"]


@pytest.mark.parametrize(("metric", "beside", "subject"), LISTED)
def test_it_is_wrong_until_its_list_is_read_and_it_is_not_in_it(metric, beside, subject):
    estate = ended(metric)
    for at in (MINUTE, 16 * MINUTE, 25 * HOUR):
        (found,) = high(estate, NOON + at)
        assert found.severity == "P2"
    assert found.text.endswith("over 80, since 2024-04-05 12:00 UTC, and has no number since 2024-04-05 12:00 UTC")
    estate.record(Series("certify", beside, subject), [Sample(NOON + 26 * HOUR, 1)])
    assert high(estate, NOON + 26 * HOUR) == []


def test_it_is_well_when_a_number_says_so():
    estate = ended("pool_wait_seconds")
    assert high(estate, NOON + HOUR)
    estate.record(Series("certify", "pool_wait_seconds", "one"), [Sample(NOON + 2 * HOUR, 0)])
    assert high(estate, NOON + 2 * HOUR) == []


def test_a_pooler_or_a_server_that_is_down_lists_nothing():
    for metric, up in (("pool_wait_seconds", "pooler_up_count"), ("slot_retained_bytes", "up_count")):
        estate = ended(metric)
        estate.record(Series("certify", up), minutes([0] * 60))
        assert high(estate, NOON + 30 * MINUTE)


def test_a_table_that_answers_while_cloudwatch_is_silent_is_not_gone():
    estate = ended("throttled_requests_rate")
    for table in ("one", "another"):
        estate.record(Series("certify", "table_up_count", table), minutes([1] * 60))
    assert high(estate, NOON + 30 * MINUTE)


def test_a_table_s_hourly_number_ends_with_the_table():
    estate = ended("dead_rows_percent")
    assert high(estate, NOON + 4 * HOUR)
    estate.record(Series("certify", "database_bytes"), [Sample(NOON + 4 * HOUR, 1e9)])
    assert high(estate, NOON + 4 * HOUR) == []


def test_a_table_that_is_locked_whenever_it_is_measured_is_not_gone_and_one_that_was_dropped_since_is():
    estate = ended("dead_rows_percent")
    estate.record(Series("certify", "database_bytes"), minutes([1e9] * 30, every=HOUR))
    estate.record(Series("certify", "table_locked_count", "one"), minutes([1] * 8, NOON + HOUR, every=HOUR))
    for hours in (4, 5, 8, 11):
        assert high(estate, NOON + hours * HOUR), "nobody could measure it"
    assert high(estate, NOON + 12 * HOUR) == []


def test_what_was_well_when_its_numbers_ended_is_dropped_without_a_word():
    estate = Estate(a_rule("high", "slot_retained_bytes"))
    estate.record(Series("certify", "slot_retained_bytes", "old"), [Sample(NOON, 9)])
    estate.record(Series("certify", "cpu_percent"), minutes([1] * 60))
    assert estate.see(NOON) == estate.see(NOON + 30 * MINUTE) == []


def test_a_question_that_is_answered_without_a_subject_says_that_it_is_gone():
    rule = replace(a_rule("queue"), metric="own_queue", sql="SELECT 1 AS value", store="certify", levels=Levels(over=5))
    estate = Estate(rule)
    estate.record(Series("certify", "own_queue", "mail"), [Sample(NOON, 9)])
    estate.record(Series("certify", "up_count"), minutes([1] * 60))
    assert estate.see(NOON)
    estate.unanswered = {"queue": False}
    assert [one.rule for one in estate.see(NOON + 30 * MINUTE)] == ["queue"], "nobody could ask"
    estate.unanswered = {}
    assert estate.see(NOON + 30 * MINUTE) == []


def test_of_everything_that_a_rule_looks_at_one_by_one_it_is_known_when_it_is_gone():
    looked = {METRICS[rule.metric] for rule in read_rules(ROOT, {}).rules.values()}
    assert {(one.engine, one.of) for one in looked if one.of} <= LISTS.keys()
    assert {*LISTS.values(), *BESIDE, *BESIDE.values()} <= METRICS.keys()
