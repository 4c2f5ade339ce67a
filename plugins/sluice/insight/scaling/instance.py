"""An instance of RDS as it stands: its class, its disk, its replicas, what is being done with it. It only reads.

`client` is boto3's for `rds`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice.estate.scaling import MemoryRule
from sluice.insight.scaling.classes import next_classes
from sluice.insight.scaling.evaluating import Way
from sluice.stores.rds import Absent, find_instance, speaking, tags_of

MADE_FOR = "sluice:scaled"
"""The tag of a replica that was made by a rule; it holds the store's name. Without it none is ever taken away."""
AT_REST = ("available", "storage-optimization")
"""States in which RDS takes a change."""
FULL = "storage-full"
"""The state of an instance whose disk is full: RDS takes more disk for it, and nothing else."""


@dataclass(frozen=True)
class Follower:
    """A replica of the instance; one in another region by its ARN."""

    name: str
    status: str
    ours: bool


@dataclass(frozen=True)
class Instance:
    """What stands."""

    name: str
    status: str
    instance_class: str
    disk: int
    """GiB."""
    disk_type: str
    extends_itself_to: int | None = None
    """GiB: RDS's own storage autoscaling, where it is on."""
    followers: tuple[Follower, ...] = ()
    pending: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for and waits for the instance's own window."""
    window: str = ""
    """The instance's own maintenance window, as RDS writes it: sun:05:00-sun:05:30, UTC."""
    keeps_backups: bool = True
    stands_by: bool = False
    """Whether it has a standby (Multi-AZ)."""
    follows: str = ""
    """The instance that it is itself a replica of."""
    larger: str | None = None
    smaller: str | None = None
    """The next classes that AWS offers, within the estate's bounds."""


def takes_change(status: str, of_disk: bool) -> bool:
    """Tell whether RDS takes a change in a state: one of the disk, or another."""
    return status in AT_REST or (of_disk and status == FULL)


def look(client: Any, store: str, name: str, memory: MemoryRule) -> Instance:
    """Look at an instance, and at what is around it. Raises Absent, Throttled, RdsDown, AccessDenied."""
    found = find_instance(client, name)
    if found is None:
        raise Absent(f"{store}: RDS has no instance {name}. Check `watch: {{cloud: …}}` and the connection's region.")
    around = _Around(client, found, memory)
    return Instance(
        name,
        str(found["DBInstanceStatus"]),
        str(found["DBInstanceClass"]),
        int(found["AllocatedStorage"]),
        str(found.get("StorageType", "")),
        found.get("MaxAllocatedStorage"),
        tuple(_follower(client, store, one) for one in found.get("ReadReplicaDBInstanceIdentifiers") or ()),
        {key: told for key, told in (found.get("PendingModifiedValues") or {}).items() if told not in (None, {}, [])},
        str(found.get("PreferredMaintenanceWindow", "")).lower(),
        bool(found.get("BackupRetentionPeriod")),
        bool(found.get("MultiAZ")),
        str(found.get("ReadReplicaSourceDBInstanceIdentifier") or ""),
        around.offered("up"),
        around.offered("down"),
    )


@dataclass(frozen=True)
class _Around:
    client: Any
    found: Mapping[str, Any]
    memory: MemoryRule

    def offered(self, way: Way) -> str | None:
        """Give the nearest class on a way that AWS offers for this engine."""
        ways = next_classes(str(self.found["DBInstanceClass"]), way, self.memory.smallest, self.memory.largest)
        return next((name for name in ways if any(self._options(name))), None)

    def _options(self, name: str) -> Iterator[Any]:
        asked = {"Engine": self.found["Engine"], "EngineVersion": self.found["EngineVersion"], "DBInstanceClass": name}
        with speaking("ask for the classes beside that of", str(self.found["DBInstanceIdentifier"])):
            pages = self.client.get_paginator("describe_orderable_db_instance_options").paginate(**asked)
            yield from (one for page in pages for one in page["OrderableDBInstanceOptions"])


def _follower(client: Any, store: str, name: str) -> Follower:
    if name.startswith("arn:"):
        return Follower(name, "available", False)  # in another region, where nobody asks this client
    found = find_instance(client, name)
    if found is None:
        return Follower(name, "deleting", False)
    ours = tags_of(found).get(MADE_FOR) == store and not found.get(
        "DeletionProtection"
    )  # a person protects what shall stay
    return Follower(name, str(found["DBInstanceStatus"]), ours)
