"""The tasks of `collect_samples` and `measure_sizes`, as Airflow runs them, over an estate in which not all is well."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from sluice.flow import project
from sluice.flow.insight import collecting, ledger, looks, measuring
from sluice.flow.insight.collecting import CollectSamples, NotMeasured
from sluice.flow.insight.measuring import ForgetSamples, ListStores, MeasureSizes, RollUpSamples
from sluice.flow.insight.streams import keep_stream_age
from sluice.flow.safety.replicated import of_replicas
from sluice.flow.safety.watching_replicas import GATE
from sluice.insight.collecting.cloudwatch import Reached
from sluice.insight.metrics import METRICS
from sluice.ledger.control import Control
from sluice.ledger.samples import UNITS, Samples, Series, Unit
from sluice.local import databases
from sluice.stores.postgres import StoreDown, connect

from tests.as_airflow import postgres_connection, ran
from tests.conftest import Database
from tests.documents import Documents

ESTATE = """estate: sample
vault: {connection: s3_vault, bucket: sluice-vault}
ledger: {connection: sluice_ledger}
stores:
  certify:
    engine: postgres
    connection: pg_certify
    rto: 5m
    rpo: 30s
    replicas: {name: a, servers: {b: {connection: pg_b}}}
    watch: {disk: {size: 1 TB}}
  down: {engine: postgres, connection: pg_down, rto: 5m, rpo: 30s}
  tyler: {engine: dynamodb, connection: dynamodb_tyler, rto: 5m, rpo: 30s}
"""
MORE = "  lacking: {engine: postgres, connection: pg_lacking, rto: 5m, rpo: 30s, watch: {pooler: pg_pool}}\n"
FOLLOWS = """migration: users
kind: into_postgres
from: {store: tyler, table: users}
into:
  store: certify
  table: app.users
  key: [id]
  columns: {id: {from: "{id}", type: text}}
"""
FOLLOWS_NOTHING = """migration: things
from: {store: certify, table: app.thing}
into: {table: app.thing_by_month, partition: {range: at, every: month}}
cutover: {lock_timeout: 50ms}
"""
AGE = Series("tyler", "stream_age_seconds", "users")
COLLECT, ROLL_UP = CollectSamples(task_id="collect_samples"), RollUpSamples(task_id="roll_up_samples")
FORGET = ForgetSamples(task_id="forget_samples")
DAY = timedelta(days=1)


@pytest.fixture
def healthy() -> Iterator[int]:
    """Airflow's page of health, as it is on a port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/api/v2/monitor/health"
            self.send_response(200 if found else 404)
            self.end_headers()
            at = datetime.now(UTC).isoformat()
            told = {"metadatabase": {"status": "healthy"}, "scheduler": {"latest_scheduler_heartbeat": at}}
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def estate(
    tmp_path: Path, database: Database, documents: Documents, make_table: Callable[..., str], healthy: int,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:  # fmt: skip
    """An estate with a server, one that is down, and tables; and Airflow's connections. No look waits for its minute."""
    file = tmp_path / "include/estate/estate.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(ESTATE)
    for module in (ledger, looks, measuring):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(collecting, "seconds_to_next", lambda now: 0.01)
    monkeypatch.setattr(collecting, "LEAST", 0.3)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"http://127.0.0.1:{healthy}/execution/")
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection(database.dsn(databases.LEDGER)))
    monkeypatch.setenv("AIRFLOW_CONN_PG_CERTIFY", postgres_connection(database.dsn()))
    monkeypatch.setenv("AIRFLOW_CONN_PG_DOWN", postgres_connection("host=127.0.0.1 port=1 dbname=x user=x"))
    extra = {"region_name": "us-east-1", "service_config": {"dynamodb": {"endpoint_url": documents.endpoint}}}
    tables = {"conn_type": "aws", "login": documents.key, "password": documents.secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_DYNAMODB_TYLER", json.dumps(tables))
    make_table(partition="id", name="users")
    return file


@pytest.fixture
def samples(database: Database) -> Iterator[Samples]:
    with connect(database.dsn(databases.LEDGER), purpose="test") as c:
        yield Samples(c).prepare()


def known(samples: Samples) -> dict[Series, float]:
    return {series: found.value for series, found in samples.latest(samples.now()).items()}


def test_a_look_keeps_what_there_is_of_each_and_a_store_that_is_down_stops_nobody(
    estate: Path, samples: Samples
) -> None:
    told = ran(COLLECT, looks=2)
    assert told["looks"] == 2
    found = known(samples)
    assert found[Series("certify", "up_count")] == 1
    assert found[Series("certify", "transactions_rate")] >= 0, "the second look has something to go by"
    assert {series.metric for series in found if series.store == "down"} == {"up_count"}
    assert found[Series("down", "up_count")] == 0
    assert {value for series, value in found.items() if series.metric == "table_up_count"} == {1}
    assert found[Series("airflow", "metadata_up_count")] == 1
    assert found[Series("airflow", "scheduler_age_seconds")] < 60
    assert {series.metric for series in found} <= METRICS.keys()


def test_what_wants_a_person_makes_the_run_red_when_all_else_is_measured(estate: Path, samples: Samples) -> None:
    estate.write_text(ESTATE + MORE)
    with pytest.raises(NotMeasured, match=r"server of lacking: .*'pg_lacking'.*; PgBouncer of lacking"):
        ran(COLLECT, looks=1)
    assert known(samples)[Series("certify", "up_count")] == 1
    assert not [series for series in known(samples) if series.store == "lacking"], "it is not down: nobody knows"


def test_a_pooler_and_a_service_that_do_not_answer_are_kept_as_down(
    estate: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.write_text(ESTATE.replace("watch: {disk", "watch: {pooler: pg_down, disk"))
    ran(COLLECT, looks=1)
    tables = {series for series in known(samples) if series.metric == "table_up_count"}
    told = json.loads(os.environ["AIRFLOW_CONN_DYNAMODB_TYLER"])
    told["extra"]["service_config"]["dynamodb"]["endpoint_url"] = "http://127.0.0.1:1"
    monkeypatch.setenv("AIRFLOW_CONN_DYNAMODB_TYLER", json.dumps(told))
    ran(COLLECT, looks=1)
    found = known(samples)
    assert tables
    assert {found[one] for one in tables} == {0}
    assert found[Series("certify", "pooler_up_count")] == 0
    assert found[Series("certify", "up_count")] == 1


def test_a_ledger_that_is_down_is_tried_again(estate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection("host=127.0.0.1 port=1 dbname=x user=x"))
    began = time.monotonic()
    with pytest.raises(StoreDown):
        ran(COLLECT, looks=1)
    assert time.monotonic() - began >= 0.3, "the next run begins at once, and would be over at once"


def test_a_heartbeats_word_is_kept_once_and_one_that_knows_nothing_is_not(estate: Path, samples: Samples) -> None:
    lag = Series("certify", "replica_lag_seconds")
    control = Control(samples.connection, of_replicas("certify"), "night").prepare()
    control.record_facts(GATE, {"servers": 2, "lag_unknown": 1, "lag_milliseconds": 0.0}, epoch=1)
    ran(COLLECT, looks=1)
    assert lag not in known(samples)
    control.record_facts(GATE, {"servers": 2, "lag_unknown": 0, "lag_milliseconds": 1500.0}, epoch=1)
    ran(COLLECT, looks=2)
    now = samples.now()
    assert [one.value for one in samples.between([lag.metric], now - DAY, now + DAY)[lag]] == [1.5]


def ages(samples: Samples) -> list[float]:
    now = samples.now()
    return [one.value for one in samples.between([AGE.metric], now - DAY, now + DAY).get(AGE, [])]


@pytest.fixture
def followed(estate: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """What the ledger knows of a migration that reads a stream, and of one that reads none."""
    monkeypatch.setattr(project, "ROOT", estate.parents[2])
    (estate.parent / "migrations").mkdir()
    (estate.parent / "migrations/users.yaml").write_text(FOLLOWS)
    (estate.parent / "migrations/things.yaml").write_text(FOLLOWS_NOTHING)
    Control(samples.connection, "things", "night").prepare().record_transition("capture", "expanded", "capturing", 1)
    return Control(samples.connection, "users", "night")


def aged(samples: Samples, by: timedelta) -> None:
    """Let all that the ledger knows of migrations, and of their followers, have been so long ago."""
    first = samples.now() - by - DAY
    for day in range((by + DAY).days + 1):  # there is a place for each day of which there are numbers
        samples.record(first + day * DAY, {Series("nobody", "up_count"): 1.0})
    samples.connection.execute(b"UPDATE control.transition SET at = at - %s", [by])
    samples.connection.execute(
        b"UPDATE insight.sample SET at = at - %s FROM insight.series WHERE id = series AND metric = 'stream_age_seconds'",
        [by],
    )


def test_how_far_a_follower_is_behind_is_kept_of_its_migration(estate: Path, samples: Samples) -> None:
    keep_stream_age("tyler", "users", 12.5)
    assert known(samples) == {AGE: 12.5}


def test_a_follower_that_is_silent_falls_behind_by_the_clock(followed: Control, samples: Samples) -> None:
    followed.record_transition("capture", "expanded", "capturing", 1)
    aged(samples, timedelta(hours=9))
    keep_stream_age("tyler", "users", 20.0)
    ran(COLLECT, looks=1)
    assert ages(samples) == [20], "it has spoken just now"
    aged(samples, timedelta(hours=1))
    ran(COLLECT, looks=2)
    assert [round(one, -1) for one in ages(samples)] == [20, 3620, 3620]
    keep_stream_age("tyler", "users", 4000.0)
    ran(COLLECT, looks=1)
    assert [round(one, -1) for one in ages(samples)][3:] == [4000, 4000], "it speaks, and is late: by its word"
    followed.record_transition("abort", "capturing", "planned", 2)
    ran(COLLECT, looks=1)
    assert len(ages(samples)) == 5, "nobody is to follow it any more"


def test_a_follower_that_never_spoke_is_behind_since_its_migration_captures(
    followed: Control, samples: Samples
) -> None:
    followed.record_transition("capture", "expanded", "capturing", 1)
    aged(samples, timedelta(hours=4))
    followed.record_transition("abort", "capturing", "planned", 2)
    followed.record_transition("capture", "expanded", "capturing", 2)
    aged(samples, timedelta(hours=13))
    followed.record_transition("backfill", "capturing", "backfilled", 2)
    ran(COLLECT, looks=1)
    assert [round(one, -1) for one in ages(samples)] == [13 * 3600]


def test_a_migration_that_began_anew_is_not_as_late_as_its_former_life(followed: Control, samples: Samples) -> None:
    keep_stream_age("tyler", "users", 20.0)
    aged(samples, timedelta(hours=30))
    followed.record_transition("capture", "expanded", "capturing", 2)
    aged(samples, timedelta(hours=2))
    ran(COLLECT, looks=1)
    assert [round(one, -1) for one in ages(samples)][-1:] == [2 * 3600]


def test_a_migration_whose_file_cannot_be_read_stops_no_look(followed: Control, samples: Samples) -> None:
    followed.record_transition("capture", "expanded", "capturing", 1)
    aged(samples, timedelta(hours=1))
    project.file_of("users").write_text("migration: {")
    assert ran(COLLECT, looks=1)["looks"] == 1
    assert ages(samples) == []


def test_a_server_that_may_sleep_is_looked_at_once_an_hour_and_all_else_each_minute(estate: Path) -> None:
    estate.write_text(ESTATE.replace("watch: {disk: {size: 1 TB}}", "watch: {every: 1h, pooler: pg_down}"))
    hour = datetime(2024, 4, 5, 12, tzinfo=UTC)
    eyes = looks.Eyes(Reached())

    def seen(minute: int) -> set[str]:
        return {f"{one.store} {one.part}" for one in eyes.looks(hour + timedelta(minutes=minute))}

    often = {"certify PgBouncer", "down server", "tyler service", "airflow page of health"}
    assert [minute for minute in range(60) if seen(minute) != often] == [7]
    assert seen(7) == {*often, "certify server"}


def test_each_store_is_measured_by_itself(estate: Path, database: Database, samples: Samples) -> None:
    with connect(database.dsn(), purpose="test") as c:
        c.execute(b"CREATE TABLE app.thing (a int)")
    assert ran(ListStores(task_id="list_stores")) == ["certify", "down", "tyler"]
    for store in ("certify", "tyler"):
        assert ran(MeasureSizes(task_id="measure_sizes", store=store)) > 0
    with pytest.raises(StoreDown):
        ran(MeasureSizes(task_id="measure_sizes", store="down"))
    found = known(samples)
    assert found[Series("certify", "table_bytes", "app.thing")] == 0
    assert found[Series("certify", "disk_used_percent")] > 0
    assert {series.metric for series in found if series.store == "tyler"} == {"items_bytes", "items_count"}


def test_hours_that_nobody_rolled_up_are_and_only_what_was_is_forgotten(estate: Path, samples: Samples) -> None:
    now = samples.now().replace(minute=30)
    seconds = Series("certify", "collection_seconds")
    for days in (20, 13, 3, 0):
        samples.record(now - days * DAY, {seconds: float(days)})
    ran(ROLL_UP)
    assert ran(FORGET) == [f"sample_y{now - 20 * DAY:%Ym%md%d}"]
    rolled = {one.mean for one in samples.spans("hour", [seconds.metric], now - 30 * DAY, now + DAY)[seconds]}
    assert rolled == {13, 3, 0}
    assert samples.rolled_up_to() == now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def test_a_rolling_up_that_is_cut_off_has_kept_what_it_finished_and_the_next_one_goes_on(
    estate: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, seconds, plain = samples.now(), Series("certify", "collection_seconds"), Samples.roll_up
    for days in range(6):
        samples.record(now - days * DAY, {seconds: float(days)})

    def cut_off(self: Samples, start: datetime, end: datetime, units: Sequence[Unit] = UNITS) -> None:
        plain(self, start, end, units)
        if start > now - 3 * DAY:
            raise StoreDown("the ledger is gone")

    def means(unit: Unit) -> set[float]:
        return {one.mean for one in samples.spans(unit, [seconds.metric], now - 30 * DAY, now + DAY)[seconds]}

    with monkeypatch.context() as cut:
        cut.setattr(Samples, "roll_up", cut_off)
        with pytest.raises(StoreDown):
            ran(ROLL_UP)
    assert {5, 4} <= means("day") < {5, 4, 3, 2, 1, 0}
    assert means("hour") < {5, 4, 3, 2, 1, 0}
    ran(ROLL_UP)
    assert means("day") == means("hour") == {5, 4, 3, 2, 1, 0}


def test_what_was_never_rolled_up_is_not_forgotten_until_it_was(estate: Path, samples: Samples) -> None:
    # Noon: in the last hour of a day, that day would be rolled up to its end.
    now, seconds = samples.now().replace(hour=12), Series("certify", "collection_seconds")
    for days in (40, 30, 20):
        samples.record(now - days * DAY, {seconds: 1.0})
    samples.roll_up(now - 41 * DAY, now - 29 * DAY)  # and never again
    assert ran(FORGET) == [f"sample_y{now - 40 * DAY:%Ym%md%d}"]
    assert [one.value for one in samples.between([seconds.metric], now - 50 * DAY, now)[seconds]] == [1, 1]


def test_numbers_that_come_late_are_rolled_up_and_nothing_else_of_their_day(
    estate: Path, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = samples.now()
    seconds, rolled = Series("certify", "collection_seconds"), list[datetime]()
    plain = Samples.roll_up

    def noted(self: Samples, start: datetime, end: datetime, units: Sequence[Unit] = UNITS) -> None:
        if "hour" in units:
            rolled.append(start)
            assert end - start <= timedelta(hours=1)
        plain(self, start, end, units)

    monkeypatch.setattr(Samples, "roll_up", noted)
    samples.record(now, {seconds: 1.0})
    ran(ROLL_UP)
    rolled.clear()
    late_hour = (now - timedelta(hours=20)).replace(minute=0, second=0, microsecond=0)
    samples.record(now - timedelta(hours=20), {seconds: 9.0})  # CloudWatch's history comes late
    samples.record(now - timedelta(days=40), {seconds: 7.0})  # nobody rolls up what is to be forgotten
    ran(ROLL_UP)
    assert len(ran(FORGET)) == 1
    late = samples.spans("hour", [seconds.metric], now - DAY, now - timedelta(hours=10))[seconds]
    assert [one.mean for one in late] == [9]
    assert [one for one in rolled if one < now - timedelta(hours=4)] == [late_hour] and len(rolled) <= 4 + 1
    (day,) = samples.spans("day", [seconds.metric], now - 2 * DAY, late_hour + timedelta(hours=1))[seconds][-1:]
    assert day.highest == 9, "its day, too"
    assert samples.late_hours() == []
    ran(ROLL_UP)
    assert rolled.count(late_hour) == 1, "once"


def test_the_last_numbers_of_an_hour_are_rolled_up_when_they_come_after_it_was(samples: Samples) -> None:
    hour = samples.now().replace(minute=0, second=0, microsecond=0)
    seconds = Series("certify", "collection_seconds")

    def rolled(at: datetime) -> list[int]:
        measuring._roll_up(samples, at, oldest=hour - DAY)
        return [one.points for one in samples.spans("hour", [seconds.metric], hour - DAY, hour + DAY)[seconds]]

    samples.record(hour - timedelta(minutes=20), {seconds: 1.0})
    samples.record(hour + timedelta(minutes=5), {seconds: 1.0})
    assert rolled(hour + timedelta(minutes=7)) == [1, 1]
    samples.record(hour - timedelta(minutes=1), {seconds: 1.0})
    samples.record(hour + timedelta(minutes=59), {seconds: 1.0})
    samples.record(hour + timedelta(minutes=65), {seconds: 1.0})
    assert rolled(hour + timedelta(minutes=67)) == [2, 2, 1]


def test_what_cloudwatch_was_read_up_to_is_known_by_the_last_number_of_each_part(samples: Samples) -> None:
    now = samples.now()
    for metric, minutes in {"read_units_rate": 9, "system_errors_rate": 30}.items():
        for table, later in {"users": 0, "orders": 2}.items():
            samples.record(now - timedelta(minutes=minutes - later), {Series("tyler", metric, table): 1.0})
            samples.record(now - timedelta(hours=3), {Series("tyler", metric, table): 1.0})
    samples.record(now - timedelta(hours=2), {Series("shop", "cpu_percent"): 1.0})
    samples.record(now - timedelta(hours=30), {Series("long_ago", "cpu_percent"): 1.0})
    held, free = Series("shop", "disk_used_bytes"), Series("shop", "disk_free_bytes")
    for ago, size in ((40, 100.0), (20, 150.0), (1, 200.0)):
        samples.record(now - timedelta(minutes=ago), {held: size - 30.0, free: 30.0})
    samples.record(now - timedelta(minutes=30), {Series("half", "disk_free_bytes"): 30.0})
    minute = timedelta(minutes=1)
    assert {name: round((now - end) / minute) for name, end in collecting.reached_of(samples).ends.items()} == {
        "tyler urgent users": 8, "tyler urgent orders": 6, "tyler explaining users": 29, "tyler explaining orders": 27,
        "shop": 119,
    }  # fmt: skip
    assert collecting.reached_of(samples).sizes == {"shop disk": (now - timedelta(minutes=20), 150.0)}


def test_who_joins_the_file_is_looked_at_by_the_run_that_goes_on_and_a_mistake_in_it_ends_no_look(estate: Path) -> None:
    eyes, now = looks.Eyes(Reached()), datetime(2026, 3, 1, 12, tzinfo=UTC)
    before = {look.store for look in eyes.looks(now)}
    estate.write_text(estate.read_text() + "  joined: {engine: postgres, connection: pg_certify, rto: 1h, rpo: 1h}\n")
    assert {look.store for look in eyes.looks(now)} == {*before, "joined"}
    estate.write_text("stores: {")
    assert {look.store for look in eyes.looks(now)} == {*before, "joined"}


def test_who_has_left_the_file_is_measured_no_more(estate: Path) -> None:
    with pytest.raises(AirflowSkipException, match="no store 'tyler_gone' any more"):
        ran(MeasureSizes(task_id="measure_sizes", store="tyler_gone"))
