"""What the service is asked when a table is restored, and what is put back: held against its own model, word by word."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.stub import Stubber
from sluice.safety.documents import exporting, restoring, scratch
from sluice.safety.documents.putting_back import LEFT_IN_A_DRILL, plan_put_back, put_back, settings_lines
from sluice.safety.documents.restoring import Source, restore_request
from sluice.safety.documents.scratch import creation_of, table_under
from sluice.safety.documents.service import HISTORY, NoHistory, ServiceBackups
from sluice.safety.documents.settings import OURS, Settings, described, read_settings
from sluice.safety.documents.tables import Clients, Tables
from sluice.safety.driver import NotScratch, name_scratch
from sluice.safety.target import Target
from sluice.stores.dynamodb.backups import BackupNotReady
from sluice.stores.objects import Vault

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
NAME = name_scratch("shop", AT, "7")
COPY = f"{NAME}.orders"
KEY = [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}]
UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 7}
TOLD_UNITS = {**UNITS, "NumberOfDecreasesToday": 1}
VECTOR = {
    "IndexName": "like",
    "VectorAttribute": {"AttributeName": "v"},
    "Projection": {"ProjectionType": "ALL"},
    "Dimensions": 3,
    "DistanceFunction": "COSINE",
}


def table(name: str, **more: Any) -> dict[str, Any]:
    """What DescribeTable tells of a table of which everything is set."""
    arn = f"arn:aws:dynamodb:eu-west-1:123456789012:table/{name}"
    index = {
        "IndexName": "by_at",
        "KeySchema": KEY[1:],
        "IndexArn": f"{arn}/index/by_at",
        "ProvisionedThroughput": TOLD_UNITS,
    }
    return {
        "TableName": name,
        "TableArn": arn,
        "TableStatus": "ACTIVE",
        "AttributeDefinitions": [
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "at", "AttributeType": "N"},
        ],
        "KeySchema": KEY,
        "BillingModeSummary": {"BillingMode": "PROVISIONED"},
        "ProvisionedThroughput": TOLD_UNITS,
        "GlobalSecondaryIndexes": [{**index, "IndexStatus": "ACTIVE", "Projection": {"ProjectionType": "KEYS_ONLY"}}],
        "LocalSecondaryIndexes": [{**index, "IndexName": "local", "Projection": {"ProjectionType": "ALL"}}],
        "VectorIndexes": [{**VECTOR, "IndexStatus": "ACTIVE", "ItemCount": 3}],
        "SSEDescription": {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": "arn:aws:kms:eu-west-1:1:key/k"},
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "TableClassSummary": {"TableClass": "STANDARD_INFREQUENT_ACCESS"},
        "DeletionProtectionEnabled": True,
        "OnDemandThroughput": {"MaxReadRequestUnits": 40, "MaxWriteRequestUnits": -1},
        "Replicas": [{"RegionName": "eu-north-1"}],
        **more,
    }


def settings(name: str = "orders", **more: Any) -> Settings:
    """All that can be set of a table."""
    told = table(name, **more)
    scaled = {
        "ServiceNamespace": "dynamodb",
        "ResourceId": f"table/{name}",
        "ScalableDimension": "dynamodb:table:ReadCapacityUnits",
    }
    tracking = {
        "TargetValue": 70.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"},
    }
    night = {"Schedule": "cron(0 1 * * ? *)", "ScalableTargetAction": {"MinCapacity": 1, "MaxCapacity": 2}}
    kinds = {
        **described(told),
        "time to live": [{"AttributeName": "gone"}],
        "tag": [{"Key": "team", "Value": "shop"}],
        "history": [{"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 35}],
        "resource policy": [{"Policy": json.dumps({"Resource": f"{told['TableArn']}/index/*"})}],
        "contributor insights": [{}, {"IndexName": "by_at"}],
        "kinesis destination": [
            {
                "StreamArn": "arn:aws:kinesis:eu-west-1:123456789012:stream/k",
                "ApproximateCreationDateTimePrecision": "MILLISECOND",
            }
        ],
        "autoscaling target": [{**scaled, "MinCapacity": 5, "MaxCapacity": 40}],
        "autoscaling policy": [
            {
                **scaled,
                "PolicyName": "reads",
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": tracking,
            }
        ],
        "autoscaling schedule": [{**scaled, "ScheduledActionName": "night", **night}],
        "alarm": [
            {
                "AlarmName": "throttled",
                "Namespace": "AWS/DynamoDB",
                "MetricName": "ThrottledRequests",
                "Dimensions": [{"Name": "TableName", "Value": name}],
                "ActionsEnabled": True,
                "AlarmActions": ["arn:aws:sns:eu-west-1:1:pager"],
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 1.0,
                "ComparisonOperator": "GreaterThanThreshold",
            }
        ],
    }
    return Settings(name, told["TableArn"], kinds)


@cache
def model(service: str) -> Any:
    """The service's own model, as installed."""
    return botocore.session.get_session().get_service_model(service)


def members(operation: str) -> set[str]:
    """All that a call takes."""
    return set(model("dynamodb").operation_model(operation).input_shape.members)


def check(service: str, operation: str, asked: dict[str, Any]) -> None:
    """Hold a request against the service's model: names, types and what is required."""
    from botocore.validate import ParamValidator

    shape = model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(asked, shape)
    assert not report.has_errors(), report.generate_report()


def test_every_parameter_of_a_restore_is_passed_on_or_left_out_for_a_reason() -> None:
    was = settings()
    _, at = restore_request(was, Source(moment=AT), COPY)
    _, latest = restore_request(was, Source(), COPY)
    call, of_backup = restore_request(was, Source(backup="arn:aws:dynamodb:eu-west-1:1:table/orders/backup/01"), COPY)
    assert call == "restore_table_from_backup"
    for operation, asked in (
        ("RestoreTableToPointInTime", at),
        ("RestoreTableToPointInTime", latest),
        ("RestoreTableFromBackup", of_backup),
    ):
        check("dynamodb", operation, asked)
    said = set(at) | set(latest) | set(of_backup)
    wanted = members("RestoreTableToPointInTime") | members("RestoreTableFromBackup")
    assert said | set(restoring.LEFT_OUT) == wanted, "a parameter is neither passed on nor left out for a reason"
    assert not said & set(restoring.LEFT_OUT)


def test_what_is_passed_on_is_what_the_original_has() -> None:
    _, asked = restore_request(settings(), Source(moment=AT), COPY)
    assert asked["BillingModeOverride"] == "PROVISIONED"
    assert asked["ProvisionedThroughputOverride"] == UNITS
    assert asked["OnDemandThroughputOverride"] == {"MaxReadRequestUnits": 40}
    assert asked["SSESpecificationOverride"]["KMSMasterKeyId"] == "arn:aws:kms:eu-west-1:1:key/k"
    (index,) = asked["GlobalSecondaryIndexOverride"]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert index["ProvisionedThroughput"] == UNITS
    assert asked["VectorIndexOverride"] == [VECTOR]
    plain = table("orders", SSEDescription=None, VectorIndexes=[], GlobalSecondaryIndexes=[], OnDemandThroughput=None)
    plain["BillingModeSummary"] = {"BillingMode": "PAY_PER_REQUEST"}
    _, asked = restore_request(Settings("orders", "arn", described(plain)), Source(), COPY)
    assert asked["SSESpecificationOverride"] == {"Enabled": False}, "said, or the copy has what the service likes"
    assert asked["GlobalSecondaryIndexOverride"] == []
    lacking = {"VectorIndexOverride", "OnDemandThroughputOverride", "ProvisionedThroughputOverride"}
    assert not lacking & set(asked)
    check("dynamodb", "RestoreTableToPointInTime", asked)


def test_every_parameter_of_a_table_that_is_made_is_said_or_left_out_for_a_reason() -> None:
    asked = creation_of(settings(), NAME, COPY)
    check("dynamodb", "CreateTable", asked)
    assert set(asked) | set(scratch.LEFT_OUT) == members("CreateTable")
    assert not set(asked) & set(scratch.LEFT_OUT)


def test_every_parameter_of_an_export_is_said_or_left_out_for_a_reason() -> None:
    tables, vault = Tables("shop", ("orders",), Clients(None, None)), Vault(None, "vault")
    keyed = exporting.export_request(tables, vault, "orders", AT, "arn:aws:kms:eu-west-1:1:key/k", settings().arn)
    check("dynamodb", "ExportTableToPointInTime", keyed)
    assert set(keyed) | set(exporting.LEFT_OUT) == members("ExportTableToPointInTime")
    plain = exporting.export_request(tables, vault, "orders", AT, None, settings().arn)
    assert plain["S3SseAlgorithm"] == "AES256"
    assert plain["ClientToken"] == keyed["ClientToken"], "a second try is the same export"


def bare() -> Settings:
    """A copy as a restore leaves it."""
    told = table(COPY, StreamSpecification=None, DeletionProtectionEnabled=False, TableClassSummary=None, Replicas=[])
    return Settings(COPY, told["TableArn"], described(told))


CALLS = {"dynamodb": "dynamodb", "scaling": "application-autoscaling", "alarms": "cloudwatch"}


@pytest.mark.parametrize("drill", [True, False])
def test_what_a_restore_drops_is_put_back_by_calls_that_the_services_take(drill: bool) -> None:
    plan = plan_put_back(settings(), bare(), drill=drill)
    for step in plan.steps:
        service = CALLS[step.service]
        check(service, "".join(map(str.capitalize, step.call.split("_"))), dict(step.parameters))
        assert '"orders"' not in str(step), f"{step} names the original"
        assert "table/orders" not in str(step), f"{step} names the original"
    kinds = [step.kind for step in plan.steps]
    dropped = ["stream", "table class", "history", "tag", "resource policy", "contributor insights", "contributor insights",
               *([] if drill else ["kinesis destination"]), "autoscaling target", "autoscaling policy",
               "autoscaling schedule", "alarm", "deletion protection", "time to live"]  # fmt: skip
    assert kinds == dropped
    (alarm,) = [step for step in plan.steps if step.kind == "alarm"]
    assert alarm.parameters["ActionsEnabled"] is not drill, "nobody is called for a copy"
    assert alarm.parameters["AlarmName"] == f"{COPY}/throttled"
    assert {line.partition(":")[0] for line in plan.left} == (set(LEFT_IN_A_DRILL) if drill else {"replica"})


def test_an_original_and_its_copy_say_the_same_and_a_second_plan_is_empty() -> None:
    copy = settings(COPY)
    was = settings()
    assert sorted(settings_lines(was, drill=False)) == sorted(settings_lines(copy, drill=False))
    assert plan_put_back(was, copy, drill=False).steps == ()
    quiet = {
        **copy.kinds,
        "alarm": [{**copy.kinds["alarm"][0], "ActionsEnabled": False, "AlarmName": f"{COPY}/throttled"}],
    }
    muted = Settings(COPY, copy.arn, quiet)
    assert sorted(settings_lines(was, drill=True)) == sorted(settings_lines(muted, drill=True))
    assert sorted(settings_lines(was, drill=False)) != sorted(settings_lines(muted, drill=False))


class Recorded:
    """A service that answers as it does, in shapes that its model holds true, and notes what it is told."""

    def __init__(self, service: str, answers: dict[str, Any]) -> None:
        self.service, self.answers, self.told = service, answers, list[str]()

    def __getattr__(self, call: str) -> Any:
        def answer(**asked: Any) -> Any:
            operation = "".join(map(str.capitalize, call.split("_")))
            check(self.service, operation, asked)
            self.told.append(call)
            return self.answers.get(call, {})

        return answer

    def get_paginator(self, call: str) -> Any:
        """Give one page."""
        service = self

        class Pages:
            def paginate(self, **asked: Any) -> list[Any]:
                return [getattr(service, call)(**asked)]

        return Pages()


def test_autoscaling_and_alarms_are_read_put_back_and_taken_away_again() -> None:
    was = settings()
    scaling = Recorded(
        "application-autoscaling",
        {
            "describe_scalable_targets": {
                "ScalableTargets": [
                    {**one, "CreationTime": AT, "RoleARN": "r"}
                    for name in ("orders", "orders_2", COPY)
                    for one in settings(name).kinds["autoscaling target"]
                ]
            },
            "describe_scaling_policies": {
                "ScalingPolicies": [
                    {**was.kinds["autoscaling policy"][0], "PolicyARN": "p", "Alarms": [], "CreationTime": AT}
                ]
            },
            "describe_scheduled_actions": {"ScheduledActions": []},
        },
    )
    managed = {**was.kinds["alarm"][0], "AlarmName": "TargetTracking-table/orders-AlarmHigh"}
    alarms = Recorded(
        "cloudwatch", {"describe_alarms": {"MetricAlarms": [managed, {**was.kinds["alarm"][0], "AlarmArn": "a"}]}}
    )
    dynamodb = Recorded(
        "dynamodb",
        {
            "describe_table": {"Table": table("orders")},
            "describe_time_to_live": {
                "TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "gone"}
            },
            "describe_continuous_backups": {"ContinuousBackupsDescription": {}},
            "get_resource_policy": {"Policy": "{}"},
        },
    )
    clients = Clients(dynamodb, None, scaling, alarms)
    found = read_settings(clients, "orders")
    assert found.unanswered == ()
    for kind in ("autoscaling target", "autoscaling policy", "alarm"):
        assert found.of(kind) == was.of(kind), kind
    plan = plan_put_back(found, bare(), drill=True)
    put_back(clients, COPY, plan)
    assert "register_scalable_target" in scaling.told
    assert "put_scaling_policy" in scaling.told
    assert "put_metric_alarm" in alarms.told
    scratch._free(clients, COPY, 1)
    assert scaling.told.count("deregister_scalable_target") == 1, "the copy's alone"
    assert "delete_alarms" in alarms.told


def test_a_copy_has_a_name_that_the_service_takes_and_nothing_else_is_one() -> None:
    long = "t" * 255
    assert table_under(NAME, "orders") == COPY
    assert len(table_under(NAME, long)) == 255
    assert table_under(NAME, long) != table_under(NAME, f"{long[:-1]}u")
    for name in ("orders", "sluice-scratch-orders", f"{NAME}.orders", ""):
        with pytest.raises(NotScratch):
            table_under(name, "orders")


DELETED_AT = datetime(2026, 11, 23, 15, 0, 7, 250_000, tzinfo=UTC)
KEPT = f"{settings().arn}/backup/01795446007250-7c1d2e3f"
BOTH = ("orders", "customers")


def kept(at: datetime = DELETED_AT, address: str = KEPT, **more: Any) -> dict[str, Any]:
    """What ListBackups tells of the backup that AWS makes by itself when a table is deleted whose history it keeps.

    No emulator makes one: the shape is that of AWS's documentation, and is held against its model when it is given here.
    """
    return {
        "TableName": "orders",
        "TableId": "5f1d0c3e-6a7b-4c8d-9e0f-112233445566",
        "TableArn": settings().arn,
        "BackupArn": address,
        "BackupName": "orders$DeletedTableBackup",
        "BackupCreationDateTime": at,
        "BackupExpiryDateTime": at + timedelta(days=35),
        "BackupStatus": "AVAILABLE",
        "BackupType": "SYSTEM",
        "BackupSizeBytes": 421_000,
        **more,
    }


class Deleted:
    """AWS once `orders` is deleted, and `customers` is not: answers of recorded shape, in the order in which they are asked for.

    botocore holds each question and each answer against the service's model. That AWS answers so, AWS alone can show.
    """

    def __init__(self, stub: Stubber, *pages: dict[str, Any]) -> None:
        self.stub = stub
        stub.add_client_error(
            "describe_continuous_backups", "TableNotFoundException", expected_params={"TableName": "orders"}
        )
        asked: dict[str, Any] = {"TableName": "orders", "BackupType": "SYSTEM"}
        for page in pages or ({"BackupSummaries": []},):
            stub.add_response("list_backups", page, asked)
            asked = {**asked, "ExclusiveStartBackupArn": page.get("LastEvaluatedBackupArn")}

    def lives(self) -> None:
        """Have it tell the history of the table that is there."""
        told = {
            "PointInTimeRecoveryStatus": "ENABLED",
            "EarliestRestorableDateTime": DELETED_AT - timedelta(days=35),
            "LatestRestorableDateTime": DELETED_AT + timedelta(hours=1),
        }
        whole = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": told}
        asked = {"TableName": "customers"}
        self.stub.add_response("describe_continuous_backups", {"ContinuousBackupsDescription": whole}, asked)

    def restores(self, name: str, call: str, **source: Any) -> None:
        """Have it take the restore of a table."""
        copy = {"TableName": f"{NAME}.{name}"}
        self.stub.add_client_error("describe_table", "ResourceNotFoundException", expected_params=copy)
        asked = {"TargetTableName": copy["TableName"], **restoring.overrides(settings(name)), **source}
        self.stub.add_response(call, {}, asked)
        arn = settings(copy["TableName"]).arn
        self.stub.add_response("describe_table", {"Table": {**copy, "TableArn": arn}}, copy)
        tags = [{"Key": OURS, "Value": NAME}]
        self.stub.add_response("tag_resource", {}, {"ResourceArn": arn, "Tags": tags})


@contextmanager
def by_the_service(said: list[str]) -> Iterator[tuple[ServiceBackups, Stubber]]:
    """Give a store of two tables, with what was set of them in the vault."""
    body = json.dumps({name: asdict(settings(name)) for name in BOTH}, default=str).encode()
    key = "backups/stores/shop/settings/20261123T020000Z.json"
    listed = {"Contents": [{"Key": key, "Size": len(body)}]}

    class Objects(Recorded):
        """S3 with one object."""

        def get_object(self, **asked: Any) -> dict[str, Any]:
            return {"Body": io.BytesIO(body)}

    client = boto3.client("dynamodb", region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")
    tables = Tables("shop", BOTH, Clients(client, None))
    vault = Vault(Objects("s3", {"list_objects_v2": listed}), "vault")
    with Stubber(client) as stub:
        yield ServiceBackups(tables, vault, said.append), stub
        stub.assert_no_pending_responses()


@pytest.mark.parametrize("moment", [None, DELETED_AT.replace(microsecond=0) + timedelta(seconds=1)])
def test_a_table_that_was_deleted_comes_back_as_it_was_then_and_the_others_to_the_moment(
    moment: datetime | None,
) -> None:
    said: list[str] = []
    with by_the_service(said) as (driver, stub):
        older = kept(DELETED_AT - timedelta(days=9), f"{KEPT}0")
        # An engine that does not know the word SYSTEM lists what was made on demand.
        other = kept(DELETED_AT + timedelta(hours=1), f"{KEPT}1", BackupName="sluice-shop-x", BackupType="USER")
        expired = kept(DELETED_AT + timedelta(hours=1), f"{KEPT}2", BackupStatus="DELETED")
        aws = Deleted(
            stub,
            {"BackupSummaries": [older, expired], "LastEvaluatedBackupArn": f"{KEPT}0"},
            {"BackupSummaries": [kept(), other]},
        )
        aws.lives()
        aws.restores("orders", "restore_table_from_backup", BackupArn=KEPT)
        when = {"RestoreDateTime": moment} if moment else {"UseLatestRestorableTime": True}
        aws.restores("customers", "restore_table_to_point_in_time", SourceTableName="customers", **when)
        begun = driver.begin(Target.at(moment) if moment else Target("latest"), NAME, said.append)
    assert begun.backups == (KEPT, HISTORY)
    (told,) = [line for line in said if "was deleted" in line]
    assert "orders was deleted, and comes back as it was then: 2026-11-23 15:00:07 UTC" in told


def test_a_moment_before_a_table_was_deleted_is_refused_with_the_one_that_there_is() -> None:
    with by_the_service([]) as (driver, stub):
        Deleted(stub, {"BackupSummaries": [kept()]})
        early = Target.at(DELETED_AT - timedelta(minutes=1))
        with pytest.raises(NoHistory, match=r"orders was deleted at 2026-11-23 15:00:07.*Ask for 2026-11-23 15:00:08"):
            driver.begin(early, NAME, print)


def test_what_the_service_makes_still_of_a_deleted_table_is_waited_for() -> None:
    with by_the_service([]) as (driver, stub):
        Deleted(stub, {"BackupSummaries": [kept(BackupStatus="CREATING")]})
        with pytest.raises(BackupNotReady, match=r"orders\$DeletedTableBackup of orders is not ready"):
            driver.begin(Target("latest"), NAME, print)
