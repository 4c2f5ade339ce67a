"""RDS as tests/managed.py emulates it, with what a change of an instance needs besides: classes on offer, and what waits.

The emulator does every change at once. Here one that is not asked for at once waits for the instance's window, until
`window_opens`; and one that is brings along whatever waits, as RDS does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

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


@contextmanager
def changing(vault: Vault, folder: Path) -> Iterator[Changing]:
    """Emulate it as long as the block lasts."""
    modify = RDSBackend.modify_db_instance

    def later(self: RDSBackend, name: str, told: dict[str, Any]) -> Any:
        at_once = str(told.pop("apply_immediately", "false")).lower() == "true"
        found = self.databases[name]
        waiting = getattr(found, "pending_modified_values", None) or {}
        if at_once:
            for one, value in waiting.items():
                setattr(found, {ours: its for its, ours in NAMES.items()}[one], value)
            found.pending_modified_values = {}
            return modify(self, name, told)
        found.pending_modified_values = waiting | {NAMES[key]: value for key, value in told.items() if key in NAMES}
        return found

    with emulated(vault, folder) as made, patch.object(RDSBackend, "modify_db_instance", later):
        made.inside(INSTANCE).pending_modified_values = {}
        yield Changing(made)
