"""An instance of RDS as it stands: its class, its disk, its replicas, what is being done with it. It only reads.

`client` is boto3's for `rds`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sluice.estate.scaling import MemoryRule
from sluice.insight.scaling.classes import next_classes
from sluice.insight.scaling.disk import Disk, disk_of
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
    disk: Disk | None = None
    """None where this client is not asked about it."""
    pending: tuple[str, ...] = ()
    """What waits for its window."""


@dataclass(frozen=True)
class InstanceStanding:
    """What stands."""

    name: str
    status: str
    instance_class: str
    disk: Disk
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
    next_replica: str = ""
    """The name of a replica to come: no instance has it, and each look gives the same until one has."""

    @property
    def may_go(self) -> tuple[str, ...]:
        """Name the replicas that a rule may take away, in order."""
        return tuple(sorted(one.name for one in self.followers if one.ours and one.status == "available"))


def takes_change(status: str, of_disk: bool) -> bool:
    """Tell whether RDS takes a change in a state: one of the disk, or another."""
    return status in AT_REST or (of_disk and status == FULL)


def pending_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give what was asked for of an instance and waits for its window."""
    return {key: told for key, told in (found.get("PendingModifiedValues") or {}).items() if told not in (None, {}, [])}


def look(client: Any, store: str, name: str, memory: MemoryRule) -> InstanceStanding:
    """Look at an instance, and at what is around it. Raises Absent, Throttled, RdsDown, AccessDenied."""
    found = find_instance(client, name)
    if found is None:
        raise Absent(f"{store}: RDS has no instance {name}. Check `watch: {{cloud: …}}` and the connection's region.")
    around = _Around(client, found, memory)
    return InstanceStanding(
        name,
        str(found["DBInstanceStatus"]),
        str(found["DBInstanceClass"]),
        disk_of(found),
        tuple(_follower(client, store, one) for one in found.get("ReadReplicaDBInstanceIdentifiers") or ()),
        pending_of(found),
        str(found.get("PreferredMaintenanceWindow", "")).lower(),
        bool(found.get("BackupRetentionPeriod")),
        bool(found.get("MultiAZ")),
        str(found.get("ReadReplicaSourceDBInstanceIdentifier") or ""),
        around.offered("up"),
        around.offered("down"),
        _free_name(client, name),
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


def _free_name(client: Any, name: str) -> str:
    """Name the replica to come. All instances are asked: one that was promoted has its name still, and follows nobody."""
    names = (f"{name[:50]}-scaled-{number}" for number in count(1))
    return next(one for one in names if find_instance(client, one) is None)


def _follower(client: Any, store: str, name: str) -> Follower:
    if name.startswith("arn:"):
        return Follower(name, "available", False)  # in another region, where nobody asks this client
    found = find_instance(client, name)
    if found is None:
        return Follower(name, "deleting", False)
    ours = tags_of(found).get(MADE_FOR) == store and not found.get(
        "DeletionProtection"
    )  # a person protects what shall stay
    return Follower(name, str(found["DBInstanceStatus"]), ours, disk_of(found), tuple(pending_of(found)))
