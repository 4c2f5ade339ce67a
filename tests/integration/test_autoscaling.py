"""Autoscaling of provisioned tables: what is asked of the service, by its own model; and what is said where it is not there."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from sluice.migration.kinds.single_table import SingleTable
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.autoscaling import SERVICE, Scaling, apply_scaling, plan_scaling
from sluice.stores.dynamodb.client import Throttled
from sluice.stores.dynamodb.tables import Index, TableDefinition, describe

from tests.documents import Documents
from tests.few_items import few_items, item
from tests.moved_items import INDEXES, RECORDS

ENTITY = TableDefinition("entity", "PK", "SK", indexes=(Index("GSI1", "GSI1PK"),), capacity=(5, 4000))
CACHE = TableDefinition("cache", "PK")


def scaling_client(endpoint: str | None = None) -> Any:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)
    return boto3.client(
        SERVICE,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="SCRATCH",
        aws_secret_access_key=secrets.token_urlsafe(),
        config=config,
    )


def test_reads_and_writes_of_a_table_and_of_each_index_are_scaled_and_nothing_on_demand() -> None:
    plan = plan_scaling([ENTITY, CACHE])
    assert [(one.resource, one.what) for one in plan] == [
        ("table/entity", "dynamodb:table:ReadCapacityUnits"),
        ("table/entity", "dynamodb:table:WriteCapacityUnits"),
        ("table/entity/index/GSI1", "dynamodb:index:ReadCapacityUnits"),
        ("table/entity/index/GSI1", "dynamodb:index:WriteCapacityUnits"),
    ]
    assert {(one.least, one.most) for one in plan} == {(5, 4000)}
    assert plan_scaling([CACHE]) == ()


def test_what_is_asked_is_what_the_service_takes() -> None:
    """The stub checks each request against the service's own model, and gives no answer to any other."""
    client, (reads, writes, *_) = scaling_client(), plan_scaling([ENTITY])
    with Stubber(client) as stub:
        for one, metric in ((reads, "DynamoDBReadCapacityUtilization"), (writes, "DynamoDBWriteCapacityUtilization")):
            where = {"ServiceNamespace": "dynamodb", "ResourceId": "table/entity", "ScalableDimension": one.what}
            stub.add_response("register_scalable_target", {}, {**where, "MinCapacity": 5, "MaxCapacity": 4000})
            policy = {
                "TargetValue": 70.0,
                "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
                "ScaleOutCooldown": 300,
                "ScaleInCooldown": 900,
            }
            named = {"PolicyName": f"sluice-{one.what.rpartition(':')[2]}", "PolicyType": "TargetTrackingScaling"}
            stub.add_response(
                "put_scaling_policy",
                {"PolicyARN": "arn:aws:autoscaling:policy"},
                {**where, **named, "TargetTrackingScalingPolicyConfiguration": policy},
            )
        assert apply_scaling(client, [reads, writes]) == Scaling(2, 2)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "UnknownOperationException"])
def test_a_service_that_refuses_is_said(code: str) -> None:
    client = scaling_client()
    with Stubber(client) as stub:
        stub.add_client_error("register_scalable_target", code, "because")
        told = apply_scaling(client, plan_scaling([ENTITY]))
    assert (told.wanted, told.registered) == (4, 0)
    assert "table/entity dynamodb:table:ReadCapacityUnits" in told.lacking
    assert code in told.lacking


def test_throttling_passes_by_itself() -> None:
    client = scaling_client()
    with Stubber(client) as stub:
        stub.add_client_error("register_scalable_target", "ThrottlingException", "slowly")
        with pytest.raises(Throttled):
            apply_scaling(client, plan_scaling([ENTITY]))


def test_an_endpoint_without_the_service_is_said_and_the_tables_are_there(
    documents: Documents, make_table: Callable[..., str]
) -> None:
    target = documents.fresh_name("provisioned")
    table = {"key": {"partition": "PK", "sort": "SK"}, "indexes": INDEXES, "capacity": "provisioned"}
    more = {"name": target.removeprefix(documents.prefix), "units": {"least": 7, "most": 90}}
    asked = {"tables": {"entity": {**table, **more}}, "records": tuple(RECORDS), "spread": {"user": 4}}
    with few_items(documents, make_table, item("a"), into=asked) as few:
        kind = few.opened()

        def opened(endpoint: str) -> SingleTable:
            return SingleTable(
                kind.migration, few.client, kind._streams, documents.prefix, scaling=lambda: scaling_client(endpoint)
            )

        for where in (documents.endpoint or "", "http://127.0.0.1:1"):
            facts = opened(where).expand()
            assert facts["autoscaled_wanted"] == 6
            assert facts["autoscaled_lacking"] == 6 - int(facts["autoscaled"])
            assert bool(facts["autoscaling"]) is bool(facts["autoscaled_lacking"])
            print(facts["autoscaling"])
        assert facts["autoscaled"] == 0
        assert "does not answer" in str(facts["autoscaling"])
        found = describe(few.client, target)
        assert found is not None
        assert found.capacity == (7, 7)
        assert few.opened().expand()["autoscaled"] == 0, "without a client nothing is asked"
        documents.drop(target)


def test_units_that_autoscaling_has_set_are_left_alone(documents: Documents) -> None:
    wanted = TableDefinition(documents.fresh_name("scaled"), "PK", capacity=(5, 4000))
    client = documents.client()
    apply_tables(client, (wanted,))
    units = {"ReadCapacityUnits": 900, "WriteCapacityUnits": 17}
    client.update_table(TableName=wanted.name, ProvisionedThroughput=units)
    (plan,) = apply_tables(client, (wanted,))
    assert plan.what == "unchanged"
    found = describe(client, wanted.name)
    assert found is not None
    assert found.capacity == (900, 17)
    documents.drop(wanted.name)
