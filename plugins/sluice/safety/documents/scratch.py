"""The tables of a drill: made, found and taken away under names of their own, which a mark of ours proves a second time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

from sluice.safety.documents.settings import OURS, Entry, Settings
from sluice.safety.documents.tables import Clients
from sluice.safety.driver import PREFIX, NotScratch, is_of_store, made_at
from sluice.stores.dynamodb.client import speaking
from sluice.stores.dynamodb.identity import NotGone, delete_table, identify

LONGEST = 255
"""Characters of a table's name."""
MADE_BY_RESTORE = "RestoreSummary"
LEFT_OUT = {
    "StreamSpecification": "put back once all is loaded: nobody is to follow a load",
    "DeletionProtectionEnabled": "put back at the end",
    "ResourcePolicy": "put back, with the copy's own address in it",
    "WarmThroughput": "it grows by itself",
    "GlobalTableSourceArn": "a copy stands in one region",
    "GlobalTableSettingsReplicationMode": "a copy stands in one region",
}
"""What of CreateTable is not said, and why."""


def table_under(name: str, table: str) -> str:
    """Name a table's copy. A long name ends in a hash of itself. Raises NotScratch."""
    made_at(name)
    full = f"{name}.{table}"
    return full if len(full) <= LONGEST else f"{full[: LONGEST - 9]}-{hashlib.sha256(table.encode()).hexdigest()[:8]}"


def creation_of(settings: Settings, name: str, table: str) -> Entry:
    """Give what CreateTable wants for a copy. Pure."""
    asked: Entry = {
        "TableName": table,
        "AttributeDefinitions": list(settings.of("attribute")),
        **(settings.only("key") or {}),
        **(settings.only("billing") or {}),
        **(settings.only("table class") or {}),
        "Tags": [{"Key": OURS, "Value": name}],
    }
    many = {"GlobalSecondaryIndexes": "index", "LocalSecondaryIndexes": "local index", "VectorIndexes": "vector index"}
    asked |= {parameter: list(settings.of(kind)) for parameter, kind in many.items() if settings.of(kind)}
    one = {"SSESpecification": "encryption", "OnDemandThroughput": "limit on demand"}
    return asked | {parameter: settings.only(kind) for parameter, kind in one.items() if settings.only(kind)}


def scratches(client: Any, store: str) -> list[str]:
    """List the names under which copies of a store stand. Raises DynamoDown, AccessDenied."""
    names = {table.partition(".")[0] for table in _scratch_tables(client, PREFIX)}
    return sorted(name for name in names if is_of_store(name, store))


def tables_under(client: Any, name: str) -> list[str]:
    """List the tables that stand under a name. Raises NotScratch, DynamoDown."""
    made_at(name)
    return _scratch_tables(client, f"{name}.")


def destroy(clients: Clients, name: str, seconds: float = 600) -> None:
    """Take away the tables of a drill. Safe to repeat.

    Raises NotScratch where one bears its name and neither our tag nor the mark of a restore: then none is taken away. NotGone.
    """
    there = tables_under(clients.dynamodb, name)
    for table in there:
        check_ours(clients.dynamodb, name, table)
    for table in there:
        _free(clients, table, seconds)
        if found := identify(clients.dynamodb, table):
            delete_table(clients.dynamodb, found, seconds)


def _scratch_tables(client: Any, prefix: str) -> list[str]:
    with speaking("list", f"{prefix}*"):
        pages = client.get_paginator("list_tables").paginate()
        return [table for page in pages for table in page["TableNames"] if table.startswith(prefix)]


def check_ours(client: Any, name: str, table: str) -> None:
    """Raise NotScratch unless a table is a drill's: it has our tag, or it came out of a restore, which takes no tags."""
    with speaking("look whose is", table):
        told = client.describe_table(TableName=table)["Table"]
        tags = client.list_tags_of_resource(ResourceArn=told["TableArn"]).get("Tags", [])
    if {"Key": OURS, "Value": name} not in tags and MADE_BY_RESTORE not in told:
        raise NotScratch(
            f"Table {table} bears the name of a drill and not its tag ({OURS}): somebody else made it. Nothing was taken"
            " away; look what it is, and rename or tag it."
        )


def _free(clients: Clients, table: str, seconds: float) -> None:
    """Wait until it may be deleted, lift its protection, and take away what scales and watches it."""
    told = _settled(clients.dynamodb, table, seconds)
    if told.get("DeletionProtectionEnabled"):
        with speaking("unprotect", table):
            clients.dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
        _settled(clients.dynamodb, table, seconds)
    if clients.scaling:
        _unscale(clients.scaling, table)
    if clients.alarms:
        with speaking("take the alarms away of", table):
            alarms = clients.alarms.describe_alarms(AlarmNamePrefix=f"{table}/")["MetricAlarms"]
            if alarms:
                clients.alarms.delete_alarms(AlarmNames=[one["AlarmName"] for one in alarms])


def _unscale(client: Any, table: str) -> None:
    with speaking("stop scaling", table):
        pages = client.get_paginator("describe_scalable_targets").paginate(ServiceNamespace="dynamodb")
        for one in [one for page in pages for one in page["ScalableTargets"]]:
            if one["ResourceId"] == f"table/{table}" or one["ResourceId"].startswith(f"table/{table}/index/"):
                where = {key: one[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
                client.deregister_scalable_target(**where)


def _settled(client: Any, table: str, seconds: float) -> Mapping[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        with speaking("describe", table):
            told: Mapping[str, Any] = client.describe_table(TableName=table)["Table"]
        if told["TableStatus"] in ("ACTIVE", "DELETING", "ARCHIVED", "INACCESSIBLE_ENCRYPTION_CREDENTIALS"):
            return told
        if time.monotonic() > deadline:
            raise NotGone(f"Table {table} is {told['TableStatus']} still. Run it again: then it is taken away.")
        time.sleep(0.5)
