"""What was forecast and reported: kept once a window, found again when its days have come, and forgotten in its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sluice.ledger.forecasts import Forecasts, Line, Made, Reported
from sluice.ledger.samples import Samples, Series, Span
from sluice.stores.postgres import connect

DAY = timedelta(days=1)
UNTIL = date(2024, 4, 8)
ORDERS, USERS = (Series("shop", "table_bytes", name) for name in ("app.orders", "app.users"))
MADE = Made(ORDERS, UNTIL, 10.0, (7, 30), (11.0, 12.0), (11.5, 13.0), (12.0, 1e17))


@pytest.fixture
def kept(database):
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        samples = Samples(c).prepare()
        days = [(one, span(date(2024, 4, 1) + n * DAY, 10.0 + n)) for one in (ORDERS, USERS) for n in (0, 1, 3)]
        samples.record_spans("day", days)
        yield Forecasts(c)


def span(day: date, value: float) -> Span:
    """A day whose highest, lowest and last differ."""
    return Span(datetime.combine(day, time(), UTC), value - 2, value + 5, value, value + 1, 24)


def test_days_come_back_as_a_line_and_what_was_not_measured_is_missing(kept: Forecasts) -> None:
    found = kept.lines(["table_bytes"], date(2024, 4, 1), UNTIL, "shop")
    first = date(2024, 4, 1).toordinal()
    assert found[ORDERS] == Line((first, first + 1, first + 3), (11.0, 12.0, 14.0))
    assert kept.lines(["table_bytes"], date(2024, 4, 1), UNTIL, "shop", of="highest")[USERS].values == (
        15.0,
        16.0,
        18.0,
    )


def test_a_line_ends_before_its_end(kept: Forecasts) -> None:
    assert kept.lines(["table_bytes"], date(2024, 4, 2), date(2024, 4, 4))[ORDERS].values == (12.0,)
    assert kept.lines(["table_bytes"], date(2024, 4, 1), UNTIL, "another") == {}


def test_the_same_window_gives_the_same_rows(kept: Forecasts) -> None:
    other = replace(MADE, series=USERS, base=3.0)
    for _ in range(2):
        assert kept.keep("shop", UNTIL, [MADE, other]) == 2
        assert kept.made("shop", UNTIL, UNTIL + DAY) == [MADE, other]
    corrected = replace(MADE, p10=(10.5, 11.0))
    kept.keep("shop", UNTIL, [corrected])
    assert kept.made("shop", UNTIL, UNTIL + DAY) == [corrected], "one that is forecast no more is gone"


def test_a_sum_that_nobody_has_measured_is_kept_too(kept: Forecasts) -> None:
    total = replace(MADE, series=Series("shop", "items_bytes"))
    kept.keep("shop", UNTIL, [total])
    assert kept.made("shop", UNTIL, UNTIL + DAY) == [total]


def test_one_window_leaves_the_others_alone_and_one_store_the_others(kept: Forecasts) -> None:
    kept.keep("shop", UNTIL, [MADE])
    kept.keep("shop", UNTIL + 7 * DAY, [replace(MADE, until=UNTIL + 7 * DAY)])
    kept.keep("books", UNTIL, [])
    assert [one.until for one in kept.made("shop", UNTIL, date.max)] == [UNTIL, UNTIL + 7 * DAY]
    assert [one.until for one in kept.made("shop", UNTIL + DAY, date.max)] == [UNTIL + 7 * DAY]
    assert kept.made("shop", UNTIL - DAY, UNTIL) == []


def test_the_report_before_knew_less_and_the_monthly_one_was_monthly(kept: Forecasts) -> None:
    weekly, monthly = (Reported(UNTIL + n * 7 * DAY, UNTIL, n == 0, f"docs/{n}") for n in (1, 0))
    for _ in range(2):
        kept.keep_report(weekly)
        kept.keep_report(monthly)
    assert kept.report_before(UNTIL + 14 * DAY) == weekly
    assert kept.report_before(UNTIL + 14 * DAY, monthly=True) == monthly
    assert kept.report_before(UNTIL + 7 * DAY) == monthly
    assert kept.report_before(UNTIL) is None
    assert (kept.is_overtaken(UNTIL), kept.is_overtaken(UNTIL + 7 * DAY)) == (True, False)


def test_a_report_made_again_is_the_one_that_counts(kept: Forecasts) -> None:
    kept.keep_report(Reported(UNTIL, UNTIL - 7 * DAY, False, "docs/a"))
    kept.keep_report(Reported(UNTIL, UNTIL - 30 * DAY, True, "docs/b"))
    assert kept.report_before(date.max) == Reported(UNTIL, UNTIL - 30 * DAY, True, "docs/b")


def test_what_is_old_is_forgotten_and_nothing_else(kept: Forecasts) -> None:
    for n in range(2):
        kept.keep("shop", UNTIL + n * DAY, [replace(MADE, until=UNTIL + n * DAY)])
        kept.keep_report(Reported(UNTIL + n * DAY, UNTIL, False, f"docs/{n}"))
    kept.forget(UNTIL + DAY)
    assert [one.until for one in kept.made("shop", date.min, date.max)] == [UNTIL + DAY]
    assert kept.report_before(UNTIL + DAY) is None
    assert kept.report_before(date.max) is not None
