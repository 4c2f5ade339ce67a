"""The report of a window, out of a real ledger: what it reads, what it leaves alone, and what it makes of little."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sluice.estate import read_stores
from sluice.estate.insight import Disk, Watch
from sluice.estate.models import Estate
from sluice.estate.sizes import Bytes
from sluice.insight.capacity import together
from sluice.insight.capacity.changed import read_before
from sluice.insight.capacity.making import FromOthers, Period, make_report
from sluice.insight.capacity.markdown import markdown
from sluice.insight.capacity.page import page
from sluice.insight.capacity.report import CHARTED, Report, to_json
from sluice.insight.capacity.telling import headline
from sluice.ledger.forecasts import Forecasts
from sluice.ledger.samples import Samples, Series, Span
from sluice.local.demo.insight.reading import mismatches
from sluice.local.demo.insight.year import EVENTS, LEDGER, SHOP, hours, year
from sluice.stores.postgres import connect

from tests.samples import ROOT

DAY, WEEK = timedelta(days=1), timedelta(days=7)
UNTIL = date(2025, 3, 3)
GB = 1e9


@pytest.fixture
def samples(database) -> Iterator[Samples]:
    with connect(database.dsn("sluice_ledger"), purpose="test") as c:
        yield Samples(c).prepare()


def estate(watch: Watch | None = None) -> Estate:
    """The sample's estate, with the demo's stores."""
    found = read_stores(ROOT)
    server = found.stores["certify"].model_copy(update={"watch": watch or Watch()})
    stores = {SHOP: server, EVENTS: found.stores["tyler"], LEDGER: server}
    return found.model_copy(update={"stores": stores})


def week(until: date = UNTIL) -> Period:
    """The week before a day."""
    return Period(until - WEEK, until)


def made(samples: Samples, until: date = UNTIL, watch: Watch | None = None, before: Report | None = None) -> Report:
    """Make a report; what it says of itself holds, whatever is in it."""
    read = read_before(json.loads(to_json(before))) if before else None
    found = make_report(samples, estate(watch), week(until), FromOthers(), read, "the first")
    assert mismatches(page(found), json.loads(to_json(found))) == []
    markdown(found)
    return found


def spans(series: Series, values: Iterable[float], last: date = UNTIL - DAY) -> list[tuple[Series, Span]]:
    """Days of a series, the last of them on a day."""
    listed = list(values)
    days = [datetime.combine(last - (len(listed) - 1 - n) * DAY, time(), UTC) for n in range(len(listed))]
    return [(series, Span(at, value, value, value, value, 24)) for at, value in zip(days, listed, strict=True)]


DISK, ORDERS = Series(SHOP, "disk_used_bytes"), Series(SHOP, "table_bytes", "app.orders")
SIZED = Watch(disk=Disk(size=Bytes(500 * 10**9, "500 GB")))


def test_a_year_gives_a_whole_report(samples: Samples) -> None:
    samples.record_spans("day", year(UNTIL))
    samples.record_spans("hour", hours(UNTIL))
    found = made(samples)
    shop, events, books = found.stores
    assert [one.title for one in shop.measures] == ["What it holds", "Sessions, the most of each day"]
    assert len(shop.measures[0].drops) == 9 and shop.measures[0].notes
    assert shop.disk == 780 * GB and [at.limit.name for at in shop.measures[0].arrivals] == ["full", "most"]
    assert len(shop.tables) == 46 and sum(bool(one.days) for one in shop.tables) == CHARTED
    assert shop.cache_hit == pytest.approx(99.1, abs=0.1)
    assert shop.lag and shop.lag[0].within == pytest.approx(23 / 24, abs=0.02)
    assert shop.headroom and shop.headroom[0].table == "app.audit_log"
    assert [one.metric for one in events.measures] == ["items_bytes", "write_units_rate"]
    assert books.disk is None and books.measures[0].arrivals == ()
    (young,) = [one for one in shop.tables if one.name == "app.young"]
    assert young.in_90_days is None and young.reason


def test_the_report_of_a_window_knows_nothing_of_what_came_after_it(samples: Samples) -> None:
    samples.record_spans("day", year(UNTIL))
    samples.record_spans("hour", hours(UNTIL))
    then = UNTIL - 5 * WEEK
    first = to_json(made(samples, then))
    later = [(series, Span(one.at, 9e15, 9e15, 9e15, 9e15, 99)) for series, one in year(UNTIL) if one.at.date() >= then]
    assert samples.record_spans("day", later)
    late_hours = [(series, Span(one.at, 9, 9, 9, 9, 99)) for series, one in hours(UNTIL) if one.at.date() >= then]
    assert samples.record_spans("hour", late_hours)
    made(samples, UNTIL)
    assert to_json(made(samples, then)) == first
    assert to_json(made(samples, UNTIL)) != first


def test_a_report_made_again_is_the_same_and_leaves_the_same_forecasts(samples: Samples) -> None:
    samples.record_spans("day", year(UNTIL))
    first, kept = to_json(made(samples)), Forecasts(samples.connection).made(SHOP, UNTIL, UNTIL + DAY)
    assert to_json(made(samples)) == first
    assert Forecasts(samples.connection).made(SHOP, UNTIL, UNTIL + DAY) == kept != []


def test_forecasts_are_scored_once_their_days_have_come(samples: Samples) -> None:
    samples.record_spans("day", year(UNTIL))
    assert made(samples, UNTIL - 5 * WEEK).scores == ()
    assert [one.ahead for one in made(samples, UNTIL - 4 * WEEK).scores] == [7]
    scores = made(samples, UNTIL).scores
    assert [one.ahead for one in scores] == [7, 30]
    assert all(0 <= one.low <= one.held <= one.high <= 1 and one.count > 10 for one in scores)


def test_what_our_archive_drops_is_no_miss_of_a_forecast(samples: Samples) -> None:
    """A forecast of what grows is right though a month was dropped between, and one that never moves is none."""
    sizes = [100 * GB + n * GB for n in range(100)]
    drops = [0.0] * 97 + [40 * GB] * 3
    samples.record_spans("day", spans(ORDERS, [size - drop for size, drop in zip(sizes, drops, strict=True)]))
    samples.record_spans("day", spans(Series(SHOP, "dropped_bytes", "app.orders"), drops))
    samples.record_spans("day", spans(Series(SHOP, "table_bytes", "app.still"), [5.0] * 100))
    made(samples, UNTIL - WEEK)
    (score,) = made(samples, UNTIL).scores
    assert (score.count, score.held) == (2, 1.0), "the table and the sum of all"


def test_with_no_sample_at_all_there_is_a_report_that_says_so(samples: Samples) -> None:
    found = made(samples)
    assert headline(found) == "Nothing has been measured yet."
    assert [one.name for one in found.stores] == [SHOP, EVENTS, LEDGER]
    assert found.changed_reason == "the first"


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_few_days_are_told_and_not_forecast(samples: Samples, count: int) -> None:
    samples.record_spans("day", spans(DISK, [10 * GB] * count) + spans(ORDERS, [GB] * count))
    shop = made(samples, watch=SIZED).stores[0]
    assert shop.measures[0].curve is None and shop.measures[0].reason
    assert shop.tables[0].in_90_days is None and shop.tables[0].reason
    assert Forecasts(samples.connection).made(SHOP, UNTIL, UNTIL + DAY) == []


def test_a_store_that_is_measured_no_more_is_told_with_the_day(samples: Samples) -> None:
    samples.record_spans("day", spans(DISK, [n * GB for n in range(1, 60)], UNTIL - 11 * DAY))
    (stale,) = made(samples, watch=SIZED).stores[0].measures[0].notes[-1:]
    assert stale == "Last measured on 20 February, 10 days before the end of this report."


def test_where_a_disk_is_measured_its_size_is_known_and_what_a_person_wrote_wins(samples: Samples) -> None:
    used = [100 * GB + n * GB for n in range(60)]
    samples.record_spans("day", spans(DISK, used))
    assert made(samples).stores[0].measures[0].limits == ()
    samples.record_spans("day", spans(Series(SHOP, "disk_free_bytes"), [300 * GB - one for one in used]))
    assert [one.value for one in made(samples).stores[0].measures[0].limits] == [255 * GB, 10_000 * GB]
    assert made(samples, watch=SIZED).stores[0].measures[0].limits[0].value == 425 * GB


def test_a_limit_is_urgent_once_two_reports_say_so(samples: Samples) -> None:
    samples.record_spans("day", spans(DISK, [300 * GB + n * GB for n in range(100)]))
    first = made(samples, UNTIL - WEEK, SIZED)
    (alone, _) = first.stores[0].measures[0].arrivals
    assert alone.days is not None and alone.days < 35 and alone.severity is None
    (at, _) = made(samples, UNTIL, SIZED, first).stores[0].measures[0].arrivals
    assert at.days is not None and at.days < alone.days
    assert at.severity == ("P2" if alone.days < 30 else "P3"), "the milder of the two"


def test_what_has_changed_since_the_last_report_is_named(samples: Samples) -> None:
    samples.record_spans("day", spans(ORDERS, [n * GB for n in range(1, 101)]))
    samples.record_spans("day", spans(Series(SHOP, "table_bytes", "app.new"), [GB] * 3))
    first = made(samples, UNTIL - WEEK, SIZED)
    found = made(samples, UNTIL, SIZED, first).changed
    assert found and found.since == UNTIL - WEEK
    assert found.new == (f"{SHOP}: app.new",)
    assert [(one.table, one.bytes) for one in found.fastest] == [("app.orders", 7 * GB)]


def test_a_table_that_was_dropped_is_called_gone_once_and_grows_no_more(samples: Samples) -> None:
    last = UNTIL - 9 * DAY
    samples.record_spans("day", spans(ORDERS, [n * GB for n in range(1, 101)]))
    samples.record_spans("day", spans(Series(SHOP, "table_bytes", "app.old"), [n * GB for n in range(1, 91)], last))
    first = made(samples, UNTIL - WEEK, SIZED)
    second = made(samples, UNTIL, SIZED, first)
    third = made(samples, UNTIL + DAY, SIZED, second)
    assert [[one.name for one in report.stores[0].tables] for report in (first, second, third)] == [
        ["app.orders", "app.old"],
        ["app.orders"],
        ["app.orders"],
    ]
    assert second.changed and second.changed.gone == (f"{SHOP}: app.old",)
    assert third.changed and third.changed.gone == (), "once"
    assert [day for day in second.stores[0].measures[0].days if day <= last], "the sum of that time had it"
    kept = Forecasts(samples.connection).made(SHOP, UNTIL, UNTIL + DAY)
    assert "app.old" not in {one.series.subject for one in kept}


def test_where_all_of_a_store_is_measured_no_more_no_table_is_gone(samples: Samples) -> None:
    samples.record_spans("day", spans(ORDERS, [n * GB for n in range(1, 60)], UNTIL - 11 * DAY))
    samples.record_spans("day", spans(DISK, [200 * GB] * 60))  # another DAG's
    assert [one.name for one in made(samples).stores[0].tables] == ["app.orders"]


def test_the_last_table_of_a_database_is_gone_as_any_other(samples: Samples) -> None:
    samples.record_spans("day", spans(ORDERS, [n * GB for n in range(1, 60)], UNTIL - 11 * DAY))
    samples.record_spans("day", spans(Series(SHOP, "database_bytes"), [GB] * 60))
    assert made(samples).stores[0].tables == ()


def test_of_a_dynamodb_table_that_was_deleted_the_units_are_gone_too(samples: Samples) -> None:
    for name, last in (("orders", UNTIL - DAY), ("old", UNTIL - 5 * DAY)):
        samples.record_spans("day", spans(Series(EVENTS, "items_bytes", name), [GB] * 30, last))
        samples.record_spans("day", spans(Series(EVENTS, "write_units_rate", name), [5.0] * 30, last))
        samples.record_spans("day", spans(Series(EVENTS, "write_units_provisioned_rate", name), [9.0] * 30, last))
    events = made(samples).stores[0]
    assert events.name == EVENTS and [one.subject for one in events.measures] == ["", "orders"]


def test_units_of_a_table_that_was_put_on_demand_have_no_bound_any_more(samples: Samples) -> None:
    for name, last in (("paid", UNTIL - DAY), ("asked", UNTIL - 3 * DAY)):
        samples.record_spans("day", spans(Series(EVENTS, "items_bytes", name), [GB] * 30))
        samples.record_spans("day", spans(Series(EVENTS, "read_units_rate", name), [5.0] * 30))
        samples.record_spans("day", spans(Series(EVENTS, "read_units_provisioned_rate", name), [9.0] * 30, last))
    (events, *_) = made(samples).stores
    assert [one.subject for one in events.measures] == ["", "paid"]


ASKED = Series(SHOP, "transactions_rate")


def reckoned(samples: Samples) -> Mapping[Series, tuple[float, float, float]]:
    """What a report brings to who reckons costs: what each series is now, and P10 and P90 of what it will be."""
    found = dict[Series, tuple[float, float, float]]()
    make_report(samples, estate(), week(), FromOthers(cost=lambda ahead: (found.update(ahead), "")), None)
    return found


def test_what_a_server_is_asked_grows_in_the_costs_too(samples: Samples) -> None:
    samples.record_spans("day", spans(ASKED, [100.0 + 2 * n for n in range(100)]))
    now, low, high = reckoned(samples)[ASKED]
    assert now == 100 + 2 * 96, "a week's mean"
    assert low <= now + 2 * 90 <= high and high < 2 * now + 180


def test_a_table_that_is_paid_by_request_grows_in_the_costs_too(samples: Samples) -> None:
    reads, provisioned = (Series(EVENTS, name, "users") for name in ("read_units_rate", "read_units_provisioned_rate"))
    for one in (reads, provisioned):
        samples.record_spans("day", spans(one, [10.0 + n for n in range(60)]))
    found = reckoned(samples)
    assert found[reads][1] > 10 + 59
    assert found[provisioned][1] > 10 + 59, "and one that is paid by the hour"


def test_the_costs_of_a_load_are_of_its_mean_and_a_sunday_is_no_trend(samples: Samples) -> None:
    shape = [
        Span(one.at, 0, 900, v, v, 24)
        for n, (_, one) in enumerate(spans(ASKED, [0] * 63))
        for v in [100 - 70 * (n % 7 == 6)]
    ]
    samples.record_spans("day", [(ASKED, one) for one in shape])
    assert reckoned(samples)[ASKED] == pytest.approx((90, 90, 90), rel=0.02)


def test_of_many_tables_what_each_is_asked_grows_as_they_do_together(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "ALONE", 1)
    asked = {name: Series(EVENTS, "read_units_rate", name) for name in ("large", "small", "smaller", "ended")}
    samples.record_spans("day", spans(asked["large"], [1000.0] * 60))
    samples.record_spans("day", spans(asked["small"], [100.0 + 5 * n for n in range(60)]))
    samples.record_spans("day", spans(asked["smaller"], [50.0] * 60))
    samples.record_spans("day", spans(Series(EVENTS, "read_units_rate", "smallest"), [20.0 + n for n in range(60)]))
    samples.record_spans("day", spans(asked["ended"], [70.0] * 60, UNTIL - 9 * DAY))
    found = reckoned(samples)
    assert found.keys() == {*asked.values(), Series(EVENTS, "read_units_rate", "smallest")} - {asked["ended"]}
    assert found[asked["large"]] == pytest.approx((1000, 1000, 1000))
    assert found[asked["small"]][1] > 100 + 5 * 59, "it has grown most, so it is foreseen by itself"
    now, low, _ = found[asked["smaller"]]
    assert now == 50 and low == pytest.approx(50 * (126 + 90) / 126, rel=0.05), "as the two of them do"


def test_what_a_table_holds_that_is_not_foreseen_by_itself_grows_in_the_costs_as_the_rest_does(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "ALONE", 1)
    for name, size in (("large", 1000), ("small", 100)):
        samples.record_spans(
            "day", spans(Series(EVENTS, "items_bytes", name), [size * GB * (1 + n / 60) for n in range(60)])
        )
    samples.record_spans("day", spans(Series(EVENTS, "items_bytes", "still"), [50 * GB] * 60))
    found = reckoned(samples)
    grown, still = (found[Series(EVENTS, "items_bytes", name)] for name in ("small", "still"))
    sum_then, sum_now = 50 + 100 * (1 + 149 / 60), 50 + 100 * (1 + 59 / 60)
    assert still == pytest.approx((50 * GB, *[50 * GB * sum_then / sum_now] * 2), rel=0.05)
    assert grown == pytest.approx([one * grown[0] / still[0] for one in still])


def test_a_load_that_ended_or_has_few_days_does_not_grow(samples: Samples) -> None:
    samples.record_spans("day", spans(ASKED, [100.0 + n for n in range(60)], UNTIL - 9 * DAY))
    samples.record_spans("day", spans(Series(EVENTS, "read_units_rate", "users"), [1.0] * 7))
    assert reckoned(samples) == {}


def test_the_store_that_is_full_first_is_told_first_and_what_nobody_measures_last(samples: Samples) -> None:
    samples.record_spans("day", spans(DISK, [100 * GB] * 60))
    samples.record_spans("day", spans(Series(LEDGER, "disk_used_bytes"), [300 * GB + n * GB for n in range(60)]))
    assert [one.name for one in made(samples, watch=SIZED).stores] == [LEDGER, SHOP, EVENTS]


def test_of_5000_tables_those_that_matter_are_foreseen_and_the_rest_together_and_the_page_stays_small(
    samples: Samples,
) -> None:
    tables = [
        spans(Series(SHOP, "table_bytes", f"app.t{n:04d}"), [GB + n * 1e6 + m * n for m in range(9)])
        for n in range(5000)
    ]
    samples.record_spans("day", [day for one in tables for day in one])
    found = made(samples)
    (store, *_) = found.stores
    assert len(store.tables) == 5000
    alone = [one for one in store.tables if one.in_90_days]
    assert [one.name for one in alone] == [f"app.t{n}" for n in range(4999, 4949, -1)], (
        "the largest, which grow most, too"
    )
    assert len(Forecasts(samples.connection).made(SHOP, UNTIL, UNTIL + DAY)) == len(alone) + 1, "and the sum of all"
    assert store.rest and store.rest.name == "4,950 others together"
    assert store.rest.now == pytest.approx(sum(one.now for one in store.tables if one not in alone))
    assert store.rest.in_90_days and store.rest.in_90_days[1] > store.rest.now
    for told in (page(found), markdown(found)):
        assert "4,950 others together" in told
        assert len(told) < 200_000
