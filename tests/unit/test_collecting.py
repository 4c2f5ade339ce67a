"""What a look makes of what it was told: rates, shares, spans, memory, and what is read next of a service. Pure."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sluice.flow.insight.collecting import NotMeasured, require_measured, seconds_to_next
from sluice.insight.collecting.airflow import AirflowSilent, ages_of, look_at_airflow
from sluice.insight.collecting.cloudwatch import AGAIN, BACK, LATE, MINUTE, MOST, Reached, highest, summed
from sluice.insight.collecting.collecting import Hung, Look, Taken
from sluice.insight.collecting.disk import used
from sluice.insight.collecting.dropped import Archived, carry_dropped
from sluice.insight.collecting.headroom import DAY, ENDLESS, days_covered
from sluice.insight.collecting.instance_memory import GIB, memory_of
from sluice.insight.collecting.looked import Looked
from sluice.insight.collecting.pooler import values_of
from sluice.insight.collecting.postgres import derive
from sluice.insight.collecting.rds import PLAIN
from sluice.insight.collecting.sizes import Sized, count_in
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import Sample, Series
from sluice.stores.postgres import Refused, StoreDown

NOON = datetime(2024, 4, 5, 12, tzinfo=UTC)


def rates(**of: float) -> dict[Series, float]:
    return {Series("certify", name): value for name, value in of.items()}


def test_a_share_and_a_mean_come_of_two_rates_and_of_none_where_nothing_went_on() -> None:
    busy = rates(blocks_found_rate=90, blocks_read_rate=10, statements_rate=4, statement_milliseconds_rate=2)
    assert derive(busy) == rates(cache_hit_percent=90, mean_statement_milliseconds=0.5)
    idle = rates(blocks_found_rate=0, blocks_read_rate=0, statements_rate=0, statement_milliseconds_rate=0)
    assert derive(idle) == {}
    assert derive(rates(blocks_found_rate=90)) == {}


@pytest.mark.parametrize(
    ("spans", "days"),
    [
        ([], 0),
        ([(-1, DAY)], 1),
        ([(-1, DAY), (DAY, 3 * DAY)], 3),
        ([(-1, DAY), (2 * DAY, 3 * DAY)], 1),
        ([(1, DAY)], 0),
        ([(float("-inf"), float("inf"))], ENDLESS),
        ([(0, DAY)], 1),
    ],
)
def test_headroom_ends_at_the_first_gap(spans: list[tuple[float, float]], days: float) -> None:
    assert days_covered(spans) == days


@pytest.mark.parametrize(
    ("told", "gib"),
    [
        ("db.t4g.micro", 1),
        ("db.t3.medium", 4),
        ("db.t3.2xlarge", 32),
        ("db.m6g.large", 8),
        ("db.r6g.xlarge", 32),
        ("db.r6i.32xlarge", 1024),
        ("db.x2g.16xlarge", 1024),
        ("db.serverless", None),
        ("db.m6g.micro", None),
        ("db.r4.large", None),
        ("db.r6i.large.tpc2.mem2x", None),
    ],
)
def test_the_memory_of_a_class_is_by_its_familys_rule_or_not_known(told: str, gib: float | None) -> None:
    assert memory_of(told) == (None if gib is None else gib * GIB)


def test_a_service_is_read_from_where_the_last_look_ended_and_a_day_back_at_most() -> None:
    reached = Reached()
    first = reached.next("shop", NOON, 8)
    assert (first.start, first.end) == (NOON - LATE - BACK, NOON - LATE)
    reached.note("shop", first)
    later = reached.next("shop", NOON + MINUTE * 1.5, 8)
    assert (later.start, later.end) == (NOON - LATE - AGAIN, NOON - LATE + MINUTE), "whole minutes"
    after_an_outage = reached.next("shop", NOON + timedelta(days=9), 8)
    assert after_an_outage.end - after_an_outage.start == BACK
    reached.note("shop", after_an_outage)
    reached.note("shop", first)
    assert reached.ends["shop"] == after_an_outage.end, "nothing goes back"


def test_what_is_too_much_for_one_look_goes_on_in_the_next() -> None:
    reached, metrics = Reached(), MOST // 60
    found = []
    for _ in range(100):
        stretch = reached.next("tyler", NOON, metrics)
        found += stretch.minutes
        reached.note("tyler", stretch)
        if stretch.end == NOON - LATE:
            break
    assert {*found} == {NOON - LATE - BACK + number * MINUTE for number in range(1440)}
    assert len(found) < 1440 * 1.1, "little is read twice"


def test_several_places_of_a_table_are_summed_or_the_worst_of_them() -> None:
    at, later = Sample(NOON, 2), Sample(NOON + MINUTE, 5)
    one = Series("tyler", "throttled_requests_rate", "users")
    found = [(one, at), (one, later), (one, at)]
    assert summed(found) == [(one, Sample(NOON, 4)), (one, later)]
    assert highest([*found, (one, Sample(NOON, 3))]) == [(one, Sample(NOON, 3)), (one, later)]


def test_a_disk_that_holds_more_than_was_told_has_nothing_free() -> None:
    assert used("certify", 150, 100) == rates(disk_used_bytes=150, disk_free_bytes=0, disk_used_percent=150)
    assert used("certify", 150, None) == rates(disk_used_bytes=150)


def test_what_was_dropped_is_counted_on_from_the_last_look() -> None:
    gone = [Archived("app.a", "app.a_1", True, 100), Archived("app.a", "app.a_2", False, 50)]
    of_rows, of_bytes = Series("s", "dropped_rows_count", "app.a"), Series("s", "dropped_bytes", "app.a")
    assert carry_dropped("s", gone, {"app.a": 8.0}, {}) == {of_rows: 100, of_bytes: 800}
    before = {of_rows: Sample(NOON, 60), of_bytes: Sample(NOON, 1000)}
    assert carry_dropped("s", gone, {"app.a": 8.0}, before) == {of_rows: 100, of_bytes: 1320}
    assert carry_dropped("s", gone, {}, before) == {}, "the table is empty: nobody knows what a row took"
    same = {of_rows: Sample(NOON, 100), of_bytes: Sample(NOON, 1000)}
    assert carry_dropped("s", gone, {}, same) == {of_rows: 100, of_bytes: 1000}
    back = carry_dropped("s", [Archived("app.a", "app.a_1", False, 100)], {"app.a": 8.0}, same)
    assert back == {of_rows: 0, of_bytes: 200}, "a month that was brought back grows the table again"


def test_a_month_beside_its_table_counts_as_a_part_of_it_once() -> None:
    def sized(name: str, filled: float | None = 1) -> Sized:
        return Sized(name, 10, 2, 5, 1, 8, filled)

    tables = [sized("app.a"), sized("app.a_1"), sized("app.b")]
    months = [
        Archived("app.a", "app.a_1", False, 5),
        Archived("app.a", "app.gone", True, 5),
        Archived("app.x", "app.b", False, 1),
    ]
    assert count_in(tables, months) == [Sized("app.a", 20, 4, 10, 2, 16, 2), sized("app.b")]
    (merged,) = count_in([sized("app.a"), sized("app.a_1", None)], months)
    assert merged.filled is None


def test_a_pool_without_a_size_has_no_share_and_the_console_is_no_pool() -> None:
    row = {
        "database": "shop",
        "user": "app",
        "cl_active": 3,
        "cl_waiting": 1,
        "sv_active": 5,
        "maxwait": 2,
        "maxwait_us": 500_000,
    }
    found = values_of("shop", [row, {**row, "database": "pgbouncer"}], {"shop": 20})
    assert {series.metric: value for series, value in found.items()} == {
        "pool_clients_waiting_count": 1,
        "pool_clients_active_count": 3,
        "pool_wait_seconds": 2.5,
        "pool_servers_used_percent": 25,
    }
    assert {series.subject for series in found} == {"shop/app"}
    assert len(values_of("shop", [row], {})) == 3


def test_two_looks_at_a_store_are_one() -> None:
    a, b = Series("s", "a"), Series("s", "b")
    both = Looked({a: 1}, notes=("x",)) + Looked({b: 2}, {b: 3}, ((a, Sample(NOON, 1)),), ("x", "y"))
    assert both == Looked({a: 1, b: 2}, {b: 3}, ((a, Sample(NOON, 1)),), ("x", "y"))


def test_every_name_is_on_the_list() -> None:
    """Those of PostgreSQL's and DynamoDB's looks are held against it where they run."""
    assert PLAIN.keys() <= METRICS.keys()
    assert {"memory_used_percent", "replica_lag_seconds", "collection_seconds", "dropped_rows_count"} <= METRICS.keys()


HEALTH = {
    "metadatabase": {"status": "healthy"},
    "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2024-04-05T11:59:48.000000+00:00"},
    "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
    "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": "2024-04-05T12:00:01+00:00"},
}


def test_parts_of_airflow_have_ages_and_one_that_never_was_has_none() -> None:
    assert {series.metric: value for series, value in ages_of(HEALTH, NOON).items()} == {
        "metadata_up_count": 1,
        "scheduler_age_seconds": 12,
        "dag_processor_age_seconds": 0,
    }
    assert [*ages_of({"metadatabase": {"status": "unhealthy"}}, NOON).values()] == [0]


@pytest.fixture
def page() -> Iterator[HTTPServer]:
    """Somebody who answers, and has no page of health."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_api_that_is_not_there_or_is_none_is_told(page: HTTPServer) -> None:
    for url in ("http://127.0.0.1:1", "", f"http://127.0.0.1:{page.server_port}"):
        with pytest.raises(AirflowSilent, match="page of health"):
            look_at_airflow(url, NOON)


def test_a_look_comes_at_the_full_minute() -> None:
    assert seconds_to_next(NOON + timedelta(seconds=12, milliseconds=500)) == 47.5
    assert seconds_to_next(NOON) == 60


def taken(failed: Exception | None, up: str = "up_count") -> Taken:
    return Taken(Look("shop", "server", lambda _: Looked(), up), NOON, 0.1, Looked(), failed)


def test_what_passes_by_itself_makes_no_run_red_and_what_wants_a_person_does() -> None:
    require_measured([taken(None), taken(StoreDown("x")), taken(Hung("x")), taken(AirflowSilent("x"), "")])
    for failed in (Refused("its password"), KeyError("a mistake of ours")):
        with pytest.raises(NotMeasured, match=r"server of shop: .*(password|mistake)"):
            require_measured([taken(None), taken(failed)])
