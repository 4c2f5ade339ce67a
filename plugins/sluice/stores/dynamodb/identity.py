"""Which table it is that bears a name: another one may bear it tomorrow, and only its id tells them apart.

The only place of this package that deletes anything, and only the very table that was looked at before.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sluice.errors import Terminal, Transient
from sluice.stores.dynamodb.client import NoSuchTable, speaking


class OtherTable(Terminal):
    """The name belongs to another table than the one that was meant."""


class NotGone(Transient):
    """A table is being deleted, and that takes longer than we wait."""


@dataclass(frozen=True)
class TableIdentity:
    """One table of all that ever bore the name. `items` and `size` (bytes) are the service's, up to six hours old."""

    name: str
    id: str
    arn: str
    created: datetime
    items: int
    size: int
    protected: bool
    """Whether deletion protection is on."""

    def is_same(self, other: TableIdentity | None) -> bool:
        """Tell whether both are one table."""
        return other is not None and (self.id, self.created) == (other.id, other.created)


def identify(client: Any, name: str) -> TableIdentity | None:
    """Give the table that bears a name now, or None. Raises Throttled, DynamoDown, AccessDenied."""
    try:
        with speaking("describe", name):
            table = client.describe_table(TableName=name)["Table"]
    except NoSuchTable:
        return None
    return TableIdentity(
        name,
        table["TableId"],
        table["TableArn"],
        table["CreationDateTime"].astimezone(UTC),
        int(table.get("ItemCount", 0)),
        int(table.get("TableSizeBytes", 0)),
        bool(table.get("DeletionProtectionEnabled", False)),
    )


def delete_table(client: Any, table: TableIdentity, seconds: float = 600) -> None:
    """Delete this very table and wait until it is gone; nothing if it is. Raises OtherTable, NotGone, DynamoRefused."""
    found = identify(client, table.name)
    if found is None:
        return
    if not table.is_same(found):
        raise OtherTable(
            f"{table.name} is another table by now (made {found.created:%Y-%m-%d %H:%M}). It was not deleted."
        )
    with speaking("delete", table.name):
        client.delete_table(TableName=table.name)
    _wait(client, table, time.monotonic() + seconds)


def _wait(client: Any, table: TableIdentity, deadline: float) -> None:
    pause = 0.05
    while table.is_same(identify(client, table.name)):
        if time.monotonic() > deadline:
            raise NotGone(f"Table {table.name} is still being deleted. Run it again: what is done is left alone.")
        time.sleep(pause)
        pause = min(2 * pause, 5.0)
