"""Snapshots of an instance: begun, found again, copied into other regions. What was begun once is never begun twice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sluice.errors import Terminal
from sluice.safety.driver import Taken
from sluice.safety.rds.settings import OURS
from sluice.stores.rds import Absent, AlreadyStands, NotYet, as_tags, find_snapshot, speaking, tags_of

STORE = f"{OURS}store"
GIB = 1 << 30


class NotOurSnapshot(Terminal):
    """Under the name of a snapshot of ours stands one that is none."""


class NoKeyThere(Terminal):
    """A copy in another region wants a key of that region."""


@dataclass(frozen=True)
class CopyTo:
    """Another region that a snapshot is copied into."""

    region: str
    client: Any
    """boto3's for `rds` there."""
    kms_key: str | None
    """A key of that region. Without one only what is not encrypted can be copied."""
    option_group: str | None = None
    """One of that region, where the store's own has options that its data lives by."""


def name_snapshot(store: str, moment: datetime) -> str:
    """Name the snapshot of a moment. RDS takes letters, digits and single hyphens."""
    return f"{_prefix(store)}{moment.astimezone(UTC):%Y%m%dt%H%M%Sz}"


def named_at(name: str, store: str) -> datetime | None:
    """Give the moment of a snapshot that is called as Sluice calls them; None for any other name. Pure."""
    found = re.fullmatch(rf"{re.escape(_prefix(store))}(\d{{8}}t\d{{6}}z)", name)
    return datetime.strptime(found[1], "%Y%m%dt%H%M%Sz").replace(tzinfo=UTC) if found else None


def begin_snapshot(client: Any, store: str, instance: str, name: str, tags: Mapping[str, str]) -> None:
    """Have RDS take a snapshot; one of this name that was begun before is left alone.

    Raises NotOurSnapshot, NotYet, Throttled, RdsDown, Absent, AccessDenied, RdsRefused.
    """
    if not _begun_here(client, store, name):
        told = as_tags({**tags, STORE: store})
        try:
            with speaking(f"take snapshot {name} of", instance):
                client.create_db_snapshot(DBSnapshotIdentifier=name, DBInstanceIdentifier=instance, Tags=told)
        except AlreadyStands:  # a first try whose answer was lost, or two workers at once
            _begun_here(client, store, name)


def begin_copy(to: CopyTo, store: str, snapshot: Mapping[str, Any]) -> None:
    """Have another region fetch a snapshot; a copy that was begun before is left alone.

    Raises NoKeyThere, NotOurSnapshot, NotYet, Throttled, RdsDown, AccessDenied, RdsRefused.
    """
    name = str(snapshot["DBSnapshotIdentifier"])
    if _begun_here(to.client, store, name):
        return
    if snapshot.get("Encrypted") and not to.kms_key:
        raise NoKeyThere(
            f"Snapshot {name} of {store} is encrypted with a key of its own region, and {to.region} has no such key. Name"
            f" a key of {to.region} for copies there."
        )
    # boto3 signs a request for the source's region by itself when it is told which that is.
    source = str(snapshot["DBSnapshotArn"])
    more = {"KmsKeyId": to.kms_key, "OptionGroupName": to.option_group}
    try:
        with speaking(f"copy into {to.region} snapshot", name):
            to.client.copy_db_snapshot(
                SourceDBSnapshotIdentifier=source, SourceRegion=source.split(":")[3], TargetDBSnapshotIdentifier=name,
                Tags=as_tags(tags_of(snapshot)), **{key: value for key, value in more.items() if value},
            )  # fmt: skip
    except AlreadyStands:
        _begun_here(to.client, store, name)


def delete_snapshot(client: Any, store: str, name: str) -> str | None:
    """Have RDS delete a snapshot of ours; gives why it stays, where something else is being done with it. Safe to repeat.

    Raises NotOurSnapshot, Throttled, RdsDown, AccessDenied, RdsRefused.
    """
    if not _begun_here(client, store, name):
        return None
    try:
        with speaking("delete snapshot", name):
            client.delete_db_snapshot(DBSnapshotIdentifier=name)
    except Absent:
        return None
    except NotYet as why:
        return str(why)
    return None


def taken_of(snapshot: Mapping[str, Any]) -> Taken:
    """Say of a snapshot what every driver says of a backup. Where RDS tells no size, it is the disk's: never more than that."""
    size = snapshot.get("FullSnapshotSizeInBytes") or int(snapshot.get("AllocatedStorage", 0)) * GIB
    return Taken(str(snapshot["DBSnapshotIdentifier"]), whole_at(snapshot), int(size))


def whole_at(snapshot: Mapping[str, Any]) -> datetime:
    """As of when a snapshot is: of its last transaction where RDS tells that, else of when it was made; a copy's first."""
    found = (
        snapshot.get(name) for name in ("SnapshotDatabaseTime", "OriginalSnapshotCreateTime", "SnapshotCreateTime")
    )
    moment: datetime = next(one for one in found if one)
    return moment.astimezone(UTC)


def _prefix(store: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", store.lower()).strip("-")
    return f"sluice-{plain}-"


def _begun_here(client: Any, store: str, name: str) -> bool:
    found = find_snapshot(client, name)
    if found and tags_of(found).get(STORE) != store:
        raise NotOurSnapshot(
            f"Snapshot {name} is there, and its tag {STORE} does not say {store}: somebody else's. Nothing was done with it;"
            " rename it, or run again at another moment."
        )
    return found is not None
