"""All that is set of a table, read from the services that know it, and told as lines: what a copy is held against.

By kind, each entry in the form in which it is asked for when it is set. What names the table reads `<table>`, so that an original
and its copy say the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sluice.errors import SluiceError
from sluice.safety.documents.tables import Clients
from sluice.stores.aws import code_of
from sluice.stores.dynamodb.backups import UNKNOWN
from sluice.stores.dynamodb.client import speaking

Entry: TypeAlias = dict[str, Any]
OURS = "sluice-scratch"
"""The tag by which a table is known as a drill's."""
VECTOR = ("IndexName", "VectorAttribute", "SearchSchema", "Projection", "Dimensions", "DistanceFunction")


@dataclass(frozen=True)
class Settings:
    """What is set of one table."""

    table: str
    """What it is called."""
    arn: str
    """Its name at AWS."""
    kinds: Mapping[str, Sequence[Entry]]
    """What is set, kind by kind, as the service describes it."""
    unanswered: tuple[str, ...] = ()
    """Kinds whose service is not there, so that nothing is known of them."""

    def of(self, kind: str) -> Sequence[Entry]:
        """Give the entries of a kind."""
        return self.kinds.get(kind, ())

    def only(self, kind: str) -> Entry | None:
        """Give the entry of a kind that has one at most."""
        return next(iter(self.of(kind)), None)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Give kind and text of each, the table unnamed."""
        for kind, entries in self.kinds.items():
            for entry in entries:
                yield kind, json.dumps(unnamed(entry, self.table, self.arn), sort_keys=True, ensure_ascii=False)


def read_settings(clients: Clients, table: str) -> Settings:
    """Read them. Raises NoSuchTable, AccessDenied, Throttled, DynamoDown."""
    with speaking("describe", table):
        told = clients.dynamodb.describe_table(TableName=table)["Table"]
    arn = told["TableArn"]
    kinds, unanswered = described(told), []
    asked: dict[str, Callable[[], list[Entry]]] = {
        "time to live": lambda: _ttl(clients.dynamodb, table),
        "tag": lambda: _tags(clients.dynamodb, arn),
        "history": lambda: _history(clients.dynamodb, table),
        "resource policy": lambda: _policy(clients.dynamodb, arn),
        "contributor insights": lambda: _insights(
            clients.dynamodb, table, [one["IndexName"] for one in kinds["index"]]
        ),
        "kinesis destination": lambda: _kinesis(clients.dynamodb, table),
        "autoscaling target": lambda: _scaling(clients.scaling, "scalable_targets", "ScalableTargets", table),
        "autoscaling policy": lambda: _scaling(clients.scaling, "scaling_policies", "ScalingPolicies", table),
        "autoscaling schedule": lambda: _scaling(clients.scaling, "scheduled_actions", "ScheduledActions", table),
        "alarm": lambda: _alarms(clients.alarms, table),
    }
    for kind, ask in asked.items():
        found = _answered(f"read what is set ({kind}) of", table, ask)
        if found is None:
            unanswered.append(kind)
        else:
            kinds[kind] = found
    return Settings(table, arn, kinds, tuple(unanswered))


def described(told: Mapping[str, Any]) -> dict[str, list[Entry]]:
    """Give what DescribeTable tells, as CreateTable and UpdateTable would take it. Pure."""
    mode = told.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    provisioned = mode == "PROVISIONED"
    billing: Entry = {"BillingMode": mode}
    billing |= {"ProvisionedThroughput": _units(told["ProvisionedThroughput"])} if provisioned else {}
    encryption = told.get("SSEDescription") or {}
    sealed = encryption.get("Status") in ("ENABLED", "ENABLING", "UPDATING")
    key = {"KMSMasterKeyId": encryption["KMSMasterKeyArn"]} if encryption.get("KMSMasterKeyArn") else {}
    stream = told.get("StreamSpecification") or {}
    kind = (told.get("TableClassSummary") or {}).get("TableClass", "STANDARD")
    return {
        "key": [{"KeySchema": list(told["KeySchema"])}],
        "attribute": sorted(map(dict, told["AttributeDefinitions"]), key=lambda one: one["AttributeName"]),
        "billing": [billing],
        "limit on demand": _limits(told),
        "index": [_index(one, provisioned) for one in _sorted(told, "GlobalSecondaryIndexes")],
        "local index": [_index(one, False) for one in _sorted(told, "LocalSecondaryIndexes")],
        "vector index": [{name: one[name] for name in VECTOR if name in one} for one in _sorted(told, "VectorIndexes")],
        "encryption": [{"Enabled": True, "SSEType": encryption.get("SSEType", "KMS"), **key}] if sealed else [],
        "table class": [{"TableClass": kind}],
        "stream": [dict(stream)] if stream.get("StreamEnabled") else [],
        "deletion protection": [{"DeletionProtectionEnabled": True}] if told.get("DeletionProtectionEnabled") else [],
        "replica": [{"RegionName": one["RegionName"]} for one in told.get("Replicas") or []],
    }


def unnamed(value: Any, table: str, arn: str) -> Any:
    """Put `<table>` wherever a table is named: in addresses, in the names of what is scaled, and alone. Pure."""
    if isinstance(value, Mapping):
        return {name: unnamed(one, table, arn) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [unnamed(one, table, arn) for one in value]
    if not isinstance(value, str):
        return value if isinstance(value, int | float | bool | None) else str(value)
    text = value.replace(arn, "<arn>").replace(f"table/{table}", "table/<table>")
    return "<table>" if text == table else text.removeprefix(f"{table}/")


def _sorted(told: Mapping[str, Any], kind: str) -> list[Entry]:
    return sorted(told.get(kind) or [], key=lambda one: str(one["IndexName"]))


def _index(told: Mapping[str, Any], provisioned: bool) -> Entry:
    projection = {"ProjectionType": "ALL", **told.get("Projection", {})}
    if named := projection.get("NonKeyAttributes"):
        projection["NonKeyAttributes"] = sorted(named)
    units = {"ProvisionedThroughput": _units(told["ProvisionedThroughput"])} if provisioned else {}
    limits = {"OnDemandThroughput": one} if (one := next(iter(_limits(told)), None)) else {}
    return {
        "IndexName": told["IndexName"],
        "KeySchema": list(told["KeySchema"]),
        "Projection": projection,
        **units,
        **limits,
    }


def _limits(told: Mapping[str, Any]) -> list[Entry]:
    # -1 is the service's word for none.
    limits = {name: most for name, most in (told.get("OnDemandThroughput") or {}).items() if most and most > 0}
    return [limits] if limits else []


def _units(told: Mapping[str, Any]) -> Entry:
    return {name: told[name] for name in ("ReadCapacityUnits", "WriteCapacityUnits")}


def _ttl(client: Any, table: str) -> list[Entry]:
    told = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    return [{"AttributeName": told["AttributeName"]}] if told["TimeToLiveStatus"] in ("ENABLED", "ENABLING") else []


def _tags(client: Any, arn: str) -> list[Entry]:
    found: list[Entry] = []
    asked: Entry = {"ResourceArn": arn}
    while True:
        answer = client.list_tags_of_resource(**asked)
        found += answer.get("Tags", [])
        if not (more := answer.get("NextToken")):
            break
        asked["NextToken"] = more
    mine = [one for one in found if one["Key"] != OURS and not one["Key"].startswith("aws:")]
    return sorted(mine, key=lambda one: str(one["Key"]))


def _history(client: Any, table: str) -> list[Entry]:
    told = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    kept = told.get("PointInTimeRecoveryDescription") or {}
    if kept.get("PointInTimeRecoveryStatus") != "ENABLED":
        return []
    days = {"RecoveryPeriodInDays": kept["RecoveryPeriodInDays"]} if kept.get("RecoveryPeriodInDays") else {}
    return [{"PointInTimeRecoveryEnabled": True, **days}]


def _policy(client: Any, arn: str) -> list[Entry]:
    try:
        return [{"Policy": client.get_resource_policy(ResourceArn=arn)["Policy"]}]
    except Exception as error:
        if code_of(error) != "PolicyNotFoundException":
            raise
        return []


def _insights(client: Any, table: str, indexes: Sequence[str]) -> list[Entry]:
    found = []
    for index in (None, *indexes):
        where = {"IndexName": index} if index else {}
        told = client.describe_contributor_insights(TableName=table, **where)
        if told.get("ContributorInsightsStatus") in ("ENABLED", "ENABLING"):
            mode = (
                {"ContributorInsightsMode": told["ContributorInsightsMode"]}
                if told.get("ContributorInsightsMode")
                else {}
            )
            found.append({**where, **mode})
    return found


def _kinesis(client: Any, table: str) -> list[Entry]:
    told = client.describe_kinesis_streaming_destination(TableName=table).get("KinesisDataStreamDestinations", [])
    names = ("StreamArn", "ApproximateCreationDateTimePrecision")
    return [
        {name: one[name] for name in names if name in one}
        for one in sorted(told, key=lambda one: str(one["StreamArn"]))
        if one["DestinationStatus"] in ("ACTIVE", "ENABLING", "UPDATING")
    ]


TOLD_BY_SCALING = {
    "CreationTime",
    "ScalableTargetARN",
    "PolicyARN",
    "Alarms",
    "PredictedCapacity",
    "ScheduledActionARN",
    "RoleARN",
}
"""What the service makes itself. The role is its own, linked one."""


def _scaling(client: Any, what: str, answered: str, table: str) -> list[Entry]:
    if client is None:
        raise NotHere
    pages = client.get_paginator(f"describe_{what}").paginate(ServiceNamespace="dynamodb")
    mine = (f"table/{table}", f"table/{table}/index/")
    found = [
        {name: value for name, value in one.items() if name not in TOLD_BY_SCALING}
        for page in pages
        for one in page[answered]
        if one["ResourceId"] == mine[0] or one["ResourceId"].startswith(mine[1])
    ]
    return sorted(found, key=lambda one: json.dumps(one, sort_keys=True, default=str))


TOLD_BY_ALARMS = {"AlarmArn", "AlarmConfigurationUpdatedTimestamp", "StateValue", "StateReason", "StateReasonData",
                  "StateUpdatedTimestamp", "StateTransitionedTimestamp", "EvaluationState"}  # fmt: skip


def _alarms(client: Any, table: str) -> list[Entry]:
    if client is None:
        raise NotHere
    found = [
        {name: value for name, value in one.items() if name not in TOLD_BY_ALARMS}
        for page in client.get_paginator("describe_alarms").paginate()
        for one in page["MetricAlarms"]
        # Those of a target that is tracked are made by its policy.
        if not one["AlarmName"].startswith("TargetTracking-") and _is_about(one, table)
    ]
    return sorted(found, key=lambda one: str(one["AlarmName"]))


def _is_about(alarm: Mapping[str, Any], table: str) -> bool:
    of_metrics = [one.get("MetricStat", {}).get("Metric", {}) for one in alarm.get("Metrics", [])]
    dimensions = [one for told in (alarm, *of_metrics) for one in told.get("Dimensions", [])]
    return {"Name": "TableName", "Value": table} in dimensions


class NotHere(SluiceError):
    """There is no such service here."""


def _answered(doing: str, table: str, ask: Callable[[], list[Entry]]) -> list[Entry] | None:
    """Ask; None where this engine has no such thing."""
    with speaking(doing, table):
        try:
            return ask()
        except NotHere:
            return None
        except Exception as error:
            if code_of(error) in UNKNOWN:
                return None
            raise
