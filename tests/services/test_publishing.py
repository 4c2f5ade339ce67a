"""Numbers and dashboards put into CloudWatch, emulated: what is asked is checked by botocore against the service's own model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from airflow.sdk.exceptions import AirflowSkipException
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws
from sluice.flow import connections
from sluice.flow.insight import ledger as insight_ledger
from sluice.flow.insight import scaled
from sluice.flow.insight.publishing import PublishMetrics, PutDashboards, metrics_text
from sluice.insight.collecting.sizes import Sized
from sluice.insight.dashboards.cloudwatch import CloudWatchDown, CloudWatchRefused, publish, put_dashboards
from sluice.insight.dashboards.largest import OF_TABLES
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import Sample, Samples, Series
from sluice.ledger.scalings import Scalings
from sluice.local import databases
from sluice.stores.postgres import connect

from tests.as_airflow import postgres_connection, ran
from tests.conftest import Database

REGION = "eu-west-1"
LOGIN = {"aws_access_key_id": "SCRATCH", "aws_secret_access_key": "SCRATCH", "region_name": REGION}
ESTATE = """estate: sample
vault: {connection: s3_vault, bucket: vault}
ledger: {connection: sluice_ledger}
insight: {cloudwatch: {connection: aws_watch, region: eu-west-1}}
stores: {shop: {engine: postgres, connection: pg_shop, rto: 1h, rpo: 5m}}
"""


@pytest.fixture
def cloudwatch() -> Iterator[Any]:
    """The service."""
    with mock_aws():
        yield boto3.client("cloudwatch", **LOGIN)


@pytest.fixture
def ledger(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Samples]:
    """A ledger with numbers of this minute and of an hour ago, and an estate that publishes them."""
    (tmp_path / "include/estate").mkdir(parents=True)
    (tmp_path / "include/estate/estate.yaml").write_text(ESTATE)
    for module in (connections, insight_ledger, scaled):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    login = {"conn_type": "aws", "login": "SCRATCH", "password": "SCRATCH"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_WATCH", json.dumps(login))
    monkeypatch.setenv("AIRFLOW_CONN_SLUICE_LEDGER", postgres_connection(database.dsn(databases.LEDGER)))
    with connect(database.dsn(databases.LEDGER), purpose="test") as c:
        samples, now = Samples(c).prepare(), Scalings(c).now()
        samples.record(now, {Series("shop", "cpu_percent"): 41.5, Series("shop", "table_bytes", "app.orders"): 7.0})
        samples.record(now - timedelta(hours=1), {Series("shop", "bloat_percent", "app.orders"): 3.0})
        yield samples


def told(client: Any, metric: str, **dimensions: str) -> list[float]:
    found = client.list_metrics(Namespace="Sluice/sample", MetricName=metric)["Metrics"]
    # The emulator lists a metric once for each number; the service once.
    assert found
    assert all({one["Name"]: one["Value"] for one in metric["Dimensions"]} == dimensions for metric in found)
    query = {"Id": "a", "MetricStat": {"Metric": found[0], "Period": 60, "Stat": "Average"}}
    start, end = (its_time() + timedelta(minutes=minutes) for minutes in (-30, 5))
    return list(
        client.get_metric_data(MetricDataQueries=[query], StartTime=start, EndTime=end)["MetricDataResults"][0][
            "Values"
        ]
    )


def its_time() -> Any:
    """The emulator keeps nothing but what lies near its own clock."""
    return datetime.now(UTC)


def test_what_was_measured_lately_is_put_with_its_unit_and_its_subject(cloudwatch: Any, ledger: Samples) -> None:
    publish_metrics = PublishMetrics(task_id="publish_metrics")
    assert ran(publish_metrics) == {"numbers": 3, "left_out": 0}
    ran(publish_metrics)  # again is the same mean
    assert told(cloudwatch, "cpu_percent", Store="shop") == [41.5]
    # Put twice at two moments: in one minute of the emulator's, or in two.
    assert max(told(cloudwatch, "collector_age_seconds", Store="shop")) < 60, "how old they are is told with them"
    assert told(cloudwatch, "table_bytes", Store="shop", Subject="app.orders") == [7.0]
    assert cloudwatch.list_metrics(Namespace="Sluice/sample", MetricName="bloat_percent")["Metrics"] == []


def test_of_tables_the_largest_alone_go_where_each_costs(cloudwatch: Any, ledger: Samples, tmp_path: Path) -> None:
    now = Scalings(ledger.connection).now()
    for store, factor in (("shop", 100.0), ("certify", -1.0)):
        sizes = {Series(store, "table_bytes", f"app.t{n}"): 1000.0 + factor * n for n in range(30)}
        ledger.record(now, sizes | {Series(store, "bloat_percent", one.subject): 1.0 for one in sizes})
        ledger.record(now, {Series(store, "partition_headroom_days", "app.t3"): 9.0})
    estate = tmp_path / "include/estate/estate.yaml"
    estate.write_text(ESTATE.replace("eu-west-1}", "eu-west-1, tables: 2}"))
    ran(PublishMetrics(task_id="publish_metrics"))
    found = cloudwatch.list_metrics(Namespace="Sluice/sample")["Metrics"]
    told = {(one["MetricName"], *(each["Value"] for each in one["Dimensions"])) for one in found}
    largest = {("shop", "app.t29"), ("shop", "app.t28"), ("certify", "app.t0"), ("certify", "app.t1")}
    for metric in ("table_bytes", "bloat_percent"):
        assert {one[1:] for one in told if one[0] == metric} == largest
    assert {one[1:] for one in told if one[0] == "partition_headroom_days"} == {
        ("shop", "app.t3"),
        ("certify", "app.t3"),
    }
    assert len([line for line in metrics_text().splitlines() if line.startswith("sluice_table_bytes{")]) == 61


def test_what_is_left_out_of_tables_is_what_each_of_them_has() -> None:
    table = Sized("app.t", 1e9, 1e6, 1e6, 1.0, 9e8, 1e8)
    assert {metric for metric, _ in table.values()} == {*OF_TABLES}


def test_the_four_dashboards_are_put_and_again_is_the_same(cloudwatch: Any, ledger: Samples) -> None:
    for _ in range(2):
        names = ran(PutDashboards(task_id="put_dashboards"))
    listed = cloudwatch.list_dashboards()["DashboardEntries"]
    assert sorted(one["DashboardName"] for one in listed) == sorted(names)
    assert len(names) == 4
    body = json.loads(cloudwatch.get_dashboard(DashboardName="Sluice-sample-infrastructure")["DashboardBody"])
    assert {one["properties"].get("region", REGION) for one in body["widgets"]} == {REGION}


def test_where_nobody_asks_for_it_nothing_goes_there(ledger: Samples, tmp_path: Path) -> None:
    estate = tmp_path / "include/estate/estate.yaml"
    estate.write_text("".join(line for line in ESTATE.splitlines(True) if not line.startswith("insight")))
    for task in (PublishMetrics(task_id="publish_metrics"), PutDashboards(task_id="put_dashboards")):
        with pytest.raises(AirflowSkipException, match="nothing goes there"):
            ran(task)


def test_prometheus_is_told_the_last_numbers(ledger: Samples) -> None:
    text = metrics_text()
    assert 'sluice_cpu_percent{store="shop",subject=""} 41.5\n' in text
    assert 'sluice_bloat_percent{store="shop",subject="app.orders"} 3\n' in text


def test_the_command_prints_the_same(
    ledger: Samples, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sluice.local import metrics
    from sluice.local.cli import main

    monkeypatch.setattr(metrics, "use_connections", lambda: None)  # they are in the environment already
    assert main(["metrics"]) == 0
    assert "# TYPE sluice_cpu_percent gauge" in capsys.readouterr().out


def test_no_call_takes_more_than_the_service_does(cloudwatch: Any) -> None:
    sent: list[int] = []
    cloudwatch.meta.events.register(
        "provide-client-params.cloudwatch.PutMetricData", lambda params, **_: sent.append(len(params["MetricData"]))
    )
    latest = {Series("shop", "table_bytes", f"app.t{n}"): Sample(its_time(), 1.0) for n in range(2100)}
    assert publish(cloudwatch, "sample", {**latest, Series("shop", "unknown"): Sample(its_time(), 1.0)}).left_out == 1
    assert sent == [1000, 1000, 100]


def test_every_metric_and_every_name_is_taken(cloudwatch: Any) -> None:
    names = ("größe", ":colon", " ", "a" * 2000)
    latest = {Series("shop", metric, names[n % 4]): Sample(its_time(), float(n)) for n, metric in enumerate(METRICS)}
    assert publish(cloudwatch, "sample", latest).numbers == len(METRICS)
    values = {
        one["Value"]
        for metric in cloudwatch.list_metrics(Namespace="Sluice/sample")["Metrics"]
        for one in metric["Dimensions"]
    }
    assert values == {"shop", "gr??e", "colon", "?", "a" * 1024}


def test_what_passes_by_itself_is_tried_again_and_a_refusal_is_not(cloudwatch: Any) -> None:
    def lost(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://monitoring")

    def refused(**_: Any) -> None:
        raise cloudwatch.exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutMetricData")

    one = {Series("shop", "cpu_percent"): Sample(its_time(), 1.0)}
    cloudwatch.meta.events.register_first("before-call.cloudwatch.PutMetricData", lost)
    with pytest.raises(CloudWatchDown, match="tried again by itself"):
        publish(cloudwatch, "sample", one)
    cloudwatch.meta.events.unregister("before-call.cloudwatch.PutMetricData", lost)
    cloudwatch.meta.events.register_first("before-call.cloudwatch.PutMetricData", refused)
    with pytest.raises(CloudWatchRefused, match="policy of its role"):
        publish(cloudwatch, "sample", one)


def test_a_page_that_was_taken_with_mistakes_is_told(cloudwatch: Any) -> None:
    def complain(parsed: dict[str, Any], **_: Any) -> None:
        parsed["DashboardValidationMessages"] = [{"DataPath": "/widgets/0", "Message": "what is this"}]

    cloudwatch.meta.events.register("after-call.cloudwatch.PutDashboard", complain)
    with pytest.raises(CloudWatchRefused, match="what is this"):
        put_dashboards(cloudwatch, "sample", REGION)
