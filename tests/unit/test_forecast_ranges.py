"""What is foretold of a series: of few points and odd ones, and how often the range holds on histories that were made up.

`benchmarks/forecast.py` asks the same of more of them, and of other ways to foretell.
"""

from __future__ import annotations

import warnings
from datetime import date, timedelta
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sluice.insight.forecast.arrival import arrival
from sluice.insight.forecast.backtest import Backtest, origins
from sluice.insight.forecast.forecast import Forecast, forecast
from sluice.insight.forecast.lines import theil_sen
from sluice.insight.forecast.models import bank_of, follow, foretell
from sluice.insight.forecast.series import Point, Series, add_back, series_of

from benchmarks._forecast_sets import HORIZONS, TRAIN, make_all

FIRST = date(2026, 1, 1)
AT = np.array(HORIZONS) - 1


def series(values: list[float] | np.ndarray) -> Series:
    """Make a series of a value a day."""
    return series_of(Point(FIRST + timedelta(days=number), float(value)) for number, value in enumerate(values))


def growing(points: int, pace: float = 10.0, start: float = 1000.0, noise: float = 3.0) -> np.ndarray:
    """Grow by as much each day, measured a little wrongly."""
    return start + pace * np.arange(points) + np.random.default_rng(points).normal(0, noise, points)


def in_order(found: Forecast) -> bool:
    """Tell whether the three lines lie in their order, are numbers, and nowhere below 0."""
    lines = np.stack([found.p10, found.p50, found.p90])
    return bool(np.isfinite(lines).all() and (lines >= 0).all() and (np.diff(lines, axis=0) >= 0).all())


@pytest.mark.parametrize("points", [0, 1, 7])
def test_under_eight_points_there_is_no_date_and_it_says_so(points: int) -> None:
    found = forecast(series(growing(points)))
    assert (found.confident, found.horizon_days, found.points) == (False, 0, points)
    assert found.reason == f"{points} days were measured, and 8 are needed: no date"
    assert arrival(found, 1e12).told == found.reason


@pytest.mark.parametrize("points", [8, 30, 365])
def test_steady_growth_goes_on(points: int) -> None:
    values = growing(points)
    found = forecast(series(values), 90)
    assert (found.confident, found.horizon_days, found.reason) == (True, 90, "")
    assert in_order(found)
    assert found.p50[89] == pytest.approx(1000 + 10 * (points + 89), rel=0.05)
    assert found.p10[89] < 1000 + 10 * (points + 89) < found.p90[89]


def test_more_points_make_the_range_narrower_and_more_days_ahead_wider() -> None:
    widths = [forecast(series(growing(points))) for points in (8, 30, 120)]
    at_the_end = [float(one.p90[89] - one.p10[89]) for one in widths]
    assert at_the_end == sorted(at_the_end, reverse=True)
    for one in widths:
        near, middle, far = (one.p90 - one.p10)[[6, 29, 89]]
        assert near < middle < far


def test_what_has_compounded_for_a_year_goes_on_so() -> None:
    """A rise that stays what it was falls behind what grows by as large a share each month: of these, half held."""
    made = [compounding(rate, seed) for rate in (0.08, 0.1, 0.12) for seed in range(12)]
    found = [(forecast(series(values[:365])), values[-1]) for values in made]
    held = [one.p10[89] <= truth <= one.p90[89] for one, truth in found]
    assert sum(held) / len(held) >= 0.7


def compounding(rate: float, seed: int) -> np.ndarray:
    """Grow by a larger amount each month, for 365 days and 90 more; a day's growth varies by a third."""
    days = np.arange(365 + 90) - 365
    return 1000 + np.cumsum(10 * (1 + rate) ** (days / 30.4) * np.random.default_rng(seed).gamma(9, 1 / 9, len(days)))


def test_what_never_changed_does_not() -> None:
    found = forecast(series([5e9] * 30), 45)
    assert {*found.p10, *found.p50, *found.p90} == {5e9}
    assert (found.confident, found.models) == (True, ("no change",))
    assert arrival(found, 6e9).told == ">45 d"


def test_what_was_level_but_for_one_step_is_level() -> None:
    found = forecast(series([5e9] * 20 + [7e9] * 20))
    assert {*found.p10, *found.p50, *found.p90} == {7e9}
    assert "jumped by +2e+09" in found.notes[0]


def test_what_shrinks_ends_at_nothing_and_never_below() -> None:
    found = forecast(series(growing(40, pace=-20.0)), 365)
    assert in_order(found)
    assert found.p50[0] < 230
    assert found.p10[-1] == 0.0
    assert arrival(found, 1000.0).p50 is None


def test_zeros_and_a_first_value_after_them_are_foretold() -> None:
    assert set(forecast(series([0.0] * 12)).p90) == {0.0}
    assert in_order(forecast(series([0.0] * 12 + [100.0, 200.0, 300.0])))


def test_one_wrong_value_moves_nothing_much() -> None:
    values = growing(60)
    wrong = values.copy()
    wrong[40] *= 50
    right, found = forecast(series(values)), forecast(series(wrong))
    assert found.p50[89] == pytest.approx(right.p50[89], rel=0.02)


def test_of_few_points_one_that_outweighs_all_others_takes_the_confidence() -> None:
    values = 1000 + 10.0 * np.arange(9) + np.array([0, 1, -1, 2, 0, 1, -2, 0, 1])
    assert forecast(series(values)).confident
    jumped = forecast(series(values + 300.0 * (np.arange(9) >= 4)))
    assert not jumped.confident
    assert "nobody can tell yet whether it grows so" in jumped.reason
    assert forecast(series(growing(20) + 300.0 * (np.arange(20) >= 10))).confident, "there it is a step"


def test_what_rises_ever_faster_is_foretold_to_do_so() -> None:
    day = np.arange(240)
    values = 1e4 + 10 * day + 0.1 * day**2 + np.random.default_rng(3).normal(0, 20, 240)
    truth = 1e4 + 10 * 329 + 0.1 * 329**2
    found = forecast(series(values))
    assert found.p50[89] == pytest.approx(truth, rel=0.03)
    assert found.p10[89] < truth < found.p90[89]
    assert found.models[0].startswith("a pace that")


def test_a_week_comes_again() -> None:
    day = np.arange(84)
    load = np.where((day + FIRST.toordinal()) % 7 == 2, 500.0, 0.0)
    found = forecast(series(growing(84) + load), 14)
    high = [number for number in range(14) if (84 + number + FIRST.toordinal()) % 7 == 2]
    usual = [number for number in range(14) if number not in high]
    line = 1000 + 10 * (84 + np.arange(14))
    assert np.all((found.p50 - line)[high] > 350)
    assert np.all(np.abs(found.p50 - line)[usual] < 60)
    assert "a week goes up and down" in found.notes[0]


def test_the_same_points_give_the_same_forecast() -> None:
    one, other = (forecast(series(growing(50))) for _ in range(2))
    assert np.array_equal(np.stack([one.p10, one.p50, one.p90]), np.stack([other.p10, other.p50, other.p90]))
    assert (one.models, one.notes) == (other.models, other.notes)


@pytest.mark.parametrize("by", [1000.0, 2.0**-40])
def test_other_units_give_the_same_forecast_in_those(by: float) -> None:
    values = growing(50)
    here, there = forecast(series(values)), forecast(series(values * by))
    for line in ("p10", "p50", "p90"):
        assert getattr(there, line) == pytest.approx(getattr(here, line) * by, rel=1e-6)
    assert there.models == here.models


def test_a_later_start_of_the_calendar_changes_nothing() -> None:
    values = growing(50)
    shifted = series_of(Point(FIRST + timedelta(days=700 + number), value) for number, value in enumerate(values))
    assert forecast(shifted).p90 == pytest.approx(forecast(series(values)).p90)


def test_beyond_ninety_days_it_says_that_nobody_has_measured() -> None:
    assert forecast(series(growing(50)), 365).notes == ("beyond 90 days nobody has measured how often the range holds",)


def test_points_of_more_than_two_years_ago_count_no_more() -> None:
    old, new = growing(800), growing(730)
    old[70:] = new
    assert forecast(series(old)).p50 == pytest.approx(forecast(series(new)).p50)


ODD = st.lists(st.sampled_from([0.0, 1.0, 1e-9, 7.0, 1e15]) | st.floats(0, 1e13), min_size=8, max_size=45)


@settings(deadline=None, max_examples=60)
@given(ODD, st.lists(st.integers(1, 9), min_size=45, max_size=45), st.sampled_from([1, 2, 90, 365]))
def test_whatever_was_measured_the_lines_are_numbers_in_order(values: list[float], gaps: list[int], ahead: int) -> None:
    days = np.cumsum(gaps)
    told = series_of(Point(FIRST + timedelta(days=int(days[number])), one) for number, one in enumerate(values))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = forecast(told, ahead)
    assert in_order(found)
    assert found.horizon_days == ahead
    days_left = [999 if one is None else one for one in (arrival(found, 2e13).p10, arrival(found, 2e13).p50)]
    assert days_left == sorted(days_left)


def test_half_of_the_lines_through_all_pairs_rise_less_and_a_quarter_of_odd_points_moves_none() -> None:
    x = np.arange(21.0)
    y = 4 * x
    y[[2, 7, 11, 16, 19]] += np.array([9e6, -3e6, 5e6, -8e6, 1e6])
    assert theil_sen(x, y) == pytest.approx(4.0)
    assert theil_sen(np.arange(1500.0), 3 * np.arange(1500.0)) == pytest.approx(3.0)


def test_a_state_on_the_way_is_that_of_the_points_so_far() -> None:
    """What a rolling origin may know: nothing that comes later, but for the units."""
    x, y = np.arange(40.0), growing(40)
    bank = bank_of(x, y)
    way, short = follow(bank, x, y, [25, 40]), follow(bank, x[:25], y[:25], [25])
    assert np.array_equal(way[25].mean, short[25].mean)
    assert np.array_equal(way[25].score, short[25].score)
    assert sorted(way) == [25, 40]


def test_the_lines_that_foretold_well_weigh_more() -> None:
    x = np.arange(120.0)
    steady, wandering = growing(120, noise=1.0), np.cumsum(np.cumsum(np.random.default_rng(5).normal(0, 1, 120)) + 30)
    models = [forecast(series(values)).models[0] for values in (steady, wandering)]
    assert models[0].startswith("a steady pace")
    assert models[1].startswith("a pace that wanders")
    told = foretell(bank_of(x, steady), follow(bank_of(x, steady), x, steady, [120])[120], np.array([1.0]))
    assert told.weights.sum() == pytest.approx(1.0)


def test_a_past_that_was_missed_makes_the_range_wider_up_to_twice() -> None:
    ahead = np.repeat([5.0, 10.0, 20.0], 20)
    as_claimed, off, far_off = (Backtest(ahead, np.full(60, size), 200.0) for size in (1.0, 1.8, 4.0))
    assert as_claimed.wider(10) == pytest.approx(1.0)
    assert 1.5 < off.wider(10) < 1.8
    assert (far_off.wider(10), Backtest(ahead, np.zeros(60), 200.0).wider(10)) == (2.0, 0.9)
    assert Backtest(np.empty(0), np.empty(0), 5.0).wider(30) == 1.0


def test_errors_near_the_horizon_count_more_than_those_far_from_it() -> None:
    mixed = Backtest(np.repeat([2.0, 40.0], 30), np.repeat([0.5, 1.9], 30), 300.0)
    assert mixed.wider(2) < 1.0 < mixed.wider(40)


def test_a_forecast_that_was_far_off_before_claims_nothing() -> None:
    """Steady for months, then three upheavals: whatever it said on the way was wrong."""
    values = growing(100, noise=0.5)
    values[45:] += 12.0 * np.arange(55) ** 1.5
    values[70:] -= 120.0 * np.arange(30)
    found = forecast(series(np.maximum(values, 0.0)), 30)
    assert not found.confident
    assert "times as far as they said" in found.reason


@pytest.mark.parametrize("points", [8, 9, 30, 365])
def test_a_rolling_origin_has_points_before_and_after(points: int) -> None:
    assert all(6 <= stop < points for stop in origins(points))
    assert 2 <= len(origins(points)) <= 10


@cache
def foretold(points: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Give lines and truth at the horizons, for 25 histories of each set."""
    found = []
    for made in make_all(TRAIN[:25], points=(points,)):
        told = forecast(add_back(series_of(made.points), made.purges), max(HORIZONS), made.planned)
        found.append((np.stack([told.p10, told.p50, told.p90])[:, AT], made.truth[AT]))
    return found


def held(points: int, wide: float = 1.0) -> float:
    """Give how often the range holds when it is made `wide` times as wide."""
    hits = []
    for (low, middle, high), truth in foretold(points):
        hits.append((middle - wide * (middle - low) <= truth) & (truth <= middle + wide * (high - middle)))
    return float(np.mean(hits))


@pytest.mark.parametrize("points", [8, 30, 90])
def test_the_range_holds_four_times_in_five_and_half_of_it_does_not(points: int) -> None:
    assert 0.76 <= held(points) <= 0.92
    assert held(points, wide=0.5) < 0.70


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("since", [7, 14])
def test_a_pace_that_has_tripled_for_a_week_is_followed_and_not_taken_for_wrong_values(
    noise: float, since: int
) -> None:
    steady = 300.0 + np.arange(100 - since)
    faster = steady[-1] + 3.0 * np.arange(1, since + 1)
    values = np.concatenate([steady, faster]) + np.random.default_rng(1).normal(0, noise, 100)
    found = forecast(series(values))
    assert found.p10[0] > values[-1] - 3, "it begins where the table is by now"
    assert found.p50[29] > values[-1] + 45, "and goes on much faster than the one a day of before"


def test_values_that_differ_by_nothing_that_can_be_told_are_the_same() -> None:
    found = forecast(series([0.0, 5e-324] * 6))
    assert found.models == ("no change",) and in_order(found)
