"""RDS as tests/managed.py emulates it, with what a change of an instance needs besides: classes on offer, and what waits.

The emulator does every change at once. Here one that is not asked for at once waits for the instance's window, until
`window_opens`; and one that is brings along whatever waits, as RDS does. It refuses what RDS refuses of a disk that grows, and a
replica that was promoted follows nobody any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from moto.rds.exceptions import RDSClientError
from moto.rds.models import RDSBackend
from sluice.stores.objects import Vault

from tests.managed import INSTANCE, Emulated, emulated

ON_OFFER = ("db.r6g.large", "db.r6g.xlarge", "db.r6g.2xlarge", "db.r6g.4xlarge")
NAMES = {"db_instance_class": "DBInstanceClass", "allocated_storage": "AllocatedStorage"}


@dataclass
class Changing:
    """The service, with one instance that may be changed."""

    rds: Emulated

    def client(self, *_: Any) -> Any:
        """Make a client that is offered just these classes."""
        made, asked = self.rds.client(), list[dict[str, Any]]()

        def note(params: dict[str, Any], **_: Any) -> None:
            asked.append(params)

        def offer(parsed: dict[str, Any], **_: Any) -> None:
            name = asked[-1]["DBInstanceClass"]
            parsed["OrderableDBInstanceOptions"] = [{"DBInstanceClass": name}] if name in ON_OFFER else []

        operation = "rds.DescribeOrderableDBInstanceOptions"
        made.meta.events.register(f"provide-client-params.{operation}", note)
        made.meta.events.register(f"after-call.{operation}", offer)
        return made

    @property
    def instance(self) -> Any:
        """What the emulator keeps of it."""
        return self.rds.inside(INSTANCE)

    def window_opens(self) -> None:
        """Do what waits."""
        for name, value in self.instance.pending_modified_values.items():
            setattr(self.instance, {ours: its for its, ours in NAMES.items()}[name], value)
        self.instance.pending_modified_values = {}


def refusal_of(found: Any, told: dict[str, Any]) -> str:
    """Say why RDS would not have a disk of PostgreSQL so, in its own words."""
    size, kind, iops = (
        int(told.get("allocated_storage") or found.allocated_storage),
        found.storage_type,
        told.get("iops"),
    )
    if size == found.allocated_storage:
        return ""
    if kind == "gp3" and size < 400:
        small = "You can't specify IOPS or storage throughput for engine postgres and a storage size less than 400."
        return small if iops or told.get("storage_throughput") else ""
    if kind in ("gp3", "io1", "io2") and not iops:
        return (
            "You must specify both the storage size and iops when modifying the storage size or iops on a DB instance that has"
            " iops."
        )
    if kind == "gp3" and int(iops) < 12_000:
        return f"Invalid iops value for engine name postgres and storage type gp3: {iops}"
    if kind in ("io1", "io2") and int(iops) < size / 2:
        return f"Invalid iops to storage (GB) ratio for engine name postgres and storage type {kind}: {int(iops) / size:.4f}"
    bound = int(told.get("max_allocated_storage") or found.max_allocated_storage or 0)
    if bound and bound != size and bound < size * 1.1:
        return f"Invalid max storage size for engine name postgres and storage type {kind}: {bound}"
    return ""


@contextmanager
def changing(vault: Vault, folder: Path) -> Iterator[Changing]:
    """Emulate it as long as the block lasts."""
    modify = RDSBackend.modify_db_instance

    def later(self: RDSBackend, name: str, told: dict[str, Any]) -> Any:
        at_once = str(told.pop("apply_immediately", "false")).lower() == "true"
        found = self.databases[name]
        if why := refusal_of(found, told):
            raise RDSClientError("InvalidParameterCombination", why)
        waiting = getattr(found, "pending_modified_values", None) or {}
        if at_once:
            for one, value in waiting.items():
                setattr(found, {ours: its for its, ours in NAMES.items()}[one], value)
            found.pending_modified_values = {}
            return modify(self, name, told)
        found.pending_modified_values = waiting | {NAMES[key]: value for key, value in told.items() if key in NAMES}
        return found

    promote = RDSBackend.promote_read_replica

    def alone(self: RDSBackend, told: dict[str, Any]) -> Any:
        found = promote(self, told)
        self.databases[found.source_db_instance_identifier].remove_replica(found)
        found.source_db_instance_identifier = None
        return found

    with (
        emulated(vault, folder) as made,
        patch.object(RDSBackend, "modify_db_instance", later),
        patch.object(RDSBackend, "promote_read_replica", alone),
    ):
        made.inside(INSTANCE).pending_modified_values = {}
        yield Changing(made)
