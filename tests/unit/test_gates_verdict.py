"""What a verdict is made of, without Great Expectations: each way to red, and that only those are."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sluice.proof.gates.verdict import (
    CLOCK_SLACK,
    Check,
    Verdict,
    broken_check,
    canonical,
    decide,
    fact_check,
    floor_check,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = fact_check("no row differs", True, 0, "0")


def judged(*checks: Check, compared: int = 10, age: timedelta = timedelta(0)) -> Verdict:
    return decide(
        "verified",
        "app.t",
        checks,
        compared=compared,
        facts_at=NOW - age,
        now=NOW,
        freshness=timedelta(minutes=30),
    )


def test_all_good_is_green() -> None:
    assert judged(GOOD).passed
    assert judged(GOOD).reasons == ()


def test_a_critical_failure_is_red_and_a_warning_is_not() -> None:
    failed = fact_check("no row differs", False, 1, "0")
    assert not judged(GOOD, failed).passed
    warned = judged(GOOD, replace(failed, severity="warning"))
    assert warned.passed
    assert "warning: no row differs: 1, expected 0" in warned.describe()


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_an_error_is_red_at_any_severity_and_is_no_failure(severity) -> None:
    verdict = judged(GOOD, broken_check("note is tidy", "column does not exist", severity))
    assert not verdict.passed
    assert verdict.summary()["error"] == 1
    assert verdict.summary()["failed"] == verdict.summary()["warning"] == 0
    assert "could not be checked: column does not exist" in verdict.reasons[0]


def test_nothing_compared_is_red_though_every_check_passed() -> None:
    assert judged(GOOD, compared=0).reasons == ("nothing was compared",)


def test_no_check_at_all_is_red() -> None:
    assert not judged().passed


@pytest.mark.parametrize(
    ("age", "passed"),
    [
        (timedelta(minutes=30), True),
        (timedelta(minutes=30, microseconds=1), False),
        (-CLOCK_SLACK, True),
        (-CLOCK_SLACK - timedelta(microseconds=1), False),
    ],
)
def test_stale_facts_are_red_to_the_microsecond(age, passed) -> None:
    assert judged(GOOD, age=age).passed is passed


@pytest.mark.parametrize(
    ("compared", "floor", "passed"), [(0, 0, False), (1, 0, True), (99, 100, False), (100, 100, True)]
)
def test_the_floor(compared, floor, passed) -> None:
    assert floor_check("session_rules", compared, floor).passed is passed


def test_a_red_verdict_names_the_rows_and_the_next_action_but_its_summary_holds_no_data() -> None:
    rows = [{"id": n, "note": f"secret {n}"} for n in range(30)]
    verdict = judged(fact_check("note is tidy", False, "30 of 90 rows", "no blank", rows=rows))
    assert "id=0, note=secret 0" in verdict.describe()
    assert "Next: mend" in verdict.describe()
    assert len(verdict.checks[0].sample_rows) == 20
    assert "secret" not in json.dumps(verdict.summary())


def test_equal_verdicts_have_equal_text() -> None:
    one, other = ({"a": 1, "b": [NOW, float("nan")]}, {"b": (NOW, float("nan")), "a": 1})
    assert canonical(one) == canonical(other) == '{"a":1,"b":["2026-03-01T12:00:00+00:00","nan"]}'
    assert json.loads(judged(GOOD).to_json())["evidence_at"] == "2026-03-01T12:00:00+00:00"
