"""What was measured, brought into order; what was dropped on purpose, added again; and the one step that nobody noted."""

from __future__ import annotations

from datetime import date, timedelta
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluice.insight.forecast.forecast import forecast
from sluice.insight.forecast.series import Point, Purge, Series, add_back, series_of, taken_off
from sluice.insight.forecast.steps import find_step, make_even
from sluice.insight.forecast.weeks import week_of

FIRST = date(2026, 1, 1)
VALUES = st.floats(0, 1e15) | st.sampled_from([nan, inf, -inf])


def day(number: int) -> date:
    """Count days from the first."""
    return FIRST + timedelta(days=number)


def series(values: list[float], days: list[int] | None = None) -> Series:
    """Make a series of values, one a day unless days are given."""
    numbers = days or range(len(values))
    return series_of(Point(day(number), value) for number, value in zip(numbers, values, strict=True))


@given(st.lists(st.tuples(st.integers(0, 40), VALUES)))
def test_each_day_once_in_order_and_every_point_is_accounted_for(told: list[tuple[int, float]]) -> None:
    found = series_of(Point(day(number), value) for number, value in told)
    assert np.all(np.diff(found.days) > 0)
    assert np.all(np.isfinite(found.values))
    assert len(found) + found.unreadable + found.repeated == len(told)


def test_the_last_value_of_a_day_counts_unless_it_is_no_number() -> None:
    found = series([5.0, 1.0, 2.0, nan], [3, 1, 3, 3])
    assert found.values.tolist() == [1.0, 2.0]
    assert (found.unreadable, found.repeated, found.last, found.newest) == (1, 1, day(3), 2.0)


def test_a_missing_day_stays_missing_and_is_told() -> None:
    days = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]
    found = series([7.0 * number for number in days], days)
    assert len(found) == 10
    assert forecast(found).notes == ("2 days between the first and the last were not measured",)


def test_a_purge_is_added_to_its_day_and_all_since() -> None:
    found = add_back(series([10.0, 12.0, 4.0, 6.0]), [Purge(day(2), 10.0), Purge(day(9), 99.0)])
    assert found.values.tolist() == [10.0, 12.0, 14.0, 16.0]
    assert (found.dropped, found.newest) == (10.0, 6.0)


def test_purges_may_be_added_one_after_the_other() -> None:
    measured, purges = series([10.0, 4.0, 6.0, 1.0]), [Purge(day(1), 8.0), Purge(day(3), 7.0)]
    both, twice = add_back(measured, purges), add_back(add_back(measured, purges[:1]), purges[1:])
    assert both.values.tolist() == twice.values.tolist() == [10.0, 12.0, 14.0, 16.0]
    assert both.dropped == twice.dropped == 15.0


def test_no_point_and_no_purge_change_nothing() -> None:
    assert len(add_back(series([]), [Purge(day(0), 1.0)])) == 0
    assert add_back(series([1.0, 2.0]), []).values.tolist() == [1.0, 2.0]


def test_a_plan_comes_off_from_its_day_on_and_what_lies_behind_or_beyond_does_not() -> None:
    planned = [Purge(day(9), 1.0), Purge(day(10), 100.0), Purge(day(12), 5.0), Purge(day(99), 7.0)]
    assert taken_off(planned, day(10), 4).tolist() == [0.0, 5.0, 5.0, 5.0]


def test_a_table_that_is_purged_each_month_is_foretold_by_its_growth() -> None:
    """Without the ledger it looks as if it stood still; with it, and with the policy, each day ahead is known."""
    growth, purges = 10.0 * np.arange(90), [Purge(day(number), 300.0) for number in (29, 59, 89)]
    measured = 500 + growth - sum(300.0 * (np.arange(90) >= number) for number in (29, 59, 89))
    told = add_back(series(measured.tolist()), purges)
    unplanned, planned = forecast(told, 60), forecast(told, 60, [Purge(day(119), 300.0), Purge(day(149), 300.0)])
    assert unplanned.p50[59] == pytest.approx(490 + 600, rel=0.01)
    assert planned.p50[[28, 29, 58, 59]] == pytest.approx([490 + 290, 490, 490 + 290, 490], rel=0.01)


@pytest.mark.parametrize("by", [-800.0, 800.0])
def test_a_step_that_nobody_noted_is_found_made_even_and_told(by: float) -> None:
    chance = np.random.default_rng(1)
    values = 5000 + 10.0 * np.arange(60) + by * (np.arange(60) >= 25) + chance.normal(0, 5, 60)
    found = forecast(series(values.tolist()), 30)
    assert found.notes[0].startswith(f"on {day(25)} it jumped by {'-' if by < 0 else '+'}")
    assert found.p50[29] == pytest.approx(values[-1] + 300, abs=60)
    assert found.p10[29] > values[-1] + 200, "no line leads back to before the step"


def test_the_day_of_a_step_is_its_first_and_its_size_is_right() -> None:
    x = np.arange(40.0)
    step = find_step(x, 3 * x + 200.0 * (x >= 17))
    assert step is not None
    assert (step.at, step.by) == (17, pytest.approx(200.0))
    assert make_even(3 * x + 200.0 * (x >= 17), step) == pytest.approx(3 * x + 200)


def test_loads_that_come_again_and_again_are_growth_and_no_step() -> None:
    x = np.arange(120.0)
    assert find_step(x, 2 * x + 100.0 * sum(x >= number for number in (20, 45, 70, 100))) is None


def test_a_line_a_bend_and_a_single_odd_value_are_no_step() -> None:
    x, odd = np.arange(60.0), np.zeros(60)
    odd[30] = 5000.0
    assert find_step(x, 4 * x) is None
    assert find_step(x, 0.3 * x**2) is None
    assert find_step(x, 4 * x + odd) is None


def test_too_few_points_tell_no_step() -> None:
    assert find_step(np.arange(9.0), np.array([1, 2, 3, 4, 105, 106, 107, 108, 109.0])) is None


def test_a_week_that_both_halves_agree_on_is_known() -> None:
    days = np.arange(730_000, 730_056)
    pattern = np.array([0.0, 4.0, 4.0, 4.0, 4.0, -8.0, -8.0])
    found = week_of(days, 3.0 * days + pattern[days % 7])
    assert found is not None
    assert found == pytest.approx(pattern - pattern.mean(), abs=0.5)


def test_chance_is_no_week_and_four_of_them_are_needed() -> None:
    days, chance = np.arange(730_000, 730_084), np.random.default_rng(7)
    assert week_of(days, chance.normal(0, 1, 84)) is None
    pattern = np.array([0.0, 4.0, 4.0, 4.0, 4.0, -8.0, -8.0])
    assert week_of(days[:27], pattern[days[:27] % 7]) is None


def test_a_weekday_that_was_never_measured_hides_the_week() -> None:
    days = np.array([number for number in range(730_000, 730_084) if number % 7 != 3])
    assert week_of(days, np.array([0.0, 4.0, 4.0, 4.0, 4.0, -8.0, -8.0])[days % 7]) is None
