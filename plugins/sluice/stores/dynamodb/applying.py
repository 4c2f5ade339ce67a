"""Doing what a table plan says, and waiting until the table is ready. Safe to repeat; nothing is ever deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sluice.errors import Terminal, Transient
from sluice.stores.aws import code_of
from sluice.stores.dynamodb.client import NoSuchTable, speaking
from sluice.stores.dynamodb.tables import IMAGES, Index, TableDefinition, TablePlan, describe, plan_tables


class TableRefused(Terminal):
    """The table cannot become what is wanted without losing what it holds."""


class TableNotReady(Transient):
    """The table is being made or changed, and that takes longer than we wait."""


def apply_tables(client: Any, wanted: tuple[TableDefinition, ...], seconds: float = 600) -> tuple[TablePlan, ...]:
    """Plan and apply; give the plan. Raises TableRefused before anything is done if one of them is refused."""
    plan = plan_tables(wanted, {one.name: describe(client, one.name) for one in wanted})
    if refused := [str(one) for one in plan if one.what == "refused"]:
        raise TableRefused(f"{'; '.join(refused)}. Nothing was changed.")
    for one in plan:
        apply_table(client, one, seconds)
    return plan


def apply_table(client: Any, plan: TablePlan, seconds: float = 600) -> None:
    """Do the steps of one plan, each until the table and its indexes are active.

    Raises TableRefused, TableNotReady after `seconds`, Throttled, DynamoDown, AccessDenied.
    """
    if plan.what == "refused":
        raise TableRefused(f"{plan}. Nothing was changed.")
    deadline = time.monotonic() + seconds
    for step, name in plan.steps:
        with speaking(f"set {step} {name} of" if name else step, plan.wanted.name):
            _once(_STEPS[step], client, plan.wanted, name)
        _wait(client, plan.wanted.name, deadline)


def start_stream(client: Any, table: str) -> bool:
    """Switch the stream of a table on, with both images; tell whether it was off. Raises NoSuchTable, TableNotReady."""
    found = describe(client, table)
    if found is None:  # and no table is made in its place: an empty one would be copied over all that was moved
        raise NoSuchTable(f"There is no table {table} any more.")
    apply_tables(client, (replace(found, stream=True),))
    return not found.stream


def _once(do: Callable[[Any, TableDefinition, str], None], client: Any, wanted: TableDefinition, name: str) -> None:
    """Do a step, unless another process is just doing it: then the waiting and the next plan tell."""
    from botocore.exceptions import ClientError

    try:
        do(client, wanted, name)
    except ClientError as error:
        if code_of(error) != "ResourceInUseException":
            raise


def _create(client: Any, wanted: TableDefinition, name: str) -> None:
    del name
    asked: dict[str, Any] = {
        "TableName": wanted.name,
        "KeySchema": _schema(wanted),
        "AttributeDefinitions": _attributes(wanted, wanted, *wanted.indexes),
        **_capacity(wanted),
    }
    if wanted.indexes:
        asked["GlobalSecondaryIndexes"] = [_index(wanted, index) for index in wanted.indexes]
    if wanted.stream:
        asked["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": IMAGES}
    client.create_table(**asked)


def _change_capacity(client: Any, wanted: TableDefinition, name: str) -> None:
    del name
    asked = _capacity(wanted)
    if wanted.capacity and wanted.indexes:
        there = {index["IndexName"] for index in _table(client, wanted.name).get("GlobalSecondaryIndexes", [])}
        asked["GlobalSecondaryIndexUpdates"] = [
            {"Update": {"IndexName": one, "ProvisionedThroughput": _units(wanted)}} for one in sorted(there)
        ]
    client.update_table(TableName=wanted.name, **asked)


def _start_stream(client: Any, wanted: TableDefinition, name: str) -> None:
    client.update_table(TableName=wanted.name, StreamSpecification={"StreamEnabled": True, "StreamViewType": name})


def _add_index(client: Any, wanted: TableDefinition, name: str) -> None:
    index = next(one for one in wanted.indexes if one.name == name)
    client.update_table(
        TableName=wanted.name,
        AttributeDefinitions=_attributes(wanted, wanted, index),
        GlobalSecondaryIndexUpdates=[{"Create": _index(wanted, index)}],
    )


def _start_ttl(client: Any, wanted: TableDefinition, name: str) -> None:
    client.update_time_to_live(TableName=wanted.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": name})


_STEPS: Mapping[str, Callable[[Any, TableDefinition, str], None]] = {
    "create": _create,
    "capacity": _change_capacity,
    "stream": _start_stream,
    "index": _add_index,
    "ttl": _start_ttl,
}


def _wait(client: Any, name: str, deadline: float) -> None:
    pause = 0.05
    while not _is_ready(_table(client, name)):
        if time.monotonic() > deadline:
            raise TableNotReady(f"Table {name} is not active yet. Run it again: what is done is left alone.")
        time.sleep(pause)
        pause = min(2 * pause, 5.0)


def _table(client: Any, name: str) -> Mapping[str, Any]:
    with speaking("describe", name):
        table: Mapping[str, Any] = client.describe_table(TableName=name)["Table"]
    return table


def _is_ready(table: Mapping[str, Any]) -> bool:
    indexes = table.get("GlobalSecondaryIndexes", [])
    return table["TableStatus"] == "ACTIVE" and all(
        index["IndexStatus"] == "ACTIVE" and not index.get("Backfilling") for index in indexes
    )


def _schema(keyed: TableDefinition | Index) -> list[dict[str, str]]:
    sort = [{"AttributeName": keyed.sort, "KeyType": "RANGE"}] if keyed.sort else []
    return [{"AttributeName": keyed.partition, "KeyType": "HASH"}, *sort]


def _attributes(wanted: TableDefinition, *keyed: TableDefinition | Index) -> list[dict[str, str]]:
    """Only those that a key names: the service refuses others."""
    names = {name for one in keyed for name in (one.partition, one.sort) if name}
    return [{"AttributeName": name, "AttributeType": wanted.type_of(name)} for name in sorted(names)]


def _index(wanted: TableDefinition, index: Index) -> dict[str, Any]:
    throughput = {"ProvisionedThroughput": _units(wanted)} if wanted.capacity else {}
    return {"IndexName": index.name, "KeySchema": _schema(index), "Projection": {"ProjectionType": "ALL"}, **throughput}


def _capacity(wanted: TableDefinition) -> dict[str, Any]:
    if wanted.capacity is None:
        return {"BillingMode": "PAY_PER_REQUEST"}
    return {"BillingMode": "PROVISIONED", "ProvisionedThroughput": _units(wanted)}


def _units(wanted: TableDefinition) -> dict[str, int]:
    least = wanted.capacity[0] if wanted.capacity else 0
    return {"ReadCapacityUnits": least, "WriteCapacityUnits": least}
