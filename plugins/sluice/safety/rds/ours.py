"""Which snapshots of ours go, in every region that they lie in.

Ours is what Sluice took of this instance, and what it copied: by its tag, by its name, and because it is none that RDS took by
itself. Whoever takes the tag away keeps the snapshot; one that a person took or copied is never touched. Verified means that RDS
says it is available. It shows nobody the bytes: a drill of a snapshot alone proves it, so the newest that one has brought back
whole stays, whatever its age.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sluice.safety.keeping.expiring import Holding
from sluice.safety.keeping.services import AtService
from sluice.safety.keeping.tiers import One
from sluice.safety.rds.driver import Rds
from sluice.safety.rds.scratch import TARGET
from sluice.safety.rds.snapshots import STORE, delete_snapshot, named_at, taken_of
from sluice.safety.rds.standing import FAILED, GOING, THERE
from sluice.safety.target import Target
from sluice.stores.rds import list_instances, list_snapshots, tags_of

GRACE = timedelta(days=1)
NEVER_WHOLE = "failed"


@dataclass(frozen=True)
class Snapshots:
    """The snapshots that Sluice took of one instance."""

    rds: Rds
    proven: frozenset[str] = frozenset()
    """Those that a drill has brought back whole."""

    def look(self, now: datetime) -> AtService:
        """Tell what there is, in every region. Raises Throttled, RdsDown, AccessDenied. Read only."""
        found: dict[str, Mapping[str, Any]] = {}
        for client in self._clients:  # its own region comes last: what that says counts
            found |= self._ours(client)
        whole = {name: taken_of(one) for name, one in found.items() if one["Status"] in THERE}
        ones = {name: One(name, taken.whole_at) for name, taken in whole.items()}
        rest = {name: one["Status"] for name, one in found.items() if one["Status"] in FAILED}
        return AtService(
            Holding(ones, frozenset(ones), proven=self.proven & ones.keys()),
            {name: taken.bytes for name, taken in whole.items()},
            [name for name, status in rest.items() if status == NEVER_WHOLE and now - self._named_at(name) > GRACE],
            [f"{name} is {status}" for name, status in rest.items() if status != NEVER_WHOLE],
        )

    def remove(self, backup: str) -> str | None:
        """Have a snapshot and its copies deleted; gives why it stays, where it does.

        Raises NotOurSnapshot, Throttled, RdsDown, AccessDenied, RdsRefused.
        """
        for client in self._clients:
            for one in list_instances(client):
                tags = tags_of(one)
                if tags.get(TARGET) == str(Target("point", backup)) and one["DBInstanceStatus"] not in GOING:
                    return f"{one['DBInstanceIdentifier']} is brought back from it"
        stays = (delete_snapshot(client, self.rds.store, backup) for client in self._clients)
        return next((why for why in stays if why), None)

    @property
    def _clients(self) -> list[Any]:
        return [*(to.client for to in self.rds.copies), self.rds.client]

    def _ours(self, client: Any) -> dict[str, Mapping[str, Any]]:
        return {
            str(one["DBSnapshotIdentifier"]): one
            for one in list_snapshots(client, self.rds.instance)
            if one.get("SnapshotType") == "manual"
            and tags_of(one).get(STORE) == self.rds.store
            and named_at(str(one["DBSnapshotIdentifier"]), self.rds.store)
        }

    def _named_at(self, name: str) -> datetime:
        moment = named_at(name, self.rds.store)
        assert moment
        return moment
