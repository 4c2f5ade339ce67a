"""How RDS is spoken to: what its errors mean, its own clock, and what it tells of an instance or a snapshot.

`client` is boto3's for `rds`, wherever it comes from. boto3 and botocore are imported when they are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from sluice.errors import SluiceError, Terminal, Transient
from sluice.stores.aws import code_of, is_outage, raising

THROTTLING = {"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "RequestThrottled"}
LATER = {
    "InvalidDBInstanceState",
    "InvalidDBSnapshotState",
    "InvalidDBInstanceStateFault",
    "InvalidDBSnapshotStateFault",
}
NO_ROOM = {
    "InsufficientDBInstanceCapacity",
    "InsufficientDBInstanceCapacityFault",
    "ProvisionedIopsNotAvailableInAZFault",
}
ABSENT = {"DBInstanceNotFound", "DBSnapshotNotFound", "DBInstanceAutomatedBackupNotFound"}
ABSENT |= {f"{code}Fault" for code in ABSENT}
ALREADY = {
    "DBInstanceAlreadyExists",
    "DBSnapshotAlreadyExists",
    "DBInstanceAlreadyExistsFault",
    "DBSnapshotAlreadyExistsFault",
}
REFUSED = {"AccessDenied", "AccessDeniedException", "AuthFailure", "UnauthorizedOperation", "OptInRequired", "ExpiredToken",
           "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"}  # fmt: skip


class Throttled(Transient):
    """RDS asks for patience."""


class RdsDown(Transient):
    """RDS could not be reached, or failed inside. Whether it has begun what was asked is not known."""


class NotYet(Transient):
    """Something else is being done with the instance or the snapshot."""


class NoCapacity(Transient):
    """AWS has no machine, or no disk, of this class there at the moment."""


class Absent(Terminal):
    """There is no such instance, snapshot or automated backup."""


class AlreadyStands(Terminal):
    """Somebody was quicker with this name."""


class AccessDenied(Terminal):
    """RDS refuses these credentials."""


class RdsRefused(Terminal):
    """RDS refuses the request itself."""


def moment_of(answer: Mapping[str, Any]) -> datetime:
    """Tell when RDS gave an answer, by its own clock, to the second."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def find_instance(client: Any, name: str) -> dict[str, Any] | None:
    """Describe an instance; None where there is none. Raises Throttled, RdsDown, AccessDenied."""
    return _first(client.describe_db_instances, "DBInstances", name, DBInstanceIdentifier=name)


def find_snapshot(client: Any, name: str) -> dict[str, Any] | None:
    """Describe a snapshot; None where there is none. Raises Throttled, RdsDown, AccessDenied."""
    return _first(client.describe_db_snapshots, "DBSnapshots", name, DBSnapshotIdentifier=name)


def list_instances(client: Any) -> list[dict[str, Any]]:
    """Describe every instance of the region. Raises Throttled, RdsDown, AccessDenied."""
    return _all(client, "describe_db_instances", "DBInstances", "any instance")


def list_snapshots(client: Any, instance: str) -> list[dict[str, Any]]:
    """Describe every snapshot of an instance, also of one that is gone: by hand, by us, by RDS itself."""
    return _all(client, "describe_db_snapshots", "DBSnapshots", instance, DBInstanceIdentifier=instance)


def list_automated(client: Any, instance: str) -> list[dict[str, Any]]:
    """Describe what RDS keeps of an instance by itself, also of one that is gone."""
    kept = "DBInstanceAutomatedBackups"
    return _all(client, "describe_db_instance_automated_backups", kept, instance, DBInstanceIdentifier=instance)


def tags_of(described: Mapping[str, Any]) -> dict[str, str]:
    """Give the tags of what was described."""
    return {tag["Key"]: tag.get("Value", "") for tag in described.get("TagList") or ()}


def as_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Give tags in the form that RDS takes."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def speaking(doing: str, what: str) -> AbstractContextManager[None]:
    """Turn what botocore raises into an error of ours: "cannot <doing> <what>"."""
    return raising(lambda error: translated(error, f"cannot {doing} {what} in RDS: {error}"))


def translated(error: Exception, what: str) -> SluiceError:
    """Give our error for botocore's."""
    code = code_of(error)
    if code in THROTTLING:  # first: RDS throttles with 400, and with 503
        return Throttled(f"{what}. It is tried again by itself.")
    if is_outage(error):
        return RdsDown(f"{what}. It is tried again by itself, and what was begun is found again.")
    if code in LATER:
        return NotYet(f"{what}. Something else is being done with it; it is tried again by itself.")
    if code in NO_ROOM:
        return NoCapacity(f"{what}. It is tried again by itself; where it stays, choose another class for drills.")
    if code in ABSENT:
        return Absent(f"{what}. Check its name, the region and the account of the store's connection.")
    if code in ALREADY:
        return AlreadyStands(f"{what}. Look whose it is.")
    if code in REFUSED:
        return AccessDenied(f"{what}. Mend the connection, or the policy of its role.")
    return RdsRefused(f"{what}. Mend what it names, then run it again.")


def _first(describe: Any, key: str, name: str, **asked: str) -> dict[str, Any] | None:
    try:
        with speaking("look at", name):
            answer = describe(**asked)
    except Absent:
        return None
    found: Sequence[dict[str, Any]] = answer[key]
    return {**found[0], "Seen": moment_of(answer)} if found else None


def _all(client: Any, operation: str, key: str, what: str, **asked: str) -> list[dict[str, Any]]:
    try:
        with speaking("look for", what):
            return [one for page in client.get_paginator(operation).paginate(**asked) for one in page[key]]
    except Absent:
        return []
