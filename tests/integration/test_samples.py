"""What was measured: kept once, rolled up, read again for a window, and forgotten in its time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from sluice.ledger.samples import Sample, Samples, Series, Span
from sluice.stores.postgres import connect

NOON = datetime(2024, 4, 5, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
USED = Series("certify", "connections_used_percent")
SIZE = Series("certify", "table_bytes", "app.thing")


@pytest.fixture
def samples(database):
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        yield Samples(c).prepare()


def test_a_number_is_kept_once_and_counts_as_it_was_read_last(samples):
    assert samples.record(NOON, {USED: 40.0, SIZE: 7.0}) == 2
    assert samples.record(NOON, {USED: 41.0}) == 1
    assert samples.between([USED.metric], NOON, NOON + MINUTE) == {USED: [Sample(NOON, 41.0)]}


def test_a_number_of_a_series_that_is_there_uses_up_no_number_of_another(samples):
    for minute in range(5):
        samples.record(NOON + minute * MINUTE, {USED: 1.0})
        samples.rates(NOON + minute * MINUTE, {USED: 1.0})
    samples.record(NOON, {Series("another", "up_count"): 1.0})
    found = samples.connection.execute(b"SELECT array_agg(id ORDER BY id) AS ids FROM insight.series").fetchone()
    assert found["ids"] == [1, 2]


def test_what_is_no_number_is_left_out(samples):
    assert samples.record(NOON, {USED: float("nan"), SIZE: float("inf")}) == 0
    assert samples.record(NOON, {}) == 0


def test_two_who_make_the_same_day_both_keep_theirs(database, samples):
    def keep(number: int) -> int:
        with connect(database.dsn("sluice_ledger"), purpose="test") as c:
            return Samples(c).record(NOON, {Series("certify", "table_bytes", f"t{number}"): 1.0})

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(keep, range(8))) == [1] * 8
    assert len(samples.between(["table_bytes"], NOON, NOON + MINUTE)) == 8


def test_the_latest_is_not_older_than_asked_and_none_of_later(samples):
    samples.record(NOON, {USED: 1.0})
    samples.record(NOON + HOUR, {USED: 2.0})
    assert samples.latest(NOON + MINUTE)[USED] == Sample(NOON, 1.0)
    assert samples.latest(NOON + HOUR, "certify")[USED].value == 2.0
    assert samples.latest(NOON + HOUR, "another") == {}
    assert samples.latest(NOON + 4 * HOUR) == {}


def test_a_rate_is_what_a_counter_rose_by_and_one_that_began_anew_has_none(samples):
    counter = Series("certify", "deadlocks")
    assert samples.rates(NOON, {counter: 10.0}) == {}
    assert samples.rates(NOON + MINUTE, {counter: 130.0}) == {counter: 2.0}
    assert samples.rates(NOON + MINUTE, {counter: 130.0}) == {}  # asked again: nothing has passed
    assert samples.rates(NOON + 2 * MINUTE, {counter: 5.0}) == {}  # the server was started anew
    assert samples.rates(NOON + 3 * MINUTE, {counter: 5.0}) == {counter: 0.0}
    assert samples.rates(NOON + MINUTE, {counter: 4.0}) == {}  # a look that was held up comes late
    assert samples.rates(NOON + 4 * MINUTE, {counter: 65.0}) == {counter: 1.0}, "and puts no counter back"


def test_hours_and_days_say_what_their_samples_were(samples):
    samples.record_history((USED, Sample(NOON + n * MINUTE, float(n))) for n in range(90))
    samples.roll_up(NOON + 5 * MINUTE, NOON + 61 * MINUTE)
    hours = samples.spans("hour", [USED.metric], NOON - DAY, NOON + DAY)[USED]
    assert hours == [Span(NOON, 0, 59, 29.5, 59, 60), Span(NOON + HOUR, 60, 89, 74.5, 89, 30)]
    midnight = NOON.replace(hour=0)
    assert samples.spans("day", [USED.metric], midnight, midnight + DAY) == {
        USED: [Span(midnight, 0, 89, 44.5, 89, 90)]
    }


def test_what_was_rolled_up_as_it_is_is_not_written_again(samples):
    def places() -> list[str]:
        return [
            row["place"]
            for row in samples.connection.execute(b"SELECT ctid::text AS place FROM insight.hour").fetchall()
        ]

    samples.record_history((USED, Sample(NOON + n * MINUTE, float(n))) for n in range(90))
    samples.roll_up(NOON, NOON + 2 * HOUR)
    before = places()
    samples.roll_up(NOON, NOON + 2 * HOUR)
    assert places() == before
    samples.record(NOON + 90 * MINUTE, {USED: 90.0})
    samples.roll_up(NOON, NOON + 2 * HOUR)
    assert len(set(places()) - set(before)) == 1


def test_what_was_rolled_up_stays_when_its_samples_are_gone(samples):
    samples.record_history((USED, Sample(NOON + n * MINUTE, float(n))) for n in range(60))
    samples.roll_up(NOON, NOON + HOUR)
    before = samples.spans("day", [USED.metric], NOON - DAY, NOON + DAY)
    assert samples.forget(date(2024, 4, 6), date(2020, 1, 1), date(2020, 1, 1)) == ["sample_y2024m04d05"]
    assert samples.between([USED.metric], NOON - DAY, NOON + DAY) == {}
    samples.record(NOON, {USED: 999.0})  # a latecomer, of a day that is gone
    samples.roll_up(NOON, NOON + HOUR)
    assert samples.spans("day", [USED.metric], NOON - DAY, NOON + DAY) == before


def test_each_is_forgotten_in_its_own_time(samples):
    samples.record_history((USED, Sample(NOON + n * DAY, float(n))) for n in range(3))
    samples.roll_up(NOON, NOON + 3 * DAY)
    samples.forget(date(2024, 4, 5), date(2024, 4, 6), date(2024, 4, 7))
    assert len(samples.between([USED.metric], NOON, NOON + 3 * DAY)[USED]) == 3
    assert [one.last for one in samples.spans("hour", [USED.metric], NOON, NOON + 3 * DAY)[USED]] == [1, 2]
    assert [one.last for one in samples.spans("day", [USED.metric], NOON - DAY, NOON + 3 * DAY)[USED]] == [2]


def test_a_series_that_ended_is_passed_over_until_it_goes_on(samples):
    samples.record(NOON, {USED: 1.0})
    samples.connection.execute(b"UPDATE insight.series SET seen = '2024-04-05'")
    assert samples.latest(NOON + HOUR)[USED].value == 1.0
    samples.record(NOON + DAY, {USED: 2.0})
    assert samples.latest(NOON + DAY)[USED].value == 2.0
    assert [str(row["seen"]) for row in samples.connection.execute(b"SELECT seen FROM insight.series")] == [
        "2024-04-06"
    ]
    samples.record(NOON, {USED: 3.0})
    assert samples.latest(NOON + DAY)[USED].value == 2.0, "a latecomer takes nothing back"


def test_the_latest_of_some_metrics_are_those_alone(samples):
    samples.record(NOON, {USED: 1.0, SIZE: 2.0})
    assert samples.latest(NOON, metrics=[SIZE.metric]).keys() == {SIZE}
    assert samples.latest(NOON, metrics=[]) == {}


def test_a_series_is_forgotten_with_the_last_that_was_kept_of_it(samples):
    def left() -> list[str]:
        return [
            row["metric"] for row in samples.connection.execute(b"SELECT metric FROM insight.series ORDER BY metric")
        ]

    samples.record(NOON, {USED: 1.0})
    samples.record(NOON + DAY, {SIZE: 1.0})
    samples.rates(NOON, {USED: 1.0})
    samples.connection.execute(b"UPDATE insight.series SET seen = '2024-04-05'")
    samples.roll_up(NOON, NOON + 2 * DAY)
    late = date(2024, 4, 7)
    samples.forget(late, date(2024, 4, 6), date(2024, 4, 5))
    assert left() == [USED.metric, SIZE.metric], "its day is kept"
    samples.forget(late, date(2024, 4, 6), date(2024, 4, 6))
    assert left() == [SIZE.metric], "and its counter is gone, too"
    samples.record(NOON + 2 * DAY, {USED: 1.0})
    assert samples.latest(NOON + 2 * DAY)[USED].value == 1.0


def test_days_that_somebody_else_has_measured_are_kept_and_more_points_win(samples):
    midnight = NOON.replace(hour=0)
    assert samples.record_spans("day", [(SIZE, Span(midnight, 1, 3, 2, 3, 24))]) == 1
    samples.record_spans("day", [(SIZE, Span(midnight, 0, 0, 0, 0, 1))])
    assert samples.spans("day", ["table_bytes"], midnight, midnight + DAY)[SIZE][0].points == 24
