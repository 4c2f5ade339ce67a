"""Which backups on demand go, of those that Sluice had the service make of a store's tables.

Ours is what bears our name, with its moment, among the backups of the store's tables; what a person made is never touched.
Verified means that the service calls it available, of every table that the store had then. It gives no byte out: a drill of a
backup alone proves it, so the newest that one has brought back whole stays, whatever its age.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sluice.safety.documents.scratch import tables_under
from sluice.safety.documents.service import ServiceBackups
from sluice.safety.keeping.expiring import Holding
from sluice.safety.keeping.services import AtService
from sluice.safety.keeping.tiers import One
from sluice.stores.dynamodb.backups import delete_backup
from sluice.stores.dynamodb.client import NoSuchTable

GRACE = timedelta(days=1)


@dataclass(frozen=True)
class OnDemand:
    """The backups on demand that Sluice had made of the tables of one store."""

    driver: ServiceBackups
    proven: frozenset[str] = frozenset()
    """Those that a drill has brought back whole."""

    def look(self, now: datetime) -> AtService:
        """Tell what there is. Raises Throttled, DynamoDown, NoSuchTable, VaultDown. Read only."""
        made = self.driver.made()
        whole = [name for name, found in made.items() if self.driver.tables_then(name) <= found.keys()]
        taken = {name: self.driver.taken(name, found) for name, found in made.items()}
        ones = {name: One(name, taken[name].whole_at) for name in whole}
        return AtService(
            Holding(ones, frozenset(ones), proven=self.proven & ones.keys()),
            {name: taken[name].bytes for name in whole},
            sorted(name for name in made.keys() - set(whole) if now - taken[name].whole_at > GRACE),
        )

    def remove(self, backup: str) -> str | None:
        """Have one deleted, of every table; gives why it stays, where it does. Raises Throttled, DynamoDown, AccessDenied."""
        found = self.driver.made().get(backup, {})
        addresses = {table: str(one["BackupArn"]) for table, one in found.items()}
        if restored := self._restored_from(addresses.values()):
            return f"{restored} is brought back from it"
        client = self.driver.tables.clients.dynamodb
        stays = (delete_backup(client, table, address) for table, address in addresses.items())
        return next((why for why in stays if why), None)

    def _restored_from(self, addresses: Iterable[str]) -> str | None:
        """Name a copy that the service is making of one of these."""
        asked = set(addresses)
        for name in self.driver.scratches():
            for copy in tables_under(self.driver.tables.clients.dynamodb, name):
                if self._summary(copy).get("SourceBackupArn") in asked and self._summary(copy).get("RestoreInProgress"):
                    return copy
        return None

    def _summary(self, copy: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.driver.tables.described(copy).get("RestoreSummary", {})
        except NoSuchTable:  # it went this moment
            return {}
        return found
