"""Days left as a range, how urgent they are, and what forecasts that were kept were worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.insight.forecast.arrival import Arrival, arrival, severity
from sluice.insight.forecast.forecast import Forecast
from sluice.insight.forecast.scoring import Kept, clopper_pearson, pinball, score

RISING = Forecast(
    last=date(2026, 1, 31),
    newest=100.0,
    points=30,
    p10=100 + 1.0 * np.arange(1, 366),
    p50=100 + 2.0 * np.arange(1, 366),
    p90=100 + 4.0 * np.arange(1, 366),
    models=("a steady pace 100%",),
    notes=(),
    confident=True,
    reason="",
)


def test_the_upper_line_gives_the_earliest_day_and_the_lower_one_the_latest() -> None:
    found = arrival(RISING, 200.0)
    assert (found.p10, found.p50, found.p90) == (25, 50, 100)
    assert found.told == "50 d, 25 to 100 d"


def test_what_is_not_reached_is_beyond_the_horizon_and_no_number() -> None:
    assert arrival(RISING, 1000.0) == Arrival(225, None, None, 365, "")
    assert arrival(RISING, 1000.0).told == ">365 d, 225 to >365 d"
    assert arrival(RISING, 1e9).told == ">365 d"


def test_what_is_passed_already_is_passed_today() -> None:
    assert arrival(RISING, 100.0) == Arrival(0, 0, 0, 365, "")


def test_without_a_forecast_there_is_no_date_and_it_says_why() -> None:
    none = np.empty(0)
    few = replace(RISING, p10=none, p50=none, p90=none, points=7, confident=False, reason="7 days were measured")
    assert arrival(few, 200.0) == Arrival(None, None, None, 0, "7 days were measured")
    assert arrival(few, 200.0).told == "7 days were measured"
    assert arrival(replace(few, points=0, newest=0.0), 0.0).p50 is None


def test_a_range_that_is_not_to_be_trusted_says_so() -> None:
    assert arrival(replace(RISING, reason="off"), 200.0).told == "50 d, 25 to 100 d (doubtful: off)"


def test_a_line_that_dips_counts_where_it_is_first_above() -> None:
    dips = replace(RISING, p90=np.array([150.0, 90.0, 150.0]), p50=np.array([90.0, 150.0, 90.0]), p10=np.zeros(3))
    assert arrival(dips, 150.0) == Arrival(1, 2, None, 3, "")


@given(st.lists(st.tuples(*[st.floats(0, 1e6)] * 3), min_size=1), st.floats(0, 1e6))
def test_early_is_never_after_late(days: list[tuple[float, float, float]], threshold: float) -> None:
    p10, p50, p90 = np.sort(np.array(days), axis=1).T
    found = arrival(replace(RISING, p10=p10, p50=p50, p90=p90, newest=0.0), threshold)
    left = [float("inf") if one is None else one for one in (found.p10, found.p50, found.p90)]
    assert left == sorted(left)


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (13, 13, "P1"),
        (0, 13, "P1"),
        (13, 14, "P2"),
        (14, 0, "P2"),
        (29, 29, "P2"),
        (30, 2, "P3"),
        (89, 89, "P3"),
        (90, 2, None),
        (2, 90, None),
        (2, None, None),
        (None, 2, None),
    ],
)
def test_it_is_as_urgent_as_the_milder_of_two_runs(now: int | None, before: int | None, said: str | None) -> None:
    assert severity(now, before) == said


def test_kept_forecasts_say_how_often_they_held() -> None:
    found = score([Kept(8, 10, 12, 11)] * 78 + [Kept(8, 10, 12, 13)] * 22)
    assert (found.points, found.held, found.share, found.sound) == (100, 78, 0.78, True)
    assert found.told == "our 80 % intervals held 78% (n=100, 69% to 86%)"


def test_ranges_that_hold_too_seldom_or_too_often_are_not_sound() -> None:
    assert not score([Kept(8, 10, 12, 11)] * 50 + [Kept(8, 10, 12, 13)] * 50).sound
    assert not score([Kept(8, 10, 12, 11)] * 100).sound


def test_no_forecast_has_no_score_and_says_so() -> None:
    assert score([]).told == "no forecast has come to its day yet"
    assert (score([]).share, score([]).pinball) == (0.0, 0.0)


def test_both_ends_of_a_range_hold() -> None:
    assert Kept(8, 10, 12, 8).held
    assert Kept(8, 10, 12, 12).held
    assert not Kept(8, 10, 12, 12.01).held


def test_the_loss_weighs_what_a_line_should_have_been_above_more() -> None:
    assert pinball(0.9, 10.0, 12.0) == pytest.approx(1.8)
    assert pinball(0.9, 12.0, 10.0) == pytest.approx(0.2)
    assert score([Kept(8, 10, 12, 12)]).pinball == pytest.approx((0.1 * 4 + 0.5 * 2 + 0) / 3)


@pytest.mark.parametrize(
    ("held", "points", "between"),
    [(0, 10, (0.0, 0.3085)), (10, 10, (0.6915, 1.0)), (5, 10, (0.1871, 0.8129)), (80, 100, (0.7082, 0.8733))],
)
def test_the_share_lies_where_clopper_and_pearson_say(held: int, points: int, between: tuple[float, float]) -> None:
    assert clopper_pearson(held, points) == pytest.approx(between, abs=1e-4)


def test_of_nothing_nothing_is_known() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)
