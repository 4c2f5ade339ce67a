"""When a cutover may start: windows, spans over midnight, freezes, and the next opening behind them all."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sluice.estate.calendar import WEEK, DateSpan, Window, open_at
from sluice.estate.models import Cutover

# 2026-11-16 is a Monday.
OFFICE = {"days": ("mon", "tue", "wed", "thu"), "from": "09:00", "to": "16:00"}
NIGHT = {"days": ("fri",), "from": "22:00", "to": "02:00"}
WHOLE_DAY = {"days": ("sat", "sun"), "from": "00:00", "to": "00:00"}
SCATTERED = {"days": ("sun", "mon", "wed"), "from": "08:30", "to": "08:31"}
XMAS = "2026-12-20..2027-01-03"


def cutover(window: dict[str, object] | None = None, *freeze: str) -> Cutover:
    return Cutover.model_validate({"window": window, "freeze": freeze})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CASES = [
    # A window by day.
    (OFFICE, (), "2026-11-16 09:00", True, "inside window mon-thu 09:00–16:00 UTC"),
    (OFFICE, (), "2026-11-19 15:59:59", True, "inside window mon-thu 09:00–16:00 UTC"),
    (OFFICE, (), "2026-11-16 08:59", False, "outside window mon-thu 09:00–16:00 UTC; opens Mon 2026-11-16 09:00 UTC"),
    (OFFICE, (), "2026-11-16 16:00", False, "outside window mon-thu 09:00–16:00 UTC; opens Tue 2026-11-17 09:00 UTC"),
    (OFFICE, (), "2026-11-19 16:00", False, "outside window mon-thu 09:00–16:00 UTC; opens Mon 2026-11-23 09:00 UTC"),
    # One over midnight belongs to the day on which it opens.
    (NIGHT, (), "2026-11-20 21:59", False, "outside window fri 22:00–02:00 UTC; opens Fri 2026-11-20 22:00 UTC"),
    (NIGHT, (), "2026-11-20 22:00", True, "inside window fri 22:00–02:00 UTC"),
    (NIGHT, (), "2026-11-21 01:59", True, "inside window fri 22:00–02:00 UTC"),
    (NIGHT, (), "2026-11-21 02:00", False, "outside window fri 22:00–02:00 UTC; opens Fri 2026-11-27 22:00 UTC"),
    (NIGHT, (), "2026-11-20 01:00", False, "outside window fri 22:00–02:00 UTC; opens Fri 2026-11-20 22:00 UTC"),
    # Whole days, and days apart.
    (WHOLE_DAY, (), "2026-11-21 00:00", True, "inside window sat-sun 00:00–00:00 UTC"),
    (WHOLE_DAY, (), "2026-11-22 23:59", True, "inside window sat-sun 00:00–00:00 UTC"),
    (WHOLE_DAY, (), "2026-11-23 00:00", False, "outside window sat-sun 00:00–00:00 UTC; opens Sat 2026-11-28 00:00 UTC"),
    (SCATTERED, (), "2026-11-18 08:30", True, "inside window mon, wed, sun 08:30–08:31 UTC"),
    # Freezes, both ends included; what is between two that touch is no thaw.
    (None, (), "2026-11-16 03:00", True, "no window is set"),
    (None, (XMAS,), "2026-12-19 23:59:59", True, "no window is set"),
    (None, (XMAS,), "2026-12-20 00:00", False, "frozen until 2027-01-04 00:00 UTC; opens Mon 2027-01-04 00:00 UTC"),
    (None, (XMAS,), "2027-01-03 23:59:59", False, "frozen until 2027-01-04 00:00 UTC; opens Mon 2027-01-04 00:00 UTC"),
    (None, (XMAS,), "2027-01-04 00:00", True, "no window is set"),
    (None, ("2026-11-17",), "2026-11-17 12:00", False, "frozen until 2026-11-18 00:00 UTC; opens Wed 2026-11-18 00:00 UTC"),
    (
        None, ("2026-11-19..2026-11-20", "2026-11-17..2026-11-18"), "2026-11-17 12:00",
        False, "frozen until 2026-11-21 00:00 UTC; opens Sat 2026-11-21 00:00 UTC",
    ),
    # Both at once.
    (OFFICE, (XMAS,), "2026-12-21 10:00", False, "frozen until 2027-01-04 00:00 UTC; opens Mon 2027-01-04 09:00 UTC"),
    (
        OFFICE, (XMAS,), "2026-12-17 17:00",
        False, "outside window mon-thu 09:00–16:00 UTC; opens Mon 2027-01-04 09:00 UTC",
    ),
    (NIGHT, ("2026-11-20",), "2026-11-20 23:00", False, "frozen until 2026-11-21 00:00 UTC; opens Sat 2026-11-21 00:00 UTC"),
    (NIGHT, ("2026-11-21",), "2026-11-21 00:30", False, "frozen until 2026-11-22 00:00 UTC; opens Fri 2026-11-27 22:00 UTC"),
]  # fmt: skip


@pytest.mark.parametrize(("window", "freeze", "moment", "is_open", "why"), CASES)
def test_open_or_not_and_why(window, freeze, moment, is_open, why):
    assert cutover(window, *freeze).open_at(at(moment)) == (is_open, why)


def test_any_time_zone_is_read_as_the_same_moment():
    tokyo = timezone(timedelta(hours=9))
    assert cutover(OFFICE).open_at(datetime(2026, 11, 16, 18, tzinfo=tokyo))[0]
    assert not cutover(OFFICE).open_at(datetime(2026, 11, 16, 9, tzinfo=tokyo))[0]


def test_a_moment_without_zone_is_refused():
    with pytest.raises(ValueError, match="UTC"):
        cutover(OFFICE).open_at(datetime(2026, 11, 16, 9))


clocks = some.times().map(lambda t: t.replace(second=0, microsecond=0))
windows = some.builds(
    lambda days, opens, closes: Window(days=tuple(days), opens=opens, closes=closes),
    some.lists(some.sampled_from(WEEK), min_size=1, max_size=7),
    clocks,
    clocks,
)
spans = some.builds(
    lambda first, length: DateSpan(first, first + timedelta(days=length)),
    some.dates(date(2026, 1, 1), date(2026, 3, 1)),
    some.integers(0, 20),
)


@settings(max_examples=150)
@given(
    some.none() | windows,
    some.lists(spans, max_size=4),
    some.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 1), timezones=some.just(UTC)),
)
def test_it_is_shut_until_the_opening_that_it_names(window: Window | None, freeze: list[DateSpan], moment: datetime):
    is_open, why = open_at(window, freeze, moment)
    if is_open:
        assert not any(moment.date() in span for span in freeze)
        return
    opens = datetime.strptime(why.split("opens ")[1], "%a %Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
    assert opens > moment
    assert open_at(window, freeze, opens)[0]
    for share in (0.01, 0.3, 0.7, 0.99):
        assert not open_at(window, freeze, moment + (opens - moment) * share)[0]
