"""The service's own copies of a table: one made on demand, or its history, from which any second can be restored.

Both outlive the table: one on demand until somebody deletes it; of the history its last moment, for 35 days, in the backup that
the service makes by itself when such a table is deleted. Not every engine has them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sluice.errors import Terminal, Transient
from sluice.stores.aws import code_of
from sluice.stores.dynamodb.client import speaking
from sluice.stores.dynamodb.identity import TableIdentity

Way = Literal["on_demand", "point_in_time"]
IN_USE, GONE = "BackupInUseException", "BackupNotFoundException"
UNKNOWN = {"UnknownOperationException", "UnknownOperation", "InvalidAction", "UnsupportedOperation", "NotImplemented"}


class NoBackups(Terminal):
    """The engine makes no backups of this sort."""


class BackupNotReady(Transient):
    """A backup is being made, and that takes longer than we wait."""


@dataclass(frozen=True)
class Backup:
    """What can be restored: `name` is the backup's address, or says until when history reaches back."""

    way: Way
    name: str


@dataclass(frozen=True)
class KeptOfDeleted:
    """What the service keeps of a table that was deleted: all that it held just before."""

    address: str
    deleted_at: datetime


def check_backups(client: Any, table: str, way: Way) -> None:
    """Ask the engine for what it has, without making anything. Raises NoBackups."""
    with _asking(f"look for backups ({way}) of", table):
        if way == "on_demand":
            client.list_backups(TableName=table, Limit=1)
        else:
            client.describe_continuous_backups(TableName=table)


def back_up(client: Any, table: TableIdentity, way: Way, name: str, seconds: float = 900) -> Backup:
    """Make the backup `name`, or switch history on, and wait until it counts. Safe to repeat: one that is there is taken.

    Raises NoBackups, BackupNotReady after `seconds`, Throttled, DynamoDown, AccessDenied.
    """
    deadline = time.monotonic() + seconds
    if way == "point_in_time":
        return _keep_history(client, table, deadline)
    address = _find(client, table, name) or _make(client, table, name)
    while _status(client, table, address) == "CREATING":
        _rest(f"Backup {name} of {table.name}", deadline)
    return Backup(way, address)


def kept_of_deleted(client: Any, table: str) -> KeptOfDeleted | None:
    """Give what the service keeps of the last table that bore a name and was deleted; None where it keeps nothing.

    Raises BackupNotReady while it makes it still, NoBackups, Throttled, DynamoDown, AccessDenied.
    """
    with _asking("look for what is kept of the deleted", table):
        pages = client.get_paginator("list_backups").paginate(TableName=table, BackupType="SYSTEM")
        found = [one for page in pages for one in page.get("BackupSummaries", [])]
    # An engine that does not know the word SYSTEM lists what was made on demand.
    there = [one for one in found if one["BackupType"] == "SYSTEM" and one["BackupStatus"] != "DELETED"]
    if not there:
        return None
    last = max(there, key=lambda one: one["BackupCreationDateTime"])
    if last["BackupStatus"] == "CREATING":
        raise BackupNotReady(
            f"Backup {last['BackupName']} of {table} is not ready yet: the service makes it. Run it again."
        )
    return KeptOfDeleted(str(last["BackupArn"]), last["BackupCreationDateTime"].astimezone(UTC))


def delete_backup(client: Any, table: str, address: str) -> str | None:
    """Delete a backup on demand; gives why it stays, where something else is being done with it. Safe to repeat.

    Raises NoBackups, Throttled, DynamoDown, AccessDenied.
    """
    from botocore.exceptions import ClientError

    with _asking("delete a backup of", table):
        try:
            client.delete_backup(BackupArn=address)
        except ClientError as error:
            if code_of(error) == IN_USE:
                return f"it is made, restored or deleted at this moment: {error}"
            if code_of(error) != GONE:
                raise
    return None


def _keep_history(client: Any, table: TableIdentity, deadline: float) -> Backup:
    if not (since := _history(client, table)):
        with _asking("keep the history of", table.name):
            client.update_continuous_backups(
                TableName=table.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )
    while not (since := since or _history(client, table)):
        _rest(f"The history of {table.name}", deadline)
    return Backup("point_in_time", f"history since {since}")


def _history(client: Any, table: TableIdentity) -> str:
    """Since when every second can be restored; empty where nothing is kept."""
    with _asking("look for the history of", table.name):
        told = client.describe_continuous_backups(TableName=table.name)["ContinuousBackupsDescription"]
    kept = told.get("PointInTimeRecoveryDescription") or {}
    if kept.get("PointInTimeRecoveryStatus") != "ENABLED":
        return ""
    return f"{kept['EarliestRestorableDateTime']:%Y-%m-%d %H:%M:%S %Z}"


def _find(client: Any, table: TableIdentity, name: str) -> str | None:
    asked: dict[str, Any] = {"TableName": table.name}
    while True:
        with _asking("look for backups of", table.name):
            told = client.list_backups(**asked)
        for one in told.get("BackupSummaries", []):
            if one["BackupName"] == name and one.get("TableId") == table.id:
                return str(one["BackupArn"])
        if not (last := told.get("LastEvaluatedBackupArn")):
            return None
        asked["ExclusiveStartBackupArn"] = last


def _make(client: Any, table: TableIdentity, name: str) -> str:
    with _asking("back up", table.name):
        return str(client.create_backup(TableName=table.name, BackupName=name)["BackupDetails"]["BackupArn"])


def _status(client: Any, table: TableIdentity, address: str) -> str:
    with _asking("look at the backup of", table.name):
        told = client.describe_backup(BackupArn=address)["BackupDescription"]
    return str(told["BackupDetails"]["BackupStatus"])


def _rest(what: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise BackupNotReady(f"{what} is not ready yet. Run it again: what is done is left alone.")
    time.sleep(1.0)


@contextmanager
def _asking(doing: str, table: str) -> Iterator[None]:
    from botocore.exceptions import ClientError

    with speaking(doing, table):
        try:
            yield
        except ClientError as error:
            if code_of(error) in UNKNOWN:
                raise NoBackups(f"cannot {doing} table {table}: this engine has no such backups.") from error
            raise
