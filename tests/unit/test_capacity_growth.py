"""How growth is read: drops are added back, habits are counted on, a day on which a table is missing is no total."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sluice.insight.capacity.drops import coming_drops, dropped_since, drops_of
from sluice.insight.capacity.foreseeing import foresee
from sluice.insight.capacity.growth import Growth, grown_in_a_month
from sluice.insight.capacity.growth import summed as total
from sluice.insight.capacity.measure import Drop
from sluice.insight.capacity.outlook import made_of
from sluice.insight.capacity.together import ALONE, choose, together
from sluice.insight.capacity.words import amount, change, day, in_bytes, listed, money
from sluice.ledger.forecasts import Line
from sluice.ledger.samples import Series

BEGAN = date(2025, 1, 1)
SERIES = Series("shop", "table_bytes", "app.orders")


def line(*values: float, first: int = BEGAN.toordinal()) -> Line:
    """A line without gaps."""
    return Line(tuple(range(first, first + len(values))), values)


def on(number: int) -> date:
    """The day of that number."""
    return BEGAN + timedelta(days=number)


def test_what_a_table_begins_with_was_dropped_before_and_what_rises_since_is_a_drop() -> None:
    assert drops_of(line(50.0, 50.0, 80.0, 80.0)) == (Drop(on(2), 30.0),)
    assert drops_of(line(50.0)) == drops_of(None) == ()


def test_a_drop_that_nobody_saw_for_days_is_of_the_day_on_which_it_was_seen() -> None:
    assert drops_of(Line((1, 9), (0.0, 5.0))) == (Drop(date.fromordinal(9), 5.0),)


def test_a_month_counts_what_was_dropped_as_there() -> None:
    values = [float(n) if n < 20 else float(n) - 15 for n in range(31)]
    growth = Growth(SERIES, line(*values), (Drop(on(20), 15.0),))
    assert values[-1] - values[0] == 15
    assert grown_in_a_month(growth) == 30


def test_a_month_of_fewer_days_or_of_a_hole_says_nothing() -> None:
    assert grown_in_a_month(Growth(SERIES, line(*map(float, range(30))))) is None
    assert grown_in_a_month(Growth(SERIES, Line((1, 100), (1.0, 2.0)))) is None


def test_three_drops_make_a_habit_and_two_do_not() -> None:
    drops = [Drop(on(30 * n), 10.0 + n) for n in range(3)]
    assert coming_drops(drops[:2], on(61), 90) == ()
    assert coming_drops(drops, on(61), 90) == (Drop(on(90), 11.0), Drop(on(120), 11.0), Drop(on(150), 11.0))


def test_a_habit_that_has_ended_is_not_counted_on() -> None:
    drops = [Drop(on(30 * n), 10.0) for n in range(3)]
    assert coming_drops(drops, on(60 + 45), 90)[0] == Drop(on(106), 10.0)  # due since a fortnight: it may come tomorrow
    assert coming_drops(drops, on(60 + 46), 90) == ()


def test_drops_of_neighbouring_days_are_one() -> None:
    drops = [Drop(on(30 * n + m), 5.0) for n in range(3) for m in range(2)]
    assert [one.bytes for one in coming_drops(drops, on(62), 30)] == [10.0]


def test_a_day_on_which_a_table_is_missing_is_no_total_and_one_that_is_gone_counts_no_more() -> None:
    first = line(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    holed = Line((first.days[0], first.days[2], *first.days[3:]), (5.0, 5.0, 5.0, 5.0, 5.0, 5.0))
    gone = line(9.0, 9.0, 9.0)
    assert total([first, holed, gone]) == Line((first.days[0], *first.days[2:]), (15.0, 15.0, 6.0, 6.0, 6.0, 6.0))
    assert total([]) == Line((), ())


def test_a_table_that_is_late_by_a_day_is_not_gone() -> None:
    late = line(9.0, 9.0)
    assert total([line(1.0, 1.0, 1.0), late]) == Line(late.days, (10.0, 10.0))


def test_what_was_dropped_since_a_day_is_what_came_after_it() -> None:
    assert dropped_since([Drop(on(1), 1.0), Drop(on(2), 2.0), Drop(on(3), 4.0)], on(1)) == 6.0


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0 B"), (999, "999 B"), (999.6, "1 kB"), (412.34e9, "412 GB"), (1.2e12, "1.2 TB"), (9.999e9, "10 GB"),
     (-2.5e6, "−2.5 MB"), (999.7e9, "1 TB"), (99.96e6, "100 MB")],
)  # fmt: skip
def test_bytes_have_three_digits_and_the_units_of_disks(value: float, told: str) -> None:
    assert in_bytes(value) == told


def test_numbers_days_and_names_are_written_in_one_way() -> None:
    assert [amount(None, "bytes"), amount(71.26, "percent"), amount(1234.4, "rate")] == [
        "–",
        "71.3 %",
        "1,234 /s",
    ]
    assert [change(5e9, "bytes"), change(-5e9, "bytes"), change(0, "bytes"), change(None, "bytes")] == [
        "+5 GB",
        "−5 GB",
        "0 B",
        "–",
    ]
    assert [day(date(2026, 4, 2), date(2026, 1, 1)), day(date(2027, 4, 2), date(2026, 1, 1))] == [
        "2 April",
        "2 April 2027",
    ]
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ((750, 1070), "$750 to 1,070"),
        ((0.3, 0.3), "$0.30"),
        ((9.994, 1234.5), "$9.99 to 1,234"),
        ((0, 0), "$0"),
    ],
)
def test_sums_are_written_as_people_read_them(bounds: tuple[float, float], told: str) -> None:
    assert money(bounds, "$") == told


def test_what_is_kept_of_a_forecast_has_what_is_dropped_until_then_as_if_it_were_there() -> None:
    until, known = on(60), line(*(100.0 + n for n in range(60)))
    plain, dropping = (Growth(SERIES, known, coming=coming) for coming in ((), (Drop(on(79), 10.0),)))
    seen = foresee(dropping, 90)
    assert seen.curve and seen.curve.p50[29] == pytest.approx(159 + 30 - 10, rel=0.01), "it will be gone by then"
    (expected, made) = (made_of(one, foresee(one, 90), until) for one in (plain, dropping))
    assert expected and made
    assert made.p50 == pytest.approx(expected.p50), (
        "and is added back where a forecast is scored, as what was dropped is"
    )
    assert (made.p10, made.p90) == (pytest.approx(expected.p10), pytest.approx(expected.p90))


def test_of_many_tables_the_largest_and_those_that_grow_most_stand_alone() -> None:
    still = [Growth(SERIES, line(*[float(2000 + n)] * 40)) for n in range(2 * ALONE)]
    growing = [Growth(SERIES, line(*(float(n + 1) * day for day in range(40)))) for n in range(ALONE)]
    alone, rest = choose([*still, *growing])
    assert (alone, rest) == ((*still[ALONE:], *growing), tuple(still[:ALONE]))
    assert choose(growing) == (tuple(growing), ())


def test_what_is_together_counts_a_table_as_it_was_last_where_it_was_not_measured() -> None:
    locked = Growth(
        SERIES, Line((1, 4), (10.0, 12.0)), (Drop(date.fromordinal(4), 1.0),), (Drop(date.fromordinal(4), 2.0),)
    )
    later = Growth(
        SERIES, Line((2, 3, 4), (1.0, 2.0, 0.0)), (Drop(date.fromordinal(4), 3.0),), (Drop(date.fromordinal(5), 2.0),)
    )
    found = together([locked, later])
    assert (found.series, found.line) == (Series("shop", "table_bytes"), Line((1, 2, 3, 4), (10.0, 11.0, 12.0, 12.0)))
    assert found.drops == (Drop(date.fromordinal(4), 4.0),)
    assert found.coming == (Drop(date.fromordinal(5), 2.0),), (
        "what was to be dropped by the last day is dropped, or not"
    )
