"""Bounds between which the service itself moves a provisioned table's units: reads, writes, and those of each index.

A service of its own, and not every endpoint has it: where it does not answer, that is said, and the tables stay at their least.
Aims: 70 % used, up at most every 300 seconds, down every 900 seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sluice.stores.aws import code_of, is_outage
from sluice.stores.dynamodb.client import THROTTLING, speaking
from sluice.stores.dynamodb.tables import TableDefinition

SERVICE = "application-autoscaling"
AIM_PERCENT, UP_SECONDS, DOWN_SECONDS = 70.0, 300, 900


@dataclass(frozen=True)
class Scaled:
    """One thing that is scaled: a table or an index, its reads or its writes."""

    resource: str
    what: str
    least: int
    most: int
    aim: float = AIM_PERCENT
    """How many percent of its units are to be used."""
    up: int = UP_SECONDS
    down: int = DOWN_SECONDS
    """Seconds until it is scaled up, or down, again."""
    policy: str = ""
    """What its policy is called, where that is somebody else's name: the service takes one of each metric."""

    def __str__(self) -> str:
        return f"{self.least} to {self.most} units at {self.aim:g} %, up after {self.up} s, down after {self.down} s"

    @property
    def named(self) -> str:
        """What its policy is called."""
        return self.policy or f"sluice-{self.what.rpartition(':')[2]}"

    @property
    def metric(self) -> str:
        """What is measured of it."""
        return f"DynamoDB{'Read' if 'Read' in self.what else 'Write'}CapacityUtilization"


@dataclass(frozen=True)
class Scaling:
    """What was registered, and why not all was, where it was not."""

    wanted: int
    registered: int
    lacking: str = ""


def plan_scaling(tables: Sequence[TableDefinition]) -> tuple[Scaled, ...]:
    """List what is to be scaled: nothing of tables on demand. Pure."""
    return tuple(_plan(tables))


def _plan(tables: Sequence[TableDefinition]) -> Iterator[Scaled]:
    for table in tables:
        if table.capacity is None:
            continue
        of_indexes = ((f"table/{table.name}/index/{index.name}", "index") for index in table.indexes)
        for resource, kind in ((f"table/{table.name}", "table"), *of_indexes):
            for units in ("ReadCapacityUnits", "WriteCapacityUnits"):
                yield Scaled(resource, f"dynamodb:{kind}:{units}", *table.capacity)


def apply_scaling(client: Any, plan: Sequence[Scaled]) -> Scaling:
    """Register each, with its policy; again is the same. Says what is lacking where the service refuses or is not there.

    `client` is boto3's for `application-autoscaling`. Raises Throttled.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    for done, one in enumerate(plan):
        try:
            _register(client, one)
        except (ClientError, BotoCoreError) as error:
            if code_of(error) in THROTTLING:
                with speaking("scale", one.resource):
                    raise
            why = "the service does not answer here" if is_outage(error) or not code_of(error) else str(error)
            return Scaling(len(plan), done, f"{one.resource} {one.what}: {why}")
    return Scaling(len(plan), len(plan))


def find_scaling(client: Any, resources: Iterable[str]) -> dict[tuple[str, str], Scaled]:
    """Give what is registered of these tables and indexes, with its policy, by resource and dimension.

    What has bounds and no policy is not scaled: it is left out. Raises Throttled, DynamoDown, AccessDenied.
    """
    found: dict[tuple[str, str], Scaled] = {}
    for resource in dict.fromkeys(resources):
        asked = {"ServiceNamespace": "dynamodb", "ResourceId": resource}
        with speaking("look at how the service scales", resource):
            told = {"ServiceNamespace": "dynamodb", "ResourceIds": [resource]}
            targets = _pages(client, "describe_scalable_targets", "ScalableTargets", told)
            policies = _pages(client, "describe_scaling_policies", "ScalingPolicies", asked)
        bounds = {one["ScalableDimension"]: (one["MinCapacity"], one["MaxCapacity"]) for one in targets}
        for policy in policies:
            what, config = policy["ScalableDimension"], policy.get("TargetTrackingScalingPolicyConfiguration")
            if config and what in bounds:
                found[resource, what] = _scaled(resource, what, bounds[what], policy["PolicyName"], config)
    return found


def _scaled(resource: str, what: str, bounds: tuple[int, int], policy: str, config: Mapping[str, Any]) -> Scaled:
    aim, up, down = config["TargetValue"], config.get("ScaleOutCooldown", 0), config.get("ScaleInCooldown", 0)
    one = Scaled(resource, what, *bounds, float(aim), int(up), int(down))
    return one if policy == one.named else replace(one, policy=policy)


def _pages(client: Any, operation: str, key: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for page in client.get_paginator(operation).paginate(**asked) for one in page[key]]


def _register(client: Any, one: Scaled) -> None:
    where = {"ServiceNamespace": "dynamodb", "ResourceId": one.resource, "ScalableDimension": one.what}
    client.register_scalable_target(**where, MinCapacity=one.least, MaxCapacity=one.most)
    client.put_scaling_policy(
        **where,
        PolicyName=one.named,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": one.aim,
            "PredefinedMetricSpecification": {"PredefinedMetricType": one.metric},
            "ScaleOutCooldown": one.up,
            "ScaleInCooldown": one.down,
        },
    )
