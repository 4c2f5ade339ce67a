"""How far what was begun has come: an instance or a snapshot, in RDS's words and in four of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sluice.stores.rds import find_instance, find_snapshot

What = Literal["instance", "snapshot"]
State = Literal["absent", "under way", "there", "failed"]

THERE = {"available", "storage-optimization", "storage-config-upgrade"}
"""RDS works at its disks still, and it is used as any other."""
FAILED = {
    "failed", "inaccessible-encryption-credentials", "inaccessible-encryption-credentials-recoverable", "incompatible-create",
    "incompatible-credentials", "incompatible-network", "incompatible-option-group", "incompatible-parameters",
    "incompatible-restore", "insufficient-capacity", "restore-error", "stopped", "storage-full",
}  # fmt: skip
GOING = {"deleting", "deleted", "delete-precheck"}


@dataclass(frozen=True)
class Standing:
    """How far it has come."""

    what: What
    name: str
    state: State
    status: str
    """RDS's own word."""
    percent: int | None = None

    def __str__(self) -> str:
        told = f", {self.percent} %" if self.percent is not None and self.state == "under way" else ""
        return f"{self.what} {self.name}: {self.status or 'there is none'}{told}"


def look(client: Any, what: What, name: str) -> Standing:
    """Look at an instance or a snapshot. Reads only. Raises Throttled, RdsDown, AccessDenied."""
    found = find_instance(client, name) if what == "instance" else find_snapshot(client, name)
    return standing_of(what, name, found)


def standing_of(what: What, name: str, described: Mapping[str, Any] | None) -> Standing:
    """Read it out of what RDS describes. Pure."""
    if described is None:
        return Standing(what, name, "absent", "")
    status = str(described.get("DBInstanceStatus" if what == "instance" else "Status", "")).lower()
    percent = str(described.get("PercentProgress", ""))  # a number of snapshots, a text of instances
    return Standing(what, name, _state(status), status, int(percent) if percent.isdigit() else None)


def _state(status: str) -> State:
    if status in GOING:
        return "absent"
    if status in FAILED:
        return "failed"
    return "there" if status in THERE else "under way"
