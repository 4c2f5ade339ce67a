"""What CloudWatch has of tables and of instances, read minute by minute. Emulated by moto, which keeps numbers as they are put.

Two of moto's ways are put right here, as AWS has its own: it knows no percentiles, and calls a minute without numbers nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws
from moto.cloudwatch.models import Statistics
from sluice.insight.collecting.cloudwatch import (
    AGAIN,
    BACK,
    IN_ONE,
    LATE,
    MINUTE,
    Asked,
    CloudRefused,
    CloudSilent,
    Reached,
    Stretch,
    fetch,
)
from sluice.insight.collecting.dynamodb import EXPLAINING, OPERATIONS, URGENT, look_at_tables, part_of
from sluice.insight.collecting.instance_memory import GIB
from sluice.insight.collecting.looked import Looked
from sluice.insight.collecting.rds import look_at_rds
from sluice.insight.collecting.tables import AT_MOST, Listed, measure_tables, names_of
from sluice.insight.metrics import METRICS
from sluice.ledger.samples import Sample, Series
from sluice.stores.dynamodb.client import AccessDenied, DynamoDown

REGION = "eu-west-1"
NOON = datetime(2026, 4, 5, 12, tzinfo=UTC)
LAST = NOON - LATE - MINUTE
"""The newest minute that is read at noon."""


@dataclass
class Cloud:
    """A region with tables, an instance and what was counted of them."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    reached: Reached = field(default_factory=Reached)

    def __post_init__(self) -> None:
        """Make the clients; requests for numbers are noted."""
        self.dynamodb, self.rds, self.cloudwatch = (
            boto3.client(one, region_name=REGION, aws_access_key_id="SCRATCH", aws_secret_access_key="SCRATCH")
            for one in ("dynamodb", "rds", "cloudwatch")
        )
        self.cloudwatch.meta.events.register("provide-client-params.cloudwatch.GetMetricData", self._note)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.asked.append(dict(params))

    def make_table(self, name: str, *, on_demand: bool = False, index: bool = False) -> None:
        units = {"ReadCapacityUnits": 10, "WriteCapacityUnits": 5}
        how: dict[str, Any] = {"BillingMode": "PAY_PER_REQUEST"} if on_demand else {"ProvisionedThroughput": units}
        key = [{"AttributeName": "id", "KeyType": "HASH"}]
        if index:
            projection = {"ProjectionType": "ALL"}
            how["GlobalSecondaryIndexes"] = [
                {"IndexName": "by_id", "KeySchema": key, "Projection": projection, "ProvisionedThroughput": units}
            ]
        types = [{"AttributeName": "id", "AttributeType": "S"}]
        self.dynamodb.create_table(TableName=name, KeySchema=key, AttributeDefinitions=types, **how)

    def count(self, namespace: str, name: str, at: datetime, value: float, **dimensions: str) -> None:
        named = [{"Name": key, "Value": told} for key, told in dimensions.items()]
        data = {"MetricName": name, "Dimensions": named, "Timestamp": at, "Value": value}
        self.cloudwatch.put_metric_data(Namespace=namespace, MetricData=[data])

    def of_table(self, name: str, at: datetime, value: float, table: str = "users", **more: str) -> None:
        self.count("AWS/DynamoDB", name, at, value, TableName=table, **more)

    def look(self, now: datetime = NOON, names: tuple[str, ...] = ("users",)) -> Looked:
        return kept(look_at_tables(self.dynamodb, self.cloudwatch, "tyler", names, self.reached, now))


def kept(found: Looked) -> Looked:
    """Have it that all of it was kept."""
    for remember in found.once_kept:
        remember()
    return found


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    plain = Statistics.get_statistics_for_type

    def with_percentiles(self: Statistics, stat: str) -> Any:
        if not stat.startswith("p"):
            return plain(self, stat)
        values = sorted(one.value for one in self.metric_data)
        return values[math.ceil(len(values) * int(stat[1:]) / 100) - 1]

    with mock_aws(), patch.object(Statistics, "get_statistics_for_type", with_percentiles):
        yield Cloud()


def history(found: Looked, metric: str, subject: str = "users", store: str = "tyler") -> dict[datetime, float]:
    return {sample.at: sample.value for series, sample in found.history if series == Series(store, metric, subject)}


def test_units_are_rates_a_silent_minute_is_none_of_them_and_a_minute_is_left_until_it_is_complete(
    cloud: Cloud,
) -> None:
    cloud.make_table("users")
    for minutes, units in ((0, 600), (2, 300), (-1, 999)):
        cloud.of_table("ConsumedReadCapacityUnits", LAST - minutes * MINUTE, units)
    found = cloud.look()
    rate = history(found, "read_units_rate")
    assert [rate[LAST - number * MINUTE] for number in range(3)] == [10, 0, 5]
    assert (min(rate), max(rate), len(rate)) == (NOON - LATE - BACK, LAST, 1440)
    assert history(found, "read_units_used_percent")[LAST] == 100
    assert min(history(found, "read_units_used_percent")) > NOON - timedelta(minutes=10), (
        "what it had before is not known"
    )
    assert set(history(found, "write_units_rate").values()) == {0}
    values = {series.metric: value for series, value in found.values.items()}
    assert values == {"table_up_count": 1, "read_units_provisioned_rate": 10, "write_units_provisioned_rate": 5}
    assert {series.metric for series, _ in found.history} | values.keys() <= METRICS.keys()


def test_a_table_on_demand_has_no_share(cloud: Cloud) -> None:
    cloud.make_table("users", on_demand=True)
    cloud.of_table("ConsumedReadCapacityUnits", LAST, 60)
    found = cloud.look()
    assert history(found, "read_units_rate")[LAST] == 1
    assert history(found, "read_units_used_percent") == {}
    assert {series.metric for series in found.values} == {"table_up_count"}


def test_what_is_refused_at_an_index_counts_with_its_table(cloud: Cloud) -> None:
    cloud.make_table("users", index=True)
    cloud.of_table("ReadThrottleEvents", LAST, 60)
    cloud.of_table("WriteThrottleEvents", LAST, 30, GlobalSecondaryIndexName="by_id")
    assert history(cloud.look(), "throttled_requests_rate")[LAST] == 1.5


def test_latency_is_that_of_the_slowest_operation_and_there_is_none_without_requests(cloud: Cloud) -> None:
    cloud.make_table("users")
    for value in range(1, 101):
        cloud.of_table("SuccessfulRequestLatency", LAST, value, Operation="GetItem")
    cloud.of_table("SuccessfulRequestLatency", LAST, 60, Operation="PutItem")
    cloud.of_table("SystemErrors", LAST, 6, Operation="PutItem")
    found = cloud.look()
    told = [history(found, f"latency_{one}_milliseconds") for one in ("p50", "p95", "p99")]
    assert told == [{LAST: 60}, {LAST: 95}, {LAST: 99}]
    errors = history(found, "system_errors_rate")
    assert (errors[LAST], errors[LAST - MINUTE]) == (0.1, 0)


def test_an_outage_of_ours_leaves_no_gap_and_a_minute_that_was_completed_late_is_put_right(cloud: Cloud) -> None:
    cloud.make_table("users")
    cloud.of_table("ConsumedWriteCapacityUnits", LAST, 60)
    cloud.look()
    cloud.of_table("ConsumedWriteCapacityUnits", LAST, 60)  # the rest of it
    cloud.of_table("ConsumedWriteCapacityUnits", LAST + 90 * MINUTE, 600)
    later = history(cloud.look(NOON + timedelta(hours=2)), "write_units_rate")
    assert sorted(later) == [NOON - LATE - AGAIN + number * MINUTE for number in range(120 + 3)]
    assert (later[LAST], later[LAST + 90 * MINUTE], later[LAST + MINUTE]) == (2, 10, 0)


def test_what_was_read_and_never_kept_is_read_again(cloud: Cloud) -> None:
    cloud.make_table("users")
    cloud.look()
    cloud.of_table("ConsumedWriteCapacityUnits", LAST + 9 * MINUTE, 600)
    for _ in range(2):  # the first was cut off, or the ledger was down
        later = look_at_tables(cloud.dynamodb, cloud.cloudwatch, "tyler", ("users",), cloud.reached, NOON + 10 * MINUTE)
        assert history(later, "write_units_rate")[LAST + 9 * MINUTE] == 10
        assert (history(later, "system_errors_rate").keys()) >= {LAST + 9 * MINUTE}
    again = kept(later) and cloud.look(NOON + 20 * MINUTE)
    assert min(history(again, "write_units_rate")) == LAST + 10 * MINUTE - AGAIN + MINUTE


def test_where_cloudwatch_asks_for_patience_the_tables_are_up_all_the_same(cloud: Cloud) -> None:
    cloud.make_table("users")
    with Stubber(cloud.cloudwatch) as stubbed:
        for _ in range(2):
            stubbed.add_client_error("get_metric_data", "Throttling", "Rate exceeded", 400)
        found = cloud.look()
    assert found.values[Series("tyler", "table_up_count", "users")] == 1
    assert "Rate exceeded" in found.notes[0]
    assert history(cloud.look(), "write_units_rate"), "it is read the next time"


def test_what_explains_is_asked_for_seldom_and_loses_no_minute(cloud: Cloud) -> None:
    cloud.make_table("users")
    cloud.look()
    begun, told = len(cloud.asked), dict[datetime, float]()
    for minute in range(1, 13):
        found = cloud.look(NOON + minute * MINUTE)
        told |= history(found, "system_errors_rate")
    of_errors = [
        one
        for one in cloud.asked[begun:]
        if any(q["MetricStat"]["Metric"]["MetricName"] == "SystemErrors" for q in one["MetricDataQueries"])
    ]
    assert len(of_errors) == 2
    assert len(cloud.asked) - begun == 12 + 2
    assert {LAST + number * MINUTE for number in range(1, 11)} <= told.keys()


def test_many_tables_are_asked_for_in_few_requests(cloud: Cloud) -> None:
    names = tuple(f"table_{number:02}" for number in range(25))
    for name in names:
        cloud.make_table(name)
    parts = (part_of("tyler", sort, name) for sort in (URGENT, EXPLAINING) for name in names)
    cloud.reached.ends = dict.fromkeys(parts, NOON - timedelta(minutes=9))
    found = cloud.look(names=names)
    sizes = [len(one["MetricDataQueries"]) for one in cloud.asked]
    assert sizes == [4 * 25, IN_ONE, len(OPERATIONS) * 4 * 25 - IN_ONE]
    assert {series.subject for series, _ in found.history} == {*names}


def test_a_table_that_is_gone_is_down_and_the_others_are_looked_at(cloud: Cloud) -> None:
    cloud.make_table("users")
    found = cloud.look(names=("gone", "users"))
    assert found.values[Series("tyler", "table_up_count", "gone")] == 0
    assert found.values[Series("tyler", "table_up_count", "users")] == 1
    assert "gone" in found.notes[0]
    assert names_of(cloud.dynamodb, "tyler") == Listed(("users",))
    sizes = measure_tables(cloud.dynamodb, "tyler", ["users", "gone"])
    assert sizes.values == {Series("tyler", "items_bytes", "users"): 0, Series("tyler", "items_count", "users"): 0}


def test_tables_that_are_not_in_aws_are_not_asked_for_there(cloud: Cloud) -> None:
    cloud.make_table("users")
    cloud.dynamodb.meta._endpoint_url = "http://127.0.0.1:4590"
    found = cloud.look()
    assert found.values == {Series("tyler", "table_up_count", "users"): 1, **found.values}
    assert (found.history, cloud.asked) == ((), [])
    assert "not in AWS" in found.notes[0]


@pytest.fixture
def instance(cloud: Cloud) -> Cloud:
    cloud.rds.create_db_instance(
        DBInstanceIdentifier="shop", DBInstanceClass="db.r6g.large", Engine="postgres", AllocatedStorage=100,
        MasterUsername="master", MasterUserPassword="secret-of-master",
    )  # fmt: skip
    return cloud


def look_at_instance(cloud: Cloud, now: datetime = NOON) -> Looked:
    return look_at_rds(cloud.cloudwatch, cloud.rds, "shop", "shop", cloud.reached, now)


def test_an_instance_says_what_its_server_cannot(instance: Cloud) -> None:
    told = {"CPUUtilization": 42, "FreeableMemory": 4 * 2**30, "FreeStorageSpace": 25 * 2**30, "ReadIOPS": 7, "WriteIOPS": 8,
            "NetworkReceiveThroughput": 9, "NetworkTransmitThroughput": 10}  # fmt: skip
    for name, value in told.items():
        instance.count("AWS/RDS", name, LAST, value, DBInstanceIdentifier="shop")
    found = look_at_instance(instance)
    assert {series.metric: sample.value for series, sample in found.history} == {
        "cpu_percent": 42,
        "memory_used_percent": 75,
        "disk_used_bytes": 75 * 2**30,
        "disk_free_bytes": 25 * 2**30,
        "disk_used_percent": 75,
        "read_operations_rate": 7,
        "write_operations_rate": 8,
        "network_received_bytes_rate": 9,
        "network_sent_bytes_rate": 10,
    }
    assert {sample.at for _, sample in found.history} == {LAST}, "nothing is made up for a minute without numbers"
    assert {series.metric for series, _ in found.history} <= METRICS.keys()
    assert found.notes == ()


def test_an_instance_of_an_unknown_class_has_no_memory_in_percent_and_is_told(instance: Cloud) -> None:
    instance.rds.modify_db_instance(DBInstanceIdentifier="shop", DBInstanceClass="db.z9.large", ApplyImmediately=True)
    instance.count("AWS/RDS", "FreeableMemory", LAST, 1, DBInstanceIdentifier="shop")
    found = look_at_instance(instance)
    assert found.history == ()
    assert "db.z9.large" in found.notes[0]


def resize(cloud: Cloud, gib: int, told_class: str = "db.r6g.large") -> None:
    cloud.rds.modify_db_instance(
        DBInstanceIdentifier="shop", AllocatedStorage=gib, DBInstanceClass=told_class, ApplyImmediately=True
    )


def test_what_was_told_before_a_disk_or_a_memory_grew_is_not_divided_by_what_there_is_now(instance: Cloud) -> None:
    for minute in range(-60, 20):
        for name, free in (
            ("FreeStorageSpace", 19 if minute < 5 else 119),
            ("FreeableMemory", 4 if minute < 5 else 20),
        ):
            instance.count("AWS/RDS", name, NOON + minute * MINUTE, free * GIB, DBInstanceIdentifier="shop")
    told: dict[str, dict[datetime, float]] = {"disk_used_percent": {}, "memory_used_percent": {}, "disk_free_bytes": {}}
    for minute in range(20):
        if minute == 5:
            resize(instance, 200, "db.r6g.xlarge")
        found = kept(look_at_instance(instance, NOON + minute * MINUTE))
        assert len({(series, sample.at) for series, sample in found.history}) == len(found.history), "each once"
        for metric, numbers in told.items():
            numbers |= history(found, metric, "", "shop")
    assert set(told["disk_used_percent"].values()) == {81, 40.5}
    assert set(told["memory_used_percent"].values()) == {75, 37.5}
    assert {at for at, value in told["disk_used_percent"].items() if value == 40.5} == {
        NOON + minute * MINUTE for minute in range(5, 17)
    }
    assert len(told["disk_free_bytes"]) == 60 + 17, "how much was free is true of every minute"


def test_of_a_size_that_is_as_it_was_every_minute_of_an_outage_is_known(instance: Cloud) -> None:
    for minute in range(-300, 0):
        instance.count("AWS/RDS", "FreeStorageSpace", NOON + minute * MINUTE, 19 * GIB, DBInstanceIdentifier="shop")
    before = NOON - timedelta(hours=4)
    instance.reached.sizes["shop disk"] = (before, 100.0 * GIB)
    assert min(history(look_at_instance(instance), "disk_used_percent", "", "shop")) == before
    instance.reached.sizes["shop disk"] = (before, 90.0 * GIB)
    assert history(look_at_instance(instance), "disk_used_percent", "", "shop") == {}


def test_an_instance_that_is_not_there_is_refused_by_name(cloud: Cloud) -> None:
    with pytest.raises(CloudRefused, match="shop of RDS"):
        look_at_instance(cloud)


ONE = Asked(Series("shop", "cpu_percent"), "AWS/RDS", "CPUUtilization", (("DBInstanceIdentifier", "shop"),), "Average")
HOUR = Stretch(NOON, NOON + 60 * MINUTE)


def test_an_answer_in_several_pages_is_read_to_its_end(cloud: Cloud) -> None:
    asked = {"MetricDataQueries": [ONE.query(0)], "StartTime": HOUR.start, "EndTime": HOUR.end}
    with Stubber(cloud.cloudwatch) as stub:
        for number in range(3):
            result = {
                "Id": "q0",
                "Timestamps": [NOON + number * MINUTE],
                "Values": [float(number)],
                "StatusCode": "PartialData" if number < 2 else "Complete",
            }
            page = {"MetricDataResults": [result], **({"NextToken": str(number)} if number < 2 else {})}
            stub.add_response("get_metric_data", page, {**asked, **({"NextToken": str(number - 1)} if number else {})})
        found = list(fetch(cloud.cloudwatch, [ONE], HOUR))
        stub.assert_no_pending_responses()
    assert found == [(ONE, Sample(NOON + number * MINUTE, number)) for number in range(3)]


@pytest.mark.parametrize(
    ("status", "wanted"), [("PartialData", CloudSilent), ("InternalError", CloudSilent), ("Forbidden", CloudRefused)]
)
def test_what_cloudwatch_leaves_out_is_not_taken_for_silence(cloud: Cloud, status: str, wanted: type) -> None:
    result = {"Id": "q0", "Timestamps": [NOON], "Values": [1.0], "StatusCode": status}
    with Stubber(cloud.cloudwatch) as stub:
        stub.add_response("get_metric_data", {"MetricDataResults": [result]})
        with pytest.raises(wanted, match="AWS/RDS"):
            list(fetch(cloud.cloudwatch, [ONE], HOUR))


@pytest.mark.parametrize(
    ("code", "status", "wanted"),
    [("Throttling", 400, CloudSilent), ("InternalFailure", 500, CloudSilent), ("AccessDenied", 403, CloudRefused)],
)
def test_what_passes_and_what_wants_a_person_are_told_apart(cloud: Cloud, code: str, status: int, wanted: type) -> None:
    with Stubber(cloud.cloudwatch) as stub:
        stub.add_client_error("get_metric_data", code, "no", status)
        with pytest.raises(wanted, match="AWS/RDS in CloudWatch"):
            list(fetch(cloud.cloudwatch, [ONE], HOUR))


DESCRIBING = "provide-client-params.dynamodb.DescribeTable"


def refusing(cloud: Cloud, *names: str, code: str = "AccessDeniedException", status: int = 400) -> Callable[[], None]:
    """Have the service refuse to describe some tables, until what is given is called."""
    told = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}

    def answer(params: dict[str, Any], **_: Any) -> None:
        if params["TableName"] in names:
            raise ClientError(told, "DescribeTable")

    cloud.dynamodb.meta.events.register(DESCRIBING, answer)
    return lambda: cloud.dynamodb.meta.events.unregister(DESCRIBING, answer)


def test_a_role_that_may_not_describe_tables_is_told_apart_from_a_table_that_is_gone(cloud: Cloud) -> None:
    refusing(cloud, "users", "orders")
    with pytest.raises(AccessDenied):
        cloud.look(names=("orders", "users"))
    with pytest.raises(AccessDenied):
        measure_tables(cloud.dynamodb, "tyler", ("orders", "users"))


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_a_table_that_may_not_be_described_blinds_no_other(cloud: Cloud, code: str) -> None:
    cloud.make_table("users")
    refusing(cloud, "secret", code=code)
    found = cloud.look(names=("gone", "secret", "users"))
    up = {series.subject: value for series, value in found.values.items() if series.metric == "table_up_count"}
    assert up == {"gone": 0, "users": 1}, "whether one is up that may not be asked nobody knows"
    assert [one.partition(":")[0] for one in found.notes] == ["tyler", "tyler"]
    assert "cannot describe table secret" in found.notes[1]
    assert history(found, "read_units_rate")
    sizes = measure_tables(cloud.dynamodb, "tyler", ("secret", "users"))
    assert {series.subject for series in sizes.values} == {"users"}
    assert "cannot describe table secret" in sizes.notes[0]


def test_a_table_that_could_not_be_described_for_a_while_loses_no_minute(cloud: Cloud) -> None:
    names = ("orders", "users")
    for name in names:
        cloud.make_table(name)
    cloud.look(names=names)
    described = refusing(cloud, "orders", code="ThrottlingException")
    for minute in range(1, 11):
        found = cloud.look(NOON + minute * MINUTE, names)
        assert history(found, "throttled_requests_rate", "orders") == {}
    described()
    cloud.of_table("ReadThrottleEvents", LAST + 5 * MINUTE, 60, "orders")
    found = cloud.look(NOON + 11 * MINUTE, names)
    refused = history(found, "throttled_requests_rate", "orders")
    assert refused.keys() >= {LAST + number * MINUTE for number in range(1, 12)}
    assert refused[LAST + 5 * MINUTE] == 1
    assert history(found, "system_errors_rate", "orders").keys() >= {LAST + number * MINUTE for number in range(1, 12)}
    assert min(history(found, "throttled_requests_rate")) == LAST + 11 * MINUTE - AGAIN, (
        "of others nothing is read anew"
    )


def test_a_service_that_is_down_is_down_for_all_of_its_tables(cloud: Cloud) -> None:
    cloud.make_table("users")
    refusing(cloud, "secret", code="InternalServerError", status=500)
    with pytest.raises(DynamoDown):
        cloud.look(names=("secret", "users"))


def test_tables_are_listed_to_the_last_and_what_is_too_many_is_said(cloud: Cloud) -> None:
    names = [f"t{number:03}" for number in range(AT_MOST)]
    for name in names:
        cloud.make_table(name)
    assert names_of(cloud.dynamodb, "tyler") == Listed(tuple(names))
    cloud.make_table("t0001")
    found = names_of(cloud.dynamodb, "tyler")
    assert found.names == ("t000", "t0001", *names[1:-1])
    assert "more than 100 tables" in found.notes[0]
